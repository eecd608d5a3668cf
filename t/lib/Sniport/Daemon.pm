# The real sniport with a configuration of its own in a temporary folder.
#
#     my $daemon = Sniport::Daemon->new(
#             hosts => "127.0.0.1 example.com\n",
#             rules => '{ name = "r"; action = "allow"; ... }');
#     ... $daemon->port ... $daemon->wait_audit ...
#     $daemon->stop_ok;
#
# Sections of the configuration are given as the text inside their brackets:
# listeners, tls, rules, dns, timeouts, limits, log, egress, admin; `top` is
# text for the top level. In all of them %DIR% is the temporary folder and
# %PORT% a free port, %PORT_x% another one, which port('x') returns. What is
# not given: one worker, one listener on 127.0.0.1:%PORT%, an ECDSA
# certificate, a rule "test" that allows every name and opens the loopback
# networks, no name server, the error log on stderr, the audit log in a file.
# `files` is the limit on open files.
#
# How it is run: wrapper (a command that runs a command, such as setpriv),
# before (code that is called with the object just before each start), stdout
# and stderr (handles), environment (a hash), program (instead of the one under
# test).
package Sniport::Daemon;

use strict;
use warnings;

use Fcntl qw(O_NONBLOCK O_RDONLY);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Socket;
use Test::More ();

use Sniport::Test qw(certificate deadline group_gone group_kill group_start
	left poll readable run sniport temporary timeout top under_valgrind);

my $FIONREAD = 0x541b; # ioctl_tty(2)

my @SECTIONS = (
	[ listeners => '(', ')' ], [ tls => '{', '}' ], [ rules => '(', ')' ],
	[ egress => '(', ')' ], [ dns => '{', '}' ], [ timeouts => '{', '}' ],
	[ limits => '{', '}' ], [ log => '{', '}' ], [ admin => '{', '}' ]);

my %DEFAULT = (
	top => 'workers = 1;',
	listeners => '{ address = "127.0.0.1:%PORT%"; }',
	rules => '{ name = "test"; action = "allow"; destinations = [ "*:*" ];
		networks = [ "127.0.0.0/8", "::1" ]; }',
);

# What a section is given besides, unless its text has that setting already.
my %ADDED = (
	tls => { certificates => '( { chain = "%DIR%/tls.pem"; key = "%DIR%/tls.key"; } )' },
	dns => { servers => '[ "127.0.0.1:9" ]', hosts_file => '"%DIR%/hosts"' },
	log => { error => '"stderr"', access => '"%DIR%/audit.log"' },
	admin => { control => '"%DIR%/control.sock"' },
);

# All is several times slower under valgrind: nothing ends by a time-out there
# that the test does not name, and what is to come in time has more of it.
%ADDED = (%ADDED, dns => { %{ $ADDED{dns} }, timeout => '"5s"' }, timeouts => {
	client_hello => '"10m"', handshake => '"10m"', connect => '"10m"',
	turn => '"10m"', half_close => '"10m"', drain => '"10m"', shutdown => '"25s"',
	watchdog => '"10m"',
}) if under_valgrind();

sub new {
	my ($class, %option) = @_;

	my $self = bless {
		dir => temporary(), option => { %DEFAULT, %option },
		seen => 0, notified => [],
	}, $class;
	certificate($self->{dir}, 'tls');
	$self->{notify} = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
		Local => "$self->{dir}/notify") or die "notify socket: $!";
	# A port that is free on one address may be taken on another.
	for my $try (1 .. 3) {
		delete $self->{ports};
		$self->start;
		last if $self->wait_notify(qr/^READY=1$/m);
		last if $self->log !~ /in use/i;
		group_kill($self->{pid});
		delete $self->{pid};
	}
	if (!$self->{ready}) {
		die "sniport did not get ready:\n" . $self->log unless $option{may_fail};
	}
	return $self;
}

sub dir { return "$_[0]{dir}"; }
sub pid { return $_[0]{pid}; }

# A socket that holds a free port, of those that the kernel gives to nobody who
# does not ask for it.
sub hold_port {
	my ($low) = Sniport::Test::slurp('/proc/sys/net/ipv4/ip_local_port_range') =~ /(\d+)/;

	for (1 .. 100) {
		my $port = $low > 12_000 ? 10_000 + int rand($low - 10_000) : 0;
		my $socket = IO::Socket::INET->new(Proto => 'tcp',
			LocalAddr => '127.0.0.1', LocalPort => $port);
		return $socket if $socket;
	}
	die "bind: $!";
}

# A free port for a listener. It is held until sniport is to take it, so that
# nobody else is given it meanwhile.
sub port {
	my ($self, $name) = @_;

	$name //= '';
	if (!$self->{ports}{$name}) {
		my $socket = hold_port();
		$self->{ports}{$name} = $socket->sockport;
		push @{ $self->{held} }, $socket;
	}
	return $self->{ports}{$name};
}

