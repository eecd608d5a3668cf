#!/usr/bin/perl
# What is installed: the unit of systemd is valid and well locked up, the
# program is hardened and uses jemalloc, files go where they should.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(build run sniport temporary top);

# Is that program there?
sub have {
	my ($program) = @_;

	return grep { -x "$_/$program" } split(/:/, $ENV{PATH}), '/sbin',
	    '/usr/sbin';
}

sub cache {
	my ($name) = @_;

	open my $file, '<', build() . '/CMakeCache.txt' or die;
	my ($value) = map { /^\Q$name\E:\w+=(.*)/ ? $1 : () } <$file>;
	return $value // '';
}

my $dir = temporary();
my ($status, $text) = run('env', "DESTDIR=$dir", 'cmake', '--install', build());
is($status, 0, 'sniport can be installed') or diag($text);
my $prefix = $dir . cache('CMAKE_INSTALL_PREFIX');
my $unit = cache('SNIPORT_UNIT_DIR');
$unit = $unit =~ m!^/! ? "$dir$unit" : "$prefix/$unit";
$unit .= '/sniport.service';
for my $file ("$prefix/sbin/sniport", "$prefix/share/man/man8/sniport.8",
	"$prefix/share/man/man5/sniport.conf.5",
	"$prefix/share/man/man7/sniport-trouble.7", $unit,
	$unit =~ s/service\z/socket/r,
	"$prefix/lib/sysusers.d/sniport.conf",
	"$prefix/share/doc/sniport/README",
	"$prefix/share/doc/sniport/examples/sniport.conf",
	"$prefix/share/doc/sniport/examples/sniport.logrotate",
	"$dir/etc/sniport/sniport.conf") {
	ok(-f $file, substr $file, length $dir);
}

open my $file, '>', "$dir/etc/sniport/sniport.conf" or die;
print $file "mine\n";
close $file;
run('env', "DESTDIR=$dir", 'cmake', '--install', build());
is(-s "$dir/etc/sniport/sniport.conf", 5,
	'an installation leaves an existing configuration alone');

($status, $text) = run('cat', $unit);
my ($program) = $text =~ /^ExecStart=(\S+)/m;
ok(-x "$dir$program", 'the unit starts the program that was installed');
is_deeply([ $text =~ /^ExecReload=(.*)/mg ],
	[ "$program reload" ],
	'a reload is one that is waited for, and that fails if it fails');

like($text, qr/^LogRateLimitIntervalSec=0$/m,
	'junk connections cannot hide a line of the journal');

SKIP: {
	skip 'systemd-analyze is not installed: the unit is not rated', 3
	    unless have('systemd-analyze');
	($status, $text) = run(qw(systemd-analyze security --offline=yes
		--threshold=16 --no-pager), $unit);
	my ($score) = $text =~ /exposure level for \S+: ([0-9.]+)/;
	is($status, 0, 'the exposure of the unit is at most 1.6 (' .
		($score // 'none') . ')') or diag($text);
	($status, $text) = run(qw(systemd-analyze verify --man=no), $unit);
	# Programs are looked for in this system, not in the folder.
	is(join("\n", grep { !/is not executable/ } split /\n/, $text), '',
		'systemd finds no fault with the unit');
	($status, $text) = run(qw(systemd-analyze verify --man=no), $unit,
		$unit =~ s/service\z/socket/r);
	is(join("\n", grep { !/is not executable/ } split /\n/, $text), '',
		'nor with that of the socket');
}

# FORTIFY and jemalloc are for what is optimised and not instrumented.
SKIP: {
	skip 'this build is instrumented', 1
	    if cache('SNIPORT_SANITIZE') eq 'ON' ||
	    cache('SNIPORT_JEMALLOC') eq 'OFF';
	($status, $text) = run('env', 'LD_DEBUG=bindings', sniport(), '-V');
	like($text, qr/symbol `malloc'/, 'bindings are told');
	my @malloc = $text =~ /to (\S+) \[\d+\]: normal symbol `malloc'/g;
	is(scalar(grep { !/libjemalloc/ } @malloc), 0,
		'malloc is that of jemalloc, for every library')
	    or diag("@malloc");
}

($status, $text) = run('readelf', '-Whld', sniport());
like($text, qr/Type:\s+DYN/, 'position-independent');
like($text, qr/GNU_RELRO/, 'relocations are read-only');
like($text, qr/BIND_NOW|FLAGS_1.*NOW/, 'symbols are bound at the start');
like($text, qr/GNU_STACK\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+RW\s/,
	'the stack is not executable');

done_testing;
