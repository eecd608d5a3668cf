#!/usr/bin/perl
# Every kind of server name: refused while the ClientHello is read, refused by
# rule or guard, or served as one canonical target.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Refused qw(escaped refused_ok);
use Sniport::Upstream;

my $UNRECOGNIZED = 'alert 2 112';
my $DENIED = 'alert 2 49';

# The longest names: labels of 63 bytes and the rest.
sub name_of {
	my ($length) = @_;

	return substr(join('.', map { $_ x 63 } qw(a b c d)), 0, $length);
}

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
# Whatever is asked for is there: a name that wrongly passes is served.
$dns->all({ A => ['127.0.0.1'] });

my %SETUP = (
	listeners => qq({ address = "127.0.0.1:%PORT%"; },
		{ address = "127.0.0.1:%PORT_port%"; default_port = $port; },
		{ address = "127.0.0.1:%PORT_both%"; default_port = $port;
		  default_destination = "Fallback.Example.COM.:$port"; }),
	dns => 'servers = [ "' . $dns->server . '" ];',
	hosts => "127.0.0.1 localhost\n10.0.0.5 intranet\n",
);

# Refused, on the listener that has no defaults. Every name and every address
# is allowed here, so only the grammar stands between them and the upstream.
my $daemon = Sniport::Daemon->new(%SETUP, rules => '{ name = "all";
	action = "allow"; destinations = [ "*:*", "0.0.0.0/0:*", "[::/0]:*" ];
	networks = [ "0.0.0.0/0", "::/0" ]; }');

