# The machine under a benchmark: its CPUs, how fast they are just now, and what
# processes use of it.
#
# With two CPUs or more the proxy has the first one, all of its processes, and
# all others have the rest. A virtual CPU that has nothing to do is halted, and
# costs whoever wakes it some 50 us: so idle CPUs are kept from that.
package Sniport::Bench::Machine;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(min);

use Sniport::Namespace qw(leave_network set_here unknown_calls);
use Sniport::Test qw(group_start run);

our @EXPORT_OK = qw(awake busy congestion cpu_time cpus go_first on_proxy on_others
	own_network processes pss raise_files room speed);

my @cpus = map { /^(\d+)-(\d+)$/ ? $1 .. $2 : $_ } split /,/,
    (text('/proc/self/status') =~ /^Cpus_allowed_list:\s*(.*)$/m)[0] // '0';
my $latency;            # is held open

sub text {
	my ($name) = @_;

	open my $file, '<', $name or return '';
	local $/;
	return <$file> // '';
}

sub cpus { return @cpus; }

# Words that begin a command, so that it runs on the proxy's CPU or not there.
sub on_proxy { return @cpus > 1 ? ('taskset', '-c', $cpus[0]) : (); }
sub on_others {
	return @cpus > 1 ? ('taskset', '-c', join ',', @cpus[1 .. $#cpus]) : ();
}

# Keeps idle CPUs from halting until the program ends: by asking the kernel for
# it, which then needs no interrupt to wake one either, or else by processes
# that run when nobody else does. Returns how.
sub awake {
	if (open $latency, '>:raw', '/dev/cpu_dma_latency') {
		return 'the kernel was asked' if syswrite $latency, pack('l', 0);
	}
	for my $cpu (@cpus) {
		group_start(sub {
			exec 'taskset', '-c', $cpu, 'chrt', '-i', '0', 'sh', '-c',
			    'while :; do :; done';
		});
	}
	return 'by processes of the lowest class';
}

# Others who use the machine are not what is measured: this program and what it
# starts go first, where that is allowed; also before other sessions, which the
# kernel may share the CPUs out among before it looks at priorities.
sub go_first {
	eval { setpriority 0, 0, -20; };
	if (open my $group, '>', '/proc/self/autogroup') {
		print $group -20;
		close $group;   # may fail as well
	}
	return;
}

# A network of its own for what is measured, with a congestion control that has
# no timers: bbr spreads even what goes over loopback out in time, so that those
# who could read much at once find little, and whoever is fastest pays most. ''
# or why it cannot be.
sub own_network {
	return unknown_calls() if unknown_calls();
	eval { leave_network(); 1 } or return $@ =~ s/\n//r;
	my ($status, $text) = run(qw(ip link set dev lo up));
	die "there is no loopback: $text\n" if $status;
	for (qw(cubic reno)) {
		return '' if eval { set_here('ipv4.tcp_congestion_control', $_); 1 };
	}
	return $@ =~ s/\n//r;
}

# The congestion control of new connections.
sub congestion {
	return text('/proc/sys/net/ipv4/tcp_congestion_control') =~ s/\n//r;
}

# Nanoseconds that a fixed work takes on the proxy's CPU.
sub speed {
	my ($build) = @_;
	my @command = (on_proxy(), "$build/bench/steady");

	open my $pipe, '-|', @command or die "$command[-1]: $!\n";
	my $ns = <$pipe> // '';
	close $pipe or die "$command[-1] failed\n";
	return $ns + 0;
}

# The load average of the last minute, which others' work is in too.
sub busy { return (split ' ', text('/proc/loadavg'))[0]; }

# The process, and all that came of it.
sub processes {
	my ($pid) = @_;

	return ($pid, map { processes($_) }
		split ' ', text("/proc/$pid/task/$pid/children"));
}

# Nanoseconds on a CPU so far, of all threads. Those that end meanwhile take
# theirs with them: a process that serves has the same threads all the time.
sub cpu_time {
	my $ns = 0;

	for my $pid (@_) {
		for my $task (glob "/proc/$pid/task/*") {
			$ns += $1 if text("$task/schedstat") =~ /^(\d+)/;
		}
	}
	die "a process is gone, or the kernel has no schedstat\n" unless $ns;
	return $ns;
}

# The proportional share of memory of these processes in bytes: what they map
# together is counted once. By kind: anonymous, of files, of shared maps.
sub pss {
	my %pss = map { $_ => 0 } qw(all anon file shmem);

	for my $pid (@_) {
		my $text = text("/proc/$pid/smaps_rollup");
		$pss{all} += 1024 * $1 if $text =~ /^Pss:\s+(\d+)/m;
		$pss{lc $1} += 1024 * $2
		    while $text =~ /^Pss_(Anon|File|Shmem):\s+(\d+)/mg;
	}
	return \%pss;
}

sub file_limit {
	return (text('/proc/self/limits') =~ /^Max open files\s+(\d+)/m)[0] // 1024;
}

# How many tunnels a process can have: two descriptors each, and some for the
# rest.
sub room {
	my $room = int((file_limit() - 400) / 2);

	return min($room, 100_000);
}

# Begins the program anew with that limit on open files, or with the highest
# that is allowed.
sub raise_files {
	my ($files, @arguments) = @_;

	return if file_limit() >= $files || $ENV{BENCH_FILES};
	$ENV{BENCH_FILES} = 1;
	exec 'sh', '-c', "ulimit -n $files 2>/dev/null || " .
	    'ulimit -n $(ulimit -Hn); exec "$@"', 'sh', $^X, $0, @arguments;
}

1;
