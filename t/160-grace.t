#!/usr/bin/perl
# timeouts.grace: a stop that goes on serving until all have heard of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(ask);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

subtest 'all goes on' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, timeouts => 'grace = "10m";');
	is((ask($daemon, '/readyz'))[0], 200, '/readyz says yes');
	my $old = tunnel_open($daemon, $upstream);
	ok(works($old), 'a tunnel is open');
	$daemon->signal('TERM');
	my $told = $daemon->wait_notify(qr/^STOPPING=1$/m) // '';
	like($told, qr/^STATUS=Stopping, still serving: 1 worker, /m,
		'the service manager is told');
	ok($daemon->wait_notify(qr/^EXTEND_TIMEOUT_USEC=\d+$/m), 'and asked for time');
	ok($daemon->wait_log(qr/ notice master\S+ stop: accepting for another 600s, then draining$/m),
		'the error log has it');
	is_deeply([ (ask($daemon, '/readyz'))[0, 1] ], [ 503, "stopping\n" ],
		'/readyz says no');
	my $new = tunnel_open($daemon, $upstream);
	ok(works($new) && finish($new), 'a client that comes is served');
	is($daemon->wait_audit->{reason}, 'done', 'to the end');
	ok(works($old), 'the other tunnel is left alone');

	my ($worker) = $daemon->workers;
	kill 'KILL', $worker;
	is($daemon->wait_audit->{reason}, 'worker_died', 'a worker dies');
	$new = tunnel_open($daemon, $upstream);
	ok(works($new), 'another one takes its place');
	$daemon->signal('HUP');
	ok($daemon->wait_log(qr/ reload: ignored: sniport is stopping$/m),
		'there is no reload any more');
	unlike($daemon->log, qr/: draining/, 'nobody drains');

	$daemon->signal('TERM');
	is($new->wait_end, 'reset', 'told once more it stops at once');
	is($daemon->wait_audit->{reason}, 'stopped', 'and says so of the tunnel');
	$daemon->stop_ok;
};

subtest 'then it drains' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, timeouts =>
		'grace = "100ms"; drain = "10m";');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel is open');
	$daemon->signal('TERM');
	ok($daemon->wait_notify(qr/^STOPPING=1\nSTATUS=Draining$/m),
		'the service manager is told');
	ok($daemon->wait_log(qr/ accepting for another 100ms, then draining\n(?:.*\n)*.* stop: draining 1 tunnel for at most 600s$/m),
		'so is whoever reads the error log');
	ok(poll(sub { (Sniport::Client->open(port => $daemon->port)->ended // '') eq
		'refused' }), 'nobody is accepted any more');
	ok(works($client) && finish($client), 'the tunnel comes to its end');
	is($daemon->wait_audit(sub { $_->{client_port} == $client->local_port })->{reason},
		'done', 'which its line says');
	$daemon->stop_ok;
};

subtest 'a reload that was asked for before' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, timeouts => 'grace = "10m";');
	$daemon->signal('STOP');
	$daemon->signal($_) for qw(HUP TERM CONT);
	ok($daemon->wait_log(qr/ reload: given up: sniport is stopping$/m),
		'does not come about');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'clients are served');
	is($daemon->wait_audit->{generation}, 1, 'by the generation that there was');
	$daemon->stop_ok;
};

done_testing;
