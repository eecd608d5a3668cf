#!/usr/bin/perl
# The service is started again under a real systemd while clients come: where
# its listening sockets are kept meanwhile nobody is refused, and whoever waits
# is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;

use Sniport::Alone;
use Sniport::Bench::Load;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Systemd;
use Sniport::Test qw(build deadline poll timeout under_valgrind);
use Sniport::Tunnel qw(finish name_of works);
use Sniport::Upstream;

my $why = Sniport::Systemd::impossible() ||
    (under_valgrind() ? 'not under valgrind, which the unit forbids' : '');
plan skip_all => "SKIPPED LOUDLY: no systemd of our own: $why" if $why;

my $UNIT = 'sniport.service';
my $CONF = '/etc/sniport/sniport.conf';
my $DROP_IN = '/etc/systemd/system/sniport.service.d/store.conf';
my $STORE = "[Service]\nFileDescriptorStoreMax=12\nEnvironment=FDSTORE=12\n";
my $upstream = Sniport::Upstream->new('echo');
my @held = map { Sniport::Daemon::hold_port() } 1 .. 3;
my ($port, $other, $third) = map { $_->sockport } @held;
@held = ();

sub configuration {
	my ($workers, @ports) = @_;
	my $listeners = join ', ', map { qq({ address = "127.0.0.1:$_"; }) } @ports;

	return <<"END";
workers = $workers;
listeners = ( $listeners );
tls = { certificates = ( { chain = "/etc/sniport/tls.pem";
	key = "/etc/sniport/tls.key"; } ); };
rules = ( { name = "test"; action = "allow"; destinations = [ "*:*" ];
	networks = [ "127.0.0.0/8" ]; } );
dns = { servers = [ "127.0.0.1:9" ]; hosts_file = "/etc/sniport/hosts"; };
timeouts = { client_hello = "10m"; handshake = "10m"; connect = "10m";
	drain = "2m"; };
log = { error = "stderr"; access = "stdout"; };
END
}

# The drain is to be longer than systemd waits.
my $system = Sniport::Systemd->with_sniport("TimeoutStopSec=1\n",
	$CONF => configuration(2, $port, $other), $DROP_IN => $STORE);

sub texts { return join "\n", map { $_->[1] } $system->journal($UNIT); }

sub ctl {
	my (@words) = @_;
	my ($status, $text) = $system->run('systemctl', @words);

	return is($status, 0, "systemctl @words") || !diag($text, texts());
}

# How many sockets systemd keeps.
sub kept_ok {
	my ($want, $name) = @_;
	my $n;

	return ok(poll(sub {
		$n = $system->show($UNIT, 'NFileDescriptorStore');
		return $n == $want;
	}), $name) || !diag("kept: $n\n", texts());
}

sub client {
	my ($at) = @_;

	return Sniport::Client->new(port => $at, name => name_of($upstream));
}

sub serves {
	my ($at) = @_;
	my $client = client($at);

	return works($client) && finish($client);
}

sub refused {
	my ($at) = @_;

	return !IO::Socket::INET->new(PeerHost => '127.0.0.1', PeerPort => $at);
}

# 100 clients a second come by themselves for three seconds, whatever becomes of
# them, while $code runs; returns how many were served and how many were not, and
# how long any of them waited, in seconds.
sub while_clients_come {
	my ($at, $code) = @_;
	my $load = Sniport::Bench::Load->new(build() . '/bench/load',
		free => 1, sleeps => 1);

	$load->proxy({ port => $at }, 'peer.test:' . ($load->ports)[0]);
	$load->patience(timeout());
	$load->prepare('full', 300, 1, 100);
	$load->tell('go');
	$code->();
	my ($served, $failed, @ns) = $load->expect('done', 2 * timeout());
	$load->end;
	return ($served, $failed, $ns[-1] / 1e9);
}

