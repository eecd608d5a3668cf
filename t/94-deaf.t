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

for my $word (qw(shut deaf)) {
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		top => 'workers = 2;', timeouts => 'watchdog = "2s";',
		log => 'level = "info";',
		environment => { LD_PRELOAD => build() . '/preload/maps.so' });
	# One without a tunnel would end by itself.
	my @kept = map { tunnel_open($daemon, $upstream) } 1 .. 12;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "$word.maps.test:443");
	ok($daemon->wait_log(qr/^maps $word: 0$/m),
		"$word: a worker does not read its messages");
	my ($deaf) = $daemon->log =~ /^maps $word\[(\d+)\] begins$/m;
	ok($daemon->wait_log(
		qr/worker \d\[$deaf\] of generation 1: killed: it takes no messages$/m),
		"$word: it is killed") or diag($daemon->log);
	ok(poll(sub {
		my @workers = $daemon->workers;
		return @workers == 2 && !grep { $_ == $deaf } @workers;
	}), "$word: and replaced");
	my @more = map { tunnel_open($daemon, $upstream) } 1 .. 12;
	is(scalar(grep { works($_) } @more), 12, "$word: all connections are served");
	is(scalar(() = $daemon->log =~ /: killed: /g), 1, "$word: no other is killed");
	finish($_) for @kept, @more;
	$daemon->stop_ok(name => "$word: sniport stops");
}

done_testing;
