#!/usr/bin/perl
# sniport why: what a reason means, in the words of the table and the manual.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP;

use Sniport::Alone; # where no port is taken
use Sniport::Test qw(run sniport slurp top);

# The manual is what the operator has beside it.
my $page = slurp(top() . '/etc/man/sniport.conf.5');
my %told = $page =~ /^\.It Cm (\w+)\n((?:[^.].*\n)+)/mg;
for (values %told) {
	s/\s+/ /g;
	s/ \z//;
}

my ($status, $all) = run(sniport(), 'why');
is($status, 0, 'sniport why lists all reasons');
my %listed = map { /^(\w+) +(\S.*)$/ ? ($1 => $2) : () } split /\n/, $all;
is_deeply([ sort keys %listed ], [ sort keys %told ],
	'which are those of the manual');

($status, my $json) = run(sniport(), 'why', '--json');
is($status, 0, 'and so does it in JSON');
my %object = map { my $o = decode_json($_); $o->{reason} => $o }
    split /\n/, $json;
is_deeply([ sort keys %object ], [ sort keys %told ], 'which are the same');

for my $name (sort keys %told) {
	my ($meaning, $advice) = @{ $object{$name} }{qw(meaning advice)};
	my $want = ucfirst "$meaning.";
	$want .= " $advice" if $advice ne 'Nothing.';
	is($told{$name}, $want, "$name: as in the manual");
}

for my $name (qw(no_rule upstream_reset done connect_timeout)) {
	my ($status, $text) = run(sniport(), 'why', $name);
	is($status, 0, "sniport why $name");
	like($text, qr/\A$name: \Q$object{$name}{meaning}\E\.\nkind: .+\nwhat to do: \Q$object{$name}{advice}\E\n\z/,
		'meaning, kind and advice');
}
is($object{$_->[0]}{class}, $_->[1], "the class of $_->[0]")
    for [ 'done', 'good' ], [ 'no_rule', 'refused' ],
    [ 'dns_timeout', 'failed' ], [ 'retired', 'broken' ];

($status, my $text) = run(sniport(), 'why', 'no_rul');
is($status, 1, 'a name that is spelled wrong');
like($text, qr/"no_rul" is not a reason; did you mean no_rule\?/,
	'is told the right one');
($status, $text) = run(sniport(), 'why', 'because');
is($status, 1, 'a name that is like none');
like($text, qr/"because" is not a reason; sniport why lists/,
	'is told where to look');
is((run(qw(sh -c), 'exec "$@" >/dev/full', '-', sniport(), 'why'))[0], 1,
	'what cannot be printed is an error');

done_testing;
