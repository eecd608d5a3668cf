#!/usr/bin/perl
# The command line, and what it says to somebody who is tired.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Alone; # where no port is taken
use Sniport::Test qw(certificate run sniport temporary tls_library top
	write_file);

my $temporary = temporary();
my $dir = "$temporary";
my ($chain, $key) = certificate($dir, 'tls');

# Runs sniport; its status, standard output and standard error.
sub sniport_run {
	my @arguments = @_;

	my ($status) = run(qw(sh -c), 'exec "$@" >"$0.out" 2>"$0.err"', "$dir/run",
		sniport(), @arguments);
	my @text = map {
		open my $file, '<', "$dir/run.$_" or die $!;
		local $/;
		scalar <$file>;
	} 'out', 'err';
	# Where it is run as root.
	$text[1] =~ s/^sniport: warning: user: is not set, .*\n//m;
	return ($status, @text);
}

sub run_ok {
	my ($title, $arguments, $status, $out, $err) = @_;
	my @got = sniport_run(@$arguments);

	subtest $title => sub {
		is($got[0], $status, 'status');
		like($got[1], $out, 'standard output');
		like($got[2], $err, 'standard error');
	};
	return;
}

my $NOTHING = qr/\A\z/;
# But that depends on who runs the test.
my $NO_ERROR = qr/\A(?:sniport: warning: \S*\s?limits\.tunnels: .*\n)?\z/;
my $good = <<"EOT";
workers = 1;
listeners = (
	{ address = "127.0.0.1:8443"; }
);
tls = {
	certificates = ( { chain = "$chain"; key = "$key"; } );
};
timeouts = {
	idle = "1h";
};
rules = (
	{ name = "db"; action = "allow"; destinations = [ "db.example.com:5432" ]; },
	{ name = "team"; action = "allow"; destinations = [ "*.example.org:443" ];
		clients = [ "10.1.0.0/16" ]; },
	{ name = "lan"; action = "allow"; destinations = [ "10.0.0.0/8:22" ]; },
	{ name = "own"; action = "allow"; destinations = [ "192.0.2.1:22" ];
		networks = [ "192.0.2.0/24" ]; },
	{ name = "no"; action = "deny"; destinations = [ "*:25" ]; }
);
EOT
my $file = write_file("$dir/good.conf", $good);
my @config = ('-c', $file);

# Options.
run_ok('-t', [ @config, '-t' ], 0, qr/\A\Q$file\E: configuration is valid\n\z/,
	$NO_ERROR);
run_ok($_, [ $_ ], 0, qr/\Ausage: sniport .*-t .*-T .*-V .*-q .*-s /s,
	$NOTHING) for '-h', '--help';
my $commit = qr/unknown|[0-9a-f]{12}(?:, changed)?/;
# Of a library that no packages of the system bring, but a build.
my $watch = qr/pinned; (?:no advisory|[A-Z0-9, -]+) known on [0-9-]{10}(?:, \d+ days ago)?|not the pinned [0-9.]+: nobody has read its advisories/;
my $built = qr/(?: \(built with [^()\n]+\))?/;
run_ok($_, [ $_ ], 0, qr/\Asniport \d+\.\d+\.\d+, commit $commit
(?:OpenSSL 3[^()\n]*$built|AWS-LC [0-9.]+ \($watch\))
c-ares 1[0-9.]+$built
libconfig 1[0-9.]+
libseccomp 2[0-9.]+$built
(?:jemalloc 5[0-9.]+\n)?glibc 2[0-9.]+$built\n\z/, $NOTHING) for '-V', '--version';
for (
	[ [ '-x' ], 'unknown option -x' ],
	[ [ '--halp' ], 'unknown option --halp' ],
	[ [ 'start' ], 'unknown word "start": .*' ],
	[ [ @config, '-t', 'now' ], 'unknown word "now": .*' ],
	[ [ '-c' ], '-c needs a value' ],
	[ [ '-q' ], '-q needs a value' ],
	[ [ @config, '-t', '-T' ], '-t and -T cannot be given together' ],
	[ [ @config, '-V', '-q', 'a.test:1' ], '-V and -q cannot be given together' ],
	[ [ @config, '-t', '-s', '10.0.0.1' ], '-s can only be given with -q' ],
) {
	my ($arguments, $says) = @$_;
	run_ok("sniport @$arguments", $arguments, 2, $NOTHING,
		qr/\Asniport: $says.*\bsniport -h\b.*\n\z/);
}

