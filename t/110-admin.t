#!/usr/bin/perl
# The admin process: what it answers, what it has, and that nothing depends on
# it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(answer ask connect_admin metrics pid_of request);
use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll slow status);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

sub metrics_ok {
	my ($where, $name) = @_;
	my ($status, $body, $field) = ask($where, '/metrics');
	my @wrong;
	my $sample = metrics($body // '', \@wrong);

	is($status, 200, "$name: they are there");
	like($field->{'content-type'}, qr{^text/plain; version=0\.0\.4},
		"$name: their type");
	is(join("\n", @wrong), '', "$name: all is as Prometheus wants it");
	return $sample;
}

subtest 'what it answers' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		admin => 'address = "127.0.0.1:%PORT_http%";');
	my $http = $daemon->port('http');

	is((ask($_, '/healthz'))[0], 200, 'healthy') for $http, $daemon;
	is((ask($_, '/readyz'))[0], 200, 'ready') for $http, $daemon;
	is((ask($http, '/nothing'))[0], 404, 'a path that is not there');
	my ($status, undef, $field) = ask($http, '/readyz', 'POST');
	is($status, 405, 'a method that is not for it');
	is($field->{allow}, 'GET, HEAD', 'and those that are');
	my $body;
	($status, $body, $field) = ask($http, '/healthz', 'HEAD');
	is($status, 200, 'HEAD');
	is($body, '', 'has no body');
	is((ask($http, '/healthz', 'GET', '1.0'))[0], 200, 'HTTP/1.0');
	is((ask($http, '/healthz', 'GET', '2.0'))[0], 505, 'HTTP/2.0');
	is((ask($http, 'healthz'))[0], 400, 'what is no request');

	my $before = metrics_ok($http, 'before');
	is($before->{sniport_accepted_total}, 0, 'nobody was here');
	my $client = tunnel_open($daemon, $upstream);
	my $open = metrics_ok($http, 'while a tunnel is open');
	is($open->{'sniport_tunnels{generation="current"}'}, 1, 'it is counted');
	ok(works($client) && finish($client), 'the tunnel works');
	$daemon->wait_audit(sub { $_->{reason} eq 'done' });
	my $after = metrics_ok($daemon, 'after');
	is($after->{sniport_accepted_total}, 1, 'one was here');
	is($after->{'sniport_tunnels_ended_total{reason="done"}'}, 1,
		'and ended well');
	is($after->{'sniport_tunnels{generation="current"}'}, 0, 'and is gone');
	is($after->{sniport_workers}, 2, 'workers');
	is($after->{sniport_workers_up}, 2, 'all of them are up');
	is($after->{sniport_ready}, 1, 'it is ready');
	ok($after->{sniport_start_time_seconds} > time - 3600, 'since when');
	$daemon->stop_ok;
};

subtest 'a reload' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		admin => 'address = "127.0.0.1:%PORT_http%";');
	my $kept = tunnel_open($daemon, $upstream);
	my $first = pid_of($daemon);
	# A request that is under way when it comes.
	my $half = connect_admin($daemon);
	syswrite $half, 'GET /healthz';
	ok(poll(sub { (ask($daemon, '/healthz'))[0] }), 'it is heard');

	$daemon->reload(log => 'level = "info";');
	my $second;
	ok(poll(sub { ($second = pid_of($daemon)) // $first }) != $first,
		'there is another one');
	syswrite $half, substr request('/healthz'), length 'GET /healthz';
	is((answer($half))[0], 200, 'the old one answers what it was asked');
	ok(poll(sub { !kill 0, $first }), 'and ends');

	my $sample = metrics_ok($daemon, 'after a reload');
	is($sample->{sniport_generation}, 2, 'the generation');
	is($sample->{sniport_generations}, 2, 'the old one has a tunnel');
	is($sample->{'sniport_tunnels{generation="old"}'}, 1, 'which is counted');
	is($sample->{'sniport_reloads_total{result="done"}'}, 1, 'it took');
	is($sample->{sniport_last_reload_success}, 1, 'as the last one');
	is($sample->{sniport_accepted_total}, 1, 'counters go on');

	like($daemon->reload(log => 'level = "loud";'), qr/failed/, 'a bad one');
	$sample = metrics_ok($daemon, 'after a bad one');
	is($sample->{'sniport_reloads_total{result="failed"}'}, 1, 'it did not');
	is($sample->{sniport_last_reload_success}, 0, 'as is told');
	is(pid_of($daemon), $second, 'the admin process stays');

	# Another address, and the old one is closed.
	my $old = $daemon->port('http');
	$daemon->reload(log => 'level = "info";',
		admin => 'address = "127.0.0.1:%PORT_other%";');
	is((ask($daemon->port('other'), '/readyz'))[0], 200, 'another address');
	ok(poll(sub { !connect_admin($old) }), 'the former is closed');
	finish($kept);
	$daemon->stop_ok;
	ok(!-e $daemon->dir . '/control.sock', 'the control socket is taken away');
};

subtest 'it dies' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, log => 'level = "info";');
	my $client = tunnel_open($daemon, $upstream);
	for my $n (1 .. 2) {
		my $pid = pid_of($daemon);
		kill 'KILL', $pid;
		ok($daemon->wait_log(qr/admin\[$pid\]: died: signal 9/),
			'the error log says so');
		is((ask($daemon, '/readyz'))[0], 200, 'who asks waits for the next');
		isnt(pid_of($daemon), $pid, 'which is another one');
		ok(works($client), 'the tunnel does not notice');
	}
	is(metrics_ok($daemon, 'after it')->{sniport_admin_died_total}, 2,
		'it is counted');
	# A worker that died is replaced, and the same one tells of that.
	my $pid = pid_of($daemon);
	my $worker = $daemon->worker(0);
	kill 'KILL', $worker;
	ok(poll(sub { $daemon->worker(0) != $worker }), 'a worker is replaced');
	ok(poll(sub { ($client = tunnel_open($daemon, $upstream)) &&
		works($client) }), 'its successor serves');
	my $sample = metrics_ok($daemon, 'after a worker');
	is($sample->{'sniport_tunnels{generation="current"}'}, 1,
		'and its tunnels are known');
	is($sample->{sniport_workers_died_total}, 1, 'the death is counted');
	is($sample->{sniport_accepted_total}, 2, 'and nothing forgotten');
	is(pid_of($daemon), $pid, 'by the same admin process');
	finish($client);
	$daemon->stop_ok;
};

