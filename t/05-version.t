#!/usr/bin/perl
# The commit that sniport -V tells: that of the sources, and nobody else's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(run sniport temporary top write_file);

plan skip_all => 'SKIPPED LOUDLY: there is no git'
    if (run(qw(git --version)))[0] != 0;

my $temporary = temporary();
my $dir = "$temporary/sources";
my $header = "$temporary/commit.h";
# Neither the user's settings nor an outer repository count.
delete @ENV{grep { /^GIT_/ } keys %ENV};
$ENV{HOME} = "$temporary";
$ENV{GIT_CONFIG_NOSYSTEM} = 1;

sub git {
	my @arguments = @_;

	my ($status, $text) = run('git', '-C', $dir, '-c', 'user.name=a',
		'-c', 'user.email=a@example.com', @arguments);
	die "git @arguments: $text" if $status != 0;
	chomp $text;
	return $text;
}

sub commit {
	my ($of) = @_;

	my ($status, $text) = run('sh', top() . '/etc/commit', $of // $dir, $header);
	is($status, 0, 'it succeeds') or diag($text);
	open my $file, '<', $header or die "$header: $!";
	return scalar <$file>;
}

mkdir $dir or die $!;
is(commit(), qq(#define SNIPORT_COMMIT "unknown"\n), 'no repository');
git(qw(init -q));
is(commit(), qq(#define SNIPORT_COMMIT "unknown"\n), 'no commit');
write_file("$dir/a.c", "1\n");
git(qw(add a.c));
git(qw(commit -q -m one));
my $id = substr git(qw(rev-parse HEAD)), 0, 12;
is(commit(), qq(#define SNIPORT_COMMIT "$id"\n), 'a commit');
write_file("$dir/b.o", "what was built is not a change\n");
utime 1, 1, $header or die $!;
is(commit(), qq(#define SNIPORT_COMMIT "$id"\n), 'the same commit');
is((stat $header)[9], 1, 'nothing is written, so that nothing is built again');
write_file("$dir/a.c", "2\n");
is(commit(), qq(#define SNIPORT_COMMIT "$id, changed"\n), 'a change');
mkdir "$dir/inner" or die $!;
is(commit("$dir/inner"), qq(#define SNIPORT_COMMIT "unknown"\n),
	'sources below a repository that is not theirs');

# This very program.
my ($told) = (run(sniport(), '-V'))[1] =~ /\Asniport \S+, commit (.*)\n/;
like($told // '', qr/\A(?:unknown|[0-9a-f]{12}(?:, changed)?)\z/,
	'the program names one, or none');

done_testing;
