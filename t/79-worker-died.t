#!/usr/bin/perl
# A tunnel whose worker died has its audit line all the same, with what was last
# known of it, and so has one whose line had not left its worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(build poll);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon;

sub start {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		log => 'level = "info";', @_);
	return;
}

# The lines of this client, when there is one.
sub lines_of {
	my ($client) = @_;
	my $port = $client->local_port;

	return @{ poll(sub {
		my @lines = grep { ($_->{client_port} // 0) == $port } $daemon->audit;
		return @lines ? \@lines : undef;
	}) || [] };
}

sub die_now {
	my ($worker) = $daemon->workers;

	kill 'KILL', $worker;
	poll(sub { my ($new) = $daemon->workers; $new && $new != $worker });
	return $worker;
}

{
	start();
	my $done = tunnel_open($daemon, $upstream);
	works($done) && finish($done);
	my @open = map { tunnel_open($daemon, $upstream) } 1 .. 20;
	is(scalar(grep { works($_, 5000) } @open), 20, "tunnels");
	my $silent = Sniport::Client->open(port => $daemon->port,
		name => 'peer.test:1');
	ok(poll(sub { $daemon->count->{accepted} == 22 }), "one is silent");
	my $worker = die_now();
	ok($daemon->wait_log(
		qr/info master\[\d+\]: worker 0\[$worker\]: audit log: 21 lines that it left are passed on/),
		"the log says that the lines are written") or
	    diag($daemon->log);
	is($open[0]->wait_end, 'reset', "the client sees a reset");
	my @lines = map { lines_of($_) } @open;
	is(scalar(@lines), 20, 'each tunnel has one line');
	is_deeply([ grep { $_->{reason} ne 'worker_died' ||
		$_->{closed_first} ne 'sniport' || $_->{event} ne 'end' } @lines ],
		[], 'which says that the worker died');
	cmp_ok((grep { ($_->{bytes_from_client} // 0) >= 5000 &&
		($_->{bytes_from_upstream} // 0) >= 5000 } @lines), '==', 20,
		'with the bytes that had moved');
	is_deeply([ grep { $_->{server_name} ne 'peer.test:' . $upstream->port ||
		($_->{upstream} // '') ne '127.0.0.1:' . $upstream->port }
		@lines ], [], 'and whither they went');
	my %ids = map { ($_->{tunnel} => 1) } @lines;
	is(scalar(keys %ids), 20, 'and an id of its own');
	is((lines_of($silent))[0]{reason}, 'worker_died',
	'one that had sent nothing has a line, too');
	is((lines_of($done))[0]{reason}, 'done', 'the one before has its own');
	my $count = $daemon->count;
	is($count->{worker_died}, 21, "they are counted");
	is($count->{audit_dropped} // 0, 0, "and none is dropped");
	my $next = tunnel_open($daemon, $upstream);
	ok(works($next) && finish($next), "another worker serves");
	ok(!$ids{ (lines_of($next))[0]{tunnel} },
		'and gives no tunnel an id that there was');
	$daemon->stop_ok(name => "sniport stops");
}

# An old generation stays until the lines of its last worker are written.
start();
my $old = tunnel_open($daemon, $upstream);
works($old);
my ($worker) = $daemon->workers;
$daemon->reload;
kill 'KILL', $worker;
is((lines_of($old))[0]{reason}, 'worker_died', 'old generation: a line');
ok($daemon->wait_log(qr/generation 1: gone/), 'old generation: then it is gone');
$daemon->stop_ok(name => 'old generation: sniport stops');

# All workers die while sniport stops.
start(top => 'workers = 2;');
my @open = map { tunnel_open($daemon, $upstream) } 1 .. 6;
is(scalar(grep { works($_) } @open), 6, 'stop: tunnels');
my @workers = $daemon->workers;
$daemon->signal('TERM');
ok($daemon->wait_log(qr/draining/), 'stop: it drains');
kill 'KILL', @workers;
is_deeply([ map { $_->{reason} } map { lines_of($_) } @open ],
	[ ('worker_died') x 6 ], 'stop: each has a line');
$daemon->stop_ok(name => 'stop: sniport stops');

done_testing;
