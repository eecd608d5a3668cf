#!/usr/bin/perl
# Workers have no privileges, and sniport works without any.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(build poll run slow status temporary);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED LOUDLY: only root has privileges to drop' if $>;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");
# Somebody whom no system has.
my $UID = 61234;

sub limit {
	my ($pid, $name) = @_;

	open my $file, '<', "/proc/$pid/limits" or die "limits of $pid: $!";
	return +(map { /^\Q$name\E\s+(\S+)\s+(\S+)/ ? "$1 $2" : () } <$file>)[0];
}

# What no worker has, whoever it is.
sub harmless_ok {
	my ($pid, $who) = @_;

	is(status($pid, "Cap$_"), '0' x 16, "$who: no capabilities ($_)")
	    for qw(Eff Prm Inh Amb);
	is(status($pid, 'NoNewPrivs'), 1, "$who: no new privileges");
	is(status($pid, 'Groups'), '', "$who: no supplementary groups");
	# What is not dumpable belongs to root.
	is((stat "/proc/$pid/environ")[4], 0, "$who: is not dumpable");
	is(limit($pid, 'Max core file size'), '0 0', "$who: leaves no core");
	return;
}

sub identity_ok {
	my ($pid, $uid, $gid, $who) = @_;

	# Real, effective, saved, and of the file system.
	is(status($pid, 'Uid'), "$uid $uid $uid $uid", "$who: user");
	is(status($pid, 'Gid'), "$gid $gid $gid $gid", "$who: group");
	return;
}

sub works_ok {
	my ($daemon) = @_;
	my $client = tunnel_open($daemon, $upstream);

	ok(works($client) && finish($client), 'a tunnel comes about');
	# A scribe that cannot give up its privileges has lines dropped, too.
	is({ lines_of($daemon, $client->local_port) }->{$client->local_port}{reason},
		'done', 'and its audit line is written');
	return;
}

my ($nobody, $nogroup) = ((getpwnam 'nobody')[2], (getgrnam 'nogroup')[2]);

subtest 'no user' => sub {
	# The groups of the shell that starts it must not be inherited.
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		wrapper => [ 'setpriv', '--groups', '4,24' ]);
	my @workers = $daemon->workers;
	is(scalar @workers, 2, 'two workers');
	for my $pid (@workers) {
		identity_ok($pid, $nobody, $nogroup, 'worker');
		harmless_ok($pid, 'worker');
	}
	is(status($daemon->pid, 'Uid'), '0 0 0 0', 'the master stays root');
	is((stat '/proc/' . $daemon->pid . '/environ')[4], 0,
		'the master is root\'s');
	is(limit($daemon->pid, 'Max core file size'), '0 0', 'and leaves no core');
	like($daemon->log,
		qr/ warning master.*: user: is not set, and sniport was started as root: workers run as nobody \(uid $nobody, gid $nogroup\)$/m,
		'the error log warns');
	works_ok($daemon);

	# A reload may make them somebody else; also a replacement is.
	$daemon->reload(top => 'workers = 1; user = "daemon"; group = "games";');
	my $pid = $daemon->worker(0);
	my ($uid, $gid) = ((getpwnam 'daemon')[2], (getgrnam 'games')[2]);
	identity_ok($pid, $uid, $gid, 'worker after a reload');
	harmless_ok($pid, 'worker after a reload');
	kill 'KILL', $pid;
	$daemon->wait_log(qr/worker 0\[$pid\].*died.*worker 0\[\d+\]: ready/s);
	$pid = $daemon->worker(0);
	identity_ok($pid, $uid, $gid, 'its replacement');
	harmless_ok($pid, 'its replacement');
	works_ok($daemon);
	$daemon->stop_ok;
};

subtest 'user alone' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		top => 'workers = 1; user = "daemon";');
	identity_ok($daemon->worker(0), (getpwnam 'daemon')[2, 3],
		'the group is the user\'s');
	unlike($daemon->log, qr/user: /, 'there is no warning');
	$daemon->stop_ok;
};

subtest 'group alone' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		top => 'workers = 1; group = "games";');
	identity_ok($daemon->worker(0), $nobody, (getgrnam 'games')[2], 'nobody');
	$daemon->stop_ok;
};

subtest 'root' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		top => 'workers = 1; user = "root";');
	my $pid = $daemon->worker(0);
	identity_ok($pid, 0, 0, 'worker');
	harmless_ok($pid, 'worker');
	like($daemon->log,
		qr/ warning master.*: user: workers run as root, without capabilities$/m,
		'the error log warns');
	works_ok($daemon);
	$daemon->stop_ok;
};

