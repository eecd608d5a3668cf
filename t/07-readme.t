#!/usr/bin/perl
# What README tells to type: the installation into a folder of its own, the
# first certificate, and the configuration.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Alone; # where no port is taken
use Sniport::Test qw(build run sniport temporary top);

my $temporary = temporary();
my $dir = "$temporary";

open my $file, '<', top() . '/README' or die "README: $!";
my $readme = do { local $/; scalar <$file> };
my ($install) = $readme =~ /^Install it\n-+\n(.*?)^\w[^\n]*\n-+\n/ms;
my ($configure) = $readme =~ /^Configure it\n-+\n(.*?)^\w[^\n]*\n-+\n/ms;
ok($install && $configure, 'README tells how to install and configure');

# The lines to type, with what is continued by a backslash.
my $commands = join '', map { s/^ {4}//r } grep { /^ {4}/ } split /^/, $install;
my @steps = split /(?<!\\)\n/, $commands;
s/\s+# .*// for @steps;

# This build, since a new one takes long; below a folder, and as no user.
my $root = "$dir/root";
my ($status, $text) = run('env', "DESTDIR=$root", 'cmake', '--install', build());
is($status, 0, 'cmake --install') or diag($text);
ok(-x "$root/usr/sbin/sniport" || -x "$root/usr/local/sbin/sniport",
	'installs the program');
ok(-f "$root/etc/sniport/sniport.conf", 'and the configuration');
ok(scalar(grep { -f } glob "$root/usr/{,local/}lib/sysusers.d/sniport.conf"),
	'and the user that the service runs as');

my @certificate = grep { /^(?:install|cd|openssl|chgrp|chmod) / } @steps;
is(scalar(@certificate), 5, 'README tells how to make a certificate');
my $group = $) + 0;
s{/etc/sniport}{$root/etc/sniport}, s{^(?:install .*-g|chgrp) \Ksniport}{$group}
    for @certificate;
($status, $text) = run(qw(sh -e -c), join "\n", @certificate);
is($status, 0, 'so it is made') or diag($text);

# sniport -t, on the sample that was installed and on that of README.
sub check {
	my ($title, $configuration) = @_;

	$configuration =~ s{/etc/sniport/tls}{$root/etc/sniport/tls}g;
	open my $out, '>', "$dir/sniport.conf" or die $!;
	print $out $configuration;
	close $out or die $!;
	my ($result, $said) = run(sniport(), '-c', "$dir/sniport.conf", '-t');
	is($result, 0, "sniport -t takes $title") or diag($said);
	return $said;
}

open $file, '<', "$root/etc/sniport/sniport.conf" or die $!;
like(check('what was installed', do { local $/; scalar <$file> }),
	qr/rule/, 'and warns that there are no rules yet');
my ($sample) = $configure =~ /^((?: {4}.*\n)+)/m;
check('the sample in README', $sample);

# What README names is there.
my ($files) = $readme =~ /^Read on\n-+\n\n((?: {4}.*\n)+)/m;
ok(-e top() . "/$_", "README names $_, which is there")
    for $files =~ /^ {4}(\S+)/mg, $commands =~ /\bsh (\S+)/g;
my @systems = $readme =~ /\bDebian (\d+) or (\d+)\b/;
is("@systems", '12 13', 'README names the systems that it is tested on');

done_testing;
