#!/usr/bin/perl
# Ends that come at an awkward moment: the kernel tells of them once, before
# they can be looked at; and bytes that move on without the worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Net::SSLeay ();
use Time::HiRes ();

use Sniport::Audit qw(line_ok);
use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Record;
use Sniport::Test qw(deadline poll readable);
use Sniport::Tunnel qw(seen);
use Sniport::Upstream;

my $dns = Sniport::DNS->new(zone => {
	'*.held.test' => { A => ['127.0.0.1'], delay => 'release' } });
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	dns => 'family = "ipv4"; servers = [ "' . $dns->server .
	    '" ]; timeout = "60s";',
	timeouts => 'client_hello = "60s"; handshake = "60s"; connect = "60s";');

my $echo = Sniport::Upstream->new('echo');
my $bystander = Sniport::Client->new(port => $daemon->port,
	name => 'example.com:' . $echo->port);

# What is behind the handshake, but no byte for the upstream, and then the end.
for (
	[ 'nothing', sub { '' }, 'client_truncated', 'fin' ],
	[ 'a byte of a record', sub { substr $_[0]->data('x' x 99), 0, 1 },
		'client_cut', 'reset' ],
	[ 'half a record', sub { substr $_[0]->data('x' x 99), 0, 50 },
		'client_cut', 'reset' ],
	[ 'a record without data', sub { $_[0]->data('') },
		'client_truncated', 'fin' ],
	[ 'a record with data', sub { $_[0]->data('x') }, 'client_truncated',
		'fin' ],
) {
	my ($what, $bytes, $reason, $end) = @$_;
	my $upstream = Sniport::Upstream->new('sink');
	my $name = $what =~ s/ /-/gr;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "$name.held.test:" . $upstream->port,
		Sniport::Record::suite('1.3'));
	my $port = $client->local_port;

	ok(poll(sub { grep { /^\Q$name\E/ } $dns->questions }),
		"$what, and the end, before the upstream is there");
	my $record = Sniport::Record->new($client);
	$record->send($bytes->($record));
	$client->fin;
	seen($bystander);
	$dns->release;
	is($upstream->report->{end}, $end, "$what: the upstream sees a $end");
	line_ok($daemon, $port, $what, reason => $reason, closed_first => 'client');
	$client->close;
}

# The same in the handshake.
for my $length (3, 9, 200) {
	my $client = Sniport::Client->open(port => $daemon->port);
	my $port = $client->local_port;
	my $hello = pack 'H*', '16030102000100' . '01fc0303';

	syswrite $client->socket, substr $hello . 'x' x 1000, 0, $length;
	$client->fin;
	line_ok($daemon, $port, "$length bytes of a hello, and the end",
		reason => 'client_abandoned', closed_first => 'client');
}

# A reset that comes together with the last bytes of the handshake.
my ($worker) = $daemon->workers;
for my $version ('1.2', '1.3') {
	my $client = Sniport::Client->open(port => $daemon->port,
		name => "reset-$version.held.test:9", version => $version);
	my $port = $client->local_port;

	# It reads nothing until the worker is stopped.
	pipe(my $nothing, my $writer) or die "pipe: $!";
	$nothing->blocking(0);
	$client->start_tls;
	Net::SSLeay::set_rfd($client->{ssl}, fileno $nothing);
	Net::SSLeay::connect($client->{ssl});
	Net::SSLeay::set_rfd($client->{ssl}, fileno $client->socket);
	ok(readable($client->socket, deadline()), "TLS $version: the answer");
	kill 'STOP', $worker or die "kill: $!";
	Net::SSLeay::connect($client->{ssl});
	$client->reset;
	kill 'CONT', $worker or die "kill: $!";
	line_ok($daemon, $port, "TLS $version: a reset with the end of the handshake",
		reason => 'client_abandoned', closed_first => 'client');
}
$bystander->close;
$daemon->stop_ok;

# A quarter of a second between pieces is far from the three of the limit, but
# all of them are more than that.
my $LIMIT = 3;
my ($PIECES, $PIECE) = (18, 65536);
$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => "half_close = \"${LIMIT}s\";");
for my $first ('client', 'upstream') {
	my $name = "the $first has ended, the upstream reads slowly";
	my $upstream = Sniport::Upstream->new(code => sub {
		my ($socket) = @_;
		my $got = 0;

		setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 16384);
		CORE::shutdown($socket, 1) if $first eq 'upstream';
		while ($got < $PIECES * $PIECE) {
			my $n = sysread($socket, my $bytes, $PIECE);
			return (got => $got, end => defined $n ? 'fin' : 'reset')
			    if !$n;
			$got += $n;
			Time::HiRes::sleep(0.25 * $n / $PIECE);
		}
		my $n = sysread($socket, my $bytes, 1);
		return (got => $got, end => defined $n ? 'fin' : 'reset');
	});
	my $client = Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port);
	my $port = $client->local_port;

	is($client->wait_end, 'close_notify', "$name: the client sees it")
	    if $first eq 'upstream';
	ok($client->put('x' x ($PIECES * $PIECE)), "$name: all is sent");
	$client->end;
	my $report = $upstream->report;
	is($report->{got}, $PIECES * $PIECE, "$name: all arrives");
	is($report->{end}, 'fin', "$name: and the end");
	line_ok($daemon, $port, $name, reason => 'done');
}
$daemon->stop_ok;
done_testing;
