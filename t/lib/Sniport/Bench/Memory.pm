# Memory per connection in each state, and how much of what a burst took is
# given back. Memory is the proportional share (PSS) of all the processes of a
# proxy, maps that they share included, so a tunnel's slot in the table is in it
# too; what the kernel keeps for sockets is not.
package Sniport::Bench::Memory;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(min);

use Sniport::Bench::Load;
use Sniport::Bench::Machine qw(room);
use Sniport::Bench::Report qw(name ours rivals target);
use Sniport::Test qw(left);

our @EXPORT_OK = qw(memory back);

my @STATES = (
	[ silent => 'nothing was sent' ], [ half => 'half a ClientHello' ],
	[ stopped => 'stopped in its handshake' ], [ idle => 'idle tunnel' ],
	[ stalled => 'stalled tunnel' ]);
my %COUNT = (stalled => 200);   # of the others, see memory()
my $WARM = 64;
my $SETTLE = 2;         # seconds until a state is reached by all
my $IDLE = 12;          # the same of idle tunnels: all allocators give back
                        # by then what is not needed
my $BURST = 9500;
my $BACK = 10;          # seconds after a burst
my $NEW = 10;           # connections a second meanwhile

sub wait_for { select undef, undef, undef, $_[0]; return; }

sub load {
	my ($bench, $proxy, %option) = @_;
	my $load = Sniport::Bench::Load->new("$bench->{build}/bench/load",
		sleeps => 1, %option);

	# The upstream of the others is always the same.
	my $port = ($bench->{load}->ports)[0];
	$load->proxy($proxy, "example.com:$port");
	return $load;
}

# Bytes per connection of all of them, and by kind of memory.
sub state {
	my ($bench, $name, $state, $count) = @_;
	my $proxy = $bench->{fresh}->($name);
	my $load = load($bench, $proxy);

	# What the first ones bring with them is nobody's.
	$load->prepare('full', $WARM, 16);
	$load->go;
	$load->end;
	$load->hold($state, $WARM);
	wait_for(0.5);
	my $before = $proxy->memory;
	$load->hold($state, $count);
	wait_for($state eq 'idle' && !$bench->{options}{quick} ? $IDLE : $SETTLE);
	my $after = $proxy->memory;
	$load->stop;
	$proxy->stop;
	my %each = map { $_ => ($after->{$_} - $before->{$_}) / $count }
	    keys %$after;
	$bench->{report}->raw('memory', "$state $_", $name, 1, $each{$_}, 'bytes')
	    for sort keys %each;
	return \%each;
}

sub memory {
	my ($bench) = @_;
	my $report = $bench->{report};
	my @order = @{ $bench->{order} };
	my $quick = $bench->{options}{quick};
	my $count = $quick ? 500 : 2000;
	my %idle;

	$report->title('Memory per connection, KiB', <<"END");
growth of the PSS of all processes of a proxy from $WARM of that state to
$count more ($COUNT{stalled} stalled ones); "shared" is the part in maps that
processes share, such as the table of tunnels; the kernel's own is not in it
END
	$report->row('', map { name($_) } @order);
	for (@STATES) {
		my ($state, $text) = @$_;
		last if left($bench->{deadline}) == 0;
		next if $quick && $state =~ /^(?:half|stalled)$/;
		my %each = map { $_ => state($bench, $_, $state,
			$COUNT{$state} // $count) } @order;
		$report->row($text, map { $report->against('%.2f',
			$each{$_}{all} / 1024, target("memory $state", $_)) } @order);
		next if $state ne 'idle';
		$report->row('  of it shared', map { sprintf '%.2f',
			$each{$_}{shmem} / 1024 } @order);
		%idle = map { $_ => $each{$_}{all} } @order;
	}
	$report->row('  idle, to the best rival', map {
		my ($best) = sort { $a <=> $b } grep { defined }
		    map { $idle{$_} } rivals($_);
		defined $best ? $report->against('%.2f', $idle{$_} / $best,
			target('memory idle ratio', $_)) : '';
	} @order) if %idle;
	return;
}

# A burst comes and leaves, while tunnels that were there before go on, and new
# connections come. Returns what is left of what it took 10 s later, in per
# cent, and how long the tunnels waited meanwhile (p99.9 and the longest, us).
sub burst {
	my ($bench, $name, $percent, $count) = @_;
	my $proxy = $bench->{fresh}->($name);
	my ($burst, $new, $before) = map { load($bench, $proxy) } 1 .. 3;

	$new->prepare('full', $WARM, 16);
	$new->go;
	$new->end;
	my $seconds = $BACK + 3;
	$before->prepare('ping', $seconds * 100, 100, 100);
	$new->prepare('full', $NEW * $seconds, 1, $NEW);
	wait_for(0.5);
	my $low = $proxy->memory->{all};
	$burst->hold('idle', $count, 120);
	my $high = $proxy->memory->{all};
	$_->tell('go') for $before, $new;
	$burst->drop($percent);
	wait_for($BACK);
	my $left = 100 * ($proxy->memory->{all} - $low) / ($high - $low);
	my (undef, undef, @ns) = $before->expect('done');
	$bench->{report}->raw('back', "left of $percent % gone", $name, 1, $left,
		'%');
	$bench->{report}->raw('back', "longest wait, $percent % gone", $name, 1,
		$ns[3] / 1e3, 'us');
	$_->stop for $burst, $new, $before, $proxy;
	return { left => $left, took => $high - $low, wait => $ns[2] / 1e6,
		longest => $ns[3] / 1e6 };
}

sub back {
	my ($bench) = @_;
	my $report = $bench->{report};
	my $quick = $bench->{options}{quick};
	my @order = grep { !$quick || ours($_) } @{ $bench->{order} };
	my $count = min($quick ? 1000 : $BURST, room() - 300);

	$report->title('Memory given back', <<"END");
how much of what a burst of $count tunnels took is left $BACK s after it left,
in per cent, while 100 tunnels from before exchange 100 messages a second and
$NEW new connections come each second; and how long these messages took, ms
END
	$report->row('', map { name($_) } @order);
	for my $percent (100, $quick ? () : 95) {
		last if left($bench->{deadline}) == 0;
		my %burst = map { $_ => burst($bench, $_, $percent, $count) } @order;
		$report->row($percent == 100 ? 'all have left' :
			'one in twenty stays', map { $report->against('%.1f',
				$burst{$_}{left}, $percent < 100 ? undef :
				target('back all', $_)) } @order);
		$report->row('  it took, MiB', map { sprintf '%.1f',
			$burst{$_}{took} / 2**20 } @order);
		$report->row('  messages, p99.9', map { sprintf '%.2f',
			$burst{$_}{wait} } @order);
		$report->row('  messages, longest', map { sprintf '%.2f',
			$burst{$_}{longest} } @order);
	}
	return;
}

1;
