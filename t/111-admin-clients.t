#!/usr/bin/perl
# Clients of the admin process that are slow, many, or wrong: they harm neither
# each other nor anybody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(answer ask connect_admin pid_of request);
use Sniport::Daemon;
use Sniport::Test qw(deadline poll readable);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	log => 'level = "info";', timeouts => 'watchdog = "10m";',
	admin => 'address = "127.0.0.1:%PORT_http%";');
my $http = $daemon->port('http');
my $pid = pid_of($daemon);

# More of them than there is room for.
my @silent = map { connect_admin($_ % 2 ? $http : $daemon) } 1 .. 100;
is(scalar(grep { $_ } @silent), 100, 'a hundred that send nothing');
is((ask($_, '/readyz'))[0], 200, 'others are answered all the same')
    for $http, $daemon;
is(readable($silent[0], deadline()) ? sysread($silent[0], my $byte, 1) : -1, 0,
	'the one that was silent for the longest time is closed');
my @slow = map { connect_admin($http) } 1 .. 40;
syswrite $_, "GET /healthz HTTP/1.1\r\nHost: " for @slow;
is((ask($http, '/readyz'))[0], 200, 'and beside those that send half a request');
syswrite $slow[-1], "x\r\n\r\n";
is((answer($slow[-1]))[0], 200, 'which are answered when they send the rest');

# Who does not read what he has asked for.
my @deaf = map { connect_admin($daemon) } 1 .. 31;
syswrite $_, request('/metrics') for @deaf;
is((ask($daemon, '/readyz'))[0], 200, 'and beside those that read nothing');

# Requests that are none.
for my $wrong ("\0" x 100, "\x16\x03\x01\x02\0", "GET /\n\n", 'A' x 10_000,
	"GET / HTTP/1.1\r\n" . "X: y\r\n" x 100 . "\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n" . 'X' x 9_000) {
	my $socket = connect_admin($http);
	syswrite $socket, $wrong;
	my ($status) = answer($socket);
	like($status, qr/^4/, 'what is no request is refused');
}
my $socket = connect_admin($http);
syswrite $socket, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
is((answer($socket))[0], 413, 'a body is refused, and that is heard');

# What comes behind a request does not cut its answer.
$socket = connect_admin($http);
syswrite $socket, request('/metrics') . 'x' x 50_000;
my ($status, undef, $field) = answer($socket);
is($status, 200, 'an answer comes whole though more was sent');
ok(!$field->{cut}, 'to its last byte');

my $client = tunnel_open($daemon, $upstream);
ok(works($client) && finish($client), 'a tunnel comes about meanwhile');
is(pid_of($daemon), $pid, 'and it is the same process all the time');
unlike($daemon->log, qr/admin\[\d+\]: (?:died|killed)/, 'which did not die');
undef $_ for @silent, @slow, @deaf;
$daemon->stop_ok;
done_testing;
