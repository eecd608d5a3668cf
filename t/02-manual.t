#!/usr/bin/perl
# The manual and the sample configuration have every setting and every reason
# of the tables that sniport is made from, and nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Alone; # where no port is taken
use Sniport::Authority;
use Sniport::Test qw(certificate run slurp sniport temporary top);

chdir top() or die;

# The arguments of every NAME(...) of a table: C's strings without their
# quotes, all else as it stands.
sub table {
	my ($text, $name) = @_;
	my @rows;

	$text =~ s{/\*.*?\*/}{}gs;
	$text =~ s{^#.*\n}{}mg;
	while ($text =~ /^$name\(((?:"(?:[^"\\]|\\.)*"|[^"()]|\([^()]*\))*)\)/mg) {
		my $arguments = $1;
		my @row = ('');
		while ($arguments =~ /\G\s*(?:(,)|"((?:[^"\\]|\\.)*)"|([^\s",]+))/g) {
			if ($1) {
				push @row, '';
			} else {
				$row[-1] .= defined $2 ? $2 : $3;
			}
		}
		push @rows, \@row;
	}
	return @rows;
}

# Both lists have the same members.
sub same {
	my ($got, $want, $name) = @_;
	my %got = map { $_ => 1 } @$got;
	my %want = map { $_ => 1 } @$want;
	my @wrong = ((map { "missing: $_" } grep { !$got{$_} } sort keys %want),
		(map { "unknown: $_" } grep { !$want{$_} } sort keys %got));

	ok(!@wrong, $name) or diag(join "\n", @wrong);
	return;
}

my $directives = slurp('common/conf/directives.def');
my %section = map { $_->[0] => $_->[1] } table($directives, 'SECTION');
my %default;
my @settings;

sub path {
	my ($section, $name) = @_;

	return join '.', grep { $_ ne '' } $section{$section}, $name;
}

