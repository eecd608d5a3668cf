#!/usr/bin/perl
# An admin process that was broken into: what it may not do ends it, another one
# takes its place, and no tunnel notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(ask connect_admin pid_of);
use Sniport::Daemon;
use Sniport::Test qw(build slow);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'a sanitizer and valgrind have no sandbox to be tried'
    if slow();

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	log => 'level = "info";',
	environment => { LD_PRELOAD => build() . '/preload/violate.so' });
my $client = tunnel_open($daemon, $upstream);

for my $word (qw(execve fork ptrace kill write create netlink raw listen bind
	map-code memfd setuid pass reuse-port process-read dup file-mode deafen)) {
	my $pid = pid_of($daemon);
	my $socket = connect_admin($daemon);
	# What t/preload/violate.c has it do when it reads that.
	syswrite $socket, "GET / HTTP/1.1\r\nHost: $word.violate.test\r\n\r\n";
	ok($daemon->wait_log(
		qr/ admin\[$pid\]: died: signal \d+ \(Bad system call\)/),
		"$word: ends it") or diag($daemon->log);
	# Its successor comes later each time, but not after a reload.
	$daemon->reload;
	is((ask($daemon, '/readyz'))[0], 200, "$word: another one answers");
}
ok(works($client) && finish($client), 'a tunnel went on all the time');
is(scalar(() = $daemon->log =~ /worker \d+\[\d+\] of generation \d+: died/g), 0,
	'and no worker died');
$daemon->stop_ok;
done_testing;