subtest 'it stands still' => sub {
	plan skip_all => 'all is slow here' if slow();
	my $daemon = Sniport::Daemon->new(@hosts, log => 'level = "info";',
		timeouts => 'watchdog = "1s";');
	my $pid = pid_of($daemon);
	kill 'STOP', $pid;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'clients are served');
	$daemon->reload;
	ok(poll(sub { (ask($daemon, '/readyz'))[0] }), 'a reload brings another');
	$pid = pid_of($daemon);
	kill 'STOP', $pid;
	ok($daemon->wait_log(qr/admin\[$pid\]: killed: it does not answer/),
		'without one it is killed');
	is((ask($daemon, '/readyz'))[0], 200, 'and replaced');
	$daemon->stop_ok;
};

subtest 'a stop' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $client = tunnel_open($daemon, $upstream);
	$daemon->signal('TERM');
	ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'it drains');
	my ($status, $body) = ask($daemon, '/readyz');
	is($status, 503, 'it is not ready any more');
	is($body, "stopping\n", 'and says why');
	is((ask($daemon, '/healthz'))[0], 200, 'but healthy');
	ok(works($client) && finish($client), 'the tunnel ends by itself');
	is($daemon->wait_end, 0, 'sniport ends');
};

subtest 'what it has' => sub {
	plan skip_all => 'a sanitizer and valgrind have no sandbox' if slow();
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		admin => 'address = "127.0.0.1:%PORT_http%";');
	my $pid = pid_of($daemon);
	ok(poll(sub { status($pid, 'Seccomp') eq '2' }), 'a filter of system calls');
	is(status($pid, "Cap$_"), '0' x 16, "no capabilities ($_)")
	    for qw(Eff Prm Inh Amb);
	is(status($pid, 'NoNewPrivs'), 1, 'no new privileges');
	isnt((split ' ', status($pid, 'Uid'))[0], 0, 'it is not root') if $> == 0;
	my @files = map { readlink // () } glob "/proc/$pid/fd/*";
	SKIP: {
		skip 'its descriptors cannot be seen', 1 if !@files;
		is(scalar(grep { m!audit\.log! } @files), 0, 'no audit log');
		# The two that it serves, and the one to the master.
		is(scalar(grep { /^socket:/ } @files), 3, 'no socket of tunnels');
	}
	$daemon->stop_ok;
};

subtest 'the control socket' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $path = $daemon->dir . '/control.sock';
	is(sprintf('%o', (stat $path)[2] & 0777), '660', 'its mode');
	is((stat _)[4], $>, 'whose it is');
	# A second sniport that wants the same.
	my $other = Sniport::Daemon->new(@hosts, may_fail => 1,
		admin => "control = \"$path\";");
	like($other->log, qr/admin\.control: \Q$path\E cannot be listened on: .*another sniport listens there/,
		'another sniport is refused it');
	is((ask($daemon, '/readyz'))[0], 200, 'the first one keeps it');
	# One that was killed has left it there.
	kill 'KILL', $daemon->pid;
	$daemon->wait_end;
	ok(-S $path, 'one that was killed leaves it');
	$other = Sniport::Daemon->new(@hosts, admin => "control = \"$path\";");
	is((ask($daemon, '/readyz'))[0], 200, 'the next one takes it');
	$other->stop_ok;
	ok(!-e $path, 'and takes it away');
};

subtest 'what -t says' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		admin => 'address = "127.0.0.1:%PORT_http%";');
	is(($daemon->once('-t'))[0], 0, 'those that are in use may be had');
	$daemon->configure(admin => 'address = "192.0.2.1:9901"; public = true;
		control = "%DIR%/missing/control.sock";');
	my ($status, $text) = $daemon->once('-t');
	isnt($status, 0, 'those that cannot be');
	like($text, qr/admin\.address: 192\.0\.2\.1:9901 cannot be listened on: Cannot assign/,
		'an address of another host');
	like($text, qr/admin\.control: \S+ cannot be listened on: No such file/,
		'a folder that is missing');
	like($daemon->reload, qr/^Reload failed.*admin\./, 'and so does a reload');
	is((ask($daemon->port('http'), '/readyz'))[0], 200, 'all goes on');
	$daemon->stop_ok;
};

done_testing;