my %REFUSED = (
	sni_no_port => [ 'example.com', 'example.com.', '1.2.3.4', '[::1]',
		'[2001:db8::1]', 'localhost', 'a_b', '_srv._udp.example.com',
		'_x9443._tcp.example.com', '_tcp.example.com',
		'_9443._tcpx.example.com', '_9443._udp.example.com',
		'9443._tcp.example.com' ],
	sni_bad_port => [ (map { "example.com:$_" } '', qw(0 00 65536 65537 70000
		131515 4294967739 18446744073709552059 99999999999999999999 00443
		0443 00 +443 -1 -443 0x1bb 1bb 0b1 0o673 4e2 1e0 443.0 443. .443
		https ssh * 443/ 443? 443; 443- 1-2), '443#', '443,80', ' 443',
		'443 ', "443\t", "443\r\n", "443\n", "\n443", "443\0", "\x{0}443",
		'4 43', "\xef\xbc\x94\xef\xbc\x94\xef\xbc\x93", # full-width digits
		"\xd9\xa4\xd9\xa4\xd9\xa3", "44\xb3"),         # Arabic-Indic ones
		'[2001:db8::1]:', '[2001:db8::1]:0', '[2001:db8::1]:0443',
		'1.2.3.4:', '1.2.3.4:65536', '_0._tcp.example.com',
		'_65536._tcp.example.com', '_09443._tcp.example.com',
		'_99999999999._tcp.example.com' ],
	sni_no_host => [ '', ':', ':443', ':0', ':https', '_9443._tcp',
		'_9443._tcp.', '_9443._TCP' ],
	sni_bad_host => [
		# colons
		'example.com:443:443', 'example.com::443', '::', ':::',
		'2001:db8::1:443', '::1:443', '::ffff:127.0.0.1:443',
		'1.2.3.4:80:80', 'a:b:443',
		# dots
		'example.com..:443', 'a..b:443', '.example.com:443', '.:443',
		'..:443', '.', '..', 'example.com..', '.example.com',
		# hyphens
		'-a.example.com:443', 'a-.example.com:443', 'xn--.de:443', '-:443',
		'example.-com:443', 'example.com-:443', 'example.com-.:443',
		# lengths
		'a' x 64 . '.example.com:443', 'example.' . 'a' x 64 . ':443',
		'a' x 249 . ':443', name_of(254), name_of(254) . ':', name_of(255),
		name_of(253) . ':12', name_of(254) . ':1', name_of(253) . '.:1',
		'a.' x 126 . 'aa.:1', 'a:443' x 51 . 'a', 'a' x 256, "\0" x 256,
		'example.com:443' . ' ' x 4000, 'a.' x 2000 . 'com:443',
		# bytes
		"m\xc3\xbcnchen.de:443", "m\xfcnchen.de:443", "\xff\xfe:443",
		"example.com\xff:443", "example\xe2\x80\xa4com:443",
		"ex\xc2\xadample.com:443", "\xef\xbb\xbfexample.com:443",
		"example.com\xe3\x80\x82:443", "\xe2\x80\xaemoc.elpmaxe:443",
		(map { ("exam${_}ple.com:443", "${_}example.com:443",
			"example.com${_}:443") } "\r", "\n", "\r\n", "\t", "\e", "\x7f",
			' ', "\0", "\x01", "\x0b", "\x80", "\xa0", "\e[2J", '"', '\\',
			'\\x00', '"}', "\n{}"),
		"example.com\0.evil.example:443", "example.com:443\0.evil:443",
		"\0:443", "\0", ' ', ' :443', "\r\n:443", "example.com\0", "\0" x 255,
		# what looks like something else
		'%65xample.com:443', 'example.com%00:443', '*.example.com:443',
		'*:443', '*:*', 'user@example.com:443', 'user:pass@example.com:443',
		'http://example.com:443', '//example.com:443',
		'example.com/x:443', 'example.com?x:443', 'example.com#x:443',
		'a;b:443', 'a,b:443', 'a|b:443', '$(id):443', '`id`:443', '!a:443',
		'a=b:443', 'a+b:443', "a'b:443", '<a>:443', '{a}:443', 'a~b:443',
		'^a:443', '(a):443', '&a:443',
		# numbers that inet_aton(3) would take for addresses
		'127.1:80', '0:80', '1.2.3:80', '1.2.3.256:80', '2130706433:80',
		'017700000001:80', '0177.0.0.1:80', '0x7f.1:80', '0x7F.1:80',
		'0x7f000001:80', '0X7F000001:80', '0x7f.0x0.0x0.0x1:80', '0x:80',
		'1.2.3.4.:80', '1.2.3.4.5:80', '01.2.3.4:80', '1.2.3.04:80',
		'1.2.3.4..:80', '.1.2.3.4:80', '127.0.0.1.:80', '127.1.:80',
		'0x7f.1.:80', 'example.1:80', 'example.0x1:80', 'example.123.:80',
		'999:80', '1.2.3.-4:80', '1.2.3.4 :80', ' 1.2.3.4:80',
		'_9443._tcp.127.0.0.1', '_9443._tcp.1.2.3.4', '_9443._tcp.127.1',
		# brackets
		'[fe80::1%eth0]:443', '[fe80::1%25eth0]:443', '[::1%lo]:443',
		'[example.com]:443', '[]:443', '[::1:443', '::1]:443', '[[::1]]:443',
		'[127.0.0.1]:443', '[1.2.3.4]:80', '[::1]]:443', '[::1 ]:443',
		'[ ::1]:443', '[::1].:443', '[::1].example.com:443', 'a[::1]:443',
		'[::1]443', '[:]:443', '[::]x:443', '[:::]:443', '[1::2::3]:443',
		'[12345::]:443', '[::g]:443', '[::1.2.3]:443', '[::1.2.3.4.5]:443',
		'[1:2:3:4:5:6:7]:443', '[1:2:3:4:5:6:7:8:9]:443', '[::1/128]:443',
		"[::1\0]:443", '[v1.a]:443', '[]', '[', ']', '[:', '[example.com]',
		'[[::1]]', '[fe80::1%eth0]', '[::1]:443]', '_9443._tcp.[::1]',
		'_9443._tcp..example.com', '_9443._tcp.-a.example.com',
		'_9443._tcp.example.com..' ],
);

sub refusals {
	my ($listener, %refused) = @_;

	return map {
		my $reason = $_;
		map { [ title => "$reason: " . (length > 80 ?
				length() . ' bytes' : escaped($_)),
			name => $_, sent => $UNRECOGNIZED, reason => $reason,
			port => $daemon->port($listener),
			line => length > 255 ? { server_name_length => length } : {} ]
		} @{ $refused{$reason} };
	} sort keys %refused;
}

my @lines = refused_ok($daemon, refusals('', %REFUSED),
	[ title => 'sni_missing', sent => $UNRECOGNIZED, reason => 'sni_missing' ]);
is_deeply([ grep { $_->{total_ms} < $_->{hello_ms} } @lines ], [],
	'no part of the time is longer than the whole');

