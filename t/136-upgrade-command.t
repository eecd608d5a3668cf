#!/usr/bin/perl
# sniport upgrade waits until the new program serves, or says why it does not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Sniport::Daemon;
use Sniport::Program qw(running);
use Sniport::Test qw(build poll run sanitized sniport under_valgrind write_file);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: valgrind is the program then' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my $program = Sniport::Program->new;
my ($dir, $path) = ($program->dir, $program->path);
my $first = $program->inode;
my $daemon = Sniport::Daemon->new(program => $program->path,
	hosts => "127.0.0.1 peer.test\n", log => 'level = "info";',
	environment => {
		LD_PRELOAD => build() . '/preload/takeover.so',
		TAKEOVER_FAILS => "$dir/fails",
		sanitized() ? (ASAN_OPTIONS => join ':',
			$ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0') : () });
my $tunnel = tunnel_open($daemon, $upstream);

# The command, and its exit status.
sub upgrade {
	return run(sniport(), '-c', $daemon->dir . '/sniport.conf', 'upgrade', @_);
}

my ($status, $text) = upgrade();
is($status, 0, 'it takes');
like($text, qr/^sniport: notice: upgrade: sniport \S+ has taken over from \S+$/m,
	'who has taken over');
like($text, qr/^sniport: reload: done in \d+ ms, 1 worker, .*generation 2$/m,
	'what serves now');
my $second = $program->install;
($status, $text) = upgrade('--json');
is($status, 0, 'once more, in JSON');
my $said = JSON::PP::decode_json($text);
is($said->{result}, 'done', 'the result');
is($said->{generation}, 3, 'the generation');
is(running($daemon), $second, 'another program runs');

unlink $program->path;
($status, $text) = upgrade();
is($status, 1, 'no program: it fails');
like($text, qr/upgrade: failed: \Q$path\E: No such file or directory: sniport \S+ goes on$/m,
	'and says why');

$program->install;
$daemon->configure(rules => '{ name = "broken"; action = "perhaps"; }');
($status, $text) = upgrade();
is($status, 1, 'a wrong configuration: it fails');
like($text, qr/: rules\.action: "perhaps" is not/, 'and says what is wrong');
like($text, qr/^sniport: reload: failed after \d+ ms: generation 3 goes on$/m,
	'and what goes on');
$daemon->configure(rules => '{ name = "test"; action = "allow";
	destinations = [ "*:*" ]; networks = [ "127.0.0.0/8" ]; }');

write_file("$dir/fails", 'crash');
($status, $text) = upgrade();
is($status, 1, 'a program that crashes as it takes over: it fails');
like($text, qr/upgrade: failed: it crashed, or stood still, as it took over/,
	'and says so');
ok($daemon->wait_log(qr/upgrade: sniport \S+ serves again/),
	'the program before serves');
is(running($daemon), $second, '... which it is');

my $taken = IO::Socket::INET->new(Proto => 'tcp', LocalAddr => '127.0.0.1',
	ReusePort => 1, Listen => 1) or die "listen: $!";
my $address = '127.0.0.1:' . $taken->sockport;
$daemon->configure(listeners => qq({ address = "127.0.0.1:%PORT%"; },
	{ address = "$address"; }));
($status, $text) = upgrade();
is($status, 1, 'a first generation that comes to nothing: it fails');
like($text, qr/: listeners\.address: \Q$address\E: bind: Address already in use/,
	'and says why');
ok($daemon->wait_log(qr/until a reload succeeds no worker that dies is replaced/),
	'the program before is run again');
close $taken;
($status, $text) = upgrade();
is($status, 0, 'when all is well it takes');
ok(works($tunnel) && finish($tunnel), 'a tunnel has gone on all the time');

# All of them come while the first one is under way, or soon after.
my @commands = map {
	open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', sniport(), '-c',
	    $daemon->dir . '/sniport.conf', $_ or die "$_: $!";
	$pipe;
} qw(upgrade reload upgrade reload);
for my $pipe (@commands) {
	my $said = join '', <$pipe>;
	ok(close $pipe, 'commands at once: each is answered') or diag($said);
}

$daemon->stop_ok;
($status, $text) = upgrade();
is($status, 2, 'without a service: it cannot be asked');
done_testing;
