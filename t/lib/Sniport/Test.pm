# What every end-to-end test needs: where things are, deadlines, temporary
# folders, certificates, and children that do not outlive the test.
package Sniport::Test;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp ();
use POSIX ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT_OK = qw(
	build certificate deadline group_gone group_kill group_start left
	limit_process poll
	readable run sanitized slow slurp sniport status temporary timeout
	tls_library top
	under_valgrind unsent usage writable write_file
);

my $SIOCOUTQ = 0x5411; # tcp(7)

my $top = abs_path(dirname(__FILE__) . '/../../..');
my $owner = $$;
my %groups;
my $tls_library;

# The TLS library that sniport is made with: "OpenSSL" or "AWS-LC".
sub tls_library {
	$tls_library //= do {
		my (undef, $text) = run(sniport(), '-V');
		$text =~ /^(OpenSSL|AWS-LC) /m ? $1 : die "sniport -V: $text";
	};
	return $tls_library;
}

# The top of the source tree.
sub top { return $top; }

# All that is in a file.
sub slurp {
	my ($name) = @_;

	open my $file, '<', $name or die "$name: $!";
	local $/;
	return scalar <$file>;
}

# Makes the file, with this text alone; returns its name.
sub write_file {
	my ($name, $text) = @_;

	open my $file, '>:raw', $name or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return $name;
}