# Defaults are for what is not there, and mend nothing.
delete $REFUSED{sni_no_port};
refused_ok($daemon, refusals('both', %REFUSED));
refused_ok($daemon,
	[ title => 'default_port does not stand in for the name',
		sent => $UNRECOGNIZED, reason => 'sni_missing',
		port => $daemon->port('port') ]);

is_deeply([ $dns->questions ], [], 'no name was asked for');
ok($upstream->quiet, 'and no upstream was reached');
unlike($daemon->slurp('audit.log'), qr/[^\x20-\x7e\n]/,
	'only printable ASCII is in the audit log');
unlike($daemon->log, qr/[^\x20-\x7e\n]/, 'and in the error log');

# Addresses: `*:*` is every name but no address.
my %ADDRESS = (
	'198.51.100.7:80' => '198.51.100.7:80',
	'127.0.0.1:22' => '127.0.0.1:22',
	'169.254.169.254:80' => '169.254.169.254:80',
	'0.0.0.0:80' => '0.0.0.0:80',
	'255.255.255.255:1' => '255.255.255.255:1',
	'8.8.8.8:53' => '8.8.8.8:53',
	'[2001:db8::1]:443' => '[2001:db8::1]:443',
	'[2001:DB8:0:0:0:0:0:1]:443' => '[2001:db8::1]:443',
	'[2001:0db8::0001]:443' => '[2001:db8::1]:443',
	'[::1]:443' => '[::1]:443',
	'[0:0:0:0:0:0:0:1]:443' => '[::1]:443',
	'[::]:443' => '[::]:443',
	'[::ffff:127.0.0.1]:443' => '127.0.0.1:443',
	'[::FFFF:7f00:1]:443' => '127.0.0.1:443',
	'[::ffff:169.254.169.254]:80' => '169.254.169.254:80',
	'[::127.0.0.1]:443' => '[::127.0.0.1]:443',
	'[64:ff9b::127.0.0.1]:443' => '[64:ff9b::7f00:1]:443',
	'[fe80::1]:443' => '[fe80::1]:443',
	'[2001:2::1]:443' => '[2001:2::1]:443',
	'[fd00:ec2::254]:80' => '[fd00:ec2::254]:80',
	'10.0.0.1:443' => '10.0.0.1:443',
	'100.100.100.200:80' => '100.100.100.200:80',
	'168.63.129.16:80' => '168.63.129.16:80',
	'240.240.0.1:443' => '240.240.0.1:443',
);

sub target {
	my ($text) = @_;

	my ($host, $target_port) = $text =~ /^\[?([^\]]*?)\]?:(\d+)$/;
	return (target => $text, host => $host, port => $target_port);
}

$daemon->reload(rules => '{ name = "names"; action = "allow";
	destinations = [ "*:*" ]; networks = [ "0.0.0.0/0", "::/0" ]; }');
refused_ok($daemon, map { [
	title => "no rule for an address: $_", name => $_, sent => $DENIED,
	reason => 'no_rule',
	line => { target($ADDRESS{$_}), decision => 'deny' },
] } sort keys %ADDRESS);
refused_ok($daemon, map { [
	title => "no rule for an address with the default port: $_->[0]",
	name => $_->[0], sent => $DENIED, reason => 'no_rule',
	port => $daemon->port('port'),
	line => { target("$_->[1]:$port"), decision => 'deny' },
] } [ '127.0.0.1', '127.0.0.1' ], [ '[::1]', '[::1]' ],
	[ '[::ffff:1.2.3.4]', '1.2.3.4' ]);

# Denied by rule, whatever the spelling.
$daemon->reload(rules => '{ name = "not there"; action = "deny";
	destinations = [ "db.example.com:5432", "*.evil.test:*",
	"192.0.2.0/24:*", "[2001:db8::/32]:*" ]; },
	{ name = "rest"; action = "allow"; destinations = [ "*:*" ]; }');
refused_ok($daemon, map { [
	title => "denied in any spelling: $_->[0]", name => $_->[0],
	sent => $DENIED, reason => 'rule_deny',
	line => { target($_->[1]), decision => 'deny', rule => 'not there' },
] } [ 'db.example.com:5432' => 'db.example.com:5432' ],
	[ 'DB.Example.COM:5432' => 'db.example.com:5432' ],
	[ 'db.example.com.:5432' => 'db.example.com:5432' ],
	[ '_5432._tcp.db.example.com' => 'db.example.com:5432' ],
	[ '_5432._TCP.DB.example.com.' => 'db.example.com:5432' ],
	[ 'a.evil.test:1' => 'a.evil.test:1' ],
	[ 'A.B.EVIL.TEST.:1' => 'a.b.evil.test:1' ],
	[ '192.0.2.1:443' => '192.0.2.1:443' ],
	[ '[::ffff:192.0.2.1]:443' => '192.0.2.1:443' ],
	[ '[2001:DB8::1]:443' => '[2001:db8::1]:443' ]);

