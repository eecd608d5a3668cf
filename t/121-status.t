#!/usr/bin/perl
# sniport status: how a running service is, in one command.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOCK_STREAM);

use Sniport::Admin qw(ask);
use Sniport::Daemon;
use Sniport::Test qw(poll run sniport);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	top => 'workers = 2;', timeouts => 'retire = "0";');
my $dir = $daemon->dir;
my $socket = "$dir/control.sock";
my @config = ('-c', "$dir/sniport.conf");

sub status {
	my ($code, $text) = run(sniport(), @config, 'status', '--json');

	return $code == 0 ? decode_json($text) : { text => $text };
}

# Waits for what the admin process that a reload has started says.
sub status_with {
	my ($name, $value) = @_;

	my $got;
	poll(sub { $got = status(); ($got->{$name} // '') eq $value });
	is($got->{$name}, $value, "$name is $value") or diag(explain $got);
	return $got;
}

my $s = status_with(workers_up => 2);
is($s->{phase}, 'running', 'it runs');
is($s->{generation}, 1, 'the first generation');
is($s->{workers}, 2, 'two workers');
is($s->{tunnels}, 0, 'no tunnel');
ok(!$s->{reload_failed}, 'no reload has failed');
like($s->{$_}, qr/^20\d\d-\d\d-\d\dT[\d:.]+Z$/, $_) for qw(started loaded);
is(scalar(@{ $s->{certificates} }), 1, 'one certificate');
my $certificate = $s->{certificates}[0];
is($certificate->{file}, "$dir/tls.pem", 'its file');
is($certificate->{kind}, 'certificate', 'its kind');
ok($certificate->{valid}, 'it is valid');
cmp_ok($certificate->{days_left}, '>', 0, 'for some days');
is_deeply($s->{name_servers}, [ { server => '127.0.0.1:9', state => 'answers',
	workers => 2, workers_answered => 2, asked => 0, unanswered => 0 } ],
	'the name server');

my ($code, $text) = run(sniport(), @config, 'status');
is($code, 0, 'as text');
like($text, qr/^sniport:    \S+, running, started at 20.*
generation: 1, loaded at 20.*
reloads:    0 done, 0 failed
workers:    2 of 2 up; 0 died
tunnels:    0 open, 0 of them in old generations, of which there are 0
tls:        \Q$dir\E\/tls\.pem: certificate 1 expires in \d+ days, on 20\S+Z
dns:        127\.0\.0\.1:9 answers; 0 questions, 0 of them unanswered\n\z/,
	'which is for people');

my $client = tunnel_open($daemon, $upstream);
$s = status_with(tunnels => 1);
is($s->{tunnels_old}, 0, 'in the current generation');

$daemon->reload(log => 'level = "info";');
$s = status_with(generation => 2);
$s = status_with(tunnels_old => 1);
is($s->{reloads}, 1, 'a reload took');
is($s->{tunnels}, 1, 'and the tunnel goes on');
is($s->{old_generations}, 1, 'in an old generation');
ok(works($client) && finish($client), 'which works');

# One that fails is seen, and the command works though the file is wrong.
$daemon->reload(log => 'levle = "info";');
poll(sub {
	((run(sniport(), '--control', $socket, 'status'))[1] // '') =~
	    /the last one failed/;
});
($code, $text) = run(sniport(), '--control', $socket, 'status');
is($code, 0, 'a socket that is named');
like($text, qr/^generation: 2,/m, 'the generation stays');
like($text, qr/^reloads:    1 done, 1 failed; the last one failed/m,
	'a reload that failed is told');
($code, $text) = run(sniport(), @config, 'status');
is($code, 0, 'a file that is wrong says where to ask all the same');
like($text, qr/failed at 20\S+Z\n +error: \Q$dir\E\S+: log\.levle: /,
	'and why the reload failed is told');
$s = decode_json((ask($daemon, '/status'))[1]);
is($s->{load_errors}, 1, 'as JSON: how many errors there are');
like($s->{load_findings}[0], qr/^error: .*log\.levle: /, 'and which');
$daemon->write('sniport.conf', "admin = {\n");
($code, $text) = run(sniport(), @config, 'status');
is($code, 2, 'one that is no configuration does not');
like($text, qr/sniport\.conf:\d+: .*\n.*give the socket with --control$/s,
	'which is told');
is((ask($daemon, '/status?format=xml'))[0], 400, 'a format that is not there');
is((ask($daemon, '/status?%'))[0], 400, 'a query that is malformed');
$daemon->stop_ok;

($code, $text) = run(sniport(), '--control', $socket, 'status');
is($code, 2, 'a service that is not there');
like($text, qr/^sniport: \Q$socket\E: .*; is sniport running\?$/, 'is told so');
is((run(sniport(), '--control', '/' x 200, 'status'))[0], 2,
	'a path that is too long');

# Others may sit on that socket.
sub answered {
	my ($bytes) = @_;
	my $path = "$dir/other.sock";
	unlink $path;
	my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path,
		Listen => 1) or die "$path: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		my $peer = $listener->accept;
		sysread $peer, my $request, 4096;
		syswrite $peer, $bytes;
		close $peer;
		POSIX::_exit(0);
	}
	my @got = run(sniport(), '--control', $path, 'status');
	waitpid $pid, 0;
	return @got;
}

is_deeply([ answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi\n") ],
	[ 0, "hi\n" ], 'a whole answer');
is_deeply([ answered("HTTP/1.1 200 OK\r\n\r\nhi\n") ], [ 0, "hi\n" ],
	'one that goes on until the end');
my $chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n";
is_deeply([ answered("$chunks\r\n2\r\nyo\r\n0\r\n\r\n") ], [ 0, "hi\nyo" ],
	'one in chunks');
for (
	[ 'a chunk that is cut', substr($chunks, 0, -1), qr/cut short/ ],
	[ 'chunks without the last one', "$chunks\r\n", qr/cut short/ ],
	[ 'a chunk of no size', "$chunks\r\nx\r\n", qr/cut short/ ],
	[ 'one that is cut', "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi\n",
		qr/cut short/ ],
	[ 'another status', "HTTP/1.1 503 No\r\n\r\nnot now\n",
		qr/answered 503: not now/ ],
	[ 'what is not HTTP', "hello\r\n\r\n", qr/Protocol error/ ],
	[ 'nothing', '', qr/Protocol error/ ],
	[ 'a head without end', "HTTP/1.1 200 OK\r\nA: " . 'a' x 9000,
		qr/Protocol error|reset/ ],
) {
	my ($name, $bytes, $says) = @$_;
	my ($code, $text) = answered($bytes);
	is($code, 2, "$name: is an error");
	like($text, $says, "$name: is told");
}

done_testing;
