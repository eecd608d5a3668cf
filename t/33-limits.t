#!/usr/bin/perl
# Clients that take their time, and more of them than there is room for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(deadline limit_process poll readable slow status timeout
	under_valgrind usage);
use Sniport::Upstream;

my $daemon;
my $upstream = Sniport::Upstream->new('echo');
my $name = 'example.com:' . $upstream->port;

sub start {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n", @_);
	return;
}

sub client {
	return Sniport::Client->new(port => $daemon->port, name => $name, @_);
}

sub line_of {
	my ($port) = @_;

	return { lines_of($daemon, $port) }->{$port};
}

# How many of these tunnels work?
sub echoes {
	my @clients = @_;

	return scalar grep { $_->put('x') && $_->get(1) eq 'x' } @clients;
}

# One test: CPU time of the process in the next second.
sub idle_ok {
	my ($pid, $title) = @_;
	my $before = usage($pid)->{cpu};

	select(undef, undef, undef, 1);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(usage($pid)->{cpu} - $before, '<', slow() ? 0.3 : 0.05, $title);
	return;
}

# Sends some bytes and waits; returns how the connection ended.
sub wait_silently {
	my ($socket, $bytes) = @_;

	syswrite $socket, $bytes if length $bytes;
	for (;;) {
		readable($socket, deadline()) or return 'time';
		my $n = sysread($socket, my $data, 65536);
		return $!{ECONNRESET} ? 'reset' : "$!" if !defined $n;
		return 'fin' if $n == 0;
	}
}

# Deadlines on the way to a tunnel.
# Long enough for what comes before the second of them.
my $ms = under_valgrind() ? 10 : 3;
start(timeouts => sprintf 'client_hello = "%dms"; handshake = "%dms";',
	300 * $ms, 600 * $ms);
my $hello = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => $name));
my @slow = (
	[ 'not a byte', '', 'client_hello_timeout', 300 * $ms ],
	[ 'a part of a record', substr($hello, 0, 30), 'client_hello_timeout', 300 * $ms ],
	[ 'a hello and no more', $hello, 'handshake_timeout', 600 * $ms ],
);
for (@slow) {
	my ($title, $bytes, $reason, $least) = @$_;
	my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
		PeerPort => $daemon->port, Type => SOCK_STREAM) or die "connect: $@";
	my $port = $socket->sockport;
	is(wait_silently($socket, $bytes), 'reset', "$title: reset");
	my $line = line_of($port);
	is($line->{reason}, $reason, "$title: reason");
	is($line->{closed_first}, 'sniport', "$title: by sniport");
	cmp_ok($line->{total_ms}, '>=', $least, "$title: not too early");
	cmp_ok($line->{total_ms}, '<', $least + 1000 * timeout(),
		"$title: nor too late");
}
is($upstream->report->{end}, 'reset', 'an upstream that was dialled is reset');

# One byte at a time does not put it off.
my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
	PeerPort => $daemon->port, Type => SOCK_STREAM) or die "connect: $@";
my $port = $socket->sockport;
$SIG{PIPE} = 'IGNORE';
for my $byte (split //, $hello) {
	syswrite($socket, $byte) or last;
	last if readable($socket, deadline(0.02 * $ms));
}
is(line_of($port)->{reason}, 'client_hello_timeout', 'one byte at a time');

# Who is done in time is free of them.
my $client = client();
readable($client->socket, deadline(1 * $ms)) if $client->get_now eq '';
is(echoes($client), 1, 'the deadlines are over when the tunnel is there');
$client->end;
$client->wait_end;
$upstream->report;
$daemon->stop_ok;

# limits.tunnels is for all workers together.
start(top => 'workers = 2;', limits => 'tunnels = 16;',
	log => 'access_connect = true;');
my @clients = map { client() } 1 .. 16;
is(scalar(grep { $_->established } @clients), 16, 'as many as are allowed');
my %workers;
$workers{ $daemon->wait_audit->{worker} }++ for @clients;
is(scalar keys %workers, 2, 'on both workers');
my @over;
for (1 .. 8) {
	my $over = client();
	push @over, [ $over->ended, line_of($over->local_port)->{reason} ];
}
is_deeply(\@over, [ ([ 'reset', 'limit_tunnels' ]) x 8 ],
	'more are reset, and the audit lines say why');
