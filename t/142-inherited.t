#!/usr/bin/perl
# Listening sockets that a service manager hands over: those that it bound
# itself, and those that it keeps while sniport is started again. That a real
# one does so is in 143-restart.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll slurp under_valgrind);
use Sniport::Tunnel qw(finish is_open name_of works);
use Sniport::Upstream;

plan skip_all => 'valgrind has descriptors of its own' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# Runs a program as a manager would that has these sockets for it, each
# NAME=ADDRESS:PORT; a NAME with "sniport-" is of several that share a port.
sub handing_over {
	my (@sockets) = @_;
	my $code = <<'END';
use IO::Socket::INET;
$^F = 255;
my (@names, @sockets);
while ((my $spec = shift @ARGV) ne '--') {
	my ($name, $address, $port) = $spec =~ /^(.*)=(.*):(\d+)$/ or die $spec;
	push @names, $name;
	push @sockets, IO::Socket::INET->new($name eq 'udp' ? (Proto => 'udp') :
		(Proto => 'tcp', Listen => 128, ReuseAddr => 1,
		ReusePort => $name =~ /^sniport-/ ? 1 : 0),
		LocalAddr => $address, LocalPort => $port) || die "$spec: $@";
	die "descriptor of $spec" if fileno($sockets[-1]) != 2 + @sockets;
}
@ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, scalar @sockets,
	join(':', @names));
exec @ARGV or die "@ARGV: $!";
END
	return [ $^X, '-e', $code, @sockets, '--' ];
}

# A sniport that listens on 127.0.0.1 at those ports, which it is handed.
sub start {
	my ($sockets, $ports, %option) = @_;

	return Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		listeners => listeners(@$ports), log => 'level = "info";',
		wrapper => handing_over(@$sockets), %option);
}

sub listeners { return join ', ', map { qq({ address = "127.0.0.1:$_"; }) } @_; }

my @held;

# A port that is free, and that nobody is given meanwhile.
sub port {
	push @held, Sniport::Daemon::hold_port();
	return $held[-1]->sockport;
}

my %released = (before => sub { @held = () });

sub client {
	my ($port) = @_;

	return Sniport::Client->new(port => $port, name => name_of($upstream));
}

sub serves {
	my ($port) = @_;
	my $client = client($port);

	return works($client) && finish($client);
}

# How many sockets listen there.
sub listening {
	my ($port) = @_;

	return scalar grep { /^\s*\d+: 0100007F:(\w+) \w+:\w+ 0A / &&
		hex $1 == $port } split /\n/, slurp('/proc/net/tcp');
}

