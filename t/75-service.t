#!/usr/bin/perl
# What an operator is told at the start, by -t and by signals: who the workers
# become, dates of certificates, reloads and rotations that cannot be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use POSIX qw(strftime);

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(run temporary top);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# Real and effective user and group of a process.
sub who {
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/status" or die "status of $pid: $!";
	return join ' ', map { /^[UG]id:\s+(\d+)\s+(\d+)/ ? ($1, $2) : () }
	    <$file>;
}

# Runs -t on a configuration that has these settings; what it says.
sub checked {
	my ($daemon, %option) = @_;

	$daemon->configure(%option);
	my ($status, $text) = $daemon->once('-t');
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
		qr/^1 sniport: \S+:1: user: no user with the number 61234 exists, so its group is not known: set group too$/m,
		'a number alone that nobody has');
	like(checked($daemon, top => 'user = "no-such"; group = "none-such";'),
		qr/^1 sniport: \S+:1: user: no user "no-such" exists\nsniport: \S+:1: group: no group "none-such" exists$/m,
		'names that do not exist');
	for ('4294967295', '99999999999999999999999', '-1', '0x10', '12a') {
		like(checked($daemon, top => qq(user = "$_"; group = "$_";)),
			qr/^1 sniport: \S+:1: user: no user "\Q$_\E" exists\nsniport: \S+:1: group: no group "\Q$_\E" exists$/m,
			"$_ is not a number of a user");
	}
	like(checked($daemon, top => 'user = "0"; group = "0";'),
		qr/^0 sniport: warning: \S+:1: user: workers stay root, without capabilities$/m,
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
	like($daemon->log, qr/ warning master\S+ \S+:1: group: not started as root: workers stay gid 61235$/m,
		'is a warning');
	unlike($daemon->log, qr/ warning .*user:/, 'the user is as it says');
	is(who($daemon->worker(0)), '61234 61234 61235 61235', 'and true');
	$daemon->stop_ok;
};

subtest 'dates of a certificate' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $ca = Sniport::Authority->new($daemon->dir, 'ca');
	my @dates = ([ 'expired on', -3600 ], [ 'expires on', 13 * 86400 ],
		[ undef, 15 * 86400 ]);
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
				'one with more than two weeks is not worth a word');
		}
	}
	$daemon->stop_ok;
};

subtest 'HUP while sniport is stopping' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel');
	$daemon->signal('TERM');
	ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'it drains');
	$daemon->signal('HUP');
	ok($daemon->wait_log(qr/ warning master\S+ reload: left out: sniport is stopping$/m),
		'the error log says that there will be no reload');
	ok(works($client) && finish($client), 'the tunnel goes on to its end');
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
	ok($daemon->wait_log(qr/ notice master\S+ logs: none was reopened: only files are$/m),
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

done_testing;
