#!/usr/bin/perl
# What a dead worker has left while its log stands still: the scribe that writes
# it is at work before an upgrade, and after it, and each line is there once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Fcntl qw(F_SETPIPE_SZ);
use IO::Socket::INET;
use JSON::PP ();

use Sniport::Daemon;
use Sniport::Test qw(deadline poll readable under_valgrind);

plan skip_all => 'SKIPPED: valgrind is the program then' if under_valgrind();

my $N = 60;

# A pipe that holds little.
pipe(my $r, my $w) or die "pipe: $!";
fcntl($w, F_SETPIPE_SZ, 4096) or die "F_SETPIPE_SZ: $!";
my $daemon = Sniport::Daemon->new(stdout => $w,
	timeouts => 'client_hello = "10m"; handshake = "10m"; drain = "1s";',
	log => 'level = "info"; access = "stdout";');
close $w;

my @clients = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $daemon->port) // die "connect: $!" } 1 .. $N;
poll(sub { ($daemon->count->{accepted} // 0) == $N }) or die $daemon->log;
my $pid = $daemon->worker(0);
kill 'KILL', $pid;
ok($daemon->wait_log(qr/worker 0\[$pid\] of generation 1: died/),
	'a worker with tunnels dies');
my $scribe = poll(sub {
	my ($one) = $daemon->scribes;
	return $one && (Sniport::Daemon::waiting($one))[1] eq 'S' && $one;
});
ok($scribe, 'a scribe waits for the log');
like($daemon->upgrade, qr/^Serving: 1 worker.*generation 2$/, 'an upgrade');
is_deeply([ $daemon->scribes ], [ $scribe ], 'the scribe is still there');

my $text = '';
my $deadline = deadline();
my $lines = 0;
while ($lines < $N && readable($r, $deadline)) {
	sysread $r, $text, 65536, length $text or last;
	$lines = () = $text =~ /\n/g;
}
my @lines = map { JSON::PP::decode_json($_) } $text =~ /^(.*)\n/mg;
is(scalar(grep { $_->{reason} eq 'worker_died' } @lines), $N,
	'then the log takes lines: all are there');
my %tunnel = map { ($_->{tunnel} => 1) } @lines;
is(scalar keys %tunnel, $N, 'each once');
ok(poll(sub { !$daemon->scribes }), 'and the scribe has ended');
ok($daemon->wait_log(qr/worker 0\[$pid\]: audit log: $N lines that it left are passed on/),
	'as the log says');
is($daemon->count->{worker_died}, $N, 'they are counted');
$daemon->stop_ok;
done_testing;
