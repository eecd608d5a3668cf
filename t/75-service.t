#!/usr/bin/perl
# What an operator is told at the start, by -t and by signals: who the workers
# become, dates of certificates, reloads and rotations that cannot be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;
use POSIX qw(strftime);

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(poll run status temporary top);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# Real and effective user and group of a process.
sub who {
	my ($pid) = @_;

	return join ' ', map { (split ' ', status($pid, $_))[0, 1] } qw(Uid Gid);
}

# Runs -t on a configuration that has these settings; what it says.
sub checked {
	my ($daemon, %option) = @_;

	$daemon->configure(%option);
	my ($status, $text) = $daemon->once('-t');
	# That depends on who runs the test.
	$text =~ s/^sniport: warning: \S*\s?limits\.tunnels: .*\n//mg;
	return "$status $text";
}

subtest 'numbers for user and group' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root can become another' if $>;
	my ($daemon_uid, $daemon_gid) = (getpwnam 'daemon')[2, 3];
	my $daemon = Sniport::Daemon->new(@hosts,
		top => 'workers = 1; user = "61234"; group = "61235";');
	is(who($daemon->worker(0)), '61234 61234 61235 61235',
		'numbers that have no names');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'it serves');
	$daemon->reload(top => qq(workers = 1; user = "$daemon_uid";));
	is(who($daemon->worker(0)),
		"$daemon_uid $daemon_uid $daemon_gid $daemon_gid",
		'a user\'s number: the group is that user\'s');
	$daemon->reload(top => 'workers = 1; user = "daemon"; group = "61235";');
	is(who($daemon->worker(0)), "$daemon_uid $daemon_uid 61235 61235",
		'a name and a number');
	unlike($daemon->log, qr/ warning .*(?:user|group):/, 'no warning');

	like(checked($daemon, top => 'user = "61234";'),
		qr/^1 sniport: \S+:1: user: there is no user with the number 61234, so its group is not known; set group too$/m,
		'a number alone that nobody has');
	like(checked($daemon, top => 'user = "no-such"; group = "none-such";'),
		qr/^1 sniport: \S+:1: user: there is no user "no-such"\nsniport: \S+:1: group: there is no group "none-such"$/m,
		'names that do not exist');
	for ('4294967295', '99999999999999999999999', '-1', '0x10', '12a') {
		like(checked($daemon, top => qq(user = "$_"; group = "$_";)),
			qr/^1 sniport: \S+:1: user: there is no user "\Q$_\E"\nsniport: \S+:1: group: there is no group "\Q$_\E"$/m,
			"$_ is not a number of a user");
	}
	like(checked($daemon, top => 'user = "0"; group = "0";'),
		qr/^0 sniport: warning: \S+:1: user: workers run as root, without capabilities$/m,
		'root by its number is still root');
	$daemon->stop_ok;
};

subtest 'a group that cannot be had' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root can become another' if $>;
	my @setpriv = (qw(setpriv --reuid=61234 --regid=61235 --clear-groups));
	my $daemon = Sniport::Daemon->new(@hosts,
		top => 'workers = 1; user = "61234"; group = "games";',
		wrapper => \@setpriv, before => sub {
			my ($daemon) = @_;

			chown 61234, 61235, glob($daemon->dir . '/*'), $daemon->dir;
		});
	like($daemon->log, qr/ warning master\S+ \S+:1: group: has no effect, since sniport was not started as root: workers run with gid 61235$/m,
		'is a warning');
	unlike($daemon->log, qr/ warning .*user:/, 'the user is as it says');
	is(who($daemon->worker(0)), '61234 61234 61235 61235', 'and true');
	$daemon->stop_ok;
};

subtest 'dates of a certificate' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $ca = Sniport::Authority->new($daemon->dir, 'ca');
	my @dates = ([ 'expired on', -3600 ], [ 'expires in 13 days, on', 13 * 86400 ],
		[ undef, 31 * 86400 ]);
	for (@dates) {
		my ($words, $from_now) = @$_;
		my @end = gmtime(time + $from_now);
		my ($chain, $key) = $ca->issue("a$from_now", undef,
			end => strftime('%y%m%d%H%M%SZ', @end));
		my $date = strftime('%Y-%m-%dT%H:%M:%SZ', @end);
		my $text = checked($daemon, tls => qq(certificates = (
			{ chain = "$chain"; key = "$key"; } );));
		if ($words) {
			like($text, qr/^0 sniport: warning: \S+:\d+: tls\.certificates\.chain: \S+: certificate 1 \Q$words $date\E$/m,
				"$words $date");
		} else {
			unlike($text, qr/certificate \d/,
				'one with more than 30 days is not worth a word');
		}
	}
	$daemon->stop_ok;
};