subtest 'a restart while clients come' => sub {
	ctl('start', $UNIT);
	kept_ok(4, 'systemd keeps a socket of each worker and listener');
	my $tunnel = client($port);
	ok(works($tunnel), 'a tunnel that is open');
	my $pid = $system->main_pid($UNIT);
	my ($served, $failed, $longest) = while_clients_come($port, sub {
		ctl('restart', '--no-block', $UNIT);
		ok(poll(sub { $system->show($UNIT, 'StatusText') =~
			/^Draining: 1 tunnel left/ }), 'it drains') or diag(texts());
		# Longer than systemd would wait.
		ok(!poll(sub { !works($tunnel) }, deadline(2)),
			'for longer than the unit says');
		ok(finish($tunnel), 'the tunnel goes on to its own end');
	});
	isnt($system->main_pid($UNIT), $pid, 'another process serves');
	is($served, 300, 'each client is served');
	is($failed, 0, 'and none is refused or reset');
	note("the longest time that a client waited: $longest s");
	ok(poll(sub { texts() =~ /stop: done/ }), 'the stop was not cut short');
	unlike(texts(), qr/"reason":"(?!done")/,
		'no connection has another end than its own');
	kept_ok(4, 'the same sockets are kept still');
};

subtest 'a configuration that has changed' => sub {
	$system->write_files($CONF => configuration(3, $port, $third));
	ctl('restart', $UNIT);
	ok(serves($port), 'a listener that stays serves') for 1 .. 5;
	ok(serves($third), 'and a new one');
	ok(poll(sub { refused($other) }), 'one that is gone is closed');
	like(texts(), qr/listener 127\.0\.0\.1:$other: was kept by the service manager, and is not configured any more: closed$/m,
		'which is said');
	kept_ok(6, 'what is kept is what is configured');
	$system->write_files($CONF => configuration(3, $port));
	ctl('reload', $UNIT);
	kept_ok(3, 'after a reload as well');
	ok(poll(sub { refused($third) }), 'where a listener is removed');
};

subtest 'kill -9' => sub {
	my $pid = $system->main_pid($UNIT);
	kill 'KILL', $pid;
	poll(sub { $system->show($UNIT, 'SubState') eq 'auto-restart' ||
		$system->show($UNIT, 'NRestarts') > 0 });
	ok(serves($port), 'who comes before the service is back waits for it')
	    or diag(texts());
	isnt($system->main_pid($UNIT), $pid, 'which is another process');
};

subtest 'stop' => sub {
	ctl('stop', $UNIT);
	kept_ok(0, 'after a stop nothing is kept');
	ok(refused($port), 'and clients are refused');
};

subtest 'a socket unit' => sub {
	$system->write_files($CONF => configuration(2, $port), $DROP_IN => '',
		'/etc/systemd/system/sniport.socket' =>
		"[Socket]\nListenStream=127.0.0.1:$port\n");
	ctl('daemon-reload');
	ctl('start', 'sniport.socket');
	ok(serves($port), 'a client has the service started') or diag(texts());
	# It may serve before systemd has heard that it is ready.
	ok(poll(sub { $system->show($UNIT, 'ActiveState') eq 'active' }),
		'which is active');
	ctl('reload', $UNIT);
	ok(serves($port), 'it serves after a reload');
	my ($served, $failed, $longest) = while_clients_come($port,
		sub { ctl('restart', $UNIT) });
	is($served, 300, 'a restart while clients come: each is served');
	is($failed, 0, 'and none is refused or reset');
	note("the longest time that a client waited: $longest s");
	is($system->show($UNIT, 'NFileDescriptorStore'), 0,
		'no store is needed for it');
	my ($status, $text) = $system->run(qw(/usr/local/sbin/sniport -t));
	is($status, 0, 'root can check the configuration meanwhile') or diag($text);
	ctl('stop', 'sniport.socket', $UNIT);
	ok(refused($port), 'when both are stopped, clients are refused');
};

done_testing;
