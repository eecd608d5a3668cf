# CPU time per unit of work, of all the processes of a proxy, in rounds: in each
# round every proxy does the same work once, so that what disturbs the machine
# disturbs all, and a ratio is the median of the ratios within the rounds. A
# round in which the machine was slower than at its best by more than 5 % is
# left out, and another one is done, as long as there is time.
package Sniport::Bench::Cost;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min);

use Sniport::Bench::Machine qw(speed);
use Sniport::Bench::Report qw(median name ours rivals target);
use Sniport::Test qw(left);

our @EXPORT_OK = qw(cost unit_cost);

my $SLOWER = 1.05;
my $SETTLE = 0.05;      # seconds from a client's end to the log line of it

# What is done: how much, by how many clients at once, and in which unit it is
# printed: nanoseconds per unit of work times the scale.
my %CASE = (
	full => { count => 1500, parallel => 32, text => 'full handshake cycle',
		unit => 'us', scale => 1e-3 },
	resumed => { count => 1500, parallel => 32, text => 'resumed cycle',
		unit => 'us', scale => 1e-3 },
	ping => { count => 30_000, parallel => 64,
		text => 'ping-pong of 64 bytes', unit => 'us', scale => 1e-3 },
	down => { count => 384 * 2**20, parallel => 4, text => 'MiB down',
		unit => 'us', scale => 1e-3 * 2**20 },
	up => { count => 384 * 2**20, parallel => 4, text => 'MiB up',
		unit => 'us', scale => 1e-3 * 2**20 },
	refused => { count => 3000, parallel => 32, text => 'refused connection',
		unit => 'us', scale => 1e-3, ours => 1 },
);
my @CASES = qw(full resumed ping down up refused);

