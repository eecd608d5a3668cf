# What a benchmark says: tables for who reads, and one raw line per measurement
# in a file, so that everything can be computed anew. A raw line has tabs
# between: part, case, proxy, round, value, unit, and how many nanoseconds the
# machine took for a fixed work around it (0: not measured).
package Sniport::Bench::Report;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(median name ours rivals target);

# What is wanted, as the most that a ratio or a value may be, by part and case.
# Ratios are those of the build on OpenSSL to the better of nginx and HAProxy,
# which use the same library, and of the build on AWS-LC to the best of all.
my %TARGET = (
	'cost full' => { 'openssl' => 1.00, 'aws-lc' => 0.78 },
	'cost resumed' => { 'openssl' => 1.00, 'aws-lc' => 0.80 },
	'cost ping' => { 'openssl' => 0.95, 'aws-lc' => 0.86 },
	'cost down' => { 'openssl' => 0.97, 'aws-lc' => 0.80 },
	'cost up' => { 'openssl' => 0.90, 'aws-lc' => 0.60 },
	# Beside the full cycle of the build on AWS-LC.
	'cost refused' => { 'openssl' => 0.25, 'aws-lc' => 0.25 },
	'delay full' => { 'openssl' => 1.00, 'aws-lc' => 1.00 },
	'delay ping' => { 'openssl' => 1.00, 'aws-lc' => 1.00 },
	'memory idle ratio' => { 'openssl' => 0.90, 'aws-lc' => 0.34 },
	# KiB
	'memory idle' => { 'openssl' => 15.5, 'aws-lc' => 6.0 },
	'memory silent' => { 'openssl' => 2, 'aws-lc' => 2 },
	'memory stopped' => { 'aws-lc' => 24 },
	# Per cent that is left 10 s later.
	'back all' => { 'openssl' => 10, 'aws-lc' => 10 },
	'calls full' => { 'openssl' => 28, 'aws-lc' => 28 },
	'calls ping' => { 'openssl' => 4.1, 'aws-lc' => 4.1 },
	'calls down' => { 'openssl' => 40, 'aws-lc' => 40 },
	'calls up' => { 'openssl' => 40, 'aws-lc' => 40 },
	'calls refused' => { 'openssl' => 11, 'aws-lc' => 11 },
	'growth' => { 'openssl' => 1.15, 'aws-lc' => 1.15 },
	# Per cent of one CPU.
	'growth idle' => { 'openssl' => 0.1, 'aws-lc' => 0.1 },
);

my %NAME = ('openssl' => 'sniport OpenSSL', 'aws-lc' => 'sniport AWS-LC',
	before => 'sniport before',
	nginx => 'nginx', haproxy => 'HAProxy', envoy => 'Envoy');
my %RIVALS = ('openssl' => [ qw(nginx haproxy) ],
	'aws-lc' => [ qw(nginx haproxy envoy) ]);

sub new {
	my ($class, $file) = @_;

	open my $raw, '>', $file or die "$file: $!\n";
	$raw->autoflush(1);
	print $raw join("\t", qw(part case proxy round value unit machine_ns)),
	    "\n";
	return bless { raw => $raw, file => $file }, $class;
}

sub name { return $NAME{ $_[0] }; }
sub ours { return $NAME{ $_[0] } =~ /^sniport/; }
sub rivals { return @{ $RIVALS{ $_[0] } // [] }; }

# undef where nothing is wanted.
sub target {
	my ($what, $proxy) = @_;

	return ($TARGET{$what} // {})->{$proxy};
}

sub raw {
	my ($self, $part, $case, $proxy, $round, $value, $unit, $speed) = @_;

	print { $self->{raw} } join("\t", $part, $case, $proxy, $round,
		sprintf('%.6g', $value), $unit, int($speed // 0)), "\n";
	return;
}

# A title, and below it how it was measured.
sub title {
	my ($self, $title, $text) = @_;

	print "\n$title\n", defined $text ? $text =~ s/^\s*/    /gmr . "\n" : '';
	return;
}

# What the reader must not miss.
sub warn {
	my ($self, $text) = @_;

	chomp $text;
	print "### $text\n";
	return;
}

# A row: what it is, then cells of the same width.
sub row {
	my ($self, $what, @cells) = @_;

	printf "%-26s%s\n", $what, join '', map { sprintf ' %15s', $_ // '' } @cells;
	return;
}

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return undef unless @sorted;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

# A value beside what it should be at the most.
sub against {
	my ($self, $format, $value, $target) = @_;

	return '' unless defined $value;
	my $text = sprintf $format, $value;
	return $text unless defined $target;
	return sprintf '%s %s %.4g', $text, $value <= $target ? '<=' : '>!', $target;
}

1;