is_deeply([ $dns->questions ], [], 'still no name was asked for');

# Refused by the guard, after the handshake: the rule names the addresses but
# opens none.
$daemon->reload(rules => '{ name = "addresses"; action = "allow";
	destinations = [ "0.0.0.0/0:*", "[::/0]:*", "*:*" ]; }');

# A client whose tunnel is reset after a good handshake; its audit line.
sub cut {
	my ($name, %option) = @_;
	my $client = Sniport::Client->new(port => $daemon->port, name => $name,
		version => '1.3', %option);
	my $local = $client->local_port;

	my $end = $client->established ? $client->wait_end : 'no handshake';
	$end = 'data' if $client->get_now ne '';
	return ($end, { lines_of($daemon, $local) }->{$local});
}

sub guard_ok {
	my ($name, $target, $reason, $tried) = @_;
	my ($end, $line) = cut($name);

	is_deeply({ end => $end, tried => $line->{tried},
		map { ($_ => $line->{$_}) }
		qw(reason target server_name decision rule upstream egress) },
		{ end => 'reset', reason => $reason, target => $target,
		server_name => escaped($name), decision => 'allow',
		rule => 'addresses', tried => $tried,
		upstream => undef, egress => undef }, "$reason: $name");
	return $line;
}

for my $name (sort keys %ADDRESS) {
	# The one that is an address of the world; nobody shall be dialled there.
	next if $name =~ /^8\./;
	my $target = $ADDRESS{$name};
	my $line = guard_ok($name, $target, 'guard', ["$target guard"]);
	like($line->{detail}, qr/^[A-Z]/, "$name: the range is named");
}
guard_ok('localhost:80', 'localhost:80', 'guard', ['127.0.0.1:80 guard']);
guard_ok('intranet:443', 'intranet:443', 'guard', ['10.0.0.5:443 guard']);
is_deeply([ $dns->questions ], [], 'addresses and hosts need no name server');

$dns->all(undef);
$dns->zone({
	'private.test' => { A => ['10.1.2.3'], AAAA => 'NODATA' },
	'mapped.test' => { AAAA => ['::ffff:127.0.0.1'] },
	'nat64.test' => { AAAA => ['64:ff9b::a9fe:a9fe'] },
	'alias.test' => { CNAME => 'middle.test' },
	'middle.test' => { CNAME => 'inner.test' },
	'inner.test' => { A => ['192.168.0.1'] },
});
guard_ok("private.test:$port", "private.test:$port", 'guard',
	["10.1.2.3:$port guard"]);
guard_ok("mapped.test:$port", "mapped.test:$port", 'guard',
	["[::ffff:127.0.0.1]:$port guard"]);
guard_ok('nat64.test:80', 'nat64.test:80', 'guard',
	['[64:ff9b::a9fe:a9fe]:80 guard']);
guard_ok('alias.test:443', 'alias.test:443', 'guard',
	['192.168.0.1:443 guard']) for 1 .. 2;

# sniport itself, even if the rule opens its address.
$dns->zone({
	'self.test' => { A => ['127.0.0.1'] },
	'also.test' => { A => ['127.9.9.9'] },
	'zero.test' => { A => ['0.0.0.0'] },
	'six.test' => { AAAA => ['::1'] },
});
$daemon->reload(rules => '{ name = "addresses"; action = "allow";
	destinations = [ "0.0.0.0/0:*", "[::/0]:*", "*:*" ];
	networks = [ "0.0.0.0/0", "::/0" ]; }');
