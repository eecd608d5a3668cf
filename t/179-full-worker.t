#!/usr/bin/perl
# Workers at their limit of open files, at which more connections wait than they
# have room for: when nobody else will serve these they are refused, each with
# its line, and none of the workers spins.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;

use Sniport::Daemon;
use Sniport::Test qw(poll under_valgrind);

plan skip_all => 'SKIPPED: valgrind keeps files for itself' if under_valgrind();

my $FILES = 300;
my $CLIENTS = 60;

# A daemon, and so many silent clients, each from an address of its own, of whom
# some are not accepted.
sub filled {
	my ($clients, %option) = @_;
	my $daemon = Sniport::Daemon->new(files => $FILES, %option);
	my @clients = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $daemon->port, LocalAddr => "127.0.1.$_")
		// die "connect: $!" } 1 .. $clients;

	ok(poll(sub { $daemon->log =~ /accepting paused: the limit on open files is near/ }),
		'accepting pauses');
	return ($daemon, @clients);
}

# Each client has one line, whatever became of it.
sub told_ok {
	my ($title, $daemon, $clients) = @_;
	my %lines;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll(sub {
		%lines = ();
		$lines{ $_->{client_address} // 0 }{ $_->{reason} }++ for $daemon->audit;
		return keys %lines >= $clients;
	});
	is_deeply([ grep {
		1 != keys %{ $lines{"127.0.1.$_"} // {} } } 1 .. $clients ], [],
		$title);
	cmp_ok(scalar(grep { $_->{limit_tunnels} } values %lines), '>', 0,
		'those without room by the reason for it');
	return;
}

my %limits = (limits => 'tunnels_per_client = 0;',
	timeouts => 'client_hello = "60s"; handshake = "60s"; drain = "500ms"; watchdog = "60s";');

for my $signal (qw(TERM QUIT)) {
	subtest "SIG$signal" => sub {
		my ($daemon, @clients) = filled($CLIENTS, %limits);

		$daemon->signal($signal);
		is($daemon->wait_end, 0, 'sniport ends well');
		told_ok('each client has its line', $daemon, $CLIENTS);
		$daemon->stop_ok;
	};
}

subtest 'a reload that removes the listener' => sub {
	my ($daemon, @clients) = filled($CLIENTS, %limits, listeners =>
		'{ address = "127.0.0.1:%PORT%"; }, { address = "127.0.0.1:%PORT_b%"; }');

	like($daemon->reload(listeners => '{ address = "127.0.0.1:%PORT_b%"; }'),
		qr/generation 2/, 'it takes');
	close $_ for @clients;
	told_ok('each client has its line', $daemon, $CLIENTS);
	$daemon->stop_ok;
};

subtest 'what a dead worker leaves to full ones' => sub {
	my ($daemon, @clients) = filled(2 * $CLIENTS, %limits,
		top => 'workers = 2;', timeouts => 'client_hello = "60s"; handshake = "60s";
			drain = "500ms"; watchdog = "1s";');
	my ($first) = $daemon->log =~ /worker 0\[(\d+)\]: ready/;

	# The second death has it wait.
	kill 'KILL', $first if $first > 1;
	ok(poll(sub { ($daemon->log =~ /worker 0\[(\d+)\]: ready/g)[-1] != $first }),
		'a worker is replaced');
	my $second = ($daemon->log =~ /worker 0\[(\d+)\]: ready/g)[-1];
	kill 'KILL', $second if $second > 1;
	ok(poll(sub { () = $daemon->log =~ /worker 0\[$second\].*signal 9/g }),
		'and dies again');
	# One pause is at least 100 ms long. Nothing tells that nothing spins, so
	# time has to pass; who spins pauses 100,000 times a second.
	my $before = $daemon->count->{accept_pauses};
	select undef, undef, undef, 3;
	cmp_ok($daemon->count->{accept_pauses} - $before, '<', 500,
		'the other one does not spin');
	close $_ for @clients;
	$daemon->stop_ok;
};

done_testing;