for my $row (table($directives, '(?:SETTING|LIST|GROUPS?)')) {
	push @settings, path(@$row);
}
for my $row (table($directives, 'SETTING')) {
	my $initial = $row->[6];
	# By the library; the manual has both.
	if ($initial eq 'LIBRARY_GROUPS') {
		my ($openssl, $awslc) = map { slurp('common/tls/library.h') =~
			/^#define LIBRARY_GROUPS_$_\s+"([^"]*)"/m } qw(OPENSSL AWSLC);
		$initial = "$openssl, with AWS-LC $awslc";
	}
	$default{ path(@$row) } = $initial
	    if $initial !~ /^CONF_(?:ABSENT|REQUIRED)$/;
}
my @reasons = map { $_->[1] } table(slurp('common/reason.def'), 'REASON');
cmp_ok(scalar(@settings), '>', 40, 'the table of settings was read');
cmp_ok(scalar(@reasons), '>', 40, 'the table of reasons was read');
cmp_ok(scalar(keys %default), '>', 20, 'so were the defaults');

my $page = slurp('etc/man/sniport.conf.5');
my %entry = $page =~ /^\.It Ic ([\w.]+)\n(.*?)(?=^\.(?:It|El)\b)/msg;
same([ keys %entry ], \@settings, 'sniport.conf(5) has every setting');
same([ $page =~ /^\.It Cm (\w+)$/mg ], \@reasons,
	'sniport.conf(5) has every reason');
is(join("\n", grep { ($entry{$_} // '') !~ /\bdefault\s+\Q$default{$_}\E[.;]/ }
	sort keys %default), '', 'sniport.conf(5) has every default');

my ($administration) = slurp('etc/man/sniport.8') =~
    /^\.Sh ADMINISTRATION\n(.*?)^\.Sh /ms;
same([ map { split / , / } ($administration // '') =~ /^\.It Ql (sniport_.*)$/mg ],
	[ (slurp('worker/admin/metrics.c') =~
	    /\{\s*"(sniport_\w+)",\s*"(?:gauge|counter|histogram)"/g),
	    map { "sniport_$_->[1]_duration_seconds" }
	    table(slurp('common/shm/timings.def'), 'TIMING') ],
	'sniport(8) has every family of /metrics beside the counters');

# Which settings of a rule go with which action.
my ($allow_only) = $page =~ /^\.Ql deny ,\nthe settings\n(.*?)^mean nothing, and are an error/ms;
same([ map { "rules.$_" } ($allow_only // '') =~ /^\.Ic (\w+)/mg ],
	[ map { path(@$_) } table($directives, 'ALLOW_ONLY') ],
	'sniport.conf(5) tells what means nothing in a rule that denies');

# Each reason is told as in the table. No sentence begins with the name of a
# setting, which would get a capital letter there.
my %told = $page =~ /^\.It Cm (\w+)\n((?:[^.].*\n)+)/mg;
for (values %told) {
	s/\s+/ /g;
	s/ \z//;
}
my %meant = map {
	my (undef, $name, undef, $what, $advice) = @$_;
	$name => join ' ', ucfirst "$what.", grep { $_ ne 'Nothing.' } $advice;
} table(slurp('common/reason.def'), 'REASON');
is($told{$_}, $meant{$_}, "sniport.conf(5) tells $_ as the table does")
    for sort keys %meant;
my $section = join '|', map { quotemeta ucfirst } grep { $_ ne '' } keys %section;
is(join("\n", grep { /^(?:(?:$section)\.\w|Sniport\b)/ }
	map { split /(?<=[.]) (?=[A-Z])/ } values %meant), '',
	'no sentence begins with a setting');

# Paths of all settings in a text that libconfig would read.
sub paths {
	my ($text) = @_;
	my (@path, %seen);
	my $name = '';

	while ($text =~ /\G(?:\s+|#[^\n]*|"(?:[^"\\]|\\.)*"|(\w+)\s*[=:]|([({\[])|([)}\]])|[^\s])/g) {
		if (defined $1) {
			$name = $1;
			$seen{ join '.', grep { $_ ne '' } @path, $name } = 1;
		} elsif (defined $2) {
			push @path, $name;
			$name = '';
		} elsif (defined $3) {
			pop @path;
			$name = '';
		}
	}
	return sort keys %seen;
}

# A setting that is commented out has no blank, or only its indentation,
# between '#' and its name.
my $sample = slurp('etc/sniport.conf');
my $whole = $sample =~ s/^(\s*)#(?=\s*(?:[{}]|\w+\s*=))/$1/mgr;
same([ paths($whole) ], \@settings, 'the sample has every setting');

my $dir = temporary();
my ($chain, $key) = certificate($dir, 'tls');
my $clients = Sniport::Authority->new($dir, 'clients');
run(qw(openssl rand -out), "$dir/tickets", 80);
chmod 0600, "$dir/tickets";

# Runs the program on a configuration with files, user and group of this
# machine.
sub configured {
	my ($option, $text) = @_;

	$text =~ s/"[^"]*\/chain\.pem"/"$chain"/g;
	$text =~ s/"[^"]*\/key\.pem"/"$key"/g;
	$text =~ s/"[^"]*\/tickets"/"$dir\/tickets"/g;
	$text =~ s/"[^"]*\/clients\.pem"/'"' . $clients->file . '"'/ge;
	$text =~ s/"[^"]*\/clients\.crl"/'"' . $clients->crl . '"'/ge;
	$text =~ s/^(user = ")[^"]*/$1nobody/m;
	$text =~ s/^(group = ")[^"]*/$1nogroup/m;
	open my $file, '>', "$dir/sniport.conf" or die;
	print $file $text;
	close $file;
	return run(sniport(), '-c', "$dir/sniport.conf", $option);
}

for ([ 'the sample', $sample ], [ 'the whole sample', $whole ]) {
	my ($name, $text) = @$_;
	my ($status, $said) = configured('-t', $text);
	is($status, 0, "sniport -t accepts $name") or diag($said);
}

# Settings that have no default are all that the two have in common.
my ($need) = $sample =~ /^(listeners = .*?^\);)/ms;
my ($least, $most) = map { [ configured('-T', $_) ] } qq($need
	tls = { certificates = ( { chain = "/chain.pem"; key = "/key.pem"; } ); };),
	$sample;
is($most->[0], 0, 'sniport -T prints the sample') or diag($most->[1]);
is($most->[1], $least->[1], 'what is not commented out in it is the default');

for my $page (glob 'etc/man/*.[578]') {
	SKIP: {
		skip "mandoc is not installed: $page is not checked", 1
		    if (run('sh', '-c', 'command -v mandoc'))[0];
		my ($status, $text) = run(qw(mandoc -Tlint -W warning), $page);
		is($text, '', "mandoc has nothing to say about $page");
	}
}

my $program = slurp('etc/man/sniport.8');
my @counters = map { $_->[1] } table(slurp('common/shm/stats.def'), 'STAT');
cmp_ok(scalar(@counters), '>', 10, 'the table of counters was read');
same([ $program =~ /^\.It Cm (\w+)$/mg ], \@counters,
	'sniport(8) has every counter');

# What operators look for.
like($program, qr/^\.Sh CERTIFICATES\n.*rotate.*?systemctl reload sniport/ms,
	'sniport(8) tells how to rotate certificates');
like($program, qr/^\.Sh ISTIO\n(?:(?!^\.Sh).)*\.Ic tls\.require_close_notify\n/ms,
	'sniport(8) tells what to set for sidecars that are killed');
like($entry{'tls.require_close_notify'}, qr/Istio/,
	'and so does the setting');
my ($bound) = slurp('common/net/proxy.h') =~ /^#define PROXY_HEADER_MAX (\d+)$/m;
$bound =~ s/(\d)(\d{3})$/$1,$2/;
like($entry{$_}, qr/\b$bound bytes\b/, "$_ tells how long a header may be")
    for 'listeners.trusted_proxies', 'egress.proxy_protocol';
like($page, qr/^\.It Java\n.*?SNIServerName\(StandardConstants/ms,
	'sniport.conf(5) tells how Java sends a port');

my ($status, $usage) = run(sniport(), '-h');
my ($known) = $program =~ /^\.Sh DESCRIPTION\n(.*?)^\.Sh/ms;
same([ $known =~ /^\.It Fl (\w)/mg ], [ $usage =~ /^\s+-(\w)[\s,]/mg ],
	'sniport(8) has every option');

done_testing;