# Nanoseconds of CPU per unit, of one measurement. scale makes it smaller.
sub unit_cost {
	my ($load, $proxy, $kind, %option) = @_;
	my $case = $CASE{$kind};
	my $count = int(($option{count} // $case->{count}) * ($option{scale} // 1));
	my $port = ($load->ports)[0];
	my $name = $option{name} //
	    ($kind eq 'refused' ? 'denied' : 'www') . ".example.com:$port";

	$load->proxy($proxy, $kind eq 'refused' || $option{name} ? $name :
		"example.com:$port", $option{numbers});
	$load->prepare($kind, $count, $option{parallel} // $case->{parallel});
	select undef, undef, undef, $SETTLE;
	my $before = $proxy->cpu;
	my ($ns, $failed) = $load->go;
	select undef, undef, undef, $SETTLE;
	my $cost = $proxy->cpu - $before;
	$load->end;
	die "$proxy->{name}, $kind: $failed of $count failed\n"
	    if $failed > $count / 1000;
	return $cost / $count;
}

# One round of a case; { proxy => value }, and how slow the machine was.
sub round {
	my ($bench, $kind, $number, $speed) = @_;
	my $case = $CASE{$kind};
	my @order = grep { $bench->{proxy}{$_} && (!$case->{ours} || ours($_)) }
	    @{ $bench->{order} };
	my %value;

	# Who is first is another one each time.
	push @order, splice @order, 0, $number % @order;
	for (@order) {
		$value{$_} = $case->{scale} * unit_cost($bench->{load},
			$bench->{proxy}{$_}, $kind, scale => $bench->{scale});
	}
	my $after = speed($bench->{build});
	my $slower = max($speed, $after);
	$bench->{report}->raw('cost', $kind, $_, $number, $value{$_},
		$case->{unit}, $slower) for @order;
	return ({ value => \%value, speed => $slower }, $after);
}

sub good {
	my ($bench, $rounds) = @_;

	return grep { $_->{speed} <= $SLOWER * $bench->{best} } @$rounds;
}

# Whole rounds of these cases; prints the table. Returns the medians:
# { case => { proxy => value } }
sub cost {
	my ($bench, @cases) = @_;
	my %rounds = map { $_ => [] } @cases = @cases ? @cases : @CASES;
	my $speed = speed($bench->{build});

	$bench->{best} = min($speed, $bench->{best} // $speed);
	for my $number (1 .. 10 * $bench->{rounds}) {
		my @todo = grep { good($bench, $rounds{$_}) < $bench->{rounds} }
		    @cases or last;
		last if $number > 1 && left($bench->{deadline}) == 0;
		for my $kind (@todo) {
			(my $round, $speed) = round($bench, $kind, $number, $speed);
			push @{ $rounds{$kind} }, $round;
			$bench->{best} = min($speed, $bench->{best});
		}
	}
	return print_all($bench, \%rounds, @cases);
}

# The median of a proxy's values, and of its ratio to another one's.
sub middle {
	my ($proxy, $rival, @rounds) = @_;
	my @values = grep { defined } map { $_->{value}{$proxy} } @rounds;

	return median(@values) unless $rival;
	return median(map { $_->{value}{$proxy} / $_->{value}{$rival} }
		grep { defined $_->{value}{$rival} } @rounds);
}

# The rival of that proxy that needs least.
sub best_rival {
	my ($proxy, $median) = @_;

	return (sort { $median->{$a} <=> $median->{$b} }
		grep { defined $median->{$_} } rivals($proxy))[0];
}

sub ratio_text {
	my ($bench, $kind, $proxy, $median, @rounds) = @_;

	return '' unless defined $median->{$proxy};
	my $rival = best_rival($proxy, $median) // return '';
	return $bench->{report}->against('%.2f',
		middle($proxy, $rival, @rounds), target("cost $kind", $proxy));
}

sub print_all {
	my ($bench, $rounds, @cases) = @_;
	my $report = $bench->{report};
	my @order = grep { $bench->{proxy}{$_} } @{ $bench->{order} };
	my @own = $bench->{proxy}{before} ?
	    grep { $bench->{proxy}{$_} } qw(openssl aws-lc) : ();
	my %medians;

	$report->title('CPU per unit', <<"END");
of all processes of a proxy, on one CPU: medians of rounds; "ratio" is the
median ratio within a round to the best rival (OpenSSL: nginx, HAProxy; AWS-LC:
Envoy too), beside what it should be at the most
END
	$report->row('', map({ name($_) } @order), 'ratio OpenSSL', 'ratio AWS-LC',
		map({ "$_ / before" } @own), 'good rounds');
	for my $kind (@cases) {
		my @good = good($bench, $rounds->{$kind});
		my @all = @{ $rounds->{$kind} };
		# Numbers of a bad machine are better than none.
		my @used = @good ? @good : @all or next;
		my %median = map { $_ => middle($_, undef, @used) } @order;
		$medians{$kind} = \%median;
		my $enough = @good >= $bench->{rounds};
		$report->row("$CASE{$kind}{text}, $CASE{$kind}{unit}",
			map({ defined $median{$_} ? sprintf('%.4g', $median{$_}) : '' }
				@order),
			map({ ratio_text($bench, $kind, $_, \%median, @used) }
				qw(openssl aws-lc)),
			map({ sprintf '%.3f', middle($_, 'before', @used) } @own),
			sprintf '%d of %d%s', scalar @good, scalar @all,
			    $enough ? '' : ' BAD');
		$bench->{bad}{$kind} = 1 unless $enough;
	}
	refused_ratio($bench, \%medians);
	$report->warn('figures marked BAD are not good: the machine was slower ' .
		'than its best, or time ran out') if $bench->{bad};
	return \%medians;
}

# A refusal is compared with what a tunnel costs on the faster library.
sub refused_ratio {
	my ($bench, $medians) = @_;
	my $full = ($medians->{full} // {})->{'aws-lc'};

	return unless $full && $medians->{refused};
	$bench->{report}->row('refused / AWS-LC full', map {
		defined $medians->{refused}{$_} ? $bench->{report}->against('%.2f',
			$medians->{refused}{$_} / $full,
			target('cost refused', $_)) : ''
	} @{ $bench->{order} });
	return;
}

1;
