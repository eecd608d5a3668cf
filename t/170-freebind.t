#!/usr/bin/perl
# A listener whose address is not here yet: bound all the same with
# listeners.freebind, told by -t, and served as soon as the host has it. The
# test is in a network of its own, with one beside it:
#
#     upstream on loopback, sniport | in0 ---- out | clients

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Test ();
use Sniport::Tunnel qw(finish name_of works);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

my ($OWN, $FOUR, $SIX) = ('10.70.0.1', '10.70.0.9', 'fd70::9');
my $here = Sniport::Network->here;
my $clients = Sniport::Network->new;
$_->set('ipv6.conf.all.disable_ipv6', 0) for $here, $clients;
$here->line('in0', $clients, 'out');
$here->ip("address add $OWN/24 dev in0");
$clients->ip('address add 10.70.0.2/24 dev out');
$_->[0]->ip("address add $_->[1] dev $_->[2] nodad")
    for [ $here, 'fd70::1/64', 'in0' ], [ $clients, 'fd70::2/64', 'out' ];

my %device = ($FOUR => "$FOUR/32 dev in0", $SIX => "$SIX/128 dev in0 nodad");

# The addresses come, or go.
sub move {
	my ($verb, @addresses) = @_;

	for (@addresses) {
		# Of a client that asked before it came, which is not this
		# test's.
		$clients->within(sub {
			Sniport::Test::run(qw(ip neighbour flush dev out)) });
		$here->ip("address $verb " . ($verb eq 'add' ? $device{$_} :
			$device{$_} =~ s/ nodad//r));
	}
	return;
}

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

sub tunnel {
	my ($daemon, $host, $port) = @_;

	return $clients->within(sub { Sniport::Client->new(host => $host,
		port => $daemon->port($port), name => name_of($upstream)) });
}

# One test: clients are served at that address.
sub serves_ok {
	my ($daemon, $host, $port, $title) = @_;
	my $client = tunnel($daemon, $host, $port);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(works($client) && finish($client), $title);
}

sub listeners {
	my ($how) = @_;

	return qq({ address = "$OWN:%PORT%"; },
		{ address = "$FOUR:%PORT_four%"; $how },
		{ address = "[$SIX]:%PORT_six%"; $how });
}

subtest 'without it' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, may_fail => 1,
		listeners => listeners(''));
	my $said = qr/listeners\.address: \Q$FOUR\E:\d+: bind: Cannot assign requested address; this host does not have this address, or not yet \(see listeners\.freebind\)$/m;
	is($daemon->wait_end, 1, 'there is no start');
	like($daemon->log, $said, 'and it is told what would help');
	my ($status, $text) = $daemon->once('-t');
	is($status, 1, '-t refuses it');
	like($text, $said, 'and says the same');
	like($text, qr/listeners\.address: \[\Q$SIX\E\]:\d+: bind: Cannot/,
		'of each address');
	unlike($text, qr/\Q$OWN\E/, 'but those that are here');
};

my $daemon = Sniport::Daemon->new(@hosts,
	listeners => listeners('freebind = true;'));
my @missing = map { "listeners.address: $_: this host does not have this " .
	'address now: until it has, no client can come there' }
    "$FOUR:" . $daemon->port('four'), "[$SIX]:" . $daemon->port('six');

subtest 'with it' => sub {
	is_deeply([ $daemon->log =~ / notice master\[\d+\]: \S+:\d+: (listeners\..*)\n/g ],
		\@missing, 'the error log notes what is not here');
	my ($status, $text) = $daemon->once('-t');
	is($status, 0, '-t takes it');
	is_deeply([ $text =~ /^sniport: warning: \S+:\d+: (.*)\n/mg ], \@missing,
		'and warns of these');
	serves_ok($daemon, $OWN, '', 'what is here is served');
};

subtest 'the addresses come and go' => sub {
	for my $time (1 .. 3) {
		move('add', $FOUR, $SIX);
		serves_ok($daemon, $FOUR, 'four', "here, time $time: IPv4");
		serves_ok($daemon, $SIX, 'six', "here, time $time: IPv6");
		last if $time == 3;
		move('del', $FOUR, $SIX);
	}
	my ($status, $text) = $daemon->once('-t');
	is($status, 0, '-t takes it');
	unlike($text, qr/this host does not have/, 'and warns of none');
};

subtest 'reloads' => sub {
	my $client = tunnel($daemon, $FOUR, 'four');
	ok(works($client), 'a tunnel');
	like($daemon->reload(listeners => listeners('')), qr/^Serving: .*generation 2/,
		'the setting goes, the address stays');
	ok(works($client), 'the tunnel stays');
	serves_ok($daemon, $FOUR, 'four', 'and the listener');
	ok(finish($client), 'the tunnel ends by itself');
	move('del', $FOUR, $SIX);
	# One that fails, so that nothing is left of it.
	like($daemon->reload(top => 'workers = 2;'), qr/failed/,
		'more sockets cannot be had where the address is not');
	like($daemon->reload(top => 'workers = 2;',
		listeners => listeners('freebind = true;')), qr/^Serving: .*generation \d/,
		'but with the setting');
	move('add', $FOUR, $SIX);
	serves_ok($daemon, $FOUR, 'four', "two workers, time $_") for 1 .. 8;
	serves_ok($daemon, $SIX, 'six', "two workers, IPv6, time $_") for 1 .. 8;
};

$daemon->stop_ok;
done_testing;
