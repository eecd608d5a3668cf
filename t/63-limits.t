#!/usr/bin/perl
# How much one client or rule may have, over all workers together: what is
# beyond it is refused, and what ends makes room, however it ends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::DNS;
use Sniport::Test qw(deadline poll slow status under_valgrind);
use Sniport::Tunnel qw(finish is_open name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon;

sub start {
	$daemon = Sniport::Daemon->new(top => 'workers = 4;',
		hosts => "127.0.0.1 peer.test other.test\n",
		log => 'access_connect = true;', @_);
	return;
}

sub from {
	my ($address, %option) = @_;

	return tunnel_open($daemon, $upstream, source => $address, %option);
}

# The audit line of a client's (or its port's) tunnel, for this event.
sub line_of {
	my ($client, $event) = @_;
	my $port = ref $client ? $client->local_port : $client;

	return poll(sub {
		return (grep { ($_->{client_port} // 0) == $port &&
			$_->{event} eq ($event // 'end') } $daemon->audit)[-1];
	}) // {};
}

sub all_work { return scalar grep { works($_) } @_; }

# A client that works, as soon as there is room for one.
sub admitted {
	my @who = @_;

	return poll(sub {
		my $client = from(@who);
		return works($client) && $client;
	}) || ();
}

# On how many workers are they?
sub spread {
	my %workers = map { (line_of($_, 'connect')->{worker} => 1) } @_;

	return scalar keys %workers;
}

# One test: the handshake is refused so, and the audit line says why.
sub refused_ok {
	my ($client, $end, $reason, $title) = @_;
	my $line = line_of($client);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $client->established, $client->ended, $line->{reason},
		$line->{closed_first}, $line->{upstream} ],
		[ 0, $end, $reason, 'sniport', undef ], $title);
	return $line;
}

# A client behind a proxy that says who it is.
sub behind_proxy {
	my ($address) = @_;
	my $family = $address =~ /:/ ? 'TCP6' : 'TCP4';
	my $own = $family eq 'TCP6' ? '2001:db8:ffff::1' : '192.0.2.255';
	my $client = Sniport::Client->open(port => $daemon->port,
		name => name_of($upstream));

	syswrite $client->socket, "PROXY $family $address $own " .
	    $client->local_port . " 443\r\n";
	$client->handshake;
	return $client;
}

# How many MiB of address space the largest of these processes has.
sub largest {
	my @sizes = map { status($_, 'VmSize') =~ /^(\d+) kB/ ? $1 / 1024 : die }
	    @_;

	return (sort { $b <=> $a } @sizes)[0];
}

subtest 'tunnels_per_client' => sub {
	start(limits => 'tunnels_per_client = 12;');
	my @open = map { from('127.0.0.2') } 1 .. 12;
	is(all_work(@open), 12, 'as many as are allowed');
	cmp_ok(spread(@open), '>', 1, 'on several workers');
	refused_ok(from('127.0.0.2'), 'reset', 'limit_client',
		'one more is refused') for 1 .. 8;
	my $other = from('127.0.0.3');
	is(all_work($other), 1, 'another client has room');
	is(all_work(@open), 12, 'those that are there go on');
	SKIP: {
		skip 'the address space is the sanitizer\'s or valgrind\'s', 1
		    if slow();
		cmp_ok(largest($daemon->pid, $daemon->workers), '<', 200,
			'address space is taken for what is counted alone');
	}

	ok(finish(shift @open), 'one of them ends');
	push @open, admitted('127.0.0.2');
	is(scalar @open, 12, 'which makes room for one');
	refused_ok(from('127.0.0.2'), 'reset', 'limit_client', 'and one only');

	# What a worker has is gone with it, although it says no farewell.
	my $worker = line_of($open[0], 'connect')->{worker};
	my @lost = grep { line_of($_, 'connect')->{worker} == $worker } @open;
	@open = grep { line_of($_, 'connect')->{worker} != $worker } @open;
	kill 'KILL', $daemon->worker($worker);
	is(scalar(grep { $_->wait_end ne 'reset' } @lost), 0,
		'a worker is killed');
	push @open, admitted('127.0.0.2') for @lost;
	is(all_work(@open), 12, 'which makes room for as many as it had');
	refused_ok(from('127.0.0.2'), 'reset', 'limit_client', 'and no more');
	like($daemon->log, qr/limit_client/, 'the error log has it');
	my $lines = () = $daemon->log =~ /limit_client/g;
	SKIP: {
		skip 'under valgrind a line each second is each of them', 1
		    if under_valgrind();
		cmp_ok($lines, '<', 10, 'but not each of them');
	}
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'who a client is' => sub {
	start(limits => 'tunnels_per_client = 2;',
		listeners => '{ address = "127.0.0.1:%PORT%";
			trusted_proxies = [ "127.0.0.1" ]; }');
	my @open = map { behind_proxy($_) } '2001:db8::1', '2001:db8::ffff:2';
	is(all_work(@open), 2, 'two of one /64');
	my $line = refused_ok(behind_proxy('2001:db8::3'), 'reset',
		'limit_client', 'a third is refused');
	like($line->{client}, qr/^\[2001:db8::3\]/,
		'the line has the address itself');
	push @open, behind_proxy('2001:db8:0:1::1');
	is(all_work($open[-1]), 1, 'the next /64 is another client');
	push @open, behind_proxy('192.0.2.1'), behind_proxy('192.0.2.1');
	is(all_work(@open[-2, -1]), 2, 'two of one IPv4 address');
	refused_ok(behind_proxy('192.0.2.1'), 'reset', 'limit_client',
		'a third is refused');
	push @open, behind_proxy('192.0.2.2');
	is(all_work($open[-1]), 1, 'the next address is another client');
	is(scalar(grep { !finish($_) } @open), 0, 'all end well');
	$daemon->stop_ok;
};

# With this limit of the rule, and another rule beside it.
sub rules {
	my ($max) = @_;

	return sprintf('{ name = "other"; action = "allow"; max_tunnels = 1;
		destinations = [ "other.test:*" ]; networks = [ "127.0.0.0/8" ]; },
		{ name = "some"; action = "allow"; max_tunnels = %d;
		destinations = [ "*:*" ]; networks = [ "127.0.0.0/8" ]; }', $max);
}

subtest 'max_tunnels' => sub {
	start(rules => rules(12));
	my @open = map { from("127.0.0.$_") } 2 .. 13;
	is(all_work(@open), 12, 'as many as are allowed');
	cmp_ok(spread(@open), '>', 1, 'on several workers');
	for (1 .. 8) {
		my $line = refused_ok(from('127.0.0.2'), 'alert access_denied',
			'limit_rule', 'one more is refused');
		is($line->{rule}, 'some', 'by the rule');
	}
	my @other = (name => name_of($upstream, 'other.test'));
	my $other = from('127.0.0.2', @other);
	is(all_work($other), 1, 'another rule has room');
	refused_ok(from('127.0.0.3', @other), 'alert access_denied',
		'limit_rule', 'as much as it says');
	ok(finish($other), 'it ends');

	# The tunnels of the old generation count.
	$daemon->reload(rules => rules(14));
	push @open, map { from('127.0.0.2') } 1 .. 2;
	is(all_work(@open), 14, 'a reload with a higher limit');
	refused_ok(from('127.0.0.2'), 'alert access_denied', 'limit_rule',
		'counts what the old generation has');
	ok(finish(shift @open), 'one of the old ones ends');
	push @open, admitted('127.0.0.2');
	is(scalar @open, 14, 'which makes room for one');
	refused_ok(from('127.0.0.2'), 'alert access_denied', 'limit_rule',
		'and one only');
	is(scalar(grep { !finish($_) } @open), 0, 'all end well');
	$other = admitted('127.0.0.2', @other);
	is(all_work($other), 1, 'and there is room again');
	ok(finish($other), 'for who ends well');
	$daemon->stop_ok;
};

sub second { return int clock_gettime(CLOCK_MONOTONIC); }

subtest 'handshakes_per_client' => sub {
	start(limits => 'handshakes_per_client = 5;');
	my $began = second();
	my @clients = map { Sniport::Client->open(port => $daemon->port,
		name => name_of($upstream), source => '127.0.0.2') } 1 .. 40;
	my @accepted = grep { $_->handshake } @clients;
	my @refused = grep { !$_->established } @clients;
	my $seconds = 1 + second() - $began;
	cmp_ok(scalar @accepted, '>=', 5, 'as many as are allowed');
	cmp_ok(scalar @accepted, '<=', 5 * $seconds, 'and no more');
	is(all_work(@accepted), scalar @accepted, 'they work');
	cmp_ok(scalar @refused, '>', 0, 'others are refused');
	my %lines = lines_of($daemon, map { $_->local_port } @refused);
	is_deeply([ grep { $_->{reason} ne 'limit_handshakes' } values %lines ],
		[], 'the audit lines say why');
	is_deeply([ grep { $_->ended ne 'reset' } @refused ], [],
		'they are reset');
	is(all_work(admitted('127.0.0.2')), 1, 'the next second has room');
	my $other = from('127.0.0.3');
	is(all_work($other), 1, 'as another client always had');
	$daemon->stop_ok(signal => 'QUIT');
};

# A socket with a full queue, which answers nobody, and those in the queue.
sub deaf {
	my $listen = IO::Socket::IP->new(LocalHost => '127.0.0.1', Listen => 0,
		Type => SOCK_STREAM) or die "listen: $@";

	return ($listen, map { IO::Socket::IP->new(PeerHost => '127.0.0.1',
		PeerPort => $listen->sockport, Type => SOCK_STREAM,
		Blocking => 0) } 1 .. 8);
}

subtest 'lookups_per_client' => sub {
	my %held = (A => ['127.0.0.1'], AAAA => 'NODATA', delay => 'release');
	my $dns = Sniport::DNS->new(zone => { '*.held.test' => \%held });
	my $names = 0;
	my $ask = sub {
		return from($_[0], name => name_of($upstream,
			'n' . ++$names . '.held.test'));
	};
	start(limits => 'lookups_per_client = 6;',
		dns => sprintf('servers = [ "%s" ]; timeout = "60s";',
			$dns->server), timeouts => 'connect = "120s";');
	my @waiting = map { $ask->('127.0.0.2') } 1 .. 6;
	is(scalar(grep { !$_->established } @waiting), 0, 'six names');
	ok(poll(sub { $dns->questions == 12 }), 'are asked for');
	for (1 .. 4) {
		my $over = $ask->('127.0.0.2');
		is($over->established, 1, 'one more: the handshake is done');
		is($over->wait_end, 'reset', 'then the tunnel is reset');
		is(line_of($over)->{reason}, 'limit_lookups', 'for that reason');
	}
	is(scalar $dns->questions, 12, 'and nobody is asked');
	push @waiting, $ask->('127.0.0.3');
	ok(poll(sub { $dns->questions == 14 }), 'another client may ask');
	my $cached = from('127.0.0.2');
	is(all_work($cached), 1, 'what is known is not asked for');
	ok(finish($cached), 'and ends well');
	my $known = from('127.0.0.2', name => '127.0.0.1:' . $upstream->port);
	isnt(line_of($known)->{reason}, 'limit_lookups',
		'an address is not looked up');
	# Whoever leaves waits no more, but the name servers are still at work.
	my $port = $waiting[0]->local_port;
	(shift @waiting)->reset;
	is(line_of($port)->{reason}, 'client_abandoned', 'one who waits leaves');
	is(line_of($ask->('127.0.0.2'))->{reason}, 'limit_lookups',
		'its question is under way, and counts');
	is(scalar $dns->questions, 14, 'nobody is asked');
	$dns->release;
	is(all_work(@waiting), scalar @waiting, 'the answers come');
	my @more = map { $ask->('127.0.0.2') } 1 .. 6;
	ok(poll(sub { $dns->questions == 26 }), 'then there is room again');
	$dns->release;
	is(all_work(@more), 6, 'for as many');
	is(scalar(grep { !finish($_) } @waiting, @more), 0, 'all end well');

	# Who waits for an upstream asks no more.
	my ($deaf, @full) = deaf();
	$dns->clear;
	$dns->set('*.deaf.test' => { A => ['127.0.0.1'] });
	my @connecting = map { from('127.0.0.2', name => "d$_.deaf.test:" .
		$deaf->sockport) } 1 .. 12;
	ok(poll(sub { $dns->questions == 24 }), 'twelve names, one by one');
	is(scalar(grep { is_open($_) } @connecting), 12,
		'are not counted while the upstream is dialled');
	$daemon->stop_ok(signal => 'QUIT');
};

done_testing;
