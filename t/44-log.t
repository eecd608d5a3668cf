#!/usr/bin/perl
# The logs: whole lines whoever writes, whoever reads, and whatever peers send.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Fcntl qw(F_GETFL O_NONBLOCK O_RDWR);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket qw(SOCK_DGRAM);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Refused qw(escaped);
use Sniport::Syslog qw(no_syslog syslog syslog_next syslog_return);
use Sniport::Test qw(deadline group_start poll readable run temporary);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# The longest audit lines come of the longest names.
my $LONG = "\xff" x 255;

sub hello { return Sniport::Hello::records(
	Sniport::Hello::client_hello(name => $_[0])); }

# One connection that is refused for its name; its local port.
sub refuse {
	my ($port, $name) = @_;

	return Sniport::Hello::exchange($port, hello($name))->{socket}->sockport;
}

# The same for each name, by port; all stay open, so that no port comes twice.
sub refuse_each {
	my ($port, @names) = @_;
	my (%name, @held);

	for (@names) {
		push @held, Sniport::Hello::exchange($port, hello($_))->{socket};
		$name{ $held[-1]->sockport } = $_;
	}
	return %name;
}

# Lines of a pipe as they come.
sub reader {
	my ($handle) = @_;

	$handle->blocking(0);
	return { handle => $handle, buffer => '', lines => [] };
}

# Reads until the code is true of the lines (in @_).
sub read_until {
	my ($reader, $code) = @_;
	my $deadline = deadline();

	until ($code->(@{ $reader->{lines} })) {
		readable($reader->{handle}, $deadline) or return 0;
		sysread $reader->{handle}, $reader->{buffer}, 65536,
		    length $reader->{buffer} or return 0;
		push @{ $reader->{lines} }, $1
		    while $reader->{buffer} =~ s/^(.*)\n//;
	}
	return 1;
}

