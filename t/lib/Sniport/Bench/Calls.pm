# System calls per unit of work, of the process that serves, as strace counts
# them: epoll_wait is in, what the TLS library does on its own (getpid,
# getrandom) is not.
package Sniport::Bench::Calls;

use strict;
use warnings;

use Exporter qw(import);

use Sniport::Bench::Report qw(name ours target);
use Sniport::Test qw(deadline group_kill group_start left poll slurp write_file);

our @EXPORT_OK = qw(calls);

# Unlike the CPU's, these numbers hardly vary; but strace is slow.
my %CASE = (
	full => { count => 600, parallel => 32, text => 'full cycle' },
	resumed => { count => 600, parallel => 32, text => 'resumed cycle' },
	ping => { count => 6400, parallel => 64, text => 'ping-pong' },
	down => { count => 64 * 2**20, parallel => 4, per => 2**20,
		text => 'MiB down' },
	up => { count => 64 * 2**20, parallel => 4, per => 2**20,
		text => 'MiB up' },
	refused => { count => 600, parallel => 32, ours => 1,
		text => 'refused connection' },
);
my @CASES = qw(full resumed ping down up refused);
my $SETTLE = 0.1;

# Counts until the code returns: { call => times }.
sub count {
	my ($file, $pids, $code) = @_;

	write_file($_, '') for $file, "$file.err";
	my $pid = group_start(sub {
		open STDERR, '>>', "$file.err" or die $!;
		exec 'strace', '-f', '-c', '-U', 'calls,name', '-o', $file,
		    map { ('-p', $_) } @$pids;
	});
	poll(sub { slurp("$file.err") =~ /attached/ || !kill 0, $pid },
		deadline(5));
	select undef, undef, undef, $SETTLE;
	$code->();
	select undef, undef, undef, $SETTLE;
	kill 'INT', $pid;
	waitpid $pid, 0;
	group_kill($pid);
	my %calls = reverse slurp($file) =~ /^\s*(\d+)\s+(\w+)$/mg;
	delete @calls{qw(total getpid getrandom restart_syscall)};
	return \%calls;
}

sub measure {
	my ($bench, $name, $kind) = @_;
	my ($case, $load, $proxy) = ($CASE{$kind}, $bench->{load},
		$bench->{proxy}{$name});

	$load->proxy($proxy, ($kind eq 'refused' ? 'denied.' : '') .
		'example.com:' . ($load->ports)[0]);
	$load->prepare($kind, $case->{count}, $case->{parallel});
	my $calls = count("$bench->{dir}/strace", [ $proxy->workers ],
		sub { $load->go; });
	$load->end;
	my $units = $case->{count} / ($case->{per} // 1);
	my $sum = 0;
	for (sort keys %$calls) {
		$bench->{report}->raw('calls', "$kind $_", $name, 1,
			$calls->{$_} / $units, 'calls');
		$sum += $calls->{$_} / $units;
	}
	$bench->{report}->raw('calls', $kind, $name, 1, $sum, 'calls');
	return $sum;
}

sub calls {
	my ($bench) = @_;
	my $report = $bench->{report};

	if (!grep { -x "$_/strace" } split /:/, $ENV{PATH}) {
		$report->warn('STRACE IS MISSING, no system calls are counted: ' .
			'sh etc/install-packages bench');
		return;
	}
	$report->title('System calls per unit', <<"END");
of the process that serves, beside what they should be at the most; without the
TLS library's own getpid and getrandom
END
	$report->row('', map { name($_) } @{ $bench->{order} });
	for my $kind (@CASES) {
		last if left($bench->{deadline}) == 0;
		$report->row("$CASE{$kind}{text}", map {
			$CASE{$kind}{ours} && !ours($_) ? '' : $report->against(
				'%.2f', measure($bench, $_, $kind),
				target("calls $kind", $_))
		} @{ $bench->{order} });
	}
	return;
}

1;
