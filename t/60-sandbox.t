#!/usr/bin/perl
# A worker that does what it has no business to do is ended by the kernel, and
# all that it has to do goes on inside the sandbox.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone not_alone bind_file);
use IO::Socket::UNIX;
use POSIX qw(uname);
use Socket;
use Test::More;

use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(ended_ok line_of);
use Sniport::Test qw(build deadline poll readable run slow status temporary);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my @hosts = (hosts => "127.0.0.1 peer.test\n");
my @debug = (log => 'level = "debug";');
my $killed = qr/ error master\[\d+\]: worker 0\[\d+\] of generation 1: died: signal \d+ \(Bad system call\)$/m;

# A sniport whose worker can be told to do wrong.
sub corrupted {
	my (%option) = @_;

	return Sniport::Daemon->new(@hosts, @debug, %option, environment => {
		LD_PRELOAD => build() . '/preload/violate.so',
		%{ $option{environment} // {} } });
}

# Has the worker do it; returns the client.
sub bid {
	my ($daemon, $word) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => "$word.violate.test:443");
}

# One test: what came of it, as the worker says.
sub survives_ok {
	my ($daemon, $word, $want) = @_;

	bid($daemon, $word);
	my ($got) = @{ poll(sub { $daemon->log =~ /^violate \Q$word\E: ((?!begins).*)/m ?
		[ $1 ] : undef }) || [] };
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($got, $want, "$word: " . ($want eq 'done' ? 'goes on' : $want))
	    or diag($daemon->log);
	return;
}

sub serves {
	my ($daemon) = @_;
	my $client = tunnel_open($daemon, $upstream);

	return works($client) && finish($client);
}

# A file appears whole, in the place of another, as those who manage
# resolv.conf do it.
sub replace {
	my ($path, $text) = @_;

	open my $file, '>', "$path.new" or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	rename "$path.new", $path or die "$path: $!";
	return;
}

my $dns = Sniport::DNS->new(zone => {
	'udp.test' => { A => ['127.0.0.1'] },
	'tcp.test' => { A => ['127.0.0.1'], truncate => 1 },
});
my $daemon = Sniport::Daemon->new(@hosts, @debug, top => 'workers = 2;',
	dns => 'servers = [ "' . $dns->server . '" ];');
if (slow()) {
	# A sanitizer and valgrind make calls of their own.
	like($daemon->log, qr/debug worker 0\[\d+\]: sandbox: not entered, since /,
		'there is no sandbox, and the log says so');
	$daemon->stop_ok;
	done_testing;
	exit;
}
my $landlock = $daemon->log !~ /sandbox: without Landlock/;
diag('SKIPPED LOUDLY: this kernel has no Landlock') if !$landlock;

sub states_ok {
	my ($title) = @_;

	for my $pid ($daemon->workers) {
		is_deeply([ map { status($pid, $_) }
			qw(Seccomp NoNewPrivs CapPrm CapEff) ],
			[ 2, 1, ('0' x 16) x 2 ],
			"$title: a worker is filtered and has no privileges");
	}
	return;
}

# What a worker has to do.
is(scalar(() = $daemon->log =~ /sandbox: files are restricted by Landlock/g),
	$landlock ? 2 : 0, 'files are guarded, where the kernel can');
states_ok('start');

# How many maps the process has that are for it and the master alone: what a
# writer has taken and not yet written is in such a one.
sub buffers {
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/maps" or return -1;
	return scalar grep { m{ rw-s .*/memfd:sniport-private} } <$file>;
}

sub buffers_ok {
	my ($title) = @_;
	my @writers = $daemon->writers;

	cmp_ok(scalar(@writers), '>', 1, "$title: logs have writers");
	# Besides, a scribe has a page of its own as long as it writes.
	ok(poll(sub { buffers($daemon->pid) == @writers }),
		"$title: the master has their buffers");
	is_deeply([ map { buffers($_) } @writers ], [ (1) x @writers ],
		"$title: a writer has its own");
	my @workers = $daemon->workers;
	is_deeply([ map { buffers($_) } @workers ], [ (0) x @workers ],
		"$title: a worker has none");
	return;
}
buffers_ok('start');
# A container has a filter of its own.
my ($master, $one) = map { status($_, 'Seccomp_filters') || 0 } $daemon->pid,
    $daemon->workers;
isnt($one, $master, 'the master is not') if $one;
ok(serves($daemon), 'a tunnel');
ended_ok($daemon, "udp.test:$port", 'DNS by UDP', reason => 'done');
ended_ok($daemon, "tcp.test:$port", 'DNS by TCP', reason => 'done');
is(scalar(grep { /^tcp/ } $dns->questions('tcp')), 2, 'which it was');
ended_ok($daemon, "gone.test:$port", 'a name that is not there',
	reason => 'dns_not_found');
my $old = tunnel_open($daemon, $upstream);
like($daemon->reload, qr/^Serving: 2 workers,/, 'a reload');
ok(poll(sub { $daemon->workers == 3 }), 'the old worker without a tunnel goes');
states_ok('reload');
ok(serves($daemon), 'the next generation serves');
ok(works($old, 1_000_000) && finish($old), 'a tunnel of the first one lives');

rename $daemon->dir . '/audit.log', $daemon->dir . '/audit.1' or die;
$daemon->signal('USR1');
ok(poll(sub { -e $daemon->dir . '/audit.log' }), 'log files are reopened');
my %old = map { ($_ => 1) } $daemon->workers;
kill 'KILL', $daemon->workers;
ok(poll(sub { my @new = grep { !$old{$_} } $daemon->workers; @new == 2 }),
	'workers are replaced');
buffers_ok('others');
my $client;
ok(poll(sub {
	$client = tunnel_open($daemon, $upstream);
	return works($client) && finish($client) &&
	    line_of($daemon, $client, deadline(0.2));
}), 'and written to');
$daemon->stop_ok;

# A syslog daemon comes anew.
my $dir = temporary();
my $syslog;
$daemon = corrupted(log => 'access = "syslog"; format = "text";',
	environment => { DEV_LOG => "$dir/log", ELSEWHERE => "$dir/elsewhere" },
	before => sub { bind_syslog(); });

sub bind_syslog {
	close $syslog if $syslog;
	unlink "$dir/log";
	$syslog = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/log")
	    or die "bind: $!";
	chmod 0777, "$dir/log" or die "chmod: $!";
	return;
}

for my $title ('a line for syslog', 'and for the next one') {
	ok(serves($daemon), 'a tunnel');
	readable($syslog, deadline());
	recv($syslog, my $text, 4096, MSG_DONTWAIT);
	like($text, qr/^<\d+>.* sniport\[\d+\]: .* done /, $title);
	bind_syslog();
}
# Each has a socket of its own to it: what one of them connects elsewhere, leads
# there for nobody else.
my $elsewhere = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
	Local => "$dir/elsewhere") or die "bind: $!";
chmod 0777, "$dir/elsewhere" or die "chmod: $!";
survives_ok($daemon, 'redirect', 'done');
my ($redirected) = $daemon->workers;
kill 'KILL', $redirected;
ok(poll(sub { my ($pid) = $daemon->workers; $pid && $pid != $redirected }),
	'another worker');
ok(serves($daemon), 'a tunnel');
# What the dead one had led astray may come before, once more.
ok(poll(sub {
	recv $syslog, my $line, 4096, MSG_DONTWAIT;
	return ($line // '') =~ / done /;
}), 'redirect: the lines of others are not led astray');
$daemon->stop_ok;

# What it must not do.
my @forbidden = qw(execve fork thread ptrace write read-write create truncate
	unlink rename chmod netlink packet raw ping sctp listen map-code
	protect-code memfd setuid prctl unshare mount bpf io-uring kill kill-thread
	terminal owner seccomp);
# To others through what they share: the master, and the other workers.
push @forbidden, qw(peek pass pass-many overwrite block block-ioctl lease pipe-size
	duplicate duplicate-to steer steer-ebpf steer-not reuse-port mark device
	receive-buffer congestion bind listener-option deafen disconnect
	deafen-stderr interface-down);
for my $word (@forbidden) {
	my $corrupted = corrupted();
	my $kept = tunnel_open($corrupted, $upstream);
	my ($first) = $corrupted->workers;
	is(bid($corrupted, $word)->wait_end, 'reset', "$word: a reset");
	ok($corrupted->wait_log($killed), "$word: the kernel ends the worker")
	    or diag($corrupted->log);
	unlike($corrupted->log, qr/^violate/m, "$word: at once");
	is($kept->wait_end, 'reset', "$word: no stream is made to look whole");
	ok(serves($corrupted), "$word: another worker serves");
	my ($second) = $corrupted->workers;
	isnt($second, $first, "$word: in place of it");
	is(status($second, 'Seccomp'), 2, "$word: filtered as well");
	$corrupted->stop_ok(name => "$word: sniport stops");
}

# Calls of which no argument could be harmless.
my @numbers = qw(process-read process-write process-open process-descriptor
	process-signal process-limit limit priority cpus scheduler queue-signal
	keys add-key positioned-write positioned-writev truncate-file
	allocate-file send-file copy-file splice tee vmsplice file-mode file-owner
	file-lock file-attribute file-handle folder link dup pipe pair event timer
	user-fault performance watch shared-memory semaphore message-queue
	namespace root personality wait-for clock lock-memory clone-three);
push @numbers, qw(x-thirty-two i-three-eighty-six) if (uname())[4] eq 'x86_64';
for my $word (@numbers) {
	my $corrupted = corrupted();
	bid($corrupted, $word);
	ok($corrupted->wait_log($killed), "$word: the kernel ends the worker")
	    or diag($corrupted->log);
	unlike($corrupted->log, qr/^violate/m, "$word: at once");
	$corrupted->stop_ok(name => "$word: sniport stops");
}

# Seldom needed, and harmless.
$daemon = corrupted(wrapper => [ qw(prlimit --as=300000000) ]);
my ($worker) = $daemon->workers;
survives_ok($daemon, $_, 'done')
    for qw(protect-data random interface sort memory);
survives_ok($daemon, 'local', 'EAFNOSUPPORT');
ok(serves($daemon), 'a tunnel');
# A log file is not there to be found: its lines go through a pipe.
survives_ok($daemon, 'seek', 'EBADF');
ok(serves($daemon), 'another one');
ok(poll(sub { 2 == grep { $_->{reason} eq 'done' } $daemon->audit }),
	'seek: no audit line is written over');
for my $word (qw(password program process)) {
	survives_ok($daemon, $word, $landlock ? 'EACCES' : 'done');
}
bid_later($daemon, 'wait');
ok($daemon->wait_log(qr/^violate wait: begins/m), 'a call that waits');
kill 'STOP', $worker;
ok(poll(sub { status($worker, 'State') =~ /^T/ }), 'is stopped');
kill 'CONT', $worker;
ok($daemon->wait_log(qr/^violate wait: done/m), 'and goes on');
$client->reset;
ok(serves($daemon), 'the worker serves');
is(($daemon->workers)[0], $worker, 'it has been one all the time');
$daemon->stop_ok;

# Does not wait for the handshake.
sub bid_later {
	my ($daemon, $word) = @_;

	$client = Sniport::Client->open(port => $daemon->port,
		name => "$word.violate.test:443");
	$client->socket->blocking(0);
	$client->start_tls;
	Net::SSLeay::connect($client->{ssl});
	return;
}

# What it tells the master: all that is not to be told ends it.
my %unheard = (ready => 'it sent a message out of turn',
	flood => 'it sent a message out of turn',
	order => 'it sent a message out of turn',
	emptied => 'it sent a message out of turn',
	nonsense => 'it sent something that is not a message',
	huge => 'it sent something that is not a message',
	'hang-up' => 'it hung up and did not exit');
for my $word (sort keys %unheard) {
	$daemon = corrupted();
	bid_later($daemon, $word);
	ok($daemon->wait_log(qr/ warning master\[\d+\]: worker 0\[\d+\] of generation 1: killed: \Q$unheard{$word}\E$/m),
		"$word: the master ends the worker") or diag($daemon->log);
	ok(serves($daemon), "$word: another worker serves");
	is(scalar(() = $daemon->log =~ /: killed: /g), 1, "$word: it was one");
	$daemon->stop_ok(name => "$word: sniport stops");
	$client->reset;
}

# A log to which it may only append, however the stream was opened.
for my $mode ('>', '>>', '+<') {
	my $log = "$dir/stream";
	replace($log, "first line\n");
	open my $stream, $mode, $log or die "$log: $!";
	seek $stream, 0, 2;
	$daemon = corrupted(stdout => $stream, log => 'access = "stdout";');
	bid($daemon, 'stomp');
	ok(serves($daemon), "stream $mode: a tunnel");
	$daemon->stop_ok(name => "stream $mode: sniport stops");
	open my $file, '<', $log or die "$log: $!";
	my @lines = <$file>;
	is($lines[0], "first line\n", "stream $mode: the worker cannot write over it")
	    if $mode ne '>';
	is(scalar(grep { /"reason":/ } @lines), 2, "stream $mode: no line is lost");
}

# A worker's own end can be told from the kernel's.
for (['abort', qr/^$/m], ['check', qr/Assertion `getpid\(\) == 0' failed/]) {
	my ($word, $text) = @$_;
	$daemon = corrupted();
	bid($daemon, $word);
	ok($daemon->wait_log(qr/ died: signal 6 \(Aborted\)$/m),
		"$word: it ends itself") or diag($daemon->log);
	like($daemon->log . "\n\n", $text, "$word: and says why");
	ok(serves($daemon), "$word: another worker serves");
	$daemon->signal('TERM');
	is($daemon->wait_end, 0, "$word: sniport stops");
}

# Without the filter there is no service.
my %fails = map { ($_ => "$dir/$_") } qw(NO_SECCOMP NO_LANDLOCK);
replace($fails{NO_SECCOMP}, '');
$daemon = corrupted(may_fail => 1, environment => \%fails);
is($daemon->wait_end, 1, 'no filter: no start');
like($daemon->log, qr/ error worker 0\[\d+\]: sandbox: seccomp_load: Operation not permitted$/m,
	'the log says why');
unlink $fails{NO_SECCOMP};
$daemon = corrupted(environment => \%fails);
replace($fails{NO_SECCOMP}, '');
like($daemon->reload, qr/failed/i, 'no filter: no reload');
ok(serves($daemon), 'the old generation serves');
unlink $fails{NO_SECCOMP};
like($daemon->reload, qr/^Serving/, 'until it can be');
$daemon->stop_ok;

# Without Landlock there is one.
replace($fails{NO_LANDLOCK}, '');
$daemon = corrupted(environment => \%fails, top => 'workers = 2;',
	log => 'level = "info";');
is(scalar(() = $daemon->log =~ / info worker \d+\[\d+\]: sandbox: without Landlock, /g),
	1, 'no Landlock: it is said once');
ok(serves($daemon), 'no Landlock: a tunnel');
survives_ok($daemon, 'password', 'done');
$daemon->stop_ok;

# resolv.conf is read while it serves, whatever has become of it.
SKIP: {
	skip 'SKIPPED LOUDLY: ' . not_alone(), 1 unless alone;
	my @own = map { Sniport::DNS->new(host => "127.0.0.5$_", port => 53,
		zone => { "own$_.test" => { A => ['127.0.0.1'] } }) } 0, 1;
	my $conf = sub { return 'nameserver ' . $own[ $_[0] ]->host . "\n" };
	my ($status, $text) = run('cp', '-a', '/etc/.', "$dir/etc");
	die "cp: $text" if $status;
	mkdir "$dir/$_" or die for qw(one two);
	symlink '../two/resolv.conf', "$dir/one/resolv.conf" or die;
	unlink "$dir/etc/resolv.conf";
	replace("$dir/etc/resolv.conf", $conf->(0));
	replace("$dir/two/resolv.conf", $conf->(0));
	bind_file("$dir/etc", '/etc');

	$daemon = corrupted(dns => '/* servers: those of resolv.conf */ negative_ttl = "0";
		cache_size = 0;');
	my $reason = sub {
		my $client = Sniport::Client->new(port => $daemon->port,
			name => "own$_[0].test:$port");
		finish($client);
		return (line_of($daemon, $client) // {})->{reason} // 'none';
	};
	# Until the worker looks again, which is when it is asked.
	my $used_ok = sub {
		my ($n, $title) = @_;
		ok(poll(sub { $reason->($n) eq 'done' }), $title)
		    or diag($daemon->log);
		return;
	};
	survives_ok($daemon, 'password', 'done');
	survives_ok($daemon, 'program', $landlock ? 'EACCES' : 'done');
	$used_ok->(0, 'resolv.conf');
	replace('/etc/resolv.conf', $conf->(1));
	$used_ok->(1, 'it is replaced');
	symlink "$dir/one/resolv.conf", '/etc/link' or die;
	rename '/etc/link', '/etc/resolv.conf' or die;
	if ($landlock) {
		ok(poll(sub {
			$reason->(1);
			return $daemon->log =~ /resolv\.conf: Permission denied; its former name servers stay in use/;
		}), 'it is somewhere else now: the log says that it cannot be read');
		$used_ok->(1, 'the former name server stays in use');
	}
	$daemon->reload;
	$used_ok->(0, 'by a reload it is read there');
	replace("$dir/two/resolv.conf", $conf->(1));
	$used_ok->(1, 'and when it is replaced there');
	POSIX::mkfifo("$dir/etc/pipe", 0644) or die "mkfifo: $!";
	rename '/etc/pipe', '/etc/resolv.conf' or die;
	ok(poll(sub {
		$reason->(1);
		return $daemon->log =~ /resolv\.conf: Not a regular file; its former name servers stay in use/;
	}), 'a pipe takes its place: the log says what it is');
	$used_ok->(1, 'a pipe: nobody waits for it, the former name server stays in use');
	$daemon->stop_ok;
}

done_testing;
