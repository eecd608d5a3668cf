#!/usr/bin/perl
# A worker that stands still when sniport is told to stop is killed at the end of
# the time that there is. What it had is told of all the same: its tunnels, and
# the connections that waited for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;

use Sniport::Daemon;
use Sniport::Test qw(poll under_valgrind);
use Sniport::Tunnel qw(tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'valgrind has times of its own' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	top => 'workers = 1;', log => 'level = "info";',
	timeouts => 'drain = "1s"; watchdog = "60s";');
my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 8;
is(scalar(grep { works($_) } @tunnels), 8, 'tunnels');
my ($worker) = $daemon->workers;
kill 'STOP', $worker if $worker > 1;
my @waiting = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $daemon->port) } 1 .. 3;
is(scalar(grep { defined } @waiting), 3, 'connections wait for the worker');

$daemon->signal('TERM');
is($daemon->wait_end, 0, 'sniport ends well');
my $log = $daemon->log;
like($log, qr/worker 0\[$worker\] of generation 1: killed: it did not exit at the deadline$/m,
	'the worker was killed at the deadline');
is(scalar(() = $log =~ /: killed: /g), 1, 'and no other after it');
unlike($log, qr/serves what waits/, 'nobody was started for what waited');
like($log, qr/worker 0\[$worker\]: audit log: 8 lines that it left are passed on$/m,
	'the lines of its tunnels are written');
like($log, qr/3 connections that waited on its removed listeners are lost$/m,
	'those that waited are told of') or diag($log);

my %reason = map { (($_->{client_port} // 0) => $_->{reason}) } $daemon->audit;
is_deeply([ map { $reason{ $_->local_port } } @tunnels ],
	[ ('worker_died') x 8 ], 'each tunnel has its line');
is_deeply([ map { $reason{ $_->sockport } } @waiting ],
	[ ('worker_died') x 3 ], 'each connection that waited has one');
my %ids = map { ($_->{tunnel} => 1) } $daemon->audit;
is(scalar(keys %ids), 11, 'all have ids of their own');
my $count = ($daemon->counters)[-1];
is($count->{worker_died}, 11, 'they are counted');
is($count->{audit_dropped} // 0, 0, 'and none is dropped');
$daemon->stop_ok(name => 'nothing is left');

done_testing;
