#!/usr/bin/perl
# What a burst of tunnels took goes back to the system when they have ended,
# though others go on and a few a second begin; and it goes back in pieces, so
# that none of them waits for all of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(build deadline poll readable run slow sniport temporary
	usage write_file);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: a sanitizer and valgrind keep what is freed' if slow();

my $BURST = 3000;
my $PIECE = 2**20;
my $jemalloc = (run('ldd', sniport()))[1] =~ /jemalloc/;

my $dir = temporary();
my $pages = "$dir/pages";
write_file($pages, "\0" x 16);

my $upstream = Sniport::Upstream->new('echo');
# A heartbeat every 500 ms.
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	files => 8000, limits => 'tunnels_per_client = 0;',
	timeouts => 'client_hello = "60s"; handshake = "60s"; turn = "60s"; watchdog = "2s";',
	environment => { LD_PRELOAD => build() . '/preload/pages.so',
		PAGES_FILE => $pages });
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

# The most of the heap that went back at once, and all that did.
sub given {
	open my $file, '<:raw', $pages or die "$pages: $!";
	read $file, my $numbers, 16;
	return unpack 'Q2', $numbers;
}

sub serves {
	my $client = tunnel_open($daemon, $upstream);

	return works($client) && finish($client);
}

my @old = map { tunnel_open($daemon, $upstream) } 1 .. 20;
is(scalar(grep { works($_) } @old), 20, 'tunnels that are there before');
my $before = usage($worker)->{memory};
# Each in the midst of its handshake, towards a port on which nobody listens.
my $hello = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => 'peer.test:1'));
my @burst = map { Sniport::Client->open(port => $daemon->port) } 1 .. $BURST;
syswrite $_->socket, $hello for @burst;
is(scalar(grep { readable($_->socket, deadline()) } @burst), $BURST,
	'a burst of clients that have the answer to their hello');
my $most = usage($worker)->{memory};
cmp_ok($most - $before, '>', $BURST * 4096, 'they take memory');
cmp_ok(table(), '>=', $BURST * 512, 'a slot of each in the table of tunnels');
cmp_ok(table(), '<', $BURST * 512 + 65536, 'and no more');
my $all = (given())[1];
$_->reset for @burst;

# There is always something new between two heartbeats.
my $served = 0;
my $last;
my $back = poll(sub {
	$served++ if serves();
	$last = usage($worker)->{memory};
	return $last - $before < 0.1 * ($most - $before);
});
ok($back, 'nine tenths go back meanwhile')
    or diag("of $most bytes $last are left, there were $before");
ok(poll(sub { serves() && table() <= 32768 }), 'so do the slots');
cmp_ok($served, '>', 0, 'others are served');
is(scalar(grep { works($_) && finish($_) } @old), 20,
	'and those from before go on');

SKIP: {
	skip 'SKIPPED: only jemalloc gives memory back in pieces', 2
	    unless $jemalloc;
	my ($largest, $now) = given();
	cmp_ok($now - $all, '>', 0.5 * ($most - $before),
		'it was the heap that went back');
	cmp_ok($largest, '<=', $PIECE, 'in pieces');
}
$daemon->stop_ok;

done_testing;