# A folder with a systemctl that answers for a unit with these properties.
sub systemctl {
	my ($daemon, %property) = @_;
	my $dir = $daemon->dir . '/bin';
	%property = (LimitNOFILE => 'infinity', %property);

	mkdir $dir;
	open my $file, '>', "$dir/systemctl" or die "systemctl: $!";
	print $file "#!/bin/sh\ncase \$* in show*sniport.service) ;; *) exit 1 ;; esac\n",
	    map { "echo '$_=$property{$_}'\n" } sort keys %property;
	close $file;
	chmod 0755, "$dir/systemctl" or die "systemctl: $!";
	return ('env', "PATH=$dir:$ENV{PATH}");
}

# Runs -t beside that systemctl; status and text.
sub checked_as {
	my ($daemon, $wrapper, %property) = @_;

	my ($status, $text) = run(@$wrapper, systemctl($daemon, %property),
		$daemon->command('-t', '-c', $daemon->dir . '/sniport.conf'));
	return "$status $text";
}

# Started as the user of the unit, as systemd does.
sub unprivileged {
	my ($uid, $gid) = (getpwnam 'daemon')[2, 3];

	return Sniport::Daemon->new(@hosts, top => 'user = "daemon";',
		wrapper => [ 'setpriv', "--reuid=$uid", "--regid=$gid",
			'--clear-groups' ], before => sub {
			my ($daemon) = @_;

			chown $uid, $gid, glob($daemon->dir . '/*'), $daemon->dir;
		});
}

subtest '-t as root judges as the service would run' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root can become another' if $>;
	my $daemon = unprivileged();
	my @unit = (User => 'daemon', Group => '', SupplementaryGroups => '',
		AmbientCapabilities => '');
	my $key = $daemon->dir . '/tls.key';
	my $conf = $daemon->dir . '/sniport.conf';
	my $valid = qr/\A0 \Q$conf\E: configuration is valid for user daemon of sniport\.service\n\z/;

	chown 0, 0, $key;
	like(checked_as($daemon, [], @unit),
		qr/\A1 sniport: \S+:\d+: tls\.certificates\.key: \Q$key\E: cannot be read: Permission denied\nsniport: checked as user daemon, the user of sniport\.service\n\z/,
		'a key that only root can read is an error');
	chown +(getpwnam 'daemon')[2], -1, $key;
	like(checked_as($daemon, [], @unit), $valid,
		'one that it can read is not; nor are there warnings about users');
	chown 0, +(getgrnam 'games')[2], $key;
	chmod 0640, $key;
	like(checked_as($daemon, [], @unit), qr/\A1 .*Permission denied/,
		'a group that it does not have');
	like(checked_as($daemon, [], @unit, SupplementaryGroups => 'tty games'),
		$valid, 'one that the unit gives');
	like(checked_as($daemon, [], @unit, Group => 'games'), $valid,
		'the group of the unit');

	chmod 0644, $key;
	like(checked_as($daemon, [], User => 'no-such-user'),
		qr/\A0 sniport: warning: sniport\.service: its user no-such-user does not exist: checked as root\n/m,
		'a user that does not exist');
	for ([ 'no user', User => '' ], [ 'root', User => 'root' ]) {
		my ($title, @unit) = @$_;
		unlike(checked_as($daemon, [], @unit), qr/sniport\.service/,
			"$title: as root");
	}
	my $said = checked($daemon);
	unlike($said, qr/sniport\.service|systemctl|bus/,
		'without an answer of systemd: as root');
	like($said, qr/\A0 /,
		'to whom the listeners of that user are no obstacle');
	chmod 0600, $key;
	is((run(qw(setpriv --reuid=daemon --regid=daemon --clear-groups),
		systemctl($daemon, User => 'root'), $daemon->command('-t', '-c',
		$conf)))[0], 1, 'called by another it stays that one');
	$daemon->stop_ok;
};

