#!/usr/bin/perl
# The AWS-LC that is pinned: when somebody should look at it again is said, with
# or without a network, and nothing is built from a file that is not the one
# that was meant.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use File::Path qw(make_path);
use POSIX qw(strftime);

use Sniport::Test qw(run slurp temporary top write_file);

my $dir = temporary();
my $pinned = slurp(top() . '/etc/aws-lc/pinned');
my ($version) = $pinned =~ /^version=(\S+)/m;
my ($library) = $pinned =~ /^library=(\S+)/m;
my ($crate) = $pinned =~ /^crate=(\S+)/m;

sub day {
	my ($ago) = @_;

	return strftime('%Y-%m-%d', gmtime(time() - $ago * 24 * 60 * 60));
}

# A cargo that does nothing but this.
sub cargo {
	my ($script) = @_;

	make_path("$dir/bin");
	write_file("$dir/bin/cargo", "#!/bin/sh\n$script\n");
	chmod 0755, "$dir/bin/cargo" or die;
	return;
}

# What a script makes of a folder with these files beside it.
sub script {
	my ($name, $reviewed, $advisories, @arguments) = @_;
	(my $text = $pinned) =~ s/^reviewed=.*$/reviewed=$reviewed/m;

	make_path("$dir/aws-lc");
	write_file("$dir/aws-lc/pinned", $text);
	write_file("$dir/aws-lc/advisories", $advisories);
	write_file("$dir/aws-lc/$name", slurp(top() . "/etc/aws-lc/$name"));
	return run('env', "PATH=$dir/bin:$ENV{PATH}", "CARGO_HOME=$dir/cargo",
		"XDG_CACHE_HOME=$dir/cache", "RUSTSEC_DB=$dir/rustsec", 'sh',
		"$dir/aws-lc/$name", @arguments);
}

# Two tests: what it says of an age and advisories, and how it exits.
sub review_ok {
	my ($title, $ago, $advisories, $exit, $says) = @_;
	my ($status, $text) = script('review', day($ago), $advisories);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($status, $exit, "$title: exits with $exit");
	like($text, $says, "$title: says so");
	return $text;
}

my $ALL_WELL = qr/^etc\/aws-lc: no advisory is known for \Q$crate $version\E$/m;
my $NOBODY = qr/^etc\/aws-lc: nobody could be asked whether there is a later/m;

# No network, and nothing new.
cargo('exit 1');
my $text = review_ok('fresh', 3, "# none\n", 0, $ALL_WELL);
like($text, $NOBODY, 'and that nobody could be asked');
unlike($text, qr/warning/, 'without a warning');
review_ok('read long ago', 100, '', 0,
	qr/warning: the advisories of AWS-LC were read up to [0-9-]+, 100 days ago/);
review_ok('an advisory that is mended', 3, "RUSTSEC-1 0.1.0 old\n", 0,
	$ALL_WELL);
review_ok('one that is mended in this version', 3,
	"RUSTSEC-1 $version new\nCVE-2 /$library new\n", 0, $ALL_WELL);
$text = review_ok('one for the crate', 3,
	"RUSTSEC-1 99.0.0 a hole\nRUSTSEC-2 0.1.0 old\n", 1,
	qr/warning: RUSTSEC-1, mended in 99\.0\.0: a hole$/m);
unlike($text, $ALL_WELL, 'and not that there is none');
review_ok('one for the library', 3, "CVE-1 /99.0.0 a hole\n", 1,
	qr/warning: CVE-1, mended in \/99\.0\.0: a hole$/m);
is((script('review', day(3), "CVE-1 /99.0.0 a hole\nRUSTSEC-2 98.0.0 x\n",
	'--known'))[1], "$library " . day(3) . " CVE-1 RUSTSEC-2\n",
	'what sniport -V is built with');

# A copy of RustSec's database.
make_path("$dir/rustsec/crates/$crate");
write_file("$dir/rustsec/crates/$crate/RUSTSEC-7.md", '');
review_ok('one that nobody has read', 3, '', 1,
	qr/warning: RUSTSEC-7 is not in etc\/aws-lc\/advisories: read it$/m);
review_ok('one that somebody has', 3, "RUSTSEC-7 0.1.0 old\n", 0, $ALL_WELL);
unlink "$dir/rustsec/crates/$crate/RUSTSEC-7.md" or die $!;

# A registry.
my $LOCK = 'printf \'name = "%s"\nversion = "%s"\n\'';
cargo(qq($LOCK $crate $version >Cargo.lock));
$text = review_ok('this version is the latest', 3, '', 0, $ALL_WELL);
unlike($text, qr/warning|nobody/, 'and no more');
cargo(qq($LOCK $crate 99.0.0 >Cargo.lock));
review_ok('a later version', 3, '', 0,
	qr/warning: \Q$crate\E 99\.0\.0 is out, \Q$version\E is pinned$/m);

# Sources.
cargo('echo "cargo 1.63.0"; exit 1');
my ($status, $said) = script('build', day(3), '');
is($status, 3, 'no sources: nothing is built');
like($said, qr/cargo 1\.63\.0 did not fetch \Q$crate $version\E/,
	'and what is amiss is said');
make_path("$dir/cargo/registry/cache/x");
write_file("$dir/cargo/registry/cache/x/$crate-$version.crate", 'not this');
($status, $said) = script('build', day(3), '');
is($status, 1, 'sources that are not those that were meant: nothing is built');
like($said, qr/\.crate is not what etc\/aws-lc\/pinned names/,
	'and what is amiss is said');
($status, $said) = script('build', day(3), '', $dir);
is($status, 1, 'a folder that has no sources: nothing is built');
like($said, qr/is not a source tree of AWS-LC/, 'and what is amiss is said');
is_deeply([ grep { !/\.lock$/ } glob "$dir/cache/sniport/*" ], [],
	'and nothing is left behind');
done_testing;