sub fill {
	my ($self, $text) = @_;

	$text =~ s/%DIR%/$self->{dir}/g;
	$text =~ s/%PORT(?:_(\w+))?%/$self->port($1)/ge;
	return $text;
}

# The text of the configuration.
sub config {
	my ($self) = @_;
	my $option = $self->{option};

	return $self->fill($option->{config}) if defined $option->{config};
	my $text = "$option->{top}\n";
	for (@SECTIONS) {
		my ($name, $open, $close) = @$_;
		my $inside = $option->{$name} // '';
		my $added = $ADDED{$name} // {};
		for my $setting (sort keys %$added) {
			$inside .= "\n\t$setting = $added->{$setting};"
			    if $inside !~ /\b$setting\s*[=:]/;
		}
		$text .= "$name = $open\n\t$inside\n$close;\n" if $inside ne '';
	}
	return $self->fill($text);
}

# Writes a file of the temporary folder.
sub write {
	my ($self, $name, $text) = @_;

	open my $file, '>', "$self->{dir}/$name.new" or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	rename "$self->{dir}/$name.new", "$self->{dir}/$name" or die "$name: $!";
	return;
}

sub slurp {
	my ($self, $name) = @_;

	$self->settle if $name =~ /\.(?:log|txt)$/;
	open my $file, '<', "$self->{dir}/$name" or return '';
	local $/;
	return <$file> // '';
}

