#!/usr/bin/perl
# A worker may die in any moment, also in the one in which a connection comes to
# it: each connection that was accepted has its audit line and is counted once,
# and one that was not is served by others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Down qw(audited down served waiting);
use Sniport::Test qw(build poll slow temporary write_file);
use Sniport::Tunnel qw(finish name_of works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: a sanitizer comes before what is preloaded' if slow();

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my $dir = temporary();
my $when = "$dir/when";

sub daemon {
	write_file($when, '-');
	return Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		log => 'level = "info";', environment => { WINDOW_FILE => $when,
			LD_PRELOAD => build() . '/preload/window.so' }, @_);
}

# The library has the file mapped.
sub set {
	open my $file, '+<', $when or die "$when: $!";
	syswrite $file, $_[0];
	return;
}

# What the counters have: each connection once, with a reason.
sub counted_ok {
	my ($daemon, $n, $died) = @_;
	my $count = $daemon->count;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($count->{accepted}, $n, 'it is counted once');
	is($count->{worker_died} // 0, $died, 'with its reason');
	is($count->{audit_dropped} // 0, 0, 'and no line is dropped');
	my %ids = map { ($_->{tunnel} => 1) } $daemon->audit;
	is(scalar(keys %ids), $n, 'each tunnel has an id of its own');
	return;
}

subtest 'just accepted' => sub {
	my $daemon = daemon();
	my ($first) = waiting($daemon, 1, $name);
	is(served($first), 1, 'a tunnel before');
	audited($daemon, $first);
	set('a');
	my ($client) = waiting($daemon, 1, $name);
	my ($line) = audited($daemon, $client);
	is($line->{reason}, 'worker_died', 'its line says that the worker died');
	is($line->{client}, '127.0.0.1:' . $client->local_port,
		'the kernel has told who it was');
	is($line->{listener}, '127.0.0.1:' . $daemon->port, 'and the listener');
	ok(poll(sub { $daemon->log =~ /1 line that it left is passed on/ }),
		'it was left to others to write');
	ok(!$client->handshake, 'the client is reset');
	my ($last) = waiting($daemon, 1, $name);
	is(served($last), 1, 'a tunnel afterwards');
	is(scalar(audited($daemon, $last)), 1, 'has a line');
	counted_ok($daemon, 3, 1);
	$daemon->stop_ok;
};

subtest 'about to be accepted' => sub {
	my $daemon = daemon();
	set('b');
	my ($client) = waiting($daemon, 1, $name);
	is(served($client), 1, 'the next worker serves it');
	is(join(' ', map { $_->{reason} } audited($daemon, $client)), 'done',
		'it has one line');
	counted_ok($daemon, 1, 0);
	$daemon->stop_ok;
};

subtest 'just handed over' => sub {
	my $daemon = daemon(top => 'workers = 2;', timeouts =>
		'client_hello = "10m"; handshake = "10m"; watchdog = "60s";');
	my $n = 10;
	my @queued = down($daemon, 0, 4, sub {
		set('m');
		return waiting($daemon, $n, $name);
	});
	my $good = served(@queued);
	my @lines = audited($daemon, @queued);
	is(scalar(@lines), $n, 'each has a line');
	my %reasons;
	$reasons{ $_->{reason} }++ for @lines;
	is($reasons{done} // 0, $good, 'those that were served');
	cmp_ok($reasons{worker_died} // 0, '>=', 1, 'and one that was lost');
	is($good + $reasons{worker_died}, $n, 'at least');
	counted_ok($daemon, $n, $reasons{worker_died});
	$daemon->stop_ok;
};

done_testing;
