#!/usr/bin/perl
# What a burst of tunnels took goes back to the system when they have ended,
# though a few connections a second go on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline poll slow usage);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: a sanitizer and valgrind keep what is freed' if slow();

my $upstream = Sniport::Upstream->new('echo');
# A heartbeat every 500 ms.
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	files => 8000, timeouts => 'client_hello = "60s"; handshake = "60s"; watchdog = "2s";');
my ($worker) = $daemon->workers;

# How much of the table of its tunnels the worker has in memory.
sub table {
	open my $maps, '<', "/proc/$worker/smaps" or die "smaps: $!";
	my ($there, $size) = (0, 0);

	while (<$maps>) {
		$there = /sniport-table/ if /^[0-9a-f]+-[0-9a-f]+ /;
		$size += $1 if $there && /^Rss:\s+(\d+) kB/;
	}
	return 1024 * $size;
}

sub serves {
	my $client = tunnel_open($daemon, $upstream);

	return works($client) && finish($client);
}

ok(serves(), 'a tunnel');
my $before = usage($worker)->{memory};
# Each in the midst of its handshake, towards a port on which nobody listens.
my @burst = map { Sniport::Client->open(port => $daemon->port,
	name => 'peer.test:1') } 1 .. 1500;
$_->begin for @burst;
ok(poll(sub { table() >= 1500 * 512 }),
	'a burst takes memory, a slot of each in the table of tunnels');
my $most = usage($worker)->{memory};
cmp_ok($most - $before, '>', 1500 * 4096, 'among it');
cmp_ok(table(), '<', 1500 * 512 + 65536, 'and no more');
$_->reset for @burst;

# There is always something new between two heartbeats.
my $served = 0;
my $last;
my $back = poll(sub {
	$served++ if serves();
	$last = usage($worker)->{memory};
	return $last - $before < 0.3 * ($most - $before);
});
ok($back, 'it goes back meanwhile')
    or diag("of $most bytes $last are left, there were $before");
ok(poll(sub { serves() && table() <= 32768 }), 'so do the slots');
cmp_ok($served, '>', 0, 'others are served');
$daemon->stop_ok;

done_testing;
