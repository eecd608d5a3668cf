#!/usr/bin/perl
# Nobody takes the resolution of names away from others: not a client that asks
# for many names, nor one that asks for long answers, nor a name server that is
# silent, dead, or ends its connections.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Test qw(poll);

my $upstream = listen_on('127.0.0.2')->{'127.0.0.2'};
my $port = $upstream->port;
my $good = { A => ['127.0.0.2'] };
my @done = (reason => 'done', tried => ["127.0.0.2:$port ok"]);
my $daemon;

sub name { return "$_[0].test:$port"; }

# A client of that address after its handshake.
sub from {
	my ($address, $name) = @_;

	return dial($daemon, name($name), source => $address);
}

# Why the client's tunnel ended; undef: it goes on.
sub over {
	my ($client) = @_;

	$client->wait_end;
	return (line_of($daemon, $client) // {})->{reason};
}

subtest 'a client that leaves is counted until its questions are over' => sub {
	my $dns = Sniport::DNS->new(zone => {
		'*.held.test' => { %$good, delay => 'release' },
		'*.free.test' => $good });
	$daemon = Sniport::Daemon->new(limits => 'lookups_per_client = 3;',
		dns => sprintf 'servers = [ "%s" ]; timeout = "60s";',
		$dns->server);
	for (1 .. 3) {
		my $client = from('127.0.0.3', "n$_.held");
		my $local = $client->local_port;
		ok(poll(sub { $dns->questions == 2 * $_ }), 'a name is asked for');
		$client->reset;
		is(line_of($daemon, $local)->{reason}, 'client_abandoned',
			'and who asked leaves');
	}
	is(over(from('127.0.0.3', "n$_.held")), 'limit_lookups',
		'the next name is over the limit') for 4 .. 6;
	is(scalar $dns->questions, 6, 'and nobody is asked');
	ended_ok($daemon, from('127.0.0.4', 'a.free'), 'another client', @done);
	$dns->release;
	my $again = from('127.0.0.3', 'n1.held');
	is(echoes($again), 'echo', 'the answers have come');
	ended_ok($daemon, from('127.0.0.3', 'b.free'), 'there is room', @done);
	$daemon->stop_ok;
};

subtest 'one client cannot fill the places for questions' => sub {
	my $dns = Sniport::DNS->new(zone => {
		'*.held.test' => { %$good, delay => 'release' },
		'*.free.test' => $good });
	$daemon = Sniport::Daemon->new(dns => sprintf
		'servers = [ "%s" ]; timeout = "60s"; family = "ipv4";',
		$dns->server);
	my @waiting = map { from('127.0.0.3', "n$_.held") } 1 .. 64;
	ok(poll(sub { $dns->questions == 64 }), 'so many names by default');
	is(over(from('127.0.0.3', "n$_.held")), 'limit_lookups', 'no more')
	    for 65 .. 67;
	is(scalar $dns->questions, 64, 'are asked for');
	ended_ok($daemon, from('127.0.0.4', 'a.free'), 'another client', @done);
	$dns->release;
	is(scalar(grep { echoes($_) eq 'echo' } @waiting), 64, 'all are served');
	$daemon->stop_ok;
};

done_testing();
