#!/usr/bin/perl
# Log files: a disk that hangs stops nothing, who writes them may die, they are
# rotated, and have one mode.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP ();

use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(build group_gone poll run sanitized status temporary
	under_valgrind);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");
my $LONG = "\xff" x 255;

# One connection that is refused, whose line is long. False: nobody answered.
sub refuse {
	my ($port) = @_;

	return Sniport::Hello::exchange($port, Sniport::Hello::records(
		Sniport::Hello::client_hello(name => $LONG)))->{alert};
}

sub sum {
	my $sum = 0;

	$sum += $_ for @_;
	return $sum;
}

sub decoded {
	return map { eval { JSON::PP::decode_json($_) } // { broken => $_ } }
	    split /\n/, $_[0];
}

# Each connection has one whole line, or is told to be missing, in both logs.
sub complete_ok {
	my ($daemon, $n, $text) = @_;
	my @lines = decoded($text);
	my %client = map { ("$_->{client} $_->{time}" => 1) }
	    my @ends = grep { ($_->{event} // '') eq 'end' } @lines;
	my $gaps = sum(map { ($_->{event} // '') eq 'dropped' ? $_->{count} : () }
		@lines);
	my $told = sum($daemon->log =~ /: audit log: (\d+) lines? dropped/g);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ map { $_->{broken} // () } @lines ], [], 'all lines are whole');
	is(scalar(keys %client), scalar(@ends), 'none comes twice');
	is(@ends + $told, $n, 'each line came, or the error log says it is lost');
	return ($told, $gaps);
}

# What must hold while the disk of both logs hangs; returns how many lines
# there must be.
sub unstoppable_ok {
	my ($daemon) = @_;
	my $n = 0;

	# More than waits for a disk, so that lines are lost.
	for (1 .. 500) {
		refuse($daemon->port) or last;
		$n++;
	}
	is($n, 500, 'connections are answered') or return $n;
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel, 100_000), 'tunnels come about and go on');
	my ($pid) = $daemon->workers;
	# Three watchdogs' time at least.
	for (1 .. 30) {
		my $next = tunnel_open($daemon, $upstream);
		works($next) && finish($next) or last;
		$n++;
		select undef, undef, undef, 0.3;
	}
	is($n, 530, 'for longer than the watchdog would wait');
	is_deeply([ $daemon->workers ], [ $pid ], 'the worker is the same');
	ok(works($tunnel) && finish($tunnel), 'the tunnel ends well');
	return $n + 1;
}

# The watchdog of the service manager is fed meanwhile, too.
my @watch = (timeouts => sprintf 'watchdog = "%ds"; drain = "8s";',
	under_valgrind() ? 20 : 3);

subtest 'a disk that hangs' => sub {
	plan skip_all => 'SKIPPED LOUDLY: an instrumented program takes no library'
	    if sanitized() || under_valgrind();
	my $dir = temporary();
	my $switch = sub {
		open my $file, '+<', "$dir/hang" or die $!;
		syswrite $file, $_[0];
	};
	open my $file, '>', "$dir/hang" or die $!;
	print $file '0';
	close $file;
	my $daemon = Sniport::Daemon->new(@hosts, @watch,
		log => 'error = "%DIR%/errors"; access = "%DIR%/audit.log";',
		environment => { HANG_FILE => "$dir/hang",
			LD_PRELOAD => build() . '/preload/hang.so' });
	$switch->(1);
	my $n = unstoppable_ok($daemon);
	$daemon->configure(top => 'workers = 1; default_action = "report";');
	$daemon->signal('USR1');
	$daemon->signal('HUP');
	ok($daemon->wait_notify(qr/^STATUS=Reload failed, generation 1 goes on: .*: log\.error: \S+ cannot be opened: its disk does not answer/m),
		'a reload that cannot open them fails, and says so');
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel) && finish($tunnel), 'which stops nothing either');
	$n++;
	$switch->(0);
	ok(poll(sub { $daemon->slurp('errors') =~ / error master\S+ reload: failed/ }),
		'when the disk goes on, so do the logs');
	like($daemon->slurp('errors'), qr/ error master\S+ log\.\w+: \S+ has taken nothing for 5 s: lines wait$/m,
		'it is said that the disk hung');
	ok(poll(sub { $daemon->slurp('audit.log') =~ /"event":"dropped"/ }),
		'the audit log says that lines are missing');
	$daemon->stop_ok;
	no warnings 'redefine';
	local *Sniport::Daemon::log = sub { $_[0]->slurp('errors') };
	my ($told, $gaps) = complete_ok($daemon, $n, $daemon->slurp('audit.log'));
	is($gaps, $told, 'as many as the error log says');
};

subtest 'a disk that hangs for good' => sub {
	plan skip_all => 'SKIPPED LOUDLY: an instrumented program takes no library'
	    if sanitized() || under_valgrind();
	my $dir = temporary();
	open my $file, '>', "$dir/hang" or die $!;
	print $file '0';
	close $file;
	my ($r, $w);
	pipe($r, $w) or die "pipe: $!";
	my $daemon = Sniport::Daemon->new(@hosts, stderr => $w,
		timeouts => 'drain = "2s";', environment => {
			HANG_FILE => "$dir/hang",
			LD_PRELOAD => build() . '/preload/hang.so' });
	close $w;
	open $file, '+<', "$dir/hang" or die $!;
	syswrite $file, '1';
	my $n = 400;
	for (1 .. $n) {
		ok(0, 'connections are answered'), return
		    unless refuse($daemon->port);
	}
	$daemon->signal('TERM');
	is($daemon->wait_end, 0, 'sniport stops when its time is over')
	    or return;
	my $log = do { local $/; <$r> };
	is(sum($log =~ /: audit log: (\d+) lines? dropped/g), $n,
		'and counts what is lost: all lines');
	like($log, qr/ audit_dropped $n[,\n]/, 'in the counters too');
	is($daemon->slurp('audit.log'), '', 'nothing was written');
	ok(poll(sub { group_gone($daemon->pid) }), 'no process is left');
};

# A real one: the file system is frozen, and writes do not return.
subtest 'a file system that is frozen' => sub {
	my $image = temporary();
	my @mount = (qw(unshare -m sh -c),
		'mount -o loop,mode=755 "$0" "$1" 2>/dev/null || mount -o loop "$0" "$1" || exit 1; chmod 755 "$1"; shift; exec "$@"',
		"$image/disk");
	my ($status) = run('sh', '-c', 'dd if=/dev/zero of="$0" bs=1M count=8 && mke2fs -q "$0"',
		"$image/disk");
	($status) = run(@mount, '/mnt', qw(fsfreeze --unfreeze /mnt)) if !$status;
	# Which is an error for one that is not frozen: that it can be asked is all.
	($status) = run(@mount, '/mnt', 'true') if $status == 1;
	plan skip_all => 'SKIPPED LOUDLY: no file system of its own' if $status;
	my @wrapper = (@mount, '');
	my $daemon = Sniport::Daemon->new(@hosts, @watch, wrapper => \@wrapper,
		log => 'error = "%DIR%/frozen/errors"; access = "%DIR%/frozen/audit.log";',
		before => sub {
			my ($daemon) = @_;

			$wrapper[-1] = $daemon->dir . '/frozen';
			mkdir $wrapper[-1] or die "mkdir: $!";
		});
	my $place = '/proc/' . $daemon->pid . "/root$wrapper[-1]";
	my $within = sub {
		run('nsenter', '-m', '-t', $daemon->pid, @_);
	};
	my $read = sub {
		open my $in, '<', "$place/$_[0]" or return '';
		local $/;
		return <$in> // '';
	};
	my $n;
	($status) = $within->('fsfreeze', '--freeze', $wrapper[-1]);
	SKIP: {
		skip 'SKIPPED LOUDLY: fsfreeze is not permitted', 5 if $status;
		$n = eval { unstoppable_ok($daemon) };
		my $error = $@;
		$within->('fsfreeze', '--unfreeze', $wrapper[-1]);
		is($error, '', 'all went as it should');
		ok(poll(sub { $read->('audit.log') =~ /"event":"dropped"/ }),
			'when it thaws, the audit log says that lines are missing');
		$daemon->settle;
		no warnings 'redefine';
		local *Sniport::Daemon::log = sub { $read->('errors') };
		my ($told, $gaps) = complete_ok($daemon, $n, $read->('audit.log'));
		is($gaps, $told, 'as many as the error log says');
	}
	$daemon->stop_ok;
};

subtest 'whoever writes a file may die' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $n = 0;
	for my $round (1 .. 5) {
		for (1 .. 20) {
			refuse($daemon->port);
			$n++;
			kill 'KILL', $daemon->writers if $_ == 10;
		}
		refuse($daemon->port);
		$n++;
		ok(poll(sub { $daemon->writers == 2 }), "round $round: replaced");
	}
	ok(poll(sub { $n <= ($daemon->slurp('audit.log') =~ tr/\n//) }),
		'no line is lost');
	like($daemon->log, qr/ error master\S+ log\.access: the process that writes \S+ has died and is replaced$/m,
		'the error log says it');
	$daemon->stop_ok;
	my @lines = decoded($daemon->slurp('audit.log'));
	is_deeply([ map { $_->{broken} // () } @lines ], [], 'all lines are whole');
	my %client = map { ("$_->{client} $_->{time}" => 1) } @lines;
	is(scalar(keys %client), $n, 'each connection has one');
};

subtest 'a worker that is killed takes no line with it' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, timeouts => 'drain = "5s";');
	my $n = 0;
	for (1 .. 5) {
		for (1 .. 20) {
			refuse($daemon->port);
			$n++;
		}
		my $pid = $daemon->worker(0);
		kill 'KILL', $pid;
		$daemon->wait_log(qr/worker 0\[$pid\].*died.*worker 0\[\d+\]: ready/s);
	}
	$daemon->stop_ok;
	my ($told) = complete_ok($daemon, $n, $daemon->slurp('audit.log'));
	is($told, 0, 'none is lost');
};

subtest 'they are few, and not privileged' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root has privileges to drop' if $>;
	my $daemon = Sniport::Daemon->new(@hosts, log => 'access = "/dev/null";');
	my @writers = $daemon->writers;
	is(scalar(@writers), 2, 'one for each log');
	my $nobody = (getpwnam 'nobody')[2];
	for my $pid (@writers) {
		is(status($pid, 'Uid'), join(' ', ($nobody) x 4), 'user');
		is(status($pid, "Cap$_"), '0' x 16, "no capabilities ($_)")
		    for qw(Eff Prm Inh Amb);
		is(status($pid, 'NoNewPrivs'), 1, 'no new privileges');
		is(status($pid, 'Seccomp'), 2, 'no system calls but its own')
		    unless sanitized() || under_valgrind();
		my @files = map { readlink } glob "/proc/$pid/fd/*";
		# Valgrind has some beside them.
		is(scalar(@files), 6, 'no file but its own') or diag("@files")
		    unless under_valgrind();
		is(scalar(grep { /socket/ } @files), 1, 'no socket but the master\'s');
	}
	$daemon->reload for 1 .. 5;
	is(scalar($daemon->writers), 2, 'generations share them');
	$daemon->reload(log => 'access = "stdout"; error = "stderr";');
	ok(poll(sub { $daemon->writers == 2 }),
		'one for another file, and one ends');
	$daemon->stop_ok;
};

subtest 'one mode, whatever the umask' => sub {
	for my $umask ('0077', '0000', '0027') {
		my $daemon = Sniport::Daemon->new(@hosts,
			log => 'error = "%DIR%/errors"; access = "%DIR%/audit.log";',
			wrapper => [ 'sh', '-c', "umask $umask; exec \"\$\@\"", '-' ]);
		my $modes = sub {
			return join ' ', map { sprintf '%04o', (stat $daemon->dir .
				"/$_")[2] & 07777 } 'errors', 'audit.log';
		};
		is($modes->(), '0640 0640', "umask $umask: made by sniport");
		rename $daemon->dir . "/$_", $daemon->dir . "/$_.1"
		    for 'errors', 'audit.log';
		$daemon->signal('USR1');
		ok(poll(sub { $daemon->slurp('errors') =~ /logs: reopened/ }),
			'rotated');
		is($modes->(), '0640 0640', 'and made anew');
		# An operator's choice stays.
		chmod 0604, $daemon->dir . '/audit.log';
		$daemon->reload;
		is($modes->(), '0640 0604', 'one that is there is left as it is');
		$daemon->stop_ok;
	}
};

subtest 'rotation' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
	my $n = 0;
	for my $round (1 .. 5) {
		for (1 .. 10) {
			refuse($daemon->port);
			$n++;
		}
		rename $daemon->dir . '/audit.log', $daemon->dir . "/old.$round.log";
		refuse($daemon->port);
		$n++;
		$daemon->signal('USR1');
		refuse($daemon->port);
		$n++;
		ok(poll(sub { -e $daemon->dir . '/audit.log' }),
			"round $round: there is another");
	}
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel), 'a tunnel of the first generation');
	$daemon->reload;
	rename $daemon->dir . '/audit.log', $daemon->dir . '/old.6.log';
	$daemon->reopen;
	ok(finish($tunnel), 'ends after a reload');
	$n++;
	ok(poll(sub { $daemon->slurp('audit.log') =~ /"reason":"done"/ }),
		'its line is in the newest file');
	$daemon->stop_ok;
	complete_ok($daemon, $n, join '', (map { $daemon->slurp("old.$_.log") }
		1 .. 6), $daemon->slurp('audit.log'));
};

done_testing;