# The next n things that the manager is told about its store.
sub told {
	my ($daemon, $n) = @_;

	return map { ($daemon->wait_notify(qr/^FDSTORE/) // '') =~
		/\A(FDSTORE(?:REMOVE)?)=1\nFDNAME=(\S+)\n\z/ ? "$1 $2" : 'nothing' }
	    1 .. $n;
}

subtest 'one that the manager has bound' => sub {
	my $port = port();
	my $daemon = start([ "sniport.socket=127.0.0.1:$port" ], [ $port ],
		%released);
	is(listening($port), 1, 'all workers have the same one');
	my @tunnels = map { client($port) } 1 .. 10;
	is(scalar(grep { works($_) } @tunnels), 10, 'they serve');
	my $worker = $daemon->worker(0);
	kill 'KILL', $worker;
	ok($daemon->wait_log(qr/worker 0\[$worker\] of generation 1: died/),
		'one is killed');
	is(scalar(grep { serves($port) } 1 .. 10), 10, 'clients come as before');
	$daemon->reload(top => 'workers = 3;');
	is(scalar(grep { serves($port) } 1 .. 10), 10, 'and after a reload');
	is(listening($port), 1, 'on that socket alone');
	@tunnels = (client($port));
	ok(works($tunnels[0]), 'a tunnel');

	my $other = port();
	@held = ();
	my $said = qr/ warning master\S+ listener 127\.0\.0\.1:$port: the service manager listens there, and it is not configured: whoever connects waits in vain\n/;
	$daemon->reload(listeners => listeners($other));
	my $count = () = $daemon->log =~ /$said/g;
	is($count, 1, 'that it is not configured any more is said');
	ok(serves($other), 'another listener');
	ok(works($tunnels[0]) && finish($tunnels[0]), 'the tunnel goes on');
	my $waits = Sniport::Client->open(port => $port,
		name => name_of($upstream));
	$daemon->reload(listeners => listeners($port));
	$waits->start_tls;
	$waits->handshake;
	ok(works($waits) && finish($waits),
		'when it is configured again, who waited is served');
	ok(poll(sub { !listening($other) }), 'one of our own is closed');
	$daemon->stop_ok;
};

subtest 'others that it hands over' => sub {
	my ($port, $other, $third) = (port(), port(), port());
	my $daemon = start([ "udp=127.0.0.1:$other", "sniport.socket=127.0.0.1:$port",
		"b=127.0.0.1:$third" ], [ $port ], %released);
	like($daemon->log, qr/ warning master\S+ descriptor 3, udp of the service manager is not a listening TCP socket: closed\n/,
		'one that is not a listener');
	like($daemon->log, qr/ warning master\S+ listener 127\.0\.0\.1:$third: the service manager listens there, and it is not configured/,
		'one that is not configured');
	ok(serves($port), 'and the one that is serves');
	$daemon->stop_ok;
};

subtest 'who is not meant' => sub {
	my $port = port();
	my $daemon = Sniport::Daemon->new(@hosts, %released,
		listeners => listeners($port), environment => { LISTEN_PID => 1,
			LISTEN_FDS => 5, LISTEN_FDNAMES => 'a:b' });
	ok(serves($port), 'what another process was to inherit is nothing here');
	unlike($daemon->log, qr/service manager/, 'nor worth a word');
	$daemon->stop_ok;
};

subtest 'a store' => sub {
	my ($port, $other) = (port(), port());
	my $daemon = Sniport::Daemon->new(@hosts, %released,
		top => 'workers = 2;', listeners => listeners($port),
		environment => { FDSTORE => 4 });
	is_deeply([ told($daemon, 2) ], [ map { "FDSTORE sniport-1-$_" } 0, 1 ],
		'is given each socket at the start');
	$daemon->reload(listeners => listeners($port, $other));
	is_deeply([ told($daemon, 2) ], [ map { "FDSTORE sniport-2-$_" } 0, 1 ],
		'and those of a new listener');
	$daemon->configure(listeners => listeners($other));
	$daemon->signal('HUP');
	is_deeply([ told($daemon, 2) ],
		[ map { "FDSTOREREMOVE sniport-1-$_" } 0, 1 ],
		'one that is removed is taken out');
	$daemon->configure(top => 'workers = 5;');
	$daemon->signal('HUP');
	ok($daemon->wait_log(qr/ warning master\S+ listeners: not kept for a restart: they have more sockets \(5\) than the service manager keeps \(4, FileDescriptorStoreMax=\)\n/),
		'too many are not kept');
	is_deeply([ told($daemon, 2) ],
		[ map { "FDSTOREREMOVE sniport-2-$_" } 0, 1 ],
		'nor some of them');
	$daemon->stop_ok;
};

subtest 'no store' => sub {
	my $port = port();
	my $daemon = Sniport::Daemon->new(@hosts, %released,
		listeners => listeners($port));
	$daemon->signal('HUP');
	my ($text, $told) = ('', 0);
	while ($text !~ /^READY=1$/m) {
		$text = $daemon->wait_notify(qr/./s) // die 'no READY=1';
		$told++ if $text =~ /^FDSTORE/;
	}
	is($told, 0, 'is told nothing');
	$daemon->stop_ok;
};

subtest 'what it kept' => sub {
	my ($port, $other, $third) = (port(), port(), port());
	my $daemon = start([ (map { "sniport-7-$_=127.0.0.1:$port" } 0, 1),
		"sniport-9-0=127.0.0.1:$other" ], [ $port, $third ], %released,
		environment => { FDSTORE => 100 });
	is(listening($port), 2, 'is taken up');
	is(scalar(grep { serves($port) } 1 .. 10), 10, 'and serves');
	like($daemon->log, qr/ notice master\S+ listener 127\.0\.0\.1:$other: was kept by the service manager, and is not configured any more: closed\n/,
		'what nobody wants is closed');
	ok(poll(sub { !listening($other) }), 'so that nobody waits there');
	is_deeply([ told($daemon, 2) ], [ map { "FDSTORE sniport-10-$_" } 0, 1 ],
		'a new listener has a number that nobody had');
	ok(serves($third), 'and serves');
	$daemon->stop_ok;
};

subtest 'a part of what it kept' => sub {
	my $port = port();
	my $daemon = start([ map { "sniport-7-$_=127.0.0.1:$port" } 0, 2 ],
		[ $port ], %released, environment => { FDSTORE => 100 });
	like($daemon->log, qr/ warning master\S+ listener 127\.0\.0\.1:$port: the service manager has only a part of it: closed, with what waits there\n/,
		'is of no use');
	is_deeply([ told($daemon, 2) ], [ map { "FDSTORE sniport-1-$_" } 0, 1 ],
		'new ones take its place');
	is(scalar(grep { serves($port) } 1 .. 10), 10, 'and serve');
	$daemon->stop_ok;
};

done_testing;
