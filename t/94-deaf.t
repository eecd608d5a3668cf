#!/usr/bin/perl
# A worker that takes no messages any more, though its heart beats, is ended like
# one that stands still: nobody could tell it to drain, and what waits for it
# would wait for ever.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(build poll slow);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'a sanitizer and valgrind have no sandbox to be tried'
    if slow();

my $upstream = Sniport::Upstream->new('echo');

# It cannot shut down its channel from the master.
{
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		environment => { LD_PRELOAD => build() . '/preload/maps.so' });
	my $client = Sniport::Client->new(port => $daemon->port,
		name => 'shut.maps.test:443');
	ok($daemon->wait_log(qr/died: signal 31 \(Bad system call\)/),
		'shut: the worker is ended') or diag($daemon->log);
	my $next = tunnel_open($daemon, $upstream);
	ok(works($next) && finish($next), 'shut: another one serves');
	$daemon->stop_ok(name => 'shut: sniport stops');
}

{
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		top => 'workers = 2;', timeouts => 'watchdog = "2s";',
		log => 'level = "info";',
		environment => { LD_PRELOAD => build() . '/preload/maps.so' });
	# One without a tunnel would end by itself.
	my @kept = map { tunnel_open($daemon, $upstream) } 1 .. 12;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "deaf.maps.test:443");
	ok($daemon->wait_log(qr/^maps deaf: 0$/m),
		"deaf: a worker does not read its messages");
	my ($deaf) = $daemon->log =~ /^maps deaf\[(\d+)\] begins$/m;
	ok($daemon->wait_log(
		qr/worker \d\[$deaf\] of generation 1: killed: it takes no messages$/m),
		"deaf: it is killed") or diag($daemon->log);
	ok(poll(sub {
		my @workers = $daemon->workers;
		return @workers == 2 && !grep { $_ == $deaf } @workers;
	}), "deaf: and replaced");
	my @more = map { tunnel_open($daemon, $upstream) } 1 .. 12;
	is(scalar(grep { works($_) } @more), 12, "deaf: all connections are served");
	is(scalar(() = $daemon->log =~ /: killed: /g), 1, "deaf: no other is killed");
	finish($_) for @kept, @more;
	$daemon->stop_ok(name => "deaf: sniport stops");
}

done_testing;