# Files.
for my $option ('-t', '-T') {
	run_ok("$option: no file", [ '-c', "$dir/nothing", $option ], 1, $NOTHING,
		qr/\Asniport: \Q$dir\E\/nothing:.*No such file or directory\n\z/);
	run_ok("$option: a directory", [ '-c', $dir, $option ], 1, $NOTHING,
		qr/\Asniport: \Q$dir\E:.*Is a directory\n\z/);
}
run_ok('no file to start with', [ '-c', "$dir/nothing" ], 1, $NOTHING,
	qr/\Asniport: \Q$dir\E\/nothing:.*No such file or directory\n\z/);
run_ok('-q: no file', [ '-c', "$dir/nothing", '-q', 'a.test:1' ], 2, $NOTHING,
	qr/\Asniport: \Q$dir\E\/nothing:.*No such file or directory\n\z/);
is((run(qw(sh -c), 'exec "$@" >/dev/full', '-', sniport(), @config, '-T'))[0],
	1, 'what cannot be printed is an error');

# -t leaves nothing behind that would be in the service's way.
write_file("$dir/logs.conf", $good . qq(log = { error = "$dir/e.log"; access = "$dir/a.log"; };));
run_ok('-t: logs', [ '-c', "$dir/logs.conf", '-t' ], 0, qr/valid/, $NO_ERROR);
is_deeply([ glob "$dir/[ae].log" ], [], 'no log file is made');
write_file("$dir/logs.conf", $good . qq(log = { access = "$dir/nothing/a.log"; };));
run_ok('-t: no folder for logs', [ '-c', "$dir/logs.conf", '-t' ], 1, $NOTHING,
	qr/^sniport: \Q$dir\E\/logs\.conf:\d+: log\.access: \Q$dir\E\/nothing\/a\.log cannot be opened: No such file or directory$/m);
# ... and tells of all that is missing outside of the file.
write_file("$dir/missing.conf", $good =~ s/tls\.pem/none.pem/r =~ s/tls\.key/none.key/r
	. qq(dns = { hosts_file = "$dir/none"; };));
run_ok('-t: missing files', [ '-c', "$dir/missing.conf", '-t' ], 1, $NOTHING,
	qr/none\.pem: .*\n.*none\.key: .*\n.*dns\.hosts_file: /);
write_file("$dir/missing.conf", $good . qq(\@include "dns.conf"\n));
write_file("$dir/dns.conf", qq(\n\ndns = {\nhosts_file = "$dir/none"; };\n));
run_ok('-t: a missing file of an included one',
	[ '-c', "$dir/missing.conf", '-t' ], 1, $NOTHING,
	qr/^sniport: \Q$dir\E\/dns\.conf:4: dns\.hosts_file: \Q$dir\E\/none: /m);

# -T: what it prints is the same configuration, and complete.
for (
	[ 'a small one', $file ],
	[ 'the sample', top() . '/etc/sniport.conf' ],
	[ 'one with odd strings', write_file("$dir/odd.conf", $good .
		q(dns = { servers = [ "192.0.2.53", "[2001:db8::53]:5353" ]; };
		user = "a\"b\\\\c d";)) ],
) {
	my ($title, $from) = @$_;
	subtest "-T: $title" => sub {
		my ($status, $first, $said) = sniport_run('-c', $from, '-T');
		is($status, 0, 'it is printed') or diag($said);
		like($first, qr/^\ttunnels = 100000;.*^\taccess = /ms, 'with defaults');
		my ($again, $second, $err) = sniport_run('-c',
			write_file("$dir/printed.conf", $first), '-T');
		is($again, 0, 'what was printed is valid') or diag($err);
		is($second, $first, 'and prints the same');
	};
}

# -q
for (
	[ 0, 'db.example.com:5432', undef, 'db.example.com:5432: allow by rule "db"' ],
	[ 0, 'DB.Example.COM.:5432', undef, 'db.example.com:5432: allow by rule "db"' ],
	[ 1, 'db.example.com:5433', undef, 'db.example.com:5433: deny: no rule allows this target to this client' ],
	[ 1, 'mail.test:25', undef, 'mail.test:25: deny by rule "no"' ],
	[ 0, 'www.example.org:443', '10.1.2.3', 'allow by rule "team"' ],
	[ 1, 'www.example.org:443', '10.2.0.1', 'deny: no rule allows this target to this client' ],
	[ 1, 'www.example.org:443', '2001:db8::1', 'deny: no rule allows this target to this client' ],
	[ 1, 'www.example.org:443', undef, '\Athe client\'s address is unknown: rule "team", .* -s\n.*deny: no rule' ],
	[ 1, '10.1.1.1:22', undef, 'allow by rule "lan"\nguard: .* is refused: ' ],
	[ 0, '192.0.2.1:22', undef, 'allow by rule "own"\nguard: .* may be dialled' ],
) {
	my ($status, $target, $client, $says) = @$_;
	run_ok("-q $target" . ($client ? " -s $client" : ''),
		[ @config, '-q', $target, $client ? ('-s', $client) : () ],
		$status, qr/$says/, $NOTHING);
}
# What is said is true.
run_ok('-q: an address that no rule asks for is not missed', [ @config, '-q',
	'db.example.com:5432', '-s', 'client.example.com' ], 0,
	qr/\Adb\.example\.com:5432: allow by rule "db"\n\z/, $NOTHING);