# Judged before the first start of the service.
subtest '-t and what is not there yet' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root can become another' if $>;
	my $daemon = unprivileged();
	my $name = "sniport-$$-none";
	my %base = (LogsDirectory => '/var/log', RuntimeDirectory => '/run',
		StateDirectory => '/var/lib');
	for (sort keys %base) {
		my $file = "$base{$_}/$name/access.log";
		$daemon->configure(top => 'user = "daemon";',
			log => qq(access = "$file"; error = "stderr";));
		like(checked_as($daemon, [], User => 'daemon', $_ => "a $name b"),
			qr/\A0 .*: configuration is valid for user daemon /s,
			"a folder that the unit makes: $_");
		for my $other ("$name-b a$name", "$name/a") {
			like(checked_as($daemon, [], User => 'daemon',
				$_ => $other),
				qr/\A1 .*\Q$file\E cannot be opened: No such file or directory/,
				"$other is another");
		}
		like(checked_as($daemon, [], User => 'daemon', $_ => $name,
			LoadState => 'not-found'),
			qr/\A1 .*\Q$file\E cannot be opened/s,
			'a unit that is not there makes none');
	}

	my $dir = temporary();
	chmod 0755, $dir;
	mkdir "$dir/here";
	chmod 0777, "$dir/here";
	symlink "$dir/gone/access.log", "$dir/dangling";
	$daemon->configure(top => 'user = "daemon";',
		log => qq(access = "$dir/dangling"; error = "stderr";));
	like(checked_as($daemon, [], User => 'daemon'),
		qr/\A1 .*\Q$dir\E\/dangling cannot be opened: No such file or directory/,
		'a link into a folder that is not there');
	unlink "$dir/dangling";
	symlink 'here/access.log', "$dir/dangling";
	like(checked_as($daemon, [], User => 'daemon'), qr/\A0 /,
		'one to a file that can be made is none');
	ok(!-e "$dir/here/access.log", 'which is not made');
	$daemon->stop_ok;
};

subtest '-t binds what the running service does not hold' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $valid = qr/^0 (?:sniport: warning: .*\n)*\S+: configuration is valid$/;
	like(checked($daemon), $valid, 'what it holds is no obstacle');
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
	    or die "listen: $!";
	my $address = '127.0.0.1:' . $taken->sockport;
	my @both = (listeners => qq({ address = "127.0.0.1:%PORT%"; },
		{ address = "$address"; }));
	like(checked($daemon, @both),
		qr/^1 (?:sniport: warning: .*\n)*sniport: \S+:4: listeners\.address: \Q$address\E: bind: Address already in use; another process, [^\n]*$/,
		'what another program holds is an error');
	close $taken;
	like(checked($daemon, @both), $valid, 'when it is gone it is not');
	like(checked($daemon, listeners => '{ address = "192.0.2.1:4443"; }'),
		qr/^1 .*sniport: \S+:3: listeners\.address: 192\.0\.2\.1:4443: bind: Cannot assign requested address; this host does not have this address, or not yet \(see listeners\.freebind\)$/ms,
		'an address that is not of this host');
	$daemon->stop_ok;
};

subtest 'ports below 1024' => sub {
	my @alone = (qw(unshare --net sh -c), 'ip link set lo up && exec "$@"', '-');
	my ($status) = run(@alone, 'true');
	plan skip_all => 'SKIPPED LOUDLY: no network of its own' if $status;
	my $daemon = unprivileged();
	$daemon->configure(listeners => '{ address = "127.0.0.1:443"; }');
	my @unit = (User => 'daemon');
	like(checked_as($daemon, \@alone, @unit),
		qr/\A1 sniport: \S+:3: listeners\.address: 127\.0\.0\.1:443: bind: Permission denied; a port below 1024 needs CAP_NET_BIND_SERVICE\n/,
		'-t says what the service lacks');
	like(checked_as($daemon, \@alone, @unit, AmbientCapabilities =>
		'cap_chown cap_net_bind_service'), qr/\A0 .* is valid for user daemon/,
		'and that it has it');
	my $mark = 'egress = ( { name = "a"; mark = 1; } );';
	$daemon->configure(top => qq(user = "daemon"; $mark), listeners =>
		'{ address = "127.0.0.1:4443"; }', rules => '{ action = "allow";
		destinations = [ "*:*" ]; egress = "a"; }');
	like(checked_as($daemon, \@alone, @unit),
		qr/\A1 sniport: \S+:1: egress\.mark: sniport may not set marks: /,
		'the same with marks');
	like(checked_as($daemon, \@alone, @unit, AmbientCapabilities =>
		'cap_net_admin'), qr/\A0 .* is valid for user daemon/,
		'which take another');
	$daemon->stop_ok;
};

subtest 'HUP while sniport is stopping' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel');
	$daemon->signal('TERM');
	ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'it drains');
	$daemon->signal('HUP');
	ok($daemon->wait_log(qr/ warning master\S+ reload: ignored: sniport is stopping$/m),
		'the error log says that there will be no reload');
	ok(works($client) && finish($client), 'the tunnel goes on to its end');
	$daemon->stop_ok;
};

subtest 'words of a stop' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, timeouts => 'drain = "30s";');
	$daemon->signal('TERM');
	ok($daemon->wait_log(qr/ stop: draining 0 tunnels for at most 30s$/m),
		'the time is written as in the configuration');
	$daemon->stop_ok;
	$daemon = Sniport::Daemon->new(@hosts);
	$daemon->signal('QUIT');
	ok($daemon->wait_log(qr/ worker \S+ ending at once: 0 tunnels open$/m),
		'workers that end at once do not say that they drain');
	unlike($daemon->log, qr/draining/, 'nor does anybody');
	$daemon->stop_ok;
};