# The lines as hashes; what is none counts as broken.
sub decoded {
	my @lines = map { eval { JSON::PP::decode_json($_) } // { broken => $_ } } @_;

	return @lines;
}

# A pipe that has a name, opened for reading and writing so that it has an end
# of each kind.
sub fifo {
	my ($daemon) = @_;
	my $path = $daemon->dir . '/fifo';

	POSIX::mkfifo($path, 0600) or die "mkfifo: $!";
	sysopen my $handle, $path, O_RDWR or die "$path: $!";
	$daemon->{fifo} = reader($handle);
	return;
}

sub sum {
	my $sum = 0;

	$sum += $_ for @_;
	return $sum;
}

# How many audit lines were lost, as the error log has it.
sub dropped { return sum($_[0] =~ /: audit log: (\d+) lines? dropped/g); }

# Four processes that make so many refused connections each.
sub load {
	my ($port, $each) = @_;

	for (1 .. 4) {
		group_start(sub {
			refuse($port, $LONG) for 1 .. $each;
			POSIX::_exit(0);
		});
	}
	return 4 * $each;
}

# All are whole, each connection has one, every worker wrote some.
sub whole_ok {
	my ($n, @lines) = @_;

	my @all = decoded(@lines);
	is_deeply([ map { $_->{broken} // () } @all ], [], 'all lines are whole');
	my (%tunnels, %workers);
	for (@all) {
		$tunnels{ $_->{tunnel} }++;
		$workers{ $_->{worker} }++;
	}
	is(scalar keys %tunnels, $n, 'each connection has one');
	is(scalar @all, $n, 'and no more');
	is_deeply([ sort keys %workers ], [ 0 .. 3 ], 'all workers wrote');
	cmp_ok(length $lines[0], '>', 1500, 'they were long');
	return;
}

subtest 'four workers, one pipe' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 4;',
		before => \&fifo, log => 'access = "%DIR%/fifo";');
	my $n = load($daemon->port, 150);
	ok(read_until($daemon->{fifo}, sub { @_ >= $n }), 'all lines come');
	whole_ok($n, @{ $daemon->{fifo}{lines} });
	$daemon->stop_ok;
};

subtest 'four workers, one file' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 4;');
	my $n = load($daemon->port, 150);
	ok(poll(sub { $n <= ($daemon->slurp('audit.log') =~ tr/\n//) }),
		'all lines come');
	whole_ok($n, split /\n/, $daemon->slurp('audit.log'));
	$daemon->stop_ok;
};

subtest 'a reader that stalls' => sub {
	pipe(my $r, my $w) or die "pipe: $!";
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";');
	ok(!(fcntl($w, F_GETFL, 0) & O_NONBLOCK),
		'a pipe that was handed over is not made non-blocking');
	close $w;
	# More than the pipe and the queue hold.
	my $n = 350;
	my $tunnel = tunnel_open($daemon, $upstream);
	refuse($daemon->port, $LONG) for 1 .. $n;
	ok(works($tunnel, 100_000), 'an open tunnel goes on');
	my $new = tunnel_open($daemon, $upstream);
	ok(works($new) && finish($new), 'a new one comes about');
	ok($daemon->wait_log(qr/ error worker 0\[\d+\]: audit log: \d+ lines? dropped: its reader has stalled$/m),
		'the error log says that lines are lost');

	my $reader = reader($r);
	ok(read_until($reader, sub { @_ && $_[-1] =~ /"event":"dropped"/ }),
		'once it is read again, the audit log says that lines are missing');
	my @lines = decoded(@{ $reader->{lines} });
	is_deeply([ map { $_->{broken} // () } @lines ], [], 'all lines are whole');
	my @gaps = grep { $_->{event} eq 'dropped' } @lines;
	is(scalar @gaps, 1, 'it says it once');
	my %tunnels = map { ($_->{tunnel} => 1) } grep { $_->{tunnel} } @lines;
	is(keys(%tunnels) + $gaps[0]{count}, $n + 1, 'the number is right');
	is($gaps[0]{worker}, 0, 'and the worker');
	is(dropped($daemon->log), $gaps[0]{count}, 'the error log says the same');
	ok(finish($tunnel), 'the open tunnel ends');
	ok(read_until($reader, sub { $_[-1] =~ /"reason":"done"/ }),
		'later lines come');
	$daemon->stop_ok;
};

# It was there at the start, and is not waited for.
subtest 'a reader of a pipe that is gone' => sub {
	pipe(my $r, my $w) or die "pipe: $!";
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";');
	close $w;
	close $r;
	refuse($daemon->port, 'x') for 1 .. 5;
	ok($daemon->wait_log(qr/ error worker 0\[\d+\]: audit log: \d+ lines? dropped: its reader is gone$/m),
		'the error log says it');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel comes about');
	$daemon->stop_ok;
	is(dropped($daemon->log), 6, 'and each line that is lost');
	unlike($daemon->log, qr/stalled|takes no/, 'nobody has stalled');
};

subtest 'a FIFO that nobody reads' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $fifo = $daemon->dir . '/unread';
	POSIX::mkfifo($fifo, 0666) or die "$fifo: $!";
	$daemon->configure(@hosts, log => qq(access = "$fifo";));
	$daemon->signal('HUP');
	ok($daemon->wait_log(qr/ error master\S+ \S+: log\.access: \Q$fifo\E cannot be opened: its reader is gone$/m),
		'cannot be opened, and the error log says why')
	    or diag($daemon->log);
	$daemon->stop_ok;
};

# Its lines would go nowhere, and nobody would know.
subtest 'standard output that nobody can write to' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	$daemon->stop_ok;
	$daemon->configure(@hosts, log => 'access = "stdout";');
	my @command = $daemon->command('-c', $daemon->dir . '/sniport.conf');
	for my $stream ('>&-', '<&- >&-', '1</dev/null') {
		my ($status, $text) =
		    run('timeout', 60, 'sh', '-c',
		    qq(exec "\$\@" $stream), 'sh', @command);
		is($status, 1, "$stream: sniport does not start");
		like($text, qr/: log\.access: stdout cannot be opened: it is closed, or open for reading alone$/m,
			'and says why');
	}
};

subtest 'a reader that is gone for good' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, before => \&fifo,
		log => 'access = "%DIR%/fifo";');
	close $daemon->{fifo}{handle};
	refuse($daemon->port, 'x') for 1 .. 5;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel comes about');
	my $fifo = $daemon->dir . '/fifo';
	ok($daemon->wait_log(qr/ error master\S+ log\.access: \Q$fifo\E cannot be written: its reader is gone: lines wait$/m),
		'the error log says it');
	$daemon->stop_ok;
	is(dropped($daemon->log), 6, 'and has the number at the end');
};

subtest 'a full disk' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 1;',
		log => 'access = "/dev/full";');
	refuse($daemon->port, 'x') for 1 .. 5;
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel, 100_000), 'a tunnel comes about') for 1 .. 5;
	ok(finish($tunnel), 'and ends well');
	ok($daemon->wait_log(qr/ error master\S+ log\.access: \/dev\/full cannot be written: No space left on device: lines wait$/m),
		'the error log says it');
	$daemon->stop_ok;
	# Not the lines that say so, neither once nor ever more.
	is(dropped($daemon->log), 6, 'and counts the lines when they are given up');
	is(($daemon->counters)[-1]{audit_dropped}, 6, 'as the counter does');
	is(scalar(() = $daemon->log =~ /lines wait/g), 1, 'it says it once');
};

