#!/usr/bin/perl
# More comes than a worker can do: one client does not keep others waiting,
# however much it wants; who cannot be served is told soon; who has left costs
# no handshake; and tunnels that stand lose nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Socket qw(SOMAXCONN);
use Test::More;
use Time::Local qw(timegm);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Proxy;
use Sniport::Test qw(deadline poll readable slow under_valgrind);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $FLOOD = slow() ? 300 : 1000;
my $upstream = Sniport::Upstream->new('echo');
my $hello = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => name_of($upstream)));
my $daemon;

sub start {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		files => 8000, @_);
	return;
}

# A connection that has sent this, and does not go on by itself.
sub half_open {
	my ($source, $bytes) = @_;
	my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
		PeerPort => $daemon->port, LocalHost => $source, Type => SOCK_STREAM)
	    or die "connect: $!";

	syswrite $socket, $bytes;
	return $socket;
}

# What was sent while the worker stood still has come at once.
sub stopped {
	my ($code) = @_;
	my ($worker) = $daemon->workers;

	kill 'STOP', $worker;
	my @done = $code->();
	kill 'CONT', $worker;
	return @done;
}

# When the hello of a tunnel was decided upon, in ms.
sub hello_time {
	my ($line) = @_;
	my ($year, $month, $day, $hour, $minute, $second) = $line->{time} =~
	    /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z$/ or die $line->{time};

	return 1000 * timegm($second, $minute, $hour, $day, $month - 1, $year) +
	    $line->{hello_ms};
}

# The end lines of these sockets. Those of different addresses may have the same
# port.
sub lines_of_sockets {
	my %client = map { ($_->sockhost . ':' . $_->sockport => 1) } @_;

	return poll(sub {
		my @lines = grep { $_->{event} eq 'end' && $client{ $_->{client} } }
		    $daemon->audit;
		return @lines == keys %client && \@lines;
	}) || die 'lines are missing';
}

# How many of the flood had their turn before that client?
sub before {
	my ($client, @flood) = @_;
	my ($line) = @{ lines_of_sockets($client->socket) };
	my $lines = lines_of_sockets(@flood);
	my $when = hello_time($line);

	return scalar grep { defined $_->{hello_ms} && hello_time($_) < $when }
	    @$lines;
}

