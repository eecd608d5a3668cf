#!/usr/bin/perl
# What Prometheus and Grafana are given: the alerts fire when they must, and
# both ask for metrics that there are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;

use Sniport::Admin qw(ask metrics);
use Sniport::Daemon;
use Sniport::Test qw(run slurp temporary top write_file);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

chdir top() or die;
my $alerts = 'etc/prometheus/sniport.rules.yml';
my $dashboard = decode_json(slurp('etc/grafana/sniport.json'));

# Names of metrics, and values of labels, by the service itself.
my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	egress => '{ name = "l"; source = [ "127.0.0.1" ]; }');
my $client = tunnel_open($daemon, $upstream);
ok(works($client) && finish($client), 'a tunnel');
my (undef, $text) = ask($daemon, '/metrics');
my $sample = metrics($text, \my @wrong);
$daemon->stop_ok;
my (%name, %value);
for (keys %$sample) {
	my ($name, $labels) = /^(\w+)(.*)$/;
	$name{$name} = 1;
	$value{$1}{$2} = 1 while $labels =~ /(\w+)="([^"]*)"/g;
}

# What an expression asks for that is not there.
sub missing {
	my ($where, $expression) = @_;
	my @missing = grep { !$name{$_} } $expression =~ /\b(sniport_\w+)/g;

	while ($expression =~ /\b(reason|state)(!?=~?)"([^"]*)"/g) {
		my ($label, $words) = ($1, $3);
		push @missing, map { "$label $_" } grep {
			my $word = $_;
			!grep { /^(?:$word)$/ } keys %{ $value{$label} };
		} split /\|/, $words;
	}
	return map { "$where: $_" } @missing;
}

my %expression = slurp($alerts) =~ /^      - alert: (\w+)\n        expr: (.*)$/mg;
cmp_ok(scalar(keys %expression), '>', 10, 'there are alerts');
is(join("\n", map { missing($_, $expression{$_}) } sort keys %expression), '',
	'which ask for what there is');

my @panels = grep { $_->{targets} } @{ $dashboard->{panels} };
cmp_ok(scalar(@panels), '>', 10, 'there are panels');
is(join("\n", map {
	my $panel = $_;
	map { missing($panel->{title}, $_->{expr}) } @{ $panel->{targets} };
} @panels), '', 'which show what there is');
my %id;
is(join(' ', grep { $id{$_}++ } map { $_->{id} } @{ $dashboard->{panels} }), '',
	'each has a number of its own');
# Two in one place would hide each other.
my @taken;
for (@{ $dashboard->{panels} }) {
	my $at = $_->{gridPos};
	for my $x ($at->{x} .. $at->{x} + $at->{w} - 1) {
		push @wrong, "$_->{title}: its place is taken"
		    if grep { $taken[$x][$_]++ } $at->{y} .. $at->{y} + $at->{h} - 1;
	}
}
is(join("\n", @wrong), '', 'and a place');

SKIP: {
	skip 'SKIPPED LOUDLY: promtool is not installed: no alert was tried', 4
	    if (run('sh', '-c', 'command -v promtool'))[0];
	my ($status, $said) = run(qw(promtool check rules), $alerts);
	is($status, 0, 'promtool reads the alerts') or diag($said);
	my $dir = temporary();
	my $top = top();
	my $tests = slurp('t/prometheus.yml') =~ s{RULES}{$top/$alerts}r;
	my @untested = grep { $tests !~ /\b$_\b/ } sort keys %expression;
	is("@untested", '', 'each is tried');
	($status, $said) = run(qw(promtool test rules),
		write_file("$dir/tests.yml", $tests));
	is($status, 0, 'they fire when they must') or diag($said);
	($status, $said) = run('sh', '-c', 'promtool check metrics <"$0"',
		write_file("$dir/metrics", $text));
	is($said, '', 'promtool has nothing to say about /metrics');
}

done_testing;
