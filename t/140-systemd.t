#!/usr/bin/perl
# The service under a real systemd: starts, serves, reloads well and badly,
# comes back when it was killed or stands still, and stops in time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;

use Sniport::Alone;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Systemd;
use Sniport::Test qw(poll slurp under_valgrind);
use Sniport::Tunnel qw(finish is_open name_of works);
use Sniport::Upstream;

my $why = Sniport::Systemd::impossible() ||
    (under_valgrind() ? 'not under valgrind, which the unit forbids' : '');
plan skip_all => "SKIPPED LOUDLY: no systemd of our own: $why" if $why;

my $UNIT = 'sniport.service';
my $CONF = '/etc/sniport/sniport.conf';
my $upstream = Sniport::Upstream->new('echo');
my $port = Sniport::Daemon::hold_port()->sockport;

# With what is to differ from all defaults.
sub configuration {
	my ($top) = @_;

	return <<"END";
workers = 2;
listeners = ( { address = "127.0.0.1:$port"; } );
tls = { certificates = ( { chain = "/etc/sniport/tls.pem";
	key = "/etc/sniport/tls.key"; } ); };
rules = ( { name = "test"; action = "allow"; destinations = [ "*:*" ];
	networks = [ "127.0.0.0/8" ]; } );
dns = { servers = [ "127.0.0.1:9" ]; hosts_file = "/etc/sniport/hosts"; };
timeouts = { drain = "1s"; };
log = { error = "stderr"; access = "stdout"; };
$top
END
}

# Half a minute is long for a test.
my $system = Sniport::Systemd->with_sniport("WatchdogSec=3\n",
	$CONF => configuration(''));

sub client {
	return Sniport::Client->new(port => $port, name => name_of($upstream));
}

sub ctl {
	my ($verb) = @_;
	my ($status, $text) = $system->run('systemctl', $verb, $UNIT);

	return ($status, $text);
}

sub texts { return join "\n", map { $_->[1] } $system->journal($UNIT); }

# Does a new connection come through?
sub serves {
	my $client = client();

	return works($client) && finish($client);
}

subtest 'start' => sub {
	my ($status, $text) = ctl('start');
	is($status, 0, 'systemctl start') or diag($text, texts());
	is($system->show($UNIT, 'ActiveState'), 'active', 'is active');
	like($system->show($UNIT, 'StatusText'),
		qr/^Serving: 2 workers, 1 listener, 1 rule, generation 1\b/,
		'and its status is what sniport says');
	ok(serves(), 'a tunnel');
	ok(poll(sub { grep { $_->[0] == 6 && $_->[1] =~ /^\{.*"reason":"done"/ }
		$system->journal($UNIT) }), 'its audit line is in the journal')
	    or diag(texts());
	is_deeply([ grep { $_->[1] =~ /^</ || $_->[1] =~ /: started, / &&
		$_->[0] != 5 } $system->journal($UNIT) ], [],
		'and the priority of each line is not in its text');
};

subtest 'reloads' => sub {
	my $client = client();
	my ($status, $text) = ctl('reload');
	is($status, 0, 'systemctl reload') or diag($text, texts());
	ok(poll(sub { $system->show($UNIT, 'StatusText') =~ /generation 2\b/ }),
		'the status has the new generation');
	$system->write_files($CONF => configuration('no_such_setting = 1;'));
	($status, $text) = ctl('reload');
	isnt($status, 0, 'a configuration that is wrong makes it fail');
	ok(poll(sub { texts() =~ /no_such_setting/ }), 'the journal has why');
	is($system->show($UNIT, 'ActiveState'), 'active', 'the service goes on');
	ok(serves(), 'and serves');
	# What a check cannot see, since the running service may have it.
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
	$system->write_files($CONF => configuration(
		'admin = { address = "127.0.0.1:' . $taken->sockport . '"; };'));
	is(($system->run(qw(/usr/local/sbin/sniport -t)))[0], 0,
		'one that only a reload can find wrong');
	($status, $text) = ctl('reload');
	isnt($status, 0, 'makes it fail as well');
	ok(poll(sub { texts() =~ /admin\.address: .*Address already in use/ }),
		'for that reason') or diag(texts());
	ok(serves(), 'and the service goes on');
	close $taken;
	$system->write_files($CONF => configuration(''));
	($status, $text) = ctl('reload');
	is($status, 0, 'a good one is taken again') or diag($text, texts());
	ok(works($client) && finish($client),
		'a tunnel goes on through all of it');
};

subtest 'status' => sub {
	my @clients = (client());
	ok(works($clients[0]), 'a tunnel');
	ok(poll(sub { $system->show($UNIT, 'StatusText') =~
		/generation 3; 1 tunnel$/ }), 'is counted')
	    or diag($system->show($UNIT, 'StatusText'));
	ctl('reload');
	ok(poll(sub { $system->show($UNIT, 'StatusText') =~ /generation 4/ }),
		'a reload');
	push @clients, client();
	ok(works($clients[1]), 'one more after it');
	ok(poll(sub { $system->show($UNIT, 'StatusText') =~
		/generation 4; 2 tunnels, 1 of them in old generations$/ }),
		'it says where they are')
	    or diag($system->show($UNIT, 'StatusText'));
	ok(finish($_), 'finished') for @clients;
	ok(poll(sub { $system->show($UNIT, 'StatusText') =~ /generation 4$/ }),
		'when they have ended, there are none');
};

subtest 'kill -9' => sub {
	my $master = $system->main_pid($UNIT);
	my @workers = $system->children($UNIT, 'sniport');
	kill 'KILL', $workers[-1];
	ok(poll(sub { grep { $_->[0] == 3 && $_->[1] =~
		/ died: signal 9/ } $system->journal($UNIT) }),
		'a worker that was killed is an error in the journal')
	    or diag(texts());
	ok(serves(), 'and others serve');
	my ($admin) = $system->children($UNIT, 'sniport-admin');
	kill 'KILL', $admin;
	ok(poll(sub {
		my ($next) = $system->children($UNIT, 'sniport-admin');
		return $next && $next != $admin;
	}), 'an admin process that was killed is replaced') or diag(texts());
	is(($system->run(qw(/usr/local/sbin/sniport status)))[0], 0, 'and answers');
	ok(serves(), 'while others serve');
	is($system->main_pid($UNIT), $master, 'the master goes on');
	kill 'KILL', $master;
	ok(poll(sub { $system->show($UNIT, 'NRestarts') == 1 &&
		$system->show($UNIT, 'ActiveState') eq 'active' }),
		'a master that was killed is started again') or diag(texts());
	ok(serves(), 'and serves');
};

subtest 'watchdog' => sub {
	my $master = $system->main_pid($UNIT);
	kill 'STOP', $master;
	ok(poll(sub { $system->show($UNIT, 'NRestarts') == 2 &&
		$system->show($UNIT, 'ActiveState') eq 'active' }),
		'a master that stands still is replaced') or diag(texts());
	ok(serves(), 'and it serves');
};

subtest 'stop' => sub {
	my $client = client();
	ok(works($client), 'a tunnel');
	my ($status, $text) = ctl('stop');
	is($status, 0, 'systemctl stop') or diag($text);
	is($system->show($UNIT, 'Result'), 'success', 'was clean');
	ok(!is_open($client), 'the tunnel was ended at the deadline');
	ok(poll(sub { texts() =~ /"reason":"drain_deadline"/ }), 'and says so')
	    or diag(texts());
	like(texts(), qr/stop: done/, 'to the end');
};

done_testing;
