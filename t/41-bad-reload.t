#!/usr/bin/perl
# A reload that cannot be done changes nothing and says why: tunnels live on,
# new ones come about as before, by the same workers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;
use POSIX ();

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(certificate deadline poll run timeout);
use Sniport::Tunnel qw(arrivals_more arrivals_start arrivals_stop finish name_of
	tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# The number of the first line of the configuration that matches.
sub line_number {
	my ($daemon, $match) = @_;
	my $n = 0;

	for (split /\n/, $daemon->slurp('sniport.conf')) {
		$n++;
		return $n if /$match/;
	}
	die "no line matches $match";
}

# One reload, with the `change` to the configuration and after the code `first`,
# that must fail. `says` matches what is said of it, where LINE stands for
# FILE:LINE of the line of the configuration that matches `at`. The code `last`
# makes it good again.
sub fails_ok {
	my ($daemon, $title, %row) = @_;
	my %before = %{ $daemon->{option} };
	my @workers = $daemon->workers;
	# Whoever writes what a dead worker has left has files of its own.
	poll(sub { !$daemon->scribes });
	my $files = $daemon->files // -1;
	my $generation = $daemon->{generation} //= 1;

	subtest $title => sub {
		my $tunnel = tunnel_open($daemon, $upstream);
		my $logged = length $daemon->log;
		$daemon->configure(%{ $row{change} // {} });
		$row{first}->() if $row{first};
		$daemon->signal('HUP');
		ok($daemon->wait_notify(qr/^RELOADING=1$/m), 'it begins');
		my $status = $daemon->wait_notify(qr/^READY=1$/m) // '';
		my $log = substr $daemon->log, $logged;
		my $says = $row{says};
		my $file = $daemon->dir . '/sniport.conf';
		if ($row{at}) {
			my $at = "$file:" . line_number($daemon, $row{at});
			$says =~ s/LINE/\Q$at\E/;
		}
		my $dir = $daemon->dir;
		$says =~ s/%DIR%/\Q$dir\E/g;
		like($log, qr/ error master\[\d+\]: $says$/m, 'the error log says why');
		like($log, qr/ error master\[\d+\]: reload: failed after \d+ ms: generation $generation goes on$/m,
			'and what becomes of it');
		like($status, qr/^STATUS=Reload failed, generation $generation goes on: $says$/m,
			'the service manager is told');
		ok(poll(sub { "@{[ $daemon->workers ]}" eq "@workers" }),
			'the workers are the same');
		ok(poll(sub { ($daemon->files // -1) == $files }), 'no file is left open');
		my $new = tunnel_open($daemon, $upstream);
		ok(works($new) && finish($new), 'new tunnels come about');
		my $port = $new->local_port;
		is($daemon->wait_audit(sub { $_->{client_port} == $port })->{generation},
			$generation, 'in the same generation');
		ok(works($tunnel) && finish($tunnel), 'the old one lives on');
	};
	$row{last}->() if $row{last};
	%{ $daemon->{option} } = %before;
	$daemon->configure;
	return;
}

# A library that makes worker 1 of two die, hang, or not be forked at all once
# a file of that name is there.
my $library = <<'EOT';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int forks, child, worker;

static int
told(const char *what)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DIR"), what);
	return worker && forks % 2 == 0 && access(path, F_OK) == 0;
}

/* Workers are not all that is forked with such a pair, but the only ones for
 * whom a file in memory is made as well. */
int
socketpair(int domain, int type, int protocol, int pair[2])
{
	worker = 0;
	return syscall(SYS_socketpair, domain, type, protocol, pair);
}

int
memfd_create(const char *name, unsigned flags)
{
	worker = 1;
	return syscall(SYS_memfd_create, name, flags);
}

pid_t
fork(void)
{
	pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	pid_t pid;

	forks += worker;
	if (told("refuse")) {
		errno = EAGAIN;
		return -1;
	}
	pid = next();
	child |= pid == 0;
	return pid;
}

int
epoll_create1(int flags)
{
	if (child && told("die"))
		_exit(3);
	while (child && told("hang"))
		pause();
	return syscall(SYS_epoll_create1, flags);
}
EOT

sub preload {
	my ($daemon) = @_;
	my $dir = $daemon->dir;

	return if -e "$dir/break.so";
	$daemon->write('break.c', $library);
	my ($status, $text) = run($ENV{CC} // 'cc', qw(-shared -fPIC -o),
		"$dir/break.so", "$dir/break.c", '-ldl');
	die "cc: $text" if $status;
	$daemon->{option}{environment} = { LD_PRELOAD => "$dir/break.so",
		TEST_DIR => $dir, ASAN_OPTIONS => 'verify_asan_link_order=0' };
	return;
}

# It takes ten seconds until one that hangs is given up, so this begins now.
my ($stuck, $arrivals, @accepted);
my ($cc) = run($ENV{CC} // 'cc', '--version');
if ($cc == 0) {
	$stuck = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		before => \&preload);
	$stuck->write('hang', '');
	$arrivals = arrivals_start($stuck->port, $name);
	$stuck->{workers} = [ $stuck->workers ];
	$stuck->configure(top => 'workers = 2; # changed');
	$stuck->signal('HUP');
	$stuck->wait_notify(qr/^RELOADING=1$/m) or die 'no RELOADING=1';
	# Worker 0 is ready meanwhile. It alone serves its socket now.
	$stuck->wait_log(qr/worker 0.*: ready.*worker 0.*: ready/s);
	my ($old) = $stuck->log =~ /worker 0\[(\d+)\]: ready/;
	kill 'STOP', $old;
	@accepted = map { tunnel_open($stuck, $upstream) } 1 .. 20;
	kill 'CONT', $old;
}

my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
my $dir = $daemon->dir;
certificate($dir, 'other');
run(qw(openssl ec -aes128 -passout pass:secret -in), "$dir/tls.key", '-out',
	"$dir/encrypted.key");
like($daemon->slurp('encrypted.key'), qr/ENCRYPTED/, 'a key is encrypted');
$daemon->write('garbage', "no PEM at all \0\xff\n");
$daemon->write('cut.pem', substr $daemon->slurp('tls.pem'), 0, 300);
$daemon->write('cut.key', substr $daemon->slurp('tls.key'), 0, 100);

fails_ok($daemon, 'syntax error', change => { top => "workers = 2;\nuser = ;" },
	at => qr/^user = ;/, says => 'LINE: user: found ";", expected a value');
fails_ok($daemon, 'unknown setting', change => { timeouts => 'idel = "5s";' },
	at => qr/idel/, says => 'LINE: timeouts\.idel: .*\bidle\b.*');
fails_ok($daemon, 'out of range', change => { timeouts => 'connect = "2h";' },
	at => qr/connect/, says => 'LINE: timeouts\.connect: .*');
fails_ok($daemon, 'a rule', change => { rules =>
	'{ name = "r"; action = "allow"; destinations = [ "peer.test" ]; }' },
	at => qr/peer\.test/, says => 'LINE: rules.*\.destinations: .*port.*');
fails_ok($daemon, 'no configuration file', says =>
	'%DIR%/sniport\.conf:.*: No such file or directory',
	first => sub { unlink "$dir/sniport.conf" or die $! });
fails_ok($daemon, 'a directory in its place', says =>
	'%DIR%/sniport\.conf:.*: Is a directory',
	first => sub { unlink "$dir/sniport.conf"; mkdir "$dir/sniport.conf" or
		die $! },
	last => sub { rmdir "$dir/sniport.conf" or die $! });
for my $what (qw(sniport.conf hosts)) {
	my %change = $what eq 'hosts' ?
	    (change => { dns => qq(hosts_file = "$dir/hosts";) }) : ();
	fails_ok($daemon, "a pipe in the place of $what", %change,
		says => "(?:LINE: dns\\.hosts_file: )?%DIR%/$what:.*Not a regular file",
		$what eq 'hosts' ? (at => qr/hosts_file/) : (),
		first => sub { unlink "$dir/$what"; POSIX::mkfifo("$dir/$what", 0600)
			or die $! },
		last => sub { unlink "$dir/$what" or die $! });
}
fails_ok($daemon, 'missing include', change => { top =>
	qq(workers = 2;\n\@include "nothing.conf") },
	at => qr/\@include/, says => 'LINE: .*nothing\.conf.*');
fails_ok($daemon, 'several errors', change => { timeouts => 'idel = "5s";',
	limits => 'tunnels = "many";' },
	at => qr/idel/, says => 'LINE: timeouts\.idel: .*');
like($daemon->log, qr/: limits\.tunnels: /, 'all of them are told');

# Certificates: which setting, and what is said of its file.
for (
	[ 'no chain', 'chain', 'nothing.pem', 'tls.key',
	    '%DIR%/nothing\.pem: cannot be read: No such file or directory' ],
	[ 'no key', 'key', 'tls.pem', 'nothing.key',
	    '%DIR%/nothing\.key: cannot be read: No such file or directory' ],
	[ 'a directory for a chain', 'chain', '', 'tls.key', '%DIR%/: cannot be read: Is a directory' ],
	[ 'a directory for a key', 'key', 'tls.pem', '', '%DIR%/: cannot be read: Is a directory' ],
	[ 'a garbage chain', 'chain', 'garbage', 'tls.key',
	    '%DIR%/garbage: has no certificate in PEM format' ],
	[ 'a garbage key', 'key', 'tls.pem', 'garbage',
	    '%DIR%/garbage: has no private key in PEM format' ],
	[ 'a chain that is cut', 'chain', 'cut.pem', 'tls.key',
	    '%DIR%/cut\.pem: its certificates cannot be read: .*' ],
	[ 'a key that is cut', 'key', 'tls.pem', 'cut.key',
	    '%DIR%/cut\.key: its key cannot be read: .*' ],
	[ 'the chain for a key', 'key', 'tls.pem', 'tls.pem',
	    '%DIR%/tls\.pem: has no private key in PEM format' ],
	[ 'another key', 'key', 'tls.pem', 'other.key',
	    '%DIR%/other\.key: does not belong to the first ' .
	    'certificate of %DIR%/tls\.pem' ],
	[ 'an encrypted key', 'key', 'tls.pem', 'encrypted.key',
	    '%DIR%/encrypted\.key: is encrypted, .*' ],
) {
	my ($title, $which, $chain, $key, $says) = @$_;
	fails_ok($daemon, $title, at => qr/\b$which = /,
		says => "LINE: tls\\.certificates\\.$which: $says",
		change => { tls => qq(certificates = ( {
			chain = "%DIR%/$chain";
			key = "%DIR%/$key"; } );) });
}
fails_ok($daemon, 'unknown ciphers', change => { tls => 'ciphers = "ROT13";' },
	at => qr/ROT13/, says => 'LINE: tls\.ciphers: ROT13: .*');
fails_ok($daemon, 'unknown groups', change => { tls => 'groups = "P-1";' },
	at => qr/P-1/, says => 'LINE: tls\.groups: "P-1" .*');

# Authorities of clients.
for (
	[ 'no client_ca', 'nothing.pem', 'cannot be read: No such file or directory' ],
	[ 'a garbage client_ca', 'garbage',
	    'has no certificate in PEM format' ],
	[ 'a client_ca that is cut', 'cut.pem', 'its certificates cannot be read: .*' ],
) {
	my ($title, $file, $says) = @$_;
	fails_ok($daemon, $title, at => qr/client_ca = /,
		says => "LINE: tls\\.client_ca: %DIR%/\Q$file\E: $says",
		change => { tls => qq(client_auth = "optional";
			client_ca = "%DIR%/$file";) });
}
fails_ok($daemon, 'a garbage crl', at => qr/crl = /,
	says => 'LINE: tls\.crl: %DIR%/garbage: (?:its|has no) revocation lists? .*',
	change => { tls => 'client_ca = "%DIR%/tls.pem";
		crl = "%DIR%/garbage";' });

# The surroundings.
my $free = '{ address = "127.0.0.1:%PORT%"; }';
for ([ 'a port that is taken', 0 ], [ 'a port that another would share', 1 ]) {
	my ($title, $share) = @$_;
	my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
		ReusePort => $share) or die $!;
	my $at = '127.0.0.1:' . $taken->sockport;
	fails_ok($daemon, $title, at => qr/"\Q$at\E"/, says =>
		"LINE: listeners\\.address: \Q$at\E: bind: Address already in use; another process, .*",
		change => {
		listeners => qq($free, { address = "127.0.0.1:%PORT_b%"; },
			{ default_port = 443;
			  address = "$at"; }) });
}
is(Sniport::Client->open(port => $daemon->port('b'))->ended, 'refused',
	'what was bound beside it is free again');
fails_ok($daemon, 'an address of another host', says =>
	'LINE: listeners\.address: 192\.0\.2\.1:8443: bind: Cannot assign requested address; this host does not have this address, or not yet \(see listeners\.freebind\)',
	at => qr/192\.0\.2\.1/, change => {
		listeners => qq($free, { address = "192.0.2.1:8443"; }) });
fails_ok($daemon, 'an unknown user', says =>
	'LINE: user: there is no user "nobody-of-that-name"',
	at => qr/nobody-of/, change => { top => 'workers = 2; user = "nobody-of-that-name";',
		log => 'access = "%DIR%/never.log";' });
ok(!-e "$dir/never.log", 'no log file is made for it');
fails_ok($daemon, 'an unknown group', says =>
	'LINE: group: there is no group "nobody-of-that-name"',
	at => qr/nobody-of/, change => { top => 'workers = 2; group = "nobody-of-that-name";' });
for (qw(error access)) {
	fails_ok($daemon, "no folder for log.$_", says =>
		"LINE: log\\.$_: %DIR%/nothing/x\\.log cannot be opened: No such file or directory",
		at => qr/nothing/, change => { log => qq($_ = "%DIR%/nothing/x.log";) });
}
fails_ok($daemon, 'no hosts file', says =>
	'LINE: dns\.hosts_file: %DIR%/nothing: No such file or directory',
	at => qr/nothing/, change => { dns => 'hosts_file = "%DIR%/nothing";' });

# In spite of all that.
like($daemon->reload, qr/^Serving: .*, generation 2$/, 'then a good one is done');
$daemon->stop_ok;

SKIP: {
	skip 'SKIPPED LOUDLY: only root has privileges that it can lack', 1 if $>;
	my $weak = Sniport::Daemon->new(@hosts,
		top => 'workers = 2; user = "root"; group = "root";',
		wrapper => [ qw(setpriv --bounding-set),
		    '-setuid,-dac_override,-dac_read_search' ]);
	my $key = $weak->dir . '/tls.key';
	fails_ok($weak, 'a key that may not be read', at => qr/tls\.key/, says =>
		'LINE: tls\.certificates\.key: %DIR%/tls\.key: cannot be read: Permission denied',
		first => sub { chmod 0, $key or die $! },
		last => sub { chmod 0600, $key or die $! });
	fails_ok($weak, 'a user that may not be become', at => qr/user = /,
		says => 'LINE: user: sniport was started as root, and its workers cannot become uid \d+, gid \d+: Operation not permitted: give it CAP_SETUID and CAP_SETGID, or start it as that user',
		change => { top => 'workers = 2; user = "nobody";' });
	$weak->stop_ok;
}

SKIP: {
	skip 'SKIPPED LOUDLY: there is no compiler', 1 if $cc != 0;
	my $broken = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		before => \&preload);
	my $flag = sub {
		my ($what) = @_;
		my $file = $broken->dir . "/$what";

		return (first => sub { $broken->write($what, '') },
			last => sub { unlink $file or die $! });
	};
	fails_ok($broken, 'a worker that dies before it is ready', says =>
		'worker 1\[\d+\]: start: died before all were ready: exit status 3',
		change => { listeners => qq($free, { address = "127.0.0.1:%PORT_b%"; }) },
		$flag->('die'));
	is(Sniport::Client->open(port => $broken->port('b'))->ended, 'refused',
		'a listener that was to be added is gone');
	fails_ok($broken, 'a worker that cannot be forked', says =>
		'worker 1: start: fork: Resource temporarily unavailable',
		change => { top => 'workers = 6;' }, $flag->('refuse'));
	$broken->stop_ok;
}

SKIP: {
	skip 'SKIPPED LOUDLY: there is no compiler', 1 if $cc != 0;
	my $status = $stuck->wait_notify(qr/^READY=1$/m, deadline(3 * timeout())) // '';
	my $says = qr/worker 1\[\d+\]: start: died before all were ready: it was not ready within 10 s$/m;
	like($status, qr/^STATUS=Reload failed, generation 1 goes on: $says/m,
		'a worker that does not become ready: the service manager is told');
	like($stuck->log, $says, 'the error log says it');
	arrivals_more($arrivals, 3);
	is_deeply(arrivals_stop($arrivals)->{wrong}, [],
		'not a tunnel that came meanwhile is lost');
	is(scalar(grep { works($_) && finish($_) } @accepted), 20,
		'neither of those that go on');
	ok($stuck->wait_audit(sub { $_->{generation} == 2 }),
		'although the new worker that was ready had accepted some');
	ok(poll(sub { "@{[ $stuck->workers ]}" eq "@{ $stuck->{workers} }" }),
		'the old workers are those that are left');
	unlink $stuck->dir . '/hang';
	like($stuck->reload, qr/^Serving: /, 'then a good one is done');
	$stuck->stop_ok;
}

done_testing;