# The script of the sample that runs after a rotation, with a systemctl that
# knows of one service and writes down what it is told.
subtest 'the sample for logrotate' => sub {
	my $dir = temporary();
	open my $sample, '<', top() . '/etc/sniport.logrotate' or die $!;
	my ($script) = do { local $/; <$sample> } =~
	    /^\tpostrotate\n(.*?)^\tendscript\n/ms;
	ok($script, 'there is a script');
	open my $file, '>', "$dir/systemctl" or die $!;
	print $file <<"END";
#!/bin/sh
echo "\$*" >>"$dir/told"
case " \$* " in
*" is-active "*) test -e "$dir/active" || exit 3 ;;
*" kill "*) test -e "$dir/active" || {
	echo "Failed to kill unit sniport.service: No main process to kill"
	exit 1; } ;;
esac
END
	close $file;
	chmod 0755, "$dir/systemctl" or die $!;
	my @rotate = ('env', "PATH=$dir:$ENV{PATH}", 'sh', '-e', '-c', $script);
	is(join(' ', run(@rotate)), '0 ', 'works while the service is stopped');
	open $file, '>', "$dir/active" or die $!;
	close $file;
	is(join(' ', run(@rotate)), '0 ', 'and while it runs');
	open $file, '<', "$dir/told" or die $!;
	is_deeply([ grep { /kill/ } <$file> ],
		[ "kill --kill-who=main --signal=USR1 sniport.service\n" ],
		'then sniport is told to reopen its files');
	my ($status, $text) = run('logrotate', '--version');
	SKIP: {
		skip 'logrotate is not installed: the sample is not read', 1
		    if $status;
		($status, $text) = run(qw(logrotate -d), top() .
			'/etc/sniport.logrotate');
		unlike($text, qr/^error: (?!.*(?:unknown|user|group))/m,
			'logrotate understands it');
	}
};

subtest 'USR1' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		log => 'error = "stderr"; access = "stdout";');
	$daemon->signal('USR1');
	ok($daemon->wait_log(qr/ notice master\S+ logs: none was reopened, since none is a file$/m),
		'nothing can be reopened where the logs are streams');
	unlike($daemon->log, qr/logs: reopened/, 'and it does not say that');
	$daemon->reload(log => 'access = "%DIR%/audit.log"; error = "stderr";');
	$daemon->wait_log(qr/generation 1: gone/);
	rename $daemon->dir . '/audit.log', $daemon->dir . '/audit.log.1';
	$daemon->signal('USR1');
	ok($daemon->wait_log(qr/ notice master\S+ logs: reopened$/m),
		'a file is');
	ok(-e $daemon->dir . '/audit.log', 'and is there again');
	$daemon->stop_ok;
};

subtest 'USR1 where a folder is gone' => sub {
	my $dir = temporary();
	chmod 0777, $dir;
	my $daemon = Sniport::Daemon->new(@hosts, before => sub {
		for ('a', 'b') {
			mkdir "$dir/$_";
			chmod 0777, "$dir/$_";
		}
	}, log => qq(access = "$dir/a/log"; error = "$dir/b/log";));
	my $errors = sub {
		my ($path) = @_;

		open my $file, '<', $path or return '';
		return join '', <$file>;
	};
	my $failed = sub {
		my ($setting, $file) = @_;

		return qr/ error master\S+ \Q$setting: $dir\E\/$file\/log cannot be opened again: No such file or directory: lines go on to the file that was open\n/;
	};

	rename "$dir/a", "$dir/gone";
	$daemon->signal('USR1');
	ok(poll(sub { $errors->("$dir/b/log") =~ / notice master\S+ logs: 1 of 2 reopened$/m }),
		'one of two is reopened') or diag($errors->("$dir/b/log"));
	like($errors->("$dir/b/log"), $failed->('log.access', 'a'),
		'the other goes on');
	rename "$dir/b", "$dir/gone too";
	$daemon->signal('USR1');
	ok(poll(sub { $errors->("$dir/gone too/log") =~ / notice master\S+ logs: 0 of 2 reopened$/m }),
		'none of two is');
	my $text = $errors->("$dir/gone too/log");
	like($text, $failed->('log.error', 'b'), 'and both go on');
	unlike($text, qr/none is a file|logs: reopened/, 'nothing else is said');
	finish(tunnel_open($daemon, $upstream));
	ok(poll(sub { $errors->("$dir/gone/log") =~ /"reason":/ }),
		'the old file has the audit line');
	$daemon->stop_ok;
};

done_testing;