for my $own ($daemon->port, $daemon->port('both')) {
	my %own = ("self.test:$own" => "127.0.0.1:$own",
		"also.test:$own" => "127.9.9.9:$own",
		"zero.test:$own" => "0.0.0.0:$own", "six.test:$own" => "[::1]:$own",
		"localhost:$own" => "127.0.0.1:$own");
	guard_ok($_, $_, 'own_listener', ["$own{$_} own_listener"])
	    for sort keys %own;
	for ('127.0.0.1', '127.1.2.3', '0.0.0.0', '[::1]', '[::]') {
		guard_ok("$_:$own", "$_:$own", 'own_listener',
			["$_:$own own_listener"]);
	}
	guard_ok("[::ffff:127.0.0.1]:$own", "127.0.0.1:$own", 'own_listener',
		["127.0.0.1:$own own_listener"]);
}
ok($upstream->quiet, 'the guard let nothing through');

# Served. What is at the upstream's port is resolved, the rest is led there.
$dns->all({ A => ['127.0.0.1'] });
$dns->clear;
$daemon->reload(rules => qq({ name = "resolved"; action = "allow";
	destinations = [ "*:$port", "127.0.0.0/8:$port", "[::1]:*" ];
	networks = [ "127.0.0.0/8", "::1" ]; },
	{ name = "led"; action = "allow"; destinations = [ "*:*" ];
	connect_to = "127.0.0.1:$port"; }));

sub served_ok {
	my ($name, $target, %option) = @_;
	my $listener = delete $option{listener};
	my $reached = delete $option{upstream} // $upstream;
	my $title = 'served: ' . (!defined $name ? 'no name' :
		length $name > 80 ? length($name) . ' bytes' : $name);
	my $client = Sniport::Client->new(name => $name,
		port => $daemon->port($listener), %option);
	my $local = $client->local_port;

	if (!$client->established) {
		fail($title);
		diag($client->ended);
		return {};
	}
	$client->put('ping');
	my $echo = $client->get(4);
	$client->end;
	my $end = $client->wait_end;
	my $line = { lines_of($daemon, $local) }->{$local};
	my $report = $reached->report;
	my $rule = $target =~ /:$port$|^\[::1\]/ ? 'resolved' : 'led';
	my $peer = $report->{peer} =~ s/^(.*:.*):/[$1]:/r;
	my %want = (target($target), reason => 'done', decision => 'allow',
		rule => $rule, egress => $peer,
		server_name => defined $name ? escaped($name) : undef);
	is_deeply({ echo => $echo, end => $end, bytes => $report->{bytes},
		map { ($_ => $line->{$_}) } keys %want },
		{ echo => 'ping', end => 'close_notify', bytes => 4, %want }, $title);
	return $line;
}

my @SERVED = (
	[ 'example.com:9443' => 'example.com:9443' ],
	[ 'example.com:1' => 'example.com:1' ],
	[ 'example.com:65535' => 'example.com:65535' ],
	[ 'EXAMPLE.com:9443' => 'example.com:9443' ],
	[ 'example.com.:9443' => 'example.com:9443' ],
	[ 'eXaMpLe.CoM.:9443' => 'example.com:9443' ],
	[ '_9443._tcp.example.com' => 'example.com:9443' ],
	[ '_9443._TCP.Example.com.' => 'example.com:9443' ],
	[ '_1._tcp.a' => 'a:1' ],
	[ '_9443._tcp._9443._tcp.example.com' => '_9443._tcp.example.com:9443' ],
	[ '_9443._tcp.example.com:80' => '_9443._tcp.example.com:80' ],
	[ '_srv._udp.example.com:53' => '_srv._udp.example.com:53' ],
	[ 'a_b.example.com:80' => 'a_b.example.com:80' ],
	[ '_:80' => '_:80' ],
	[ 'xn--mnchen-3ya.de:443' => 'xn--mnchen-3ya.de:443' ],
	[ 'XN--MNCHEN-3YA.DE:443' => 'xn--mnchen-3ya.de:443' ],
	[ '1.2.3.4.example.com:80' => '1.2.3.4.example.com:80' ],
	[ '127.0.0.1.nip.test:80' => '127.0.0.1.nip.test:80' ],
	[ '1e2:80' => '1e2:80' ],
	[ '4a.example:80' => '4a.example:80' ],
	[ '0x7g:80' => '0x7g:80' ],
	[ 'a--b.example.com:80' => 'a--b.example.com:80' ],
	[ 'localhost:80' => 'localhost:80' ],
	[ 'intranet:443' => 'intranet:443' ],
	[ 'a' x 63 . '.example.com:443' => 'a' x 63 . '.example.com:443' ],
	[ name_of(253) . ':1' => name_of(253) . ':1' ],
	[ uc(name_of(251)) . '.:1' => name_of(251) . ':1' ],
	[ 'a.' x 125 . 'aa.:1' => 'a.' x 125 . 'aa:1' ],
);
my $turn = 0;
served_ok(@$_, version => $turn++ % 2 ? '1.2' : '1.3') for @SERVED;
is_deeply([ $dns->questions ], [], 'connect_to needs no name server');