# Writes the configuration and the hosts file, with what has changed; ports
# are free for sniport then.
sub configure {
	my ($self, %option) = @_;

	%{ $self->{option} } = (%{ $self->{option} }, %option);
	$self->write('hosts', $self->{option}{hosts} // '');
	$self->write('sniport.conf', $self->config);
	delete $self->{held};
	return;
}

# The command that runs the program under test with these arguments.
sub command {
	my ($self, @arguments) = @_;
	my @command = ($self->{option}{program} // sniport(), @arguments);

	# A worker is another user and may not remove vgdb's files.
	unshift @command, qw(valgrind -q --vgdb=no --error-exitcode=99
		--trace-children=yes --leak-check=full
		--errors-for-leak-kinds=definite),
		"--suppressions=" . top() . "/t/lib/valgrind.supp",
		"--log-file=$self->{dir}/valgrind.%p" if under_valgrind();
	return @command;
}

sub start {
	my ($self) = @_;

	$self->configure;
	$self->{ready} = 0;
	delete @$self{qw(status)};
	my @command = $self->command('-c', "$self->{dir}/sniport.conf");
	unshift @command, 'sh', '-c', 'ulimit -n $0 && exec "$@"',
	    $self->{option}{files} if $self->{option}{files};
	my $option = $self->{option};
	$option->{before}->($self) if $option->{before};
	unshift @command, @{ $option->{wrapper} // [] };
	$self->{pid} = group_start(sub {
		my $log = "$self->{dir}/error.log";
		open STDIN, '<', '/dev/null' or die $!;
		open STDOUT, '>>' . ($option->{stdout} ? '&' : ''),
		    $option->{stdout} // $log or die $!;
		open STDERR, '>>' . ($option->{stderr} ? '&' : ''),
		    $option->{stderr} // $log or die $!;
		$ENV{NOTIFY_SOCKET} = "$self->{dir}/notify";
		%ENV = (%ENV, %{ $option->{environment} // {} });
		exec @command or die "$command[0]: $!\n";
	});
	return;
}

# Runs the program with other arguments on this configuration, to its end;
# returns the status and what it printed.
sub once {
	my ($self, @arguments) = @_;

	return run($self->command('-c', "$self->{dir}/sniport.conf", @arguments));
}

# Waits for a datagram to the service manager that matches; returns it, or
# undef when the deadline comes or sniport ends.
sub wait_notify {
	my ($self, $match, $deadline) = @_;

	$deadline //= deadline();
	for (;;) {
		while (defined(my $text = shift @{ $self->{notified} })) {
			$self->{ready} = 1 if $text =~ /^READY=1$/m;
			return $text if $text =~ $match;
		}
		# An end gives no event here, so it is looked at now and then.
		my $step = deadline(0.05);
		$step = $deadline if $step > $deadline;
		if (readable($self->{notify}, $step)) {
			recv($self->{notify}, my $text, 65536, 0);
			push @{ $self->{notified} }, $text;
		} elsif ($self->ended || left($deadline) == 0) {
			return undef;
		}
	}
}

sub signal {
	my ($self, $name) = @_;

	kill $name, $self->{pid} or die "kill $name: $!";
	return;
}

# Reloads, with what has changed in the configuration; returns the STATUS=
# line that sniport gives when it is done.
sub reload {
	my ($self, %option) = @_;

	$self->configure(%option);
	$self->signal('HUP');
	$self->wait_notify(qr/^RELOADING=1$/m) //
	    die "no RELOADING=1:\n" . $self->log;
	my $text = $self->wait_notify(qr/^READY=1$/m) //
	    die "no READY=1:\n" . $self->log;
	return $text =~ /^STATUS=(.*)$/m ? $1 : '';
}

# Has the program that lies there now take over; returns what reload() does. It
# dies where none of its generations comes to serve.
sub upgrade {
	my ($self) = @_;

	$self->signal('USR2');
	$self->wait_notify(qr/^RELOADING=1$/m) //
	    die "no RELOADING=1:\n" . $self->log;
	my $text = $self->wait_notify(qr/^READY=1$/m) //
	    die "no READY=1:\n" . $self->log;
	return $text =~ /^STATUS=(.*)$/m ? $1 : '';
}

# The processes that the master has forked, with the names that they gave
# themselves, but not those that have ended and wait for it.
sub children {
	my ($self) = @_;
	my (%children, $young);

	# One that was just forked may not have its name yet.
	poll(sub {
		$young = 0;
		%children = ();
		open my $file, '<', "/proc/$self->{pid}/task/$self->{pid}/children"
		    or return 1;
		%children = map { ($_ => [ comm_and_age($_) ]) }
		    split ' ', <$file> // '';
		for my $pid (keys %children) {
			my ($comm, $age) = @{ $children{$pid} };
			delete $children{$pid} if !defined $comm;
			$young = 1 if defined $comm && $age < 0.05;
		}
		return !$young;
	}, deadline(1));
	return map { ($_ => $children{$_}[0]) } keys %children;
}

# The process ids of the workers, of all generations. Whoever looks at them, or
# kills them, must allow for one that ends meanwhile.
sub workers {
	my ($self) = @_;
	my %children = $self->children;

	my @workers = grep {
		$children{$_} !~ /^sniport-(?:log|scribe|admin|trial)$/ }
	    keys %children;
	@workers = sort { $a <=> $b } @workers;
	return @workers;
}

# How many files the master has open; undef where that cannot be seen.
sub files {
	my ($self) = @_;

	opendir(my $dir, "/proc/$self->{pid}/fd") or return undef;
	return scalar grep { /^\d/ } readdir $dir;
}

# The name of a process and for how many seconds it has been there; nothing
# where it has ended.
sub comm_and_age {
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return ();
	open my $uptime, '<', '/proc/uptime' or return ();
	my ($comm, $state, @field) = (<$stat> // '') =~ /\((.*)\) (\S) (.*)/s
	    or return ();
	return () if $state =~ /[ZX]/;
	# The 22nd of proc(5), in ticks.
	my $begun = (split ' ', $field[0])[18] / POSIX::sysconf(
		POSIX::_SC_CLK_TCK());
	return ($comm, (split ' ', <$uptime>)[0] - $begun);
}

# The process ids of those that write what dead workers have left.
sub scribes {
	my ($self) = @_;

	my %children = $self->children;

	return grep { $children{$_} eq 'sniport-scribe' } keys %children;
}

# The process ids of those that write log files.
sub writers {
	my ($self) = @_;

	my %children = $self->children;

	return grep { $children{$_} eq 'sniport-log' } keys %children;
}

# The process id of the worker of that number that became ready last, as the
# error log (with level "info" at least) has it.
sub worker {
	my ($self, $number) = @_;

	return ($self->log =~ /worker $number\[(\d+)\]: ready/g)[-1];
}

# Waits until all lines that were logged so far are in their files: whoever has
# seen sniport do something finds the line that it wrote before. Not for ever,
# since a disk may hang on purpose: who writes to it sleeps while lines wait.
sub settle {
	my ($self) = @_;

	return if !$self->{pid} || defined $self->{status};
	for my $pid ($self->writers) {
		my $patience = 30;
		poll(sub {
			my ($bytes, $state) = waiting($pid);
			return 0 if $state eq 'R';
			return $state =~ /[SXZ]/ && !$bytes || --$patience <= 0;
		});
	}
	return;
}

# How many bytes wait in the pipe of a writer of log files, and what it does
# (see proc(5)). All is written when it sleeps and none do.
sub waiting {
	my ($pid) = @_;
	my ($source) = grep { (readlink // '') =~ /^pipe:/ && m!/(\d+)$! && $1 > 2 }
	    glob "/proc/$pid/fd/*";
	my $bytes = pack 'i', 0;

	if ($source && sysopen my $pipe, $source, O_RDONLY | O_NONBLOCK) {
		ioctl $pipe, $FIONREAD, $bytes;
	} else {
		# Where we may not look.
		select undef, undef, undef, 0.02;
	}
	open my $stat, '<', "/proc/$pid/stat" or return (0, 'X');
	return (unpack('i', $bytes), (<$stat> // '') =~ /\) (\S) / ? $1 : 'X');
}

# All that went to the error log.
sub log { return $_[0]->slurp('error.log'); }

# Waits until the error log matches.
sub wait_log {
	my ($self, $match, $deadline) = @_;

	return poll(sub { $self->log =~ $match }, $deadline);
}

# The counters that the error log (with level "info" at least) has so far, a
# hash by their names for each line.
sub counters {
	my ($self) = @_;

	return map { +{ $_ eq 'none' ? () : map { split ' ' } split /, / } }
	    $self->log =~ /^\S+Z info master\[\d+\]: counters: (.*)\n/mg;
}

# The counters now.
sub count {
	my ($self) = @_;

	$self->reopen(qr/^\S+Z info master\[\d+\]: counters: .*\n/m);
	return ($self->counters)[-1];
}

# Tells sniport to reopen its logs and waits until the error log, level
# "notice" at least, says so and has what follows, too.
sub reopen {
	my ($self, $then) = @_;
	my $line = qr/^\S+Z notice master\[\d+\]: logs: .*reopened.*\n/m;
	my $before = () = $self->log =~ /$line/g;

	$self->signal('USR1');
	poll(sub {
		my (undef, @after) = split $line, $self->log, -1;
		return @after > $before && (!$then || $after[-1] =~ $then);
	}) or die "logs are not reopened:\n" . $self->log;
	return;
}

# The audit lines so far, as hashes.
sub audit {
	my ($self) = @_;

	# A line without its newline is still being written. Each is decoded
	# once, since JSON::PP takes its time.
	return map { $self->{decoded}{$_} //= JSON::PP::decode_json($_) }
	    $self->slurp('audit.log') =~ /^(.*)\n/mg;
}

# The next audit line that was not returned yet and for which the code (with
# the line in $_) is true; dies when none comes.
sub wait_audit {
	my ($self, $match, $deadline) = @_;

	my $line = poll(sub {
		my @lines = $self->audit;
		for my $i ($self->{seen} .. $#lines) {
			local $_ = $lines[$i];
			next if $match && !$match->($_);
			$self->{seen} = $i + 1;
			return $_;
		}
		return undef;
	}, $deadline);
	die "no such audit line; there are:\n" . $self->slurp('audit.log') .
	    $self->log unless $line;
	return $line;
}

# True when the master has ended; {status} is its wait status then.
sub ended {
	my ($self) = @_;

	return 1 if defined $self->{status};
	if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
		$self->{status} = $?;
	}
	return defined $self->{status};
}

# Waits for the end of the master; its exit status, 128 + N for signal N,
# undef when it goes on.
sub wait_end {
	my ($self, $deadline) = @_;

	poll(sub { $self->ended }, $deadline) or return undef;
	return $self->{status} & 127 ? 128 + ($self->{status} & 127) :
	    $self->{status} >> 8;
}

sub valgrind {
	my ($self) = @_;

	return join '', map { $self->slurp(s!.*/!!r) }
	    glob "$self->{dir}/valgrind.*";
}

# What must never be found after a run, one complaint each.
sub complaints {
	my ($self) = @_;
	my @found;

	my $log = $self->log;
	push @found, "a sanitizer's report" if $log =~
	    /(?:Address|Leak|UndefinedBehavior)Sanitizer|runtime error:/;
	push @found, 'a failed assertion' if $log =~ /Assertion .* failed/;
	push @found, 'reason "internal"' if grep {
		($_->{reason} // '') eq 'internal' } $self->audit;
	# What valgrind has to say of itself begins with "--".
	push @found, "valgrind's report" if $self->valgrind =~ /^==/m;
	push @found, 'a process that is left' unless
	    poll(sub { group_gone($self->{pid}) });
	return @found;
}

# Stops sniport and checks that it ended well: one test.
sub stop_ok {
	my ($self, %option) = @_;
	my $name = $option{name} // 'sniport stops';
	my $want = $option{status} // 0;

	if (!$self->ended) {
		$self->signal($option{signal} // 'TERM');
	}
	my $status = $self->wait_end;
	my @wrong;
	push @wrong, 'no end' if !defined $status;
	push @wrong, "status $status" if defined $status && $status != $want;
	push @wrong, $self->complaints;
	group_kill($self->{pid});
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = Test::More::ok(!@wrong, $name);
	if (!$ok) {
		Test::More::diag("found: $_") for @wrong;
		Test::More::diag($self->log);
		Test::More::diag($self->valgrind);
	}
	return $ok;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	group_kill($self->{pid}) if $self->{pid};
	return;
}

1;
