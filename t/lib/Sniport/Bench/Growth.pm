# By which factor sniport's CPU time per unit grows with more workers, rules,
# cached names and tunnels; and what idle tunnels cost. The two sizes of each
# are measured in turns, and a factor is the median of those within the rounds.
package Sniport::Bench::Growth;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min);
use POSIX qw(ceil);

use Sniport::Bench::Cost qw(unit_cost);
use Sniport::Bench::Load;
use Sniport::Bench::Machine qw(room);
use Sniport::Bench::Report qw(median name target);
use Sniport::Test qw(left);

our @EXPORT_OK = qw(growth);

my $IDLE = 10;          # seconds in which idle tunnels are watched
# Seconds after which a worker has done with new tunnels: a tunnel that has been
# quiet for half a minute is given to keep-alive.
my $QUIET = 40;
# Workers do not share evenly, and a process of the load generator has its own
# descriptors to look after.
my $SHARE = 0.85;

sub growth {
	my ($bench) = @_;
	my $report = $bench->{report};
	my %there = map { $_ => 1 } @{ $bench->{order} };
	# Where TLS costs less, the rest shows more.
	my ($name) = grep { $there{$_} } qw(aws-lc openssl) or return;
	my $quick = $bench->{options}{quick};

	my $self = bless { bench => $bench, name => $name, report => $report,
		quick => $quick, rounds => $quick ? 3 : 7, some => $quick ? 5_000 : 50_000,
		many => $quick ? 5_000 : 100_000 }, __PACKAGE__;
	$report->title('Growth of ' . name($name), <<"END");
CPU per unit in us at two sizes; the factor is the median of $self->{rounds}
rounds
END
	$report->row('', 'unit', 'less', 'more', 'factor');
	for (qw(workers rules names tunnels)) {
		last if left($bench->{deadline}) == 0;
		$self->$_;
	}
	return;
}

sub start {
	my ($self, %option) = @_;

	return $self->{bench}{fresh}->($self->{name}, %option);
}

# Rounds of both; prints what came out. Each side: { load, proxy, and options of
# unit_cost }.
sub compare {
	my ($self, $what, $less, $more, @kinds) = @_;

	for my $kind (@kinds) {
		my (@less, @more);
		for my $round (1 .. $self->{rounds}) {
			last if left($self->{bench}{deadline}) == 0;
			for ($round % 2 ? ($less, $more) : ($more, $less)) {
				push @{ $_ == $less ? \@less : \@more },
				    unit_cost($_->{load} // $self->{bench}{load},
					$_->{proxy}, $kind, scale =>
					$self->{bench}{scale}, %$_) / 1e3;
			}
			$self->{report}->raw('growth', "$what $kind less",
				$self->{name}, $round, $less[-1], 'us');
			$self->{report}->raw('growth', "$what $kind more",
				$self->{name}, $round, $more[-1], 'us');
		}
		my $factor = median(map { $more[$_] / $less[$_] } 0 .. $#more)
		    // next;
		$self->{report}->row($what, $kind, sprintf('%.4g', median(@less)),
			sprintf('%.4g', median(@more)), $self->{report}->against(
			'%.2f', $factor, target('growth', $self->{name})));
	}
	return;
}

# Here the load may run everywhere, and sleeps: workers need the CPUs.
sub workers {
	my ($self) = @_;
	my $load = Sniport::Bench::Load->new("$self->{bench}{build}/bench/load",
		sleeps => 1, free => 1);
	my ($less, $more) = map { { load => $load, proxy => $self->start(
		workers => $_, free => 1) } } 1, 2;

	$self->compare('1 to 2 workers', $less, $more, qw(full ping));
	$_->{proxy}->stop for $less, $more;
	return;
}

sub rules {
	my ($self) = @_;
	my ($less, $more) = map { { proxy => $self->start(rules => $_) } }
	    10, 100_000;

	$self->compare('10 to 100,000 rules', $less, $more, 'resumed');
	$_->{proxy}->stop for $less, $more;
	return;
}

# Names come from a name server, one per connection, until all are cached.
sub names {
	my ($self) = @_;
	my $load = $self->{bench}{load};
	my $port = ($load->ports)[0];
	my $many = $self->{many};
	my ($less, $more) = map { {
		proxy => $self->start(names => $load->names), numbers => $_,
		name => "n#.example.com:$port" } } 10, $many;

	for ($less, $more) {
		$load->proxy($_->{proxy}, $_->{name}, $_->{numbers});
		$load->prepare('resumed', $_->{numbers}, 10);
		$load->go(120);
		$load->end;
	}
	$self->compare("10 to $many names", $less, $more, 'resumed');
	$_->{proxy}->stop for $less, $more;
	return;
}

# So many tunnels more, by as many processes as it takes.
sub crowd {
	my ($self, $proxy, $count) = @_;
	my $each = int($SHARE * room());

	while ($count > 0) {
		my $load = Sniport::Bench::Load->new(
			"$self->{bench}{build}/bench/load", sleeps => 1);
		$load->source(scalar @{ $self->{crowd} });
		push @{ $self->{crowd} }, $load;
		$load->proxy($proxy, 'example.com:@');
		my (undef, $lost) = $load->hold('idle', min($each, $count), 120);
		die "$lost idle tunnels have ended\n" if $lost;
		$count -= $each;
	}
	return;
}

sub tunnels {
	my ($self) = @_;
	my ($some, $many) = @$self{qw(some many)};
	my $workers = max(2, ceil($many / $SHARE / room()));
	my ($less, $more) = map { { proxy => $self->start(workers => $workers,
		limits => 'tunnels = 200000;') } } 1, 2;

	$self->{report}->warn("a process may have too few files for " .
		"$many tunnels of two workers: there are $workers workers")
	    if $workers > 2;
	$self->{crowd} = [];
	$self->crowd($less->{proxy}, 100);
	$self->crowd($more->{proxy}, $some);
	select undef, undef, undef, $QUIET unless $self->{quick};
	$self->compare("100 to $some tunnels", $less, $more, qw(resumed ping));
	$less->{proxy}->stop;
	if (!$self->{quick}) {
		$self->crowd($more->{proxy}, $many - $some);
		$self->idle($more->{proxy}, $many);
	}
	$self->{crowd} = [];
	$more->{proxy}->stop;
	return;
}

sub idle {
	my ($self, $proxy, $count) = @_;

	select undef, undef, undef, $QUIET;
	my $before = $proxy->cpu;
	select undef, undef, undef, $IDLE;
	my $percent = 100 * ($proxy->cpu - $before) / ($IDLE * 1e9);
	$self->{report}->raw('growth', "idle $count", $self->{name}, 1, $percent,
		'%');
	$self->{report}->row("$count idle tunnels", '% of a CPU', '', '',
		$self->{report}->against('%.3f', $percent,
			target('growth idle', $self->{name})));
	$self->{report}->row('  their memory, PSS', 'MiB', '', '', sprintf '%.0f',
		$proxy->memory->{all} / 2**20);
	return;
}

1;