subtest 'a small disk that gets room again' => sub {
	my @mount = (qw(unshare -m sh -c),
		'mount -t tmpfs -o size=2m,mode=755 tmpfs "$0" && exec "$@"');
	my ($status, $text) = run(@mount, '/mnt', 'true');
	plan skip_all => "SKIPPED LOUDLY: no tmpfs of its own: $text" if $status;
	my @wrapper = (@mount, '');
	my $daemon = Sniport::Daemon->new(@hosts, wrapper => \@wrapper,
		log => 'access = "%DIR%/small/audit.log";', before => sub {
			my ($daemon) = @_;

			$wrapper[-1] = $daemon->dir . '/small';
			mkdir $wrapper[-1] or die "mkdir: $!";
		});
	# As the daemon sees it.
	my $small = '/proc/' . $daemon->pid . "/root$wrapper[-1]";
	open my $ballast, '>', "$small/ballast" or die "ballast: $!";
	print $ballast 'x' x 1_950_000;
	close $ballast;

	# More than the disk holds, and all that wait.
	my $n = 700;
	refuse($daemon->port, $LONG) for 1 .. $n;
	ok($daemon->wait_log(qr/ log\.access: \S+ cannot be written: No space left on device: lines wait$/m),
		'the error log says that the disk is full');
	ok($daemon->wait_log(qr/lines? dropped/), 'and that lines are lost');
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel, 100_000), 'a tunnel comes about');
	unlink "$small/ballast" or die "ballast: $!";
	ok($daemon->wait_log(qr/ notice master\S+ log\.access: \S+ can be written again$/m),
		'the error log says that it has room again');
	my $last = refuse($daemon->port, $LONG);
	my $lines = sub {
		open my $file, '<', "$small/audit.log" or die "audit.log: $!";
		local $/;
		return decoded(<$file> =~ /(.*)\n/g);
	};
	ok(poll(sub { grep { ($_->{client_port} // 0) == $last } $lines->() }),
		'later lines come');
	ok(poll(sub { grep { ($_->{event} // '') eq 'dropped' } $lines->() }),
		'and one that says that some are missing');
	my @lines = $lines->();
	is_deeply([ map { $_->{broken} // () } @lines ], [], 'all lines are whole');
	my $gaps = sum(map { $_->{event} eq 'dropped' ? $_->{count} : () } @lines);
	my $ends = grep { $_->{event} eq 'end' } @lines;
	cmp_ok($ends, '<', $n, 'some are');
	is($ends + $gaps, $n + 1, 'the number is right');
	is(dropped($daemon->log), $gaps, 'also in the error log');
	ok(finish($tunnel), 'the tunnel ends');
	$daemon->stop_ok;
};

subtest 'syslog' => sub {
	SKIP: {
		skip 'there is a syslog daemon', 2 if -e '/dev/log';
		my $daemon = Sniport::Daemon->new(@hosts, may_fail => 1,
			log => 'access = "syslog";');
		is($daemon->wait_end, 1, 'without a syslog daemon it does not start');
		like($daemon->log, qr/^sniport: \S+:\d+: log\.access: syslog cannot be opened: No such file/m,
			'and says why');
	}

	my $why = no_syslog();
	return diag("SKIPPED LOUDLY: $why") if $why;
	my $daemon = Sniport::Daemon->new(@hosts, syslog(),
		log => 'access = "syslog"; error = "syslog";');
	my $head = qr/\w{3} [ \d]\d \d\d:\d\d:\d\d sniport\[\d+\]: /;
	like(syslog_next($daemon, qr/: started, /), qr/^<29>$head\S+Z notice master\[\d+\]: sniport \S+: started, .*[^\n]\z/,
		'a line of the error log');
	my $port = refuse($daemon->port, 'x');
	like(syslog_next($daemon, qr/"event"/), qr/^<30>$head\{"time":.*"client":"127\.0\.0\.1:$port".*\}\z/,
		'a line of the audit log');
	# The syslog daemon restarts.
	syslog_return($daemon);
	$port = refuse($daemon->port, 'x');
	like(syslog_next($daemon, qr/"event"/), qr/"client":"127\.0\.0\.1:$port"/,
		'one after the syslog daemon was restarted');
	$daemon->stop_ok;
};

# Names that would like to be more than a name.
my @hostile = (
	"a.test:443\n{\"event\":\"end\",\"reason\":\"done\"}",
	"a.test:443\r\n2026-01-01T00:00:00.000Z done 127.0.0.1:1 -> a.test:443",
	'a.test:443","rule":"allowed","x":"',
	"a.test:443 rule=allowed reason=done",
	"\e]0;title\a\e[2J\e[31m:443", "\0\0:443", "nul\0.test:443",
	'\\', '\\"', '"', "'", '%s%n%d:443', '$(reboot):443', '<30>sniport: x',
	"\xe2\x80\xa8\xe2\x80\xa9:443", "\xc2\x85\x9b:443", "\x7f\x80\xff:443",
	"\n" x 255, '"' x 255, '\\' x 255, "\0" x 255, "\xff" x 255, ' ' x 255,
	"\e" x 251 . ':443',
);

subtest 'hostile names, JSON' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my %name = refuse_each($daemon->port, @hostile);
	ok(poll(sub { $daemon->slurp('audit.log') =~ tr/\n// == @hostile }),
		'each has its line');
	my $text = $daemon->slurp('audit.log');
	unlike($text, qr/[^\x20-\x7e\n]/, 'of printable bytes alone');
	for my $line (decoded(split /\n/, $text)) {
		is_deeply([ $line->{broken}, $line->{rule}, $line->{reason} =~ /^sni_/,
			$line->{server_name} ], [ undef, undef, 1,
			escaped($name{ $line->{client_port} // 0 }) ],
			'the name is a name');
	}
	unlike($daemon->log, qr/[^\x20-\x7e\n]/,
		'the error log is of printable bytes too');
	is_deeply([ grep { !/^\S+Z \w+ (?:master|worker \d)\[\d+\]: / }
		split /\n/, $daemon->log ], [], 'and of whole lines');
	$daemon->stop_ok;
};

subtest 'hostile names, text' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, log => 'format = "text";
		access = "%DIR%/audit.txt";');
	my %name = refuse_each($daemon->port, @hostile);
	ok(poll(sub { $daemon->slurp('audit.txt') =~ tr/\n// == @hostile }),
		'each has its line');
	my $text = $daemon->slurp('audit.txt');
	unlike($text, qr/[^\x20-\x7e\n]/, 'of printable bytes alone');
	for my $line (split /\n/, $text) {
		my ($reason, $port, @pairs) = $line =~
		    /^\S+Z (\w+) 127\.0\.0\.1:(\d+) -> -((?: [a-z_]+=[^ ="]*)*)$/;
		my %pairs = map { split /=/, $_, 2 } split ' ', $pairs[0] // '';
		my $got = ($pairs{server_name} // '') =~
		    s/\\x([0-9a-f]{2})/chr hex $1/egr;
		is_deeply([ $reason =~ /^sni_/, $pairs{rule}, $pairs{reason}, $got ],
			[ 1, undef, undef, $name{ $port // 0 } ],
			'the name is a name');
	}
	$daemon->stop_ok;
};

subtest 'text' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, log => 'format = "text";
		access = "%DIR%/audit.txt"; access_connect = true;');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	poll(sub { $daemon->slurp('audit.txt') =~ tr/\n// == 2 });
	my @lines = split /\n/, $daemon->slurp('audit.txt');
	my $who = '127\.0\.0\.1:' . $client->local_port;
	my ($target, $port) = (name_of($upstream), $upstream->port);
	my $end = qr/ 127\.0\.0\.1:\d+ tls_version=TLSv1\.3 /;
	like($lines[0], qr/^\S+Z connect $who -> $target via 127\.0\.0\.1:$port decision=allow rule=test total_ms=[\d.]+ tunnel=1-0-1 listener=\S+ egress=\S+ tls_version=TLSv1\.3 tls_cipher=\S+ resumed=false hello_ms=[\d.]+ handshake_ms=[\d.]+ dns_ms=[\d.]+ connect_ms=[\d.]+ server_name=$target tried=127\.0\.0\.1:$port\/ok$/,
		'one line when it is established');
	like($lines[1], qr/^\S+Z done $who -> $target via 127\.0\.0\.1:$port decision=allow rule=test bytes_from_client=\d+ bytes_from_upstream=\d+ closed_first=client total_ms=/,
		'and one at the end');
	$daemon->stop_ok;
};

subtest 'log.access_connect' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, log => 'access_connect = true;');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client), 'a tunnel');
	my $first = $daemon->wait_audit;
	is($first->{event}, 'connect', 'there is a line while it is open');
	ok(!exists $first->{$_}, "without $_")
	    for qw(reason bytes_from_client closed_first client_truncated);
	ok(finish($client), 'it ends');
	my $second = $daemon->wait_audit;
	is($second->{event}, 'end', 'then another one');
	my @same = qw(tunnel client target upstream egress rule decision
		server_name tls_version connect_ms handshake_ms time);
	is_deeply({ map { ($_ => $second->{$_}) } @same },
		{ map { ($_ => $first->{$_}) } @same }, 'of the same tunnel');
	refuse($daemon->port, 'x');
	is($daemon->wait_audit->{event}, 'end',
		'one that is refused has only the latter');
	$daemon->stop_ok;
	is(scalar(my @all = $daemon->audit), 3, 'that is all');
};

subtest 'log.level' => sub {
	my @levels = qw(error warning notice info debug);
	for my $i (0 .. $#levels) {
		my $daemon = Sniport::Daemon->new(@hosts,
			log => qq(level = "$levels[$i]";));
		my $client = tunnel_open($daemon, $upstream);
		finish($client);
		refuse($daemon->port, 'x');
		my $closed = Sniport::Upstream->closed;
		tunnel_open($daemon, $upstream,
			name => name_of($closed))->wait_end;
		$daemon->reload;
		my @workers;
		poll(sub { (@workers = $daemon->workers) == 1 });
		my $old = $workers[0];
		kill 'KILL', $old;
		$daemon->wait_log(qr/ error master.*: worker 0\[$old\].*died/);
		$daemon->stop_ok;
		my %seen = map { /^\S+Z (\w+) / ? ($1 => 1) : () }
		    split /\n/, $daemon->log;
		# Whether there are warnings depends on who runs it where.
		$seen{warning} = 1 if $i >= 1;
		is_deeply([ grep { $seen{$_} } @levels ], [ @levels[0 .. $i] ],
			"level $levels[$i]");
	}
};

done_testing;
