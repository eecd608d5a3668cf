#!/usr/bin/perl
# log.silent_connections: whether connections on which no byte came, which are
# health checks mostly, have audit lines. They are counted either way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);

use Sniport::Daemon;
use Sniport::Test qw(deadline poll readable);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');

my @common = (hosts => "127.0.0.1 peer.test\n",
	timeouts => 'client_hello = "300ms";',
	listeners => '{ address = "127.0.0.1:%PORT%"; },
		{ address = "127.0.0.1:%PORT_proxy%";
		  trusted_proxies = [ "127.0.0.0/8" ]; }');

# Each connection has an address of its own, by which its audit line is found:
# the port of one that was closed may be the next one's.
my $next = 1;

sub dial {
	my ($port, $text) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		LocalAddr => '127.0.1.' . $next++, PeerPort => $port)
	    or die "connect: $!";

	$socket->syswrite($text) if defined $text;
	return $socket;
}

sub reset_it {
	my ($socket) = @_;

	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
	close $socket;
	return;
}

# Waits until sniport closes.
sub wait_out {
	my ($socket) = @_;

	readable($socket, deadline()) or die 'sniport does not close';
	return;
}

my $LOCAL = "\r\n\r\n\0\r\nQUIT\n" . pack('C2 n', 0x20, 0, 0);

# Each is one connection; its address.
my @silent = (
	[ 'a probe that connects and closes', sub {
		my $socket = dial($_[0]->port);
		my $host = $socket->sockhost;
		close $socket;
		return $host;
	} ],
	[ 'one that is reset', sub {
		my $socket = dial($_[0]->port);
		my $host = $socket->sockhost;
		reset_it($socket);
		return $host;
	} ],
	[ 'one that waits', sub {
		my $socket = dial($_[0]->port);
		wait_out($socket);
		return $socket->sockhost;
	} ],
	[ 'one that closes before its PROXY header', sub {
		my $socket = dial($_[0]->port('proxy'));
		my $host = $socket->sockhost;
		close $socket;
		return $host;
	} ],
	[ 'one that waits before its PROXY header', sub {
		my $socket = dial($_[0]->port('proxy'));
		wait_out($socket);
		return $socket->sockhost;
	} ],
	[ 'a load balancer\'s own probe, which has a PROXY header', sub {
		my $socket = dial($_[0]->port('proxy'), $LOCAL);
		my $host = $socket->sockhost;
		close $socket;
		return $host;
	} ],
);
my @heard = (
	[ 'one byte', sub {
		my $socket = dial($_[0]->port, "\x16");
		my $host = $socket->sockhost;
		close $socket;
		return $host;
	} ],
	[ 'one byte and a wait', sub {
		my $socket = dial($_[0]->port, "\x16");
		wait_out($socket);
		return $socket->sockhost;
	} ],
	[ 'plain text', sub {
		my $socket = dial($_[0]->port, "GET / HTTP/1.0\r\n\r\n");
		wait_out($socket);
		return $socket->sockhost;
	} ],
	[ 'half a PROXY header', sub {
		my $socket = dial($_[0]->port('proxy'), "PROXY TCP4 ");
		wait_out($socket);
		return $socket->sockhost;
	} ],
	[ 'a PROXY header and a byte', sub {
		my $socket = dial($_[0]->port('proxy'), $LOCAL . "\x16");
		my $host = $socket->sockhost;
		close $socket;
		return $host;
	} ],
);

# Makes all connections; the audit lines by the clients' addresses.
sub all_ok {
	my ($daemon, $silent) = @_;
	my %name = map { $_->[1]->($daemon) => $_->[0] } @silent, @heard;

	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	$name{'127.0.0.1'} = 'a tunnel';

	my $n = @silent + @heard + 1;
	ok(poll(sub { my $count = $daemon->count;
		($count->{accepted} // 0) == $n &&
		    $n == ($count->{client_abandoned} // 0) +
		    ($count->{client_hello_timeout} // 0) +
		    ($count->{proxy_header} // 0) + ($count->{not_tls} // 0) +
		    ($count->{client_reset} // 0) + ($count->{done} // 0) }),
		'all are counted, by their reasons too');
	my @lines = $daemon->audit;
	my @who = sort map { $name{$_->{client_address}} // 'nobody' } @lines;
	is_deeply(\@who, [ sort 'a tunnel', map { $_->[0] } @heard,
		$silent ? @silent : () ], 'these have audit lines');
	return;
}

subtest 'by default all have audit lines' => sub {
	my $daemon = Sniport::Daemon->new(@common);
	all_ok($daemon, 1);
	like($daemon->log, qr/info worker 0\[\d+\]: tunnel \S+ 127\.0\.1\.\d+:\d+ to no target: client_hello_timeout:/,
		'and stand in the error log');
	$daemon->stop_ok;
};

subtest 'silent_connections = false leaves them out' => sub {
	my $daemon = Sniport::Daemon->new(@common, log => 'level = "debug";
		silent_connections = false;');
	all_ok($daemon, 0);
	like($daemon->log, qr/debug worker 0\[\d+\]: tunnel \S+ 127\.0\.1\.\d+:\d+ to no target: client_abandoned:/,
		'in the error log they are for debugging');
	$daemon->stop_ok;
};

subtest 'what a limit refuses has its line' => sub {
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		limits => 'tunnels = 1;', log => 'silent_connections = false;');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel');
	dial($daemon->port);
	is($daemon->wait_audit->{reason}, 'limit_tunnels',
		'one more that would be silent');
	ok(finish($client), 'the tunnel ends');
	$daemon->stop_ok;
};

done_testing;