subtest 'a client with a thousand handshakes, and one with one' => sub {
	start();
	my ($honest, @flood) = stopped(sub {
		my @flood = map { half_open('127.0.0.2', $hello) } 1 .. $FLOOD;
		my $honest = Sniport::Client->open(port => $daemon->port,
			name => name_of($upstream), source => '127.0.0.3');
		$honest->begin;
		return ($honest, @flood);
	});
	ok($honest->handshake && works($honest), 'it is served');
	ok(finish($honest), 'and ends');
	# Until each has its answer.
	readable($_, deadline()) for @flood;
	my @ports = map { $_->sockport } @flood;
	shutdown $_, 2 for @flood;
	cmp_ok(before($honest, @flood), '<', $FLOOD / 2,
		'before most of those who came earlier');
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'behind a proxy' => sub {
	start(listeners => '{ address = "127.0.0.1:%PORT%";
		trusted_proxies = [ "127.0.0.1" ]; }');
	my $header = sub {
		return "PROXY TCP4 $_[0] 192.0.2.255 1234 443\r\n";
	};
	my ($honest, @flood) = stopped(sub {
		my @flood = map { half_open('127.0.0.1',
			$header->('192.0.2.1') . $hello) } 1 .. $FLOOD;
		my $honest = Sniport::Client->open(port => $daemon->port,
			name => name_of($upstream));
		syswrite $honest->socket, $header->('192.0.2.2');
		$honest->begin;
		return ($honest, @flood);
	});
	ok($honest->handshake && works($honest) && finish($honest),
		'a client is served');
	readable($_, deadline()) for @flood;
	shutdown $_, 2 for @flood;
	my ($line) = @{ poll(sub {
		my @lines = grep { $_->{event} eq 'end' &&
		    ($_->{client_address} // '') eq '192.0.2.2' } $daemon->audit;
		return @lines && \@lines;
	}) || [] };
	my @others = @{ poll(sub {
		my @lines = grep { ($_->{client_address} // '') eq '192.0.2.1' }
		    $daemon->audit;
		return @lines == @flood && \@lines;
	}) || [] };
	is(scalar(@others), $FLOOD, 'the others are known by the header');
	my $when = hello_time($line);
	cmp_ok((scalar grep { defined $_->{hello_ms} && hello_time($_) < $when }
		@others), '<', $FLOOD / 2,
		'before most of those of another one, who came earlier');
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'limits that are there without being set' => sub {
	start(limits => 'tunnels = 64;');
	my @open = grep { works($_) }
	    map { tunnel_open($daemon, $upstream, source => '127.0.0.2') } 1 .. 32;
	is(scalar(@open), 32, 'a client has half of all tunnels');
	my $more = tunnel_open($daemon, $upstream, source => '127.0.0.2');
	is_deeply([ $more->established, $more->ended ], [ 0, 'reset' ], 'and no more');
	is($daemon->wait_audit(sub { $_->{client_port} == $more->local_port })->{reason},
		'limit_client', 'which is told');
	my $other = tunnel_open($daemon, $upstream, source => '127.0.0.3');
	ok(works($other), 'another client has room');
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'unfinished_per_client' => sub {
	start(limits => 'unfinished_per_client = 4;');
	my @open = map { half_open('127.0.0.2', $hello) } 1 .. 3;
	push @open, half_open('127.0.0.2', '');
	is((scalar grep { readable($_, deadline()) } @open[0 .. 2]), 3,
		'as many handshakes as are allowed begin');
	my $more = tunnel_open($daemon, $upstream, source => '127.0.0.2');
	is_deeply([ $more->established, $more->ended ], [ 0, 'reset' ],
		'one more is refused, though one of them has sent nothing');
	is($daemon->wait_audit(sub { $_->{client_port} == $more->local_port })->{reason},
		'limit_unfinished', 'for that');
	my $other = tunnel_open($daemon, $upstream, source => '127.0.0.3');
	ok(works($other), 'another client has room');
	close $open[0];
	my @done;
	for (1 .. 6) {
		push @done, poll(sub {
			my $client = tunnel_open($daemon, $upstream,
				source => '127.0.0.2');
			return works($client) && $client;
		}) || ();
	}
	is(scalar(@done), 6, 'those whose handshake is done do not count');
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'more than there is time for' => sub {
	# Under valgrind the first handshake of all takes its time.
	start(timeouts => under_valgrind() ? 'turn = "500ms";' : 'turn = "1ms";');
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel), 'a tunnel stands');
	my @flood = stopped(sub {
		return map { half_open('127.0.0.2', $hello) } 1 .. $FLOOD;
	});
	ok(works($tunnel, 100_000), 'it goes on meanwhile');
	# An answer, or a reset.
	readable($_, deadline()) for @flood;
	my @answered = grep { defined sysread($_, my $byte, 1) } @flood;
	cmp_ok(scalar(@answered), '>', 0, 'some are served');
	cmp_ok(scalar(@answered), '<', $FLOOD, 'others are reset');
	my %answered = map { $_ => 1 } @answered;
	my @lost = grep { !$answered{$_} } @flood;
	my $lines = lines_of_sockets(@lost) if @lost;
	is((scalar grep { $_->{reason} eq 'overload' } @$lines), @lost,
		'whose lines say why');
	like($daemon->log, qr/: overload: the worker had so much to do/,
		'so does the error log');
	$daemon->signal('USR1');
	ok($daemon->wait_log(qr/counters: .*\boverload @{[ scalar @lost ]}\b/),
		'and the counters say how many');
	ok(works($tunnel) && finish($tunnel), 'the tunnel has lost nothing');
	$daemon->stop_ok(signal => 'QUIT');
};

subtest 'a client that has left before its turn' => sub {
	start();
	my ($gone) = stopped(sub {
		my $socket = half_open('127.0.0.2', $hello);
		shutdown $socket, 1;
		return $socket;
	});
	ok(readable($gone, deadline()), 'is answered');
	is(sysread($gone, my $bytes, 1000), 0, 'by an end, and no ServerHello');
	my ($line) = @{ lines_of_sockets($gone) };
	is($line->{reason}, 'client_abandoned', 'its line says that it left');
	is($line->{target}, name_of($upstream), 'and where it wanted to go');
	my ($refused) = stopped(sub {
		my $socket = half_open('127.0.0.2', Sniport::Hello::records(
			Sniport::Hello::client_hello(name => 'peer.test')));
		shutdown $socket, 1;
		return $socket;
	});
	($line) = @{ lines_of_sockets($refused) };
	is($line->{reason}, 'sni_no_port', 'what is wrong with its hello is told');
	$daemon->stop_ok;
};

done_testing;