# Runs sniport as that user from the start; setpriv is given these options too,
# and is run by the command `outer`.
sub unprivileged {
	my (%option) = @_;

	return Sniport::Daemon->new(@hosts, %option,
		wrapper => [ @{ $option{outer} // [] }, 'setpriv',
			"--reuid=$UID", "--regid=$UID", '--clear-groups',
			@{ $option{setpriv} // [] } ],
		before => sub {
			my ($daemon) = @_;

			chown $UID, $UID, glob($daemon->dir . '/*'), $daemon->dir;
		});
}

# As in a container that drops all capabilities.
subtest 'root without capabilities' => sub {
	my @bare = qw(setpriv --bounding-set=-all --inh-caps=-all);
	my $said = qr/^sniport: user: sniport was started as root, and its workers cannot become uid $nobody, gid $nogroup: Operation not permitted: give it CAP_SETUID and CAP_SETGID, or start it as that user$/m;
	my $daemon = Sniport::Daemon->new(@hosts, wrapper => \@bare,
		may_fail => 1);
	is($daemon->wait_end, 1, 'there is no start');
	like($daemon->log, $said, 'which says what is missing');
	unlike($daemon->log, qr/setgroups|died/, 'before there is a worker');
	my ($status, $text) = run(@bare, $daemon->command('-t', '-c',
		$daemon->dir . '/sniport.conf'));
	is($status, 1, '-t refuses it too');
	like($text, $said, 'and says the same');
	$daemon->stop_ok(status => 1);
	($status, $text) = run(qw(unshare --user --map-root-user),
		$daemon->command('-t', '-c', $daemon->dir . '/sniport.conf'));
	SKIP: {
		skip 'no user namespace', 1 if $text =~ /^unshare:/m;
		like($text, qr/: user: .* workers cannot become uid $nobody, /,
			'nor does one without these users');
	}

	@bare = (qw(setpriv --inh-caps=-all), '--bounding-set=' .
		'-all,+setuid,+setgid,+kill,+dac_override');
	$daemon = Sniport::Daemon->new(@hosts, wrapper => \@bare);
	identity_ok($daemon->worker(0), $nobody, $nogroup,
		'with these capabilities');
	works_ok($daemon);
	$daemon->stop_ok;
};

# A call fails for a worker that did not for who tried it before.
subtest 'a worker that cannot give up its privileges' => sub {
	plan skip_all => 'SKIPPED LOUDLY: an instrumented program takes no library'
	    if slow();
	my $dir = temporary();
	open my $file, '+>:raw', "$dir/refuse" or die $!;
	my $refuse = sub {
		sysseek $file, 0, 0;
		syswrite $file, pack('a16', $_[0]);
	};
	my @preload = (environment => { REFUSE_FILE => "$dir/refuse",
		LD_PRELOAD => build() . '/preload/refuse.so' });
	my $died = qr/worker [01]\[\d+\]: start: died before all were ready: exit status 1/;
	my $said = sub { qr/ error worker [01]\[\d+\]: start: $_[0]: Operation not permitted$/m };
	my $daemon;

	for my $step (qw(setgroups setresgid setresuid capset)) {
		$refuse->($step);
		$daemon = Sniport::Daemon->new(@hosts, @preload, may_fail => 1);
		is($daemon->wait_end, 1, "$step: there is no start");
		like($daemon->log, $said->($step), 'the worker says what failed');
		like($daemon->log, qr/ error master\[\d+\]: $died$/m,
			'the master that the worker was needed');
		unlike($daemon->log, qr/: started,|: ready$/m, 'nothing serves');
		$daemon->stop_ok(status => 1);
	}

	$refuse->('');
	$daemon = Sniport::Daemon->new(@hosts, @preload, top => 'workers = 2;');
	my $client = tunnel_open($daemon, $upstream);
	my @workers = $daemon->workers;
	for my $step (qw(setgroups setresgid setresuid capset)) {
		my $from = length $daemon->log;
		$refuse->($step);
		like($daemon->reload,
			qr/^Reload failed, generation 1 goes on: $died$/,
			"$step: a reload fails");
		my $log = substr $daemon->log, $from;
		like($log, $said->($step), 'the worker says what failed');
		like($log, qr/ error master\[\d+\]: reload: failed after \d+ ms: generation 1 goes on$/m,
			'the master says what serves');
		ok(poll(sub { "@{[ $daemon->workers ]}" eq "@workers" }),
			'the old workers alone are left');
		works_ok($daemon);
	}
	ok(works($client) && finish($client), 'an old tunnel lives');

	my $worker = $daemon->worker(0);
	kill 'KILL', $worker;
	ok($daemon->wait_log(qr/ error master\[\d+\]: worker 0\[(?!$worker\])\d+\] of generation 1: died: exit status 1$/m),
		'a replacement that fails is known');
	works_ok($daemon);
	$refuse->('');
	ok(poll(sub { $daemon->worker(0) != $worker }), 'and tried again');
	like($daemon->reload, qr/^Serving: 2 workers,/, 'as is a reload');
	works_ok($daemon);
	$daemon->stop_ok;
};

subtest 'started by somebody else' => sub {
	my $daemon = unprivileged();
	for my $pid ($daemon->pid, $daemon->workers) {
		my $who = $pid == $daemon->pid ? 'master' : 'worker';
		identity_ok($pid, $UID, $UID, $who);
	}
	harmless_ok($daemon->worker(0), 'worker');
	unlike($daemon->log, qr/user: /, 'there is no warning');
	works_ok($daemon);
	like($daemon->reload, qr/^Serving: .* generation 2$/, 'it reloads');
	works_ok($daemon);
	my $key = $daemon->dir . '/tls.key';
	chown 0, 0, $key;
	like($daemon->reload, qr/^Reload failed, .*tls\.key: .*Permission denied/,
		'what it may not read is an error');
	chown $UID, $UID, $key;

	# One that cannot be obeyed.
	$daemon->reload(top => 'workers = 1; user = "daemon";');
	like($daemon->log, qr/ warning master.*: user: has no effect, since sniport was not started as root: workers run with uid $UID$/m,
		'a user that it cannot become is a warning');
	identity_ok($daemon->worker(0), $UID, $UID, 'worker')
	    if $daemon->wait_log(qr/generation 2: gone/);
	$daemon->stop_ok;
};

subtest 'a log that is a pipe' => sub {
	plan skip_all => 'SKIPPED: a sanitizer comes before what is preloaded'
	    if slow();
	# Its reader and its writer are one user, who may open it anew.
	$> = $UID;
	pipe(my $reader, my $writer) or die "pipe: $!";
	$> = 0;
	my $daemon = unprivileged(stdout => $writer, log => 'access = "stdout";',
		environment => { LD_PRELOAD => build() . '/preload/violate.so' });
	works(Sniport::Client->new(port => $daemon->port,
		name => 'steal.violate.test:443'));
	ok($daemon->wait_log(qr/^violate steal: EACCES$/m),
		'a worker cannot take lines out of it') or diag($daemon->log);
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	$daemon->stop_ok;
	close $writer;
	is(scalar(grep { /"reason":/ } <$reader>), 2, 'its reader has all lines');
};

subtest 'a log that somebody else has opened' => sub {
	my $dir = temporary();
	for my $mode ('>', '>>', '+>>') {
		open my $stream, $mode, "$dir/log" or die "$dir/log: $!";
		chmod 0600, "$dir/log" or die "$dir/log: $!";
		my $daemon = unprivileged(stdout => $stream,
			log => 'access = "stdout";');
		my $client = tunnel_open($daemon, $upstream);
		ok(works($client) && finish($client), "$mode: it serves");
		my $worker = $daemon->worker(0);
		my @files = map { readlink } glob "/proc/$worker/fd/*";
		# Its standard output is what streams.c leaves of it.
		is(scalar(grep { $_ eq "$dir/log" } @files[1 .. $#files]),
			$mode eq '>>' ? 1 : 0, "$mode: no worker can write over it");
		$daemon->stop_ok;
		ok(-s "$dir/log", "$mode: its lines are there");
	}
};

subtest 'a privileged port' => sub {
	# In a network of its own, where it is free and privileged.
	my @outer = (qw(unshare --net sh -c), 'ip link set lo up && exec "$@"', '-');
	my ($status, $text) = run(@outer, 'true');
	plan skip_all => "SKIPPED LOUDLY: no network of its own: $text" if $status;
	my @with = (listeners => '{ address = "127.0.0.1:443"; }',
		outer => \@outer);
	my $daemon = unprivileged(@with, may_fail => 1);
	is($daemon->wait_end, 1, 'without a capability it does not start');
	like($daemon->log,
		qr/^sniport: \S+:\d+: listeners\.address: 127\.0\.0\.1:443: bind: Permission denied; a port below 1024 needs CAP_NET_BIND_SERVICE$/m,
		'and says why');

	$daemon = unprivileged(@with, setpriv => [ qw(--inh-caps
		+net_bind_service --ambient-caps +net_bind_service) ]);
	like(status($daemon->pid, 'CapEff'), qr/^0*400$/,
		'with that capability it does');
	harmless_ok($daemon->worker(0), 'worker');
	$daemon->stop_ok;
};

done_testing;