# The build tree that is under test.
sub build { return $ENV{SNIPORT_BUILD} // "$top/build"; }

# The program under test.
sub sniport { return $ENV{SNIPORT} // build() . '/sniport'; }

sub under_valgrind { return $ENV{SNIPORT_VALGRIND} ? 1 : 0; }

# Was the program built with AddressSanitizer?
my $sanitized;
sub sanitized {
	$sanitized //= do {
		open my $file, '<:raw', sniport() or die sniport() . ": $!";
		local $/;
		<$file> =~ /__asan_init/ ? 1 : 0;
	};
	return $sanitized;
}

# Is it several times slower and larger than it will be in use?
sub slow { return under_valgrind() || sanitized(); }

# Seconds after which a wait is a failure.
sub timeout {
	return ($ENV{SNIPORT_TEST_TIMEOUT} // 20) * (under_valgrind() ? 5 : 1);
}

# A point in time $seconds from now; without an argument, timeout() from now.
sub deadline {
	my ($seconds) = @_;

	return clock_gettime(CLOCK_MONOTONIC) + ($seconds // timeout());
}

# Seconds until then, never negative.
sub left {
	my $left = $_[0] - clock_gettime(CLOCK_MONOTONIC);

	return $left > 0 ? $left : 0;
}

sub ready {
	my ($write, $handle, $deadline) = @_;
	my $bits = '';

	vec($bits, ref $handle ? fileno($handle) : $handle, 1) = 1;
	for (;;) {
		my $left = left($deadline);
		my ($r, $w) = $write ? (undef, $bits) : ($bits, undef);
		my $n = select($r, $w, undef, $left);
		return 1 if $n > 0;
		return 0 if $left == 0;
	}
}

# Waits until the handle (or descriptor) is readable or at its end. False: the
# deadline came first.
sub readable { return ready(0, @_); }
sub writable { return ready(1, @_); }

# Calls the code until its value is true or the deadline is there. Only for
# what gives no event that Perl can wait for: files that grow and processes
# that are not children.
sub poll {
	my ($code, $deadline) = @_;

	$deadline //= deadline();
	for (;;) {
		my $value = $code->();
		return $value if $value;
		return $value if left($deadline) == 0;
		select(undef, undef, undef, 0.01);
	}
}

# A folder that goes when the test ends. Others may enter it, since sniport's
# workers are not root.
sub temporary {
	my $dir = File::Temp->newdir('sniport-XXXXXXXX', TMPDIR => 1);

	chmod 0755, $dir or die "chmod $dir: $!";
	return $dir;
}

# Runs a program to its end; returns its status and what it printed to both
# streams.
sub run {
	my @command = @_;

	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		open STDIN, '<', '/dev/null';
		{ no warnings; exec @command; }
		print "$command[0]: $!\n";
		POSIX::_exit(127);
	}
	local $/;
	my $text = <$out> // '';
	close $out;
	my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return ($status, $text);
}

# What a line of /proc/PID/status says, its words joined by blanks; '' where
# there is no such line, or no such process any more.
sub status {
	my ($pid, $name) = @_;

	open my $file, '<', "/proc/$pid/status" or return '';
	my ($value) = map { /^$name:\s*(.*)/ } <$file>;
	return join ' ', split ' ', $value // '';
}

# How many bytes that were sent has the peer's kernel not acknowledged?
sub unsent {
	my ($socket) = @_;

	ioctl $socket, $SIOCOUTQ, my $left = pack 'i', 0 or die "ioctl: $!";
	return unpack 'i', $left;
}

# What a process uses: memory and its highest value so far (bytes), CPU time
# (seconds).
sub usage {
	my ($pid) = @_;
	my %usage;

	local $/;
	open my $file, '<', "/proc/$pid/status" or die "process $pid: $!";
	my $status = <$file>;
	$usage{memory} = $1 * 1024 if $status =~ /^VmRSS:\s*(\d+) kB/m;
	$usage{peak} = $1 * 1024 if $status =~ /^VmHWM:\s*(\d+) kB/m;
	open $file, '<', "/proc/$pid/stat" or die "process $pid: $!";
	# The name before it may hold blanks and brackets.
	my @field = split ' ', <$file> =~ s/^.*\) //sr;
	$usage{cpu} = ($field[11] + $field[12]) / POSIX::sysconf(
		POSIX::_SC_CLK_TCK());
	return \%usage;
}

# Makes a self-signed certificate in $dir/$name.pem and its key in
# $dir/$name.key. key => 'rsa' or 'ec', host => its name.
sub certificate {
	my ($dir, $name, %option) = @_;
	my $host = $option{host} // 'sniport.test';
	my @key = ($option{key} // 'ec') eq 'rsa' ? ('rsa:2048') :
	    ('ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1');

	my ($status, $text) = run(qw(openssl req -x509 -nodes -days 30 -newkey),
		@key, '-subj', "/CN=$host", '-addext', "subjectAltName=DNS:$host",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
	die "openssl: $text" if $status;
	return ("$dir/$name.pem", "$dir/$name.key");
}

# Forks a process group of its own, in which $code runs; the group is killed
# when the test ends. $code must not return.
sub group_start {
	my ($code) = @_;

	pipe(my $r, my $w) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0) {
		close $r;
		%groups = ();
		setpgrp(0, 0);
		close $w;
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD);
		eval { $code->(); };
		print STDERR $@ if $@;
		POSIX::_exit(127);
	}
	$groups{$pid} = 1;
	# The group is there when the child has let go of the pipe.
	close $w;
	sysread($r, my $byte, 1);
	return $pid;
}

# Sets a limit of another process (an option of prlimit(1), and its value, or
# "unlimited"). A container's root may not do that, but the process's user may.
sub limit_process {
	my ($pid, $name, $value) = @_;
	my ($uid, $gid) = map { (split ' ', status($pid, $_))[0] } qw(Uid Gid);
	my ($status, $text) = run('setpriv', "--reuid=$uid", "--regid=$gid",
		'--clear-groups', 'prlimit', "--pid=$pid", "--$name=$value:");

	$status == 0 or die "prlimit: $text";
	return;
}

# True when no process of the group is left. Those that are dead and not yet
# reaped are gone too: process 1 of a container may take its time.
sub group_gone {
	my ($pid) = @_;

	return 1 if !kill(0, -$pid) && $!{ESRCH};
	for my $file (glob '/proc/[0-9]*/stat') {
		open(my $stat, '<', $file) or next;
		my ($state, $group) = (<$stat> // '') =~ /.*\) (\S) \d+ (\d+)/s
		    or next;
		return 0 if $group == $pid && $state !~ /[ZX]/;
	}
	return 1;
}

sub group_kill {
	my ($pid) = @_;

	kill 'KILL', -$pid if delete $groups{$pid};
	waitpid $pid, 0;
	return;
}

END {
	if ($$ == $owner) {
		my $status = $?;
		group_kill($_) for keys %groups;
		$? = $status;
	}
}

1;