is(echoes(@clients), 16, 'those that are there go on');
my $gone = shift @clients;
$port = $gone->local_port;
$gone->end;
$gone->wait_end;
is(line_of($port)->{reason}, 'done', 'one less');
# A tunnel is counted for as long as it is not free, which its line is not the
# end of.
ok(poll(sub {
	push @clients, client();
	return 1 if echoes($clients[-1]) == 1;
	pop @clients;
	return 0;
}), 'makes room for one');
is(client()->ended, 'reset', 'and for one only');
$_->end for @clients;
$_->wait_end for @clients;
$daemon->stop_ok;

# The limit on open files: what can be served is, the others wait in the queue.
start(files => 292);
my ($worker) = $daemon->workers;
@clients = ();
my @waiting;
for (1 .. 40) {
	my $next = Sniport::Client->open(port => $daemon->port, name => $name);
	$next->start_tls;
	push @waiting, $next;
}
ok($daemon->wait_log(qr/accepting paused: .*open files/),
	'accepting pauses near the limit on open files');
while (@waiting) {
	last if !readable_handshake($waiting[0]);
	push @clients, shift @waiting;
}
cmp_ok(scalar @clients, '>', 8, 'some are served');
cmp_ok(scalar @waiting, '>', 0, 'the others wait');
idle_ok($worker, 'the worker does not spin');
is(echoes($clients[0]), 1, 'tunnels go on');
my $lines = () = $daemon->log =~ /accepting paused/g;
# There is one a second at most, and all takes longer under valgrind.
cmp_ok($lines, '<', 10 * $ms, 'the log is not flooded');
$_->end, $_->wait_end for @clients;
my $served = 0;
for my $next (@waiting) {
	$next->handshake;
	$served += echoes($next);
	$next->end;
	$next->wait_end;
}
is($served, scalar @waiting, 'those that waited are served at last');
is(echoes(client()), 1, 'all is well again');
$daemon->stop_ok;

# Has the handshake succeeded within a short time?
sub readable_handshake {
	my ($waiting) = @_;

	return defined $waiting->operate(
		sub { Net::SSLeay::connect($_[0]) }, deadline(5));
}

# The same when the kernel says so, for a limit that has changed meanwhile.
SKIP: {
	skip 'only root sees the open files of a worker', 1 if $> != 0;
	start();
	($worker) = $daemon->workers;
	my $open = sub {
		return { map { s!.*/!!r => 1 } glob "/proc/$worker/fd/*" };
	};
	my $idle = keys %{ $open->() };
	# Leaves it numbers for so many new files.
	my $set = sub {
		my ($more) = @_;
		# The audit line comes before the sockets are closed.
		poll(sub { keys(%{ $open->() }) == $idle });
		my %open = %{ $open->() };
		my $files = 0;
		$more -= !$open{ $files++ } while $more > 0 || $open{$files};
		limit_process($worker, 'nofile', $files);
	};
	$set->(0);
	my $waiting = Sniport::Client->open(port => $daemon->port,
		name => $name);
	ok($daemon->wait_log(qr/accepting paused: Too many open files/),
		'accepting pauses on EMFILE');
	idle_ok($worker, 'the worker does not spin on EMFILE');
	$set->(100);
	ok($waiting->handshake, 'it goes on when there are files again');
	is(echoes($waiting), 1, 'as it was');
	$waiting->end;
	$waiting->wait_end;
	# Enough for the client alone.
	$set->(1);
	my $half = client();
	is($half->wait_end, 'reset', 'no file for the upstream');
	my $line = line_of($half->local_port);
	is($line->{reason}, 'connect_failed', 'no file for the upstream: reason');
	is($line->{detail}, 'Too many open files',
		'no file for the upstream: detail');
	$set->(100);
	is(echoes(client()), 1, 'all is well again');
	$daemon->stop_ok;
}

done_testing;
