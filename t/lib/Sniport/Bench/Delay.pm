# How long clients wait, while they come by a clock that does not wait for
# answers: from the moment at which one comes to the first byte of an answer,
# connection and full handshake included, and for 64 bytes there and back over a
# tunnel. All proxies have the same load: half of what the slowest of them can
# serve.
package Sniport::Bench::Delay;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max);

use Sniport::Bench::Cost qw(unit_cost);
use Sniport::Bench::Report qw(median name rivals target);
use Sniport::Test qw(left);

our @EXPORT_OK = qw(delay);

my %CASE = (
	full => { parallel => 1, text => 'connect to first byte' },
	ping => { parallel => 64, text => 'ping-pong of 64 bytes' },
);
my @CASES = qw(full ping);
my $ROUNDS = 5;
my $SECONDS = 2;        # of each measurement
my @PERCENTILES = qw(p50 p99 p99.9 max);

# Arrivals per second: from the table of costs, or from a short look.
sub rate {
	my ($bench, $kind) = @_;
	my $medians = ($bench->{medians} // {})->{$kind};
	my @cost = $medians ? map { $_ * 1e3 } values %$medians :
	    map { unit_cost($bench->{load}, $_, $kind, scale => 0.3) }
	    values %{ $bench->{proxy} };

	return int(0.5e9 / max(@cost));
}

sub measure {
	my ($bench, $proxy, $kind, $rate) = @_;
	my $load = $bench->{load};
	my $count = int($rate * $SECONDS * $bench->{scale});

	$load->proxy($bench->{proxy}{$proxy});
	$load->prepare($kind, $count, $CASE{$kind}{parallel}, $rate);
	my ($done, $failed, @ns) = $load->go;
	$load->end;
	$bench->{report}->warn("$proxy, $kind: $failed of $count failed")
	    if $failed > $count / 1000;
	return map { $_ / 1e3 } @ns;
}

sub delay {
	my ($bench) = @_;
	my @order = @{ $bench->{order} };
	my $rounds = $bench->{options}{quick} ? 1 : $ROUNDS;

	$bench->{report}->title('How long clients wait', <<"END");
in us, at half of what the slowest could serve, in an open loop: medians of
$rounds rounds; "ratio" is that of p99 to the best rival
END
	$bench->{report}->row('', map({ name($_) } @order), 'ratio OpenSSL',
		'ratio AWS-LC');
	for my $kind (@CASES) {
		my $rate = rate($bench, $kind);
		my %all;
		for my $round (1 .. $rounds) {
			last if left($bench->{deadline}) == 0;
			for my $proxy (@order) {
				my @us = measure($bench, $proxy, $kind, $rate);
				for (0 .. $#PERCENTILES) {
					push @{ $all{$PERCENTILES[$_]}{$proxy} }, $us[$_];
					$bench->{report}->raw('delay',
						"$kind $PERCENTILES[$_]", $proxy,
						$round, $us[$_], 'us');
				}
			}
			push @order, shift @order;
		}
		print_case($bench, $kind, $rate, \%all);
	}
	return;
}

sub print_case {
	my ($bench, $kind, $rate, $all) = @_;
	my $report = $bench->{report};

	$report->row("$CASE{$kind}{text}, $rate/s");
	for my $percentile (@PERCENTILES) {
		my %median = map { $_ => median(@{ $all->{$percentile}{$_} // [] }) }
		    @{ $bench->{order} };
		my @ratios = $percentile ne 'p99' ? () : map {
			my $proxy = $_;
			my ($best) = sort { $a <=> $b } grep { defined }
			    map { $median{$_} } rivals($proxy);
			defined $best && defined $median{$proxy} ?
			    $report->against('%.2f', $median{$proxy} / $best,
				target("delay $kind", $proxy)) : '';
		} qw(openssl aws-lc);
		$report->row("  $percentile", map({ defined $median{$_} ?
			sprintf('%.0f', $median{$_}) : '' } @{ $bench->{order} }),
			@ratios);
	}
	return;
}

1;