run_ok('-q: an identity is not an address', [ @config, '-q',
	'www.example.org:443', '-s', 'client.example.com' ], 1,
	qr/\Athe client's address is unknown: rule "team"/, $NOTHING);
run_ok('-q: a configuration that cannot be used', [ '-c',
	write_file("$dir/broken.conf", "workers = ;\n"), '-q', 'a.test:1' ], 2, $NOTHING,
	qr/\Asniport: .*broken\.conf:1: workers: /);
for (
	[ [ 'db.example.com' ], 'the server name has no port \(sni_no_port\)' ],
	[ [ 'db.example.com:0443' ], '.*not a number from 1 to 65535 \(sni_bad_port\)' ],
	[ [ 'a b:443' ], '.* \(sni_bad_host\)' ],
	[ [ ':443' ], '.* \(sni_no_host\)' ],
	[ [ '' ], '.* \(sni_\w+\)' ],
	[ [ 'a.test:443', '-s', 'a client' ], '.*\ban IP address\b.*' ],
	[ [ 'a.test:443', '-s', '10.0.0.1:80' ], '.*\ban IP address\b.*' ],
) {
	my ($arguments, $says) = @$_;
	run_ok("-q @$arguments", [ @config, '-q', @$arguments ], 2, $NOTHING,
		qr/\Asniport: -[qs] .*: $says\n\z/);
}

# Mistakes: the line, what is wrong, and what to write. `from` becomes `to` in
# the good file; the line is that of the match, or `below` it.
sub mistake_ok {
	my ($title, $from, $to, $says, $below) = @_;

	$good =~ $from or die "$title: nothing matches $from";
	my $line = 1 + (substr($good, 0, $-[0]) =~ tr/\n//) + ($below // 0);
	my $bad = write_file("$dir/bad.conf", $good =~ s/$from/$to/r);
	for my $option ([ '-t' ], [], [ '-T' ]) {
		run_ok("@$option $title", [ '-c', $bad, @$option ], 1, $NOTHING,
			qr/\Asniport: \Q$bad\E:$line: $says\n\z/);
	}
	return;
}

my $LIST = 'is a string; write a list .*\[ "\.\.\.", "\.\.\." \]';
mistake_ok('brace that is missing', qr/8443"; \}/, '8443";',
	'listeners: found "\)" in line 4, but the "\{" is not closed; write "\}" before it');
mistake_ok('bracket that is missing', qr/^\);\ntls/m, ";\ntls",
	'listeners: found ";", but the "\(" in line 2 is not closed; write "\)" before it');
mistake_ok('square for round', qr/listeners = \(/, 'listeners = [',
	'listeners: found "\{" in "\[ \.\.\. \]", expected .*; write "\( \.\.\. \)" .*', 1);
mistake_ok('time without quotes', qr/"1h"/, '1h',
	'timeouts\.idle: found "1h", which is not a number; write it in quotes, .*');
mistake_ok('setting given twice', qr/workers = 1;/, 'workers = 1; workers = 2;',
	'workers: is set twice, first in line 1; write it once');
mistake_ok('timeout for timeouts', qr/^timeouts/m, 'timeout',
	'timeout: .*\btimeouts\b.*');
mistake_ok('a letter wrong', qr/idle = /, 'idel = ',
	'timeouts\.idel: .*\bidle\b.*');
mistake_ok('setting at the wrong place', qr/workers = 1;/, 'idle = "1h";',
	'idle: .*');
mistake_ok('wrong unit', qr/"1h"/, '"1hour"',
	'timeouts\.idle: "1hour" is not a time; write .* ms, s, m, h or d.*');
mistake_ok('no unit', qr/"1h"/, '"3600"',
	'timeouts\.idle: "3600" is not a time; write .* ms, s, m, h or d.*');
mistake_ok('number for a time', qr/"1h"/, '3600',
	'timeouts\.idle: is a number; write a time .*');
mistake_ok('time out of bounds', qr/idle = "1h"/, 'connect = "1d"',
	'timeouts\.connect: .*; write .*"1h".*');
mistake_ok('number for a string', qr/workers = 1;/, 'user = 1000;',
	'user: is a number; write a string .*');
mistake_ok('string for a number', qr/workers = 1;/, 'workers = "4";',
	'workers: is a string; write a number of processes .*');
mistake_ok('number out of bounds', qr/workers = 1;/, 'workers = 5000;',
	'workers: 5000 is out of bounds; write a number of processes from 0 to 1024');
mistake_ok('number beyond 32 bits', qr/workers = 1;/, 'workers = 4294967297;',
	'workers: 4294967297 is out of bounds; write a number of processes from 0 to 1024');
mistake_ok('KB for KiB', qr/workers = 1;/, 'limits = { buffer = "64KB"; };',
	'limits\.buffer: "64KB" is not a size; write .* KiB, MiB or GiB.*');
mistake_ok('yes for true', qr/workers = 1;/, 'log = { access_connect = "yes"; };',
	'log\.access_connect: .*; write true or false');
mistake_ok("clients: $_", qr/"10\.1\.0\.0\/16"/, qq("$_"), 'rules\.clients: ' .
	qq("$_" is a DNS name that a client's certificate must have; ) .
	'for every client, leave clients out') for 'all', 'ANY';
mistake_ok('rule without port', qr/:5432/, '',
	'rules.*\.destinations: "db\.example\.com" is not a destination: it has no port; write host:port.*');
mistake_ok('rule with a URL', qr/"db\./, '"https://db.',
	'rules.*\.destinations: "https:.*" is not a destination: it is a URL; write host:port.*');
mistake_ok('rule with a port out of range', qr/:5432/, ':99999',
	'rules.*\.destinations: .* is not a destination: its port is not a number from 1 to 65535; write .*');
mistake_ok('rule with two ports', qr/:5432/, ':80,443',
	'rules.*\.destinations: .* is not a destination: it has more than one port; write .*');
mistake_ok('time longer than another', qr/idle = "1h"/, 'client_hello = "16s"',
	'timeouts\.client_hello: "16s" is longer than timeouts\.handshake, which is "15s"; write at most "15s", .*');
mistake_ok('rule without action', qr/action = "allow"; dest/, 'dest',
	'rules.*\.action: is missing; write "allow".*');
mistake_ok('unknown action', qr/"allow"/, '"accept"',
	'rules.*\.action: "accept" .*; write "allow".*');
mistake_ok('string for a list', qr/\[ "db\.example\.com:5432" \]/, '"a.test:1"',
	"rules.*\\.destinations: $LIST");
mistake_ok('bits beyond the prefix', qr/10\.1\.0\.0\/16/, '10.1.2.0/16',
	'rules.*\.clients: "10\.1\.2\.0/16" has bits .*; write .*');
mistake_ok('two rules of one name', qr/name = "no"/, 'name = "db"',
	'rules.*\.name: "db" is also the name of rule 1; write another');
mistake_ok('name for an address', qr/127\.0\.0\.1:/, 'localhost:',
	'listeners.*\.address: "localhost:8443" is not an address with a port; write .*');
mistake_ok('port for an address', qr/"127\.0\.0\.1:8443"/, '8443',
	'listeners.*\.address: is a number; write an address .*');
mistake_ok('file without its folder', qr/"[^"]*tls\.key"/, '"tls.key"',
	'tls\.certificates.*\.key: "tls\.key" is not an absolute path; write .*');
mistake_ok('log without its folder', qr/workers = 1;/,
	'log = { access = "audit.log"; };',
	'log\.access: "audit\.log" is not a place for a log; write "stdout", .*');
mistake_ok('include that is missing', qr/workers = 1;/,
	'@include "none.conf"', '.*none\.conf.*');

# What is missing altogether, and several mistakes at once.
for my $section ('listeners', 'tls') {
	my $bad = write_file("$dir/bad.conf", $good =~ s/^$section = .*?^[)}];\n//msr);
	run_ok("no $section", [ '-c', $bad, '-t' ], 1, $NOTHING,
		qr/\Asniport: \Q$bad\E:\d+: $section\S*: is missing; write .*\n\z/);
}
run_ok('an empty file', [ '-c', write_file("$dir/bad.conf", ''), '-t' ], 1, $NOTHING,
	qr/: listeners: is missing; .*\n.*: tls.*: is missing; /);
{
	my $bad = write_file("$dir/bad.conf", $good =~ s/workers = 1/worker = 1/r =~
	    s/"1h"/"1x"/r =~ s/:5432//r);
	run_ok('three mistakes', [ '-c', $bad, '-t' ], 1, $NOTHING,
		qr/\A(?:sniport: \Q$bad\E:\d+: .*\n){3}\z/);
}
# In a file that is included, its own name and line are told.
{
	my $part = write_file("$dir/part.conf", "# one\n# two\nidel = \"1h\";\n");
	my $bad = write_file("$dir/bad.conf", $good =~
	    s/idle = "1h";/\@include "part.conf"/r);
	run_ok('an included file', [ '-c', $bad, '-t' ], 1, $NOTHING,
		qr/\Asniport: \Q$part\E:3: timeouts\.idel: .*\bidle\b.*\n\z/);
}

done_testing;
