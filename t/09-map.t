#!/usr/bin/perl
# What the tree says of itself is so: the texts that explain it name what is
# there, and each file says what it is.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(slurp top);

chdir top() or die;

# One test: the list of what is wrong is empty.
sub none {
	my ($name, @wrong) = @_;

	ok(!@wrong, $name) or diag(join "\n", @wrong);
	return;
}

my @c = sort grep { -f } glob
    '{common,master,worker}/{,*/}*.{c,h,def} t/{unit,fuzz,bench,bench/load,peer,preload}/*.{c,h}';
my @perl = sort grep { -f } glob 't/*.t t/lib/Sniport/{,Bench/}*.pm';
my @texts = ('README', (grep { -f } glob('{common,master,worker,t}/README')),
	qw(etc/ARCHITECTURE etc/CONTRIBUTING));
my %text = map { $_ => slurp($_) } @c, @perl, @texts;
my %code = map { $_ => $text{$_} =~ s{/\*.*?\*/}{}gsr } @c;
my $code = join '', values %code;
my %basename = map { basename($_) => 1 } @c, @perl, glob 't/*/* t/bench/load/* etc/*';
cmp_ok(scalar(@c), '>', 300, 'the source was read');

# In a comment, a path may be relative to the folder of its file.
sub is_there {
	my ($name, $from) = @_;

	return 1 if $name =~ /NAME|\*/ || -e $name || -e dirname($from) . "/$name";
	return $name !~ m{/} && $basename{$name};
}

my (@missing, %seen);
for my $file (@texts) {
	while ($text{$file} =~ m{(?<![\w/.-])((?:(?:common|master|worker|t|etc|\.ci)/[\w./*-]*[\w*])|\w[\w*]*\.(?:c|h|def|pm)(?!\w))}g) {
		push @missing, "$file: $1" if !is_there($1, $file);
		$seen{$1} = 1;
	}
}
cmp_ok(scalar(keys %seen), '>', 100, 'the texts name files');
none('each file that a text names is there', @missing);

my %word = map { $_ => 1 } $code =~ /\w+/g;
none('and each function, constant and struct of the architecture', map {
	my $file = $_;
	map { "$file: $_" } grep { !$word{$_} && !/^SNIPORT_/ }
	    $text{$file} =~ /\b([a-z]\w+)\(\)/g,
	    $text{$file} =~ /\b([A-Z]+_[A-Z_]+)\b(?!\*)/g,
	    $text{$file} =~ /\b(?:struct|enum) (\w+_\w+)/g;
} 'etc/ARCHITECTURE');

# What the architecture has to name in full.
my $map = $text{'etc/ARCHITECTURE'};
my %part = $map =~ /^(\d\. [^\n]+)\n-+\n(.*?)(?=^\d\. [^\n]+\n-|\z)/msg;
sub part {
	my ($title) = @_;
	my ($found) = grep { /^\d\. \Q$title\E/ } keys %part;

	return defined $found ? $part{$found} : '';
}
none('it has each phase of a tunnel', grep {
	$code{$_} =~ /^(?:static )?const struct tunnel_state \w+ = \{/m &&
	    index(part('A tunnel\'s phases'), $_) == -1 } @c);
my $fields = part('Who writes a field');
my %field = map { $_ => 1 } map { /"(\w+)"/g } $code{'common/log/audit.c'} =~
    /\b(?:put|record)_\w+\(\s*&?o,((?:\s*"\w+",)+)/g;
my @fields = keys %field;
cmp_ok(scalar(@fields), '>', 30, 'the fields of the audit line were read');
none('it has each field of the audit line',
	grep { $fields !~ /\b$_\b/ } sort @fields);
none('it has each control message', grep { part('Across the seam') !~ /\b$_\b/ }
	$code{'common/control.h'} =~ /^\s*(CONTROL_[A-Z]+)\b(?= = 1|,|$)/mg);
none('it has each table', grep { index($map, $_) == -1 } grep { /\.def$/ } @c);
none('it has each file of worker/tunnel/', grep {
	my $name = basename($_);
	part('A tunnel\'s phases') !~ /\b\Q$name\E\b/
} grep { m{^worker/tunnel/.*\.c$} } @c);

my %module = map { $_ => 1 } $text{'t/README'} =~ /^\s+(\w+)\.pm\s/mg;
none('t/README has each module of the harness', grep { !delete $module{$_} }
	map { basename($_, '.pm') } grep { -f } glob 't/lib/Sniport/{,Bench/}*.pm');
none('and no other', sort keys %module);
none('README names the other texts', grep { index($text{README}, $_) == -1 }
	grep { $_ ne 'README' } @texts);

none('each .c begins with what it is',
	grep { /\.c$/ && $text{$_} !~ m{\A/\*\s+\S} } @c);
none('each header says what it is for',
	grep { /\.h$/ && $text{$_} !~ m{\A/\*\s+\S} } @c);
none('a file\'s own header comes first', grep {
	my $own = s/\.c$/.h/r;
	/\.c$/ && -f $own && $text{$_} !~ /\A[^#]*?^#include "\Q$own\E"\n/ms
} @c);

# A tab is as wide as eight columns.
sub too_wide {
	my ($limit, $name, $text) = @_;
	my $n = 0;

	return map { "$name:$_->[0]" } grep {
		my $line = $_->[1];
		1 while $line =~ s/\t/' ' x (8 - $-[0] % 8)/e;
		utf8::decode($line);
		length($line) > $limit;
	} map { [ ++$n, $_ ] } split /\n/, $text;
}
none('no line of C is longer than 100',
	map { too_wide(100, $_, $text{$_}) } @c);
none('no comment is wider than 80, and no text', (map {
	# All but comments is blanked, tabs apart, so that columns stay.
	my $name = $_;
	my $comments = '';
	my $end = 0;
	while ($text{$name} =~ m{"(?:[^"\\\n]|\\.)*"|(/\*.*?\*/)}gs) {
		next if !defined $1;
		my ($comment, $from, $to) = ($1, $-[0], $+[0]);
		$comments .= substr($text{$name}, $end, $from - $end) =~ s/[^\t\n]/ /gr;
		$comments .= $comment;
		$end = $to;
	}
	too_wide(80, $name, $comments =~ s/[ \t]+$//gmr)
} @c), map { too_wide(80, $_, $text{$_}) } @texts);

none('each file that a comment names is there', map {
	my $name = $_;
	my @comments = $text{$name} =~ m{(/\*.*?\*/)}gs;
	my @named = map { m{(?<![\w/.<*-])(\w[\w/]*\.(?:c|h|def))(?![\w/*])}g } @comments;
	map { "$name: $_" } grep { !is_there($_, $name) } @named;
} @c);

done_testing;
