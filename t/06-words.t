#!/usr/bin/perl
# What sniport says is plain English: the strings of the program, the manuals,
# the sample and README have none of the turns that were in them once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(slurp top);

chdir top() or die;

# The strings of a C file as they are compiled, each with its file and line.
sub strings {
	my ($name) = @_;
	my $text = slurp($name);
	my @strings;

	my $string = qr/"(?:[^"\\\n]|\\.)*"/;
	while ($text =~ m{\G(?:(/\*.*?\*/|^\#\s*include[^\n]*|'(?:[^'\\]|\\.)+')|($string(?:\s*(?:PRI\w+\s*)?$string)*)|.)}gms) {
		my ($skipped, $found) = ($1, $2);
		next if !defined $found;
		my $line = 1 + (substr($text, 0, $-[2]) =~ tr/\n//);
		push @strings, [ "$name:$line",
			join '', map { s/\A"|"\z//gr } $found =~ /$string|PRI\w+/g ];
	}
	return @strings;
}

my @program = map { strings($_) } sort glob '{common,master,worker}/{,*/}*.{c,h,def}';
my @page = map {
	my $name = $_;
	my $line = 0;
	map { [ "$name:" . ++$line, $_ ] } split /\n/, slurp($name);
} glob('etc/man/*.[578]'), qw(README etc/sniport.conf etc/sniport.service
	etc/sniport.socket etc/sniport.logrotate);
cmp_ok(scalar(@program), '>', 1000, 'the strings of the program were read');

# One test: no text of the list has it.
sub none {
	my ($title, $what, @texts) = @_;
	my @found = grep { $_->[1] =~ $what } @texts;

	is(join('', map { "$_->[0]: $_->[1]\n" } @found), '', $title);
	return;
}

my @all = (@program, @page);
none('"is not a number", not "is no number"',
	qr/\b(?<!there )(?:is|are|was|were) no(?:ne)? (?!longer|larger|more|other)\w/i, @all);
none('nor "its port is none"', qr/\b(?:is|are) none\b(?! of)/,
	grep { $_->[1] !~ /reopened/ } @program);
none('"one of", not "none of"', qr/\bis none of\b/, @all);
none('"after", not "behind"', qr/\bbehind (?:it|that|the last|its)\b/i, @all);
none('no step of the program is a prefix', qr/\A(?:text|file|use|read|open|compile
	|check\ \w+|read\ \w+):\ /x, @program);
none('what is counted is not always many',
	qr/%\w+ (?:tunnels|lines|workers|listeners|rules|certificates|sockets)\b/,
	grep { $_->[1] !~ /more than|to %/ } @program);
none('nothing is said twice', qr/\b(\w{2,}) \1\b/,
	grep { $_->[1] !~ /\bhad had|that that\b/ && $_->[0] =~ /\.(?:[chd578]|def|conf)\b/ } @all);
none('times in messages have units of their own', qr/%\w+ms or less/, @program);

done_testing;
