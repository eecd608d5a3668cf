#!/usr/bin/perl
# Mistakes in the syntax of the configuration: what was found, what was
# expected, and the line that the mistake is in.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(run sniport temporary write_file);

my $temporary = temporary();
my $dir = "$temporary";
my $file = "$dir/sniport.conf";

# Runs sniport -t. Where the service is installed, it says whom it checks as.
sub run_check {
	my ($name) = @_;

	my ($status, $said) = run(sniport(), '-c', $name, '-t');
	return ($status, $said =~ s/^sniport: checked as user .*\n//mr);
}

# What it says of a configuration.
sub check {
	my ($text) = @_;

	write_file($file, $text);
	return run_check($file);
}

# The first four lines of a file are good, and the mistake comes behind them:
# lines are counted from it.
my $good = <<'EOT';
listeners = ( { address = "127.0.0.1:8443"; } );
tls = {
	certificates = ( { chain = "/nothing.pem"; key = "/nothing.key"; } );
};
EOT

sub mistake_ok {
	my ($title, $text, $line, $says, $whole) = @_;
	my ($status, $said) = check($whole ? $text : $good . $text);

	$line += 4 if !$whole;
	$says = "sniport: $file:$line: $says\n";
	subtest $title => sub {
		is($status, 1, 'refused');
		is($said, $says, 'says what and where');
	};
	return;
}

my ($QUOTES, $UNITS) = ('write it in quotes if it is a string',
	'write it in quotes, such as "10s" or "64KiB"');
mistake_ok('a comma is missing between two groups', <<'EOT', 3,
rules = (
  { name = "a"; action = "allow"; destinations = [ "a.example.com:1" ]; }
  { name = "b"; action = "allow"; destinations = [ "b.example.com:1" ]; } );
EOT
	'rules: found "{", expected "," or ")"; write a comma between elements');
for (
	[ 'clients', qq(rules = ( { clients = [ "a.test" "b.test" ]; } );\n), 1,
	    'rules.clients: found "b.test"' ],
	[ 'destinations, over two lines', qq(rules = ( { destinations = [
	    "a.test:1"  # the first
	    "b.test:1", "c.test:1" ]; } );\n), 3,
	    'rules.destinations: found "b.test:1"' ],
	[ 'a string of two lines', qq(rules = ( { clients = [ "a.test" "b.te
st" ]; } );\n), 1, 'rules.clients: found "b.te\\x0ast"' ],
	[ 'servers', qq(dns = { servers = ( "192.0.2.1" "192.0.2.2" ); };\n), 1,
	    'dns.servers: found "192.0.2.2"' ],
	[ 'source', qq(egress = ( { name = "a"; source = [ "192.0.2.1",
	    "2001:db8::1" "192.0.2.2" ]; } );\n), 2,
	    'egress.source: found "192.0.2.2"' ],
) {
	my ($title, $text, $line, $says) = @$_;
	mistake_ok("a comma is missing between two strings: $title", $text, $line,
		"$says after another string; write a comma between them");
}
{
	my ($status, $said) = check(<<'EOT');
listeners = ( { address = "127.0.0.1:8443" "1"; } );
tls = { groups = "X25519:" "P-256"; };
rules = ( { destinations = [ "a.test:1" "b.test:1" "c.test:1" ];
  name = "a" "b"; clients = [ "10.0.0.1" "10.0.0.2" ]; } );
EOT
	is($said =~ s/^sniport: \Q$file\E:(\d+): .* found "(.*?)" .*$/$1 $2/mgr,
		"3 b.test:1\n3 c.test:1\n4 10.0.0.2\n",
		'strings join outside of lists; in them, each is told');
}
mistake_ok('a group in square brackets', qq(egress = [ { name = "a"; } ];\n), 1,
	'egress: found "{" in "[ ... ]", expected a string or a number; ' .
	'write "( ... )" around groups and lists');
mistake_ok('yes for true', qq(log = { access_connect = yes; };\n), 1,
	'log.access_connect: found "yes", expected a value; write true or false');
mistake_ok('a size without quotes', qq(limits = { buffer = 100k; };\n), 1,
	qq(limits.buffer: found "100k", which is not a number; $UNITS));
for (
	[ 'limits = { tunnels = 100k; };', 'limits.tunnels', '100k', ': 100000' ],
	[ 'limits = { tunnels = 100_000; };', 'limits.tunnels', '100_000', ': 100000' ],
	[ 'limits = { tunnels = 2M; };', 'limits.tunnels', '2M', ': 2000000' ],
	[ 'workers = 4x;', 'workers', '4x', ': 4' ],
	[ 'rules = ( { max_tunnels = 10k; } );', 'rules.max_tunnels', '10k', ': 10000' ],
) {
	my ($text, $setting, $found, $number) = @$_;
	mistake_ok("a plain number with more behind it: $found", "$text\n", 1,
		"$setting: found \"$found\", which is not a number; " .
		"write the number alone$number");
}
mistake_ok('a byte order mark', "\xef\xbb\xbf# a comment\n$good", 1,
	'found a byte order mark; save the file as UTF-8 without one', 1);
mistake_ok('a group that is not closed',
	qq(timeouts = {\n\tidle = "1h";\n\nlog = { };\n), 1,
	'timeouts: found the end of the file, but the "{" here is not closed; ' .
	'write "}" where it ends');
mistake_ok('the way of YAML', "rules:\n  - name: a\n", 1,
	'rules: found the end of the line, expected a value; this is not YAML: ' .
	'write a list as name = ( ..., ... );');
mistake_ok('a quote is missing, and others follow',
	qq(log = {\n\terror = "stderr;\n\taccess = "stdout";\n};\n), 2,
	'log.error: found a string that does not end on its line; ' .
	'write a quote at its end');
mistake_ok('a quote is missing, and none follows', qq(log = { error = "stderr; };\n),
	1, 'log.error: found a string that does not end; write a quote at its end');
mistake_ok('a number beyond 32 bits', "limits = { tunnels = 3000000000; };\n", 1,
	'limits.tunnels: 3000000000 is out of bounds; ' .
	'write a number of tunnels from 1 to 100000000');

# After an include.
write_file("$dir/part.conf", "workers = 1;\n");
mistake_ok('a semicolon after an include', qq(\@include "part.conf";\n), 1,
	'found ";", expected the name of a setting; ' .
	'leave out what follows @include "file"');
mistake_ok('a file to include that is not there', qq(\@include "none.conf"\n), 1,
	qq(\@include: "$dir/none.conf" cannot be included: No such file or directory));
mkdir "$dir/folder" or die $!;
mistake_ok('a folder to include', qq(\@include "folder"\n), 1,
	qq(\@include: "$dir/folder" cannot be included: it is not a file));
{
	my ($status, $said) = check(qq($good\@include "none.conf";\n));
	is(() = $said =~ /^sniport: \Q$file\E:5: /mg, 2,
		'of two mistakes in one line both are told');
}
write_file("$dir/part.conf", "\n\nworkers = ;\n");
{
	my ($status, $said) = check(qq(\@include "part.conf"\n$good));
	is($said, qq(sniport: $dir/part.conf:3: workers: found ";", expected a value\n),
		'a mistake in an included file is told with its name and line');
}
for (
	[ 'a bracket that an included file leaves open',
	    qq(\n{ name = "a";\n  mark = 1;\n), 2, 'egress: found the end of ' .
	    'the file, but the "{" here is not closed; write "}" where it ends' ],
	[ 'a bracket too many in an included file', qq!{ name = "a"; }\n);\n!, 2,
	    'egress: found ")", but no bracket is open in this file; leave it out' ],
	[ 'a quote that is missing in an included file', qq({ name = "a; }\n), 1,
	    'egress.name: found a string that does not end; write a quote at its end' ],
) {
	my ($title, $part, $line, $says) = @$_;

	write_file("$dir/part.conf", $part);
	my ($status, $said) = check(qq!$good\negress = (\n\@include "part.conf"\n);\n!);
	is($said, "sniport: $dir/part.conf:$line: $says\n", $title);
}
write_file("$dir/part.conf", qq(\@include "part.conf"\n));
{
	my ($status, $said) = check(qq(\@include "part.conf"\n$good));
	is($said, qq(sniport: $dir/part.conf:1: \@include: includes are nested ) .
		"more than 10 deep; does a file include itself?\n",
		'a file that includes itself');
}

# Other languages.
mistake_ok('the way of JSON', qq({ "workers": 1 }\n), 1,
	'found "{", expected the name of a setting; ' .
	'the file as a whole has no brackets around it', 1);
mistake_ok('the way of TOML', qq([log]\nlevel = "info"\n), 1,
	'found "[", expected the name of a setting; ' .
	'write a group as name = { ... };');
mistake_ok('a name with a dot', qq(log.level = "info";\n), 1,
	'log: found "log.level", but a name has no dot; ' .
	'write log = { level = value; };');
mistake_ok('the way of nginx', "workers 1;\n", 1,
	'workers: found "1", expected "="; write workers = value;');
mistake_ok('a group without an equals sign', "log {\n}\n", 1,
	'log: found "{", expected "="; write log = { ... };');
mistake_ok('an address without quotes', "dns = { servers = [ 10.0.0.53 ]; };\n", 1,
	'dns.servers: found "10.0.0.53", which is not a number; write it in quotes');
mistake_ok('a word without quotes', "log = { level = info; };\n", 1,
	qq(log.level: found "info", expected a value; $QUOTES));
mistake_ok('single quotes', "log = { level = 'info'; };\n", 1,
	'log.level: found a quote of another kind; ' .
	'write strings in straight double quotes, "..."');
mistake_ok('typographic quotes', "user = \xe2\x80\x9cx\xe2\x80\x9d;\n", 1,
	'user: found a quote of another kind; ' .
	'write strings in straight double quotes, "..."');
mistake_ok('a comment that does not end', "/* comment\nworkers = 1;\n", 1,
	'/*: found a comment that does not end; write */ at its end');
mistake_ok('brackets that do not match', qq!rules = ( { name = "a"; ) );\n!, 1,
	'rules: found ")", but the "{" is not closed; write "}" before it');
mistake_ok('a bracket too many', "};\n", 1,
	'found "}", but no bracket is open; leave it out');
mistake_ok('a setting given twice', "workers = 1;\nuser = \"x\";\nworkers = 2;\n", 3,
	'workers: is set twice, first in line 5; write it once');
mistake_ok('no value', "workers =\nuser = \"x\";\n", 1,
	'workers: found the end of the line, expected a value; write name = value;');
mistake_ok('a number that begins with 0', "workers = 010;\n", 1,
	'workers: 010 begins with 0; write 10');

# Files that are not text, and no files.
{
	my ($status, $said) = check("\x7fELF\x00\x01");
	is($said, "sniport: $file: contains a NUL byte; save it as plain text, in UTF-8\n",
		'a binary file');
}
for ([ 'nothing', 'No such file or directory' ], [ 'folder', 'Is a directory' ]) {
	my ($name, $why) = @$_;
	my ($status, $said) = run_check("$dir/$name");
	is($said, "sniport: $dir/$name: cannot be read: $why\n", "a configuration: $why");
}

# What only looks like a mistake.
for my $text ("workers = 1\n", "workers : 1;\n", "\tworkers = 1;\r\n",
	"workers = 1,\n", qq(user = "a"\n\t"b";\n), "# workers = ;\n",
	"egress = ( { name = \"a\"; mark = 4294967295; } );\n") {
	my ($status, $said) = check($good . $text);
	unlike($said, qr/found|expected|out of bounds/, "no mistake: $text" =~ s/\s+/ /gr);
}

# A comma behind the last element is for libconfig to judge.
{
	my ($status, $said) = check(
		$good . qq(egress = (\n  { name = "a"; },\n);\n));
	like($said, qr/\A(?:sniport: \Q$file\E:6: egress: found "\)" after a comma, expected a value; leave the comma out\n|(?!.*comma))/,
		'a comma behind the last element');
}

done_testing;
