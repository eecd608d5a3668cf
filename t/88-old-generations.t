#!/usr/bin/perl
# What is left of an old generation while its tunnels live: its workers, and the
# few terms that the master watches over them by. Its configuration is gone, and
# is not missed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll run slow sniport usage);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my @hosts = (hosts => "127.0.0.1 peer.test\n");

sub rule {
	my ($called) = @_;

	return qq({ name = "$called"; action = "allow"; destinations = [ "*:*" ];
		networks = [ "127.0.0.0/8" ]; });
}

subtest 'a worker of it dies' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 1;',
		rules => rule('as it was called'));
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel is open');
	my ($old) = $daemon->workers;
	$daemon->reload(rules => rule('as it is called now'),
		listeners => '{ address = "127.0.0.1:%PORT_b%"; }, { address = "127.0.0.1:%PORT%"; }');
	ok(works($client), 'it lives on after a reload');
	kill 'KILL', $old;
	my $line = $daemon->wait_audit(sub { $_->{reason} eq 'worker_died' });
	is($line->{rule}, 'as it was called', 'its line names the rule of its configuration');
	is($line->{listener}, '127.0.0.1:' . $daemon->port, 'and the listener');
	ok($daemon->wait_log(qr/generation 1: gone/), 'then nothing is left of it');
	my $next = tunnel_open($daemon, $upstream);
	ok(works($next) && finish($next), 'others do not notice');
	is($daemon->wait_audit->{rule}, 'as it is called now', 'and have their own names');
	$daemon->stop_ok;
};

subtest 'it stands still' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 1;',
		timeouts => slow() ? 'watchdog = "5s";' : 'watchdog = "1s";');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel is open');
	my ($old) = $daemon->workers;
	$daemon->reload(timeouts => 'watchdog = "10m";');
	kill 'STOP', $old;
	ok($daemon->wait_log(qr/ worker 0\[$old\] of generation 1: killed: its heartbeat stood still/),
		'the time that counts is that of its own configuration');
	is($daemon->wait_audit->{reason}, 'worker_died', 'its tunnel has its line');
	$daemon->stop_ok;
};

subtest 'memory' => sub {
	plan skip_all => 'SKIPPED: only jemalloc is asked to give memory back'
	    if slow() || (run('ldd', sniport()))[1] !~ /jemalloc/;
	my @rules = map { qq({ name = "rule-$_"; action = "allow";
		destinations = [ "host-$_.department.example.com:443" ]; }) } 1 .. 20_000;
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 1;',
		rules => join(",\n", @rules, rule('all')));
	my $first = usage($daemon->pid)->{memory};
	my @clients;
	for (1 .. 4) {
		push @clients, tunnel_open($daemon, $upstream);
		$daemon->reload;
	}
	is(scalar(grep { works($_) } @clients), 4, 'four old ones have a tunnel');
	my $now;
	ok(poll(sub { ($now = usage($daemon->pid)->{memory}) < $first * 1.5 }),
		'the master does not keep their configurations')
	    or diag("$first before, $now now");
	note("$first before, $now now");
	finish($_) for @clients;
	$daemon->stop_ok;
};

done_testing;