# One canonical form: all of these share one answer of the name server.
served_ok($_, "example.com:$port") for "Example.COM.:$port",
	"example.com:$port", "_$port._tcp.EXAMPLE.com", "EXAMPLE.COM:$port";
served_ok('ExAmPlE.cOm', "example.com:$port", listener => 'port');
is_deeply([ sort $dns->questions ], [ 'example.com A', 'example.com AAAA' ],
	'and the name server hears the canonical name, once');

# The listeners' defaults.
$dns->clear;
served_ok("given.test:$port", "given.test:$port", listener => 'port');
served_ok('example.com:9443', 'example.com:9443', listener => 'port');
served_ok('_9443._tcp.example.com', 'example.com:9443', listener => 'port');
served_ok(name_of(253), name_of(253) . ":$port", listener => 'port');
served_ok(uc(name_of(253)) . '.', name_of(253) . ":$port",
	listener => 'port');
served_ok('127.0.0.1', "127.0.0.1:$port", listener => 'port');
served_ok(undef, "fallback.example.com:$port", listener => 'both',
	version => $_) for '1.2', '1.3';
served_ok('example.com', "example.com:$port", listener => 'both');
# What was known may be so no longer, and is asked for again.
my %heard = map { ($_ => 1) } grep { !/^example\.com / } $dns->questions;
is_deeply([ sort keys %heard ], [ map { ("$_ A", "$_ AAAA") }
	name_of(253), 'fallback.example.com', 'given.test' ],
	'the name server hears the default destination\'s name');

# Addresses that a rule names and opens.
served_ok("127.0.0.1:$port", "127.0.0.1:$port");
served_ok("[::ffff:127.0.0.1]:$port", "127.0.0.1:$port");
served_ok("[::FFFF:7F00:0001]:$port", "127.0.0.1:$port");
SKIP: {
	my $six = eval { Sniport::Upstream->new('echo', undef, host => '::1') };
	if (!$six) {
		diag("SKIPPED: this machine has no ::1: $@");
		skip('no ::1', 2);
	}
	my $target = '[::1]:' . $six->port;
	served_ok($target, $target, upstream => $six);
	served_ok('[0:0:0::0001]:' . $six->port, $target, upstream => $six);
}

# Of several addresses only the permitted ones are dialled.
$dns->all(undef);
$dns->zone({ 'mixed.test' => { A => [ '10.0.0.1', '127.0.0.1',
	'169.254.169.254' ], AAAA => ['fe80::1'] } });
for (1 .. 4) {
	my $line = served_ok("mixed.test:$port", "mixed.test:$port");
	is($line->{upstream}, "127.0.0.1:$port", 'the permitted address is dialled');
	is_deeply([ grep { !/^127\.0\.0\.1:\d+ ok$| guard$/ }
		@{ $line->{tried} } ], [], 'and the others are refused');
}

# A name that changes between two connections is checked each time.
my $other = Sniport::Upstream->new('echo', undef, host => '127.0.0.2',
	port => $port);
$dns->zone({ 'turn.test' => [ map { { A => ["127.0.0.$_"], ttl => 0 } }
	2, 1, 2 ] });
$daemon->reload(
	dns => 'min_ttl = "0s"; servers = [ "' . $dns->server . '" ];',
	rules => qq({ name = "resolved"; action = "allow";
	destinations = [ "turn.test:$port" ]; networks = [ "127.0.0.2/32" ]; }));
is(served_ok("turn.test:$port", "turn.test:$port", upstream => $other)
	->{upstream}, "127.0.0.2:$port", 'the address that was first');
my ($end, $line) = cut("turn.test:$port");
is($end, 'reset', 'a name that turns to loopback is cut');
is($line->{reason}, 'guard', 'by the guard');
is_deeply($line->{tried}, ["127.0.0.1:$port guard"], 'which saw the address');
served_ok("turn.test:$port", "turn.test:$port", upstream => $other);

ok($upstream->quiet, 'nothing else reached the upstream');
$daemon->stop_ok;

done_testing;
