#!/usr/bin/perl
# ClientHellos that are malformed, old, huge, slow, cut in pieces, changed on
# the way, or none at all.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Socket qw(IPPROTO_TCP SOCK_STREAM TCP_NODELAY);
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Refused qw(escaped refused_ok);
use Sniport::Test qw(deadline readable tls_library under_valgrind);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });
my $name = "example.com:$port";
my %TARGET = (target => $name, host => 'example.com', port => $port,
	decision => 'allow', rule => 'test');

my $daemon = Sniport::Daemon->new(
	listeners => qq({ address = "127.0.0.1:%PORT%"; },
		{ address = "127.0.0.1:%PORT_both%"; default_port = $port;
		  default_destination = "fallback.example.com:$port"; }),
	dns => 'servers = [ "' . $dns->server . '" ];');

sub hello { return Sniport::Hello::client_hello(name => $name, @_); }
sub records { return Sniport::Hello::records(@_); }

# An extension that only takes room.
sub padding { return (after => [ [ 21, "\0" x $_[0] ] ]); }

# The server_name extension: decode_error, with and without defaults.
my $entry = pack 'C n/a*', 0, $name;
my $list = pack 'n/a*', $entry;
my %MALFORMED = (
	'of length 0' => '',
	'of length 1' => "\0",
	'empty list' => "\0\0",
	'empty list and more' => "\0\0\0",
	'list without a name' => "\0\1\0",
	'name without its length' => "\0\2\0\0",
	'list too long' => pack('n', 1 + length $entry) . $entry,
	'list much too long' => "\xff\xff$entry",
	'list too short' => pack('n', length($entry) - 1) . $entry,
	'trailing byte' => "$list\0",
	'trailing list' => "$list$list",
	'trailing byte within the list' => pack('n/a*', "$entry\0"),
	'two host_names' =>
	    Sniport::Hello::server_name($name, "other.example:$port"),
	'the same host_name twice' => Sniport::Hello::server_name($name, $name),
	'host_name and empty host_name' => Sniport::Hello::server_name($name, ''),
	'name type 1' => Sniport::Hello::server_name([ 1, $name ]),
	'name type 255' => Sniport::Hello::server_name([ 255, $name ]),
	'host_name, then name type 1' =>
	    Sniport::Hello::server_name($name, [ 1, 'x' ]),
	'name type 1, then host_name' =>
	    Sniport::Hello::server_name([ 1, 'x' ], $name),
	'name too long' => pack('n n/a*', 3 + length $name, 0) .
	    pack('n', 1 + length $name) . $name,
	'name of 65535 bytes' => pack('n/a*', "\0\xff\xff$name"),
	'name too short' => pack('n/a*',
		pack('C n', 0, length($name) - 1) . $name),
	'name without its list' => $entry,
	'just the name' => $name,
	'a NUL' => "\0",
);
for my $listener ('', 'both') {
	refused_ok($daemon, map { [
		title => "server_name: $_", sent => 'alert 2 50',
		hello => [ server_name => $MALFORMED{$_} ],
		reason => 'sni_malformed', port => $daemon->port($listener),
	] } sort keys %MALFORMED);
}

# Extension twice: illegal_parameter.
refused_ok($daemon, map { [
	title => "server_name extension twice: $_->[0]", sent => 'alert 2 47',
	reason => 'tls_handshake', line => { detail => 'the hello has an extension twice' },
	bytes => records(hello(@{ $_->[1] })),
] } [ 'same name', [ after => [ [ 0, $list ] ] ] ],
	[ 'other name', [ before => [ [ 0,
		Sniport::Hello::server_name("evil.test:$port") ] ] ] ],
	[ 'empty', [ before => [ [ 0, '' ] ] ] ]);

# What is older than TLS 1.2, whatever its name.
my @OLD = (versions => undef, key_share => undef,
	ciphers => [ 0xc009, 0xc013, 0x002f, 0x0035, 0x000a, 0x0005, 0x00ff ]);
refused_ok($daemon, map { [
	title => "version: $_->[0]", sent => 'alert 2 ' . ($_->[2] // 70),
	reason => 'tls_version', bytes => $_->[1], name => $name,
	line => \%TARGET,
] } [ 'TLS 1.1' => records(hello(version => 0x0302, @OLD)) ],
	[ 'TLS 1.0' => records(hello(version => 0x0301, @OLD)) ],
	# SSL 3 has no alert for that: handshake_failure; AWS-LC sends it anyway.
	[ 'SSL 3' => records(hello(version => 0x0300, @OLD)),
	    tls_library() eq 'AWS-LC' ? 70 : 40 ],
	[ 'TLS 1.1 in supported_versions' =>
	    records(hello(versions => [ 0x0302, 0x0301 ])) ],
	[ 'only GREASE in supported_versions' =>
	    records(hello(versions => [ 0x0a0a, 0x7a7a ])) ],
	[ 'a draft of TLS 1.3' => records(hello(versions => [ 0x7f1c ])) ]);
refused_ok($daemon, map { [
	title => 'version: SSLv2 hello', sent => 'alert 2 70',
	reason => 'tls_version', bytes => Sniport::Hello::sslv2_hello(),
	port => $daemon->port($_), line => { detail => 'a hello of SSL 2' },
] } '', 'both');

# What is not TLS at all gets no answer.
srand 20;
sub noise { return join '', map { chr int rand 256 } 1 .. $_[0]; }
my %NOT_TLS = (
	HTTP => "GET / HTTP/1.0\r\n\r\n",
	'HTTP CONNECT' => "CONNECT example.com:443 HTTP/1.1\r\n\r\n",
	'HTTP/2' => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	SSH => "SSH-2.0-OpenSSH_9.2p1\r\n",
	SMTP => "EHLO example.com\r\n",
	'PROXY v1' => "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" . records(hello()),
	'PROXY v2' => "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" . 'x' x 12,
	PostgreSQL => pack('NN', 8, 80877103),
	MySQL => "\x4a\0\0\0\x0a5.7.1\0",
	'one byte' => 'x',
	'a newline' => "\n",
	NULs => "\0" x 100,
	'0xff' => "\xff" x 100,
	'a heartbeat' => "\x18\x03\x03\0\3\1\0\1x",
	'a type below TLS\'s' => "\x13\x03\x01\0\5hello",
	'a record of version 2' => "\x16\x02\x00\0\5hello",
	'a record of DTLS' => "\x16\xfe\xfd" . "\0" x 40,
	'SSLv2 but no hello' => "\x80\x10\x04\x03\x03",
	'random bytes' => "\x01" . noise(100),
	'many random bytes' => '~' . noise(100_000),
);
refused_ok($daemon, map { [ title => "not TLS: $_", bytes => $NOT_TLS{$_},
	sent => '', end => 'reset', reason => 'not_tls',
	line => { server_name => undef } ] } sort keys %NOT_TLS);
ok($daemon->wait_log(qr/: not_tls: the client's first bytes are not TLS/),
	'the error log says what a mesh without TLS sends');

# What begins like TLS and is none.
refused_ok($daemon, map { [ title => "no hello: $_->[0]", bytes => $_->[1],
	sent => "alert 2 $_->[2]", reason => 'tls_handshake',
	line => $_->[3] // {} ] }
	[ 'another handshake message',
	    records(pack 'C a3 a*', 2, "\0\0\5", 'hello'), 10 ],
	[ 'application data', "\x17\x03\x03\0\5hello", 10 ],
	[ 'a hello of length 0', records("\1\0\0\0"), 50 ],
	[ 'a hello cut short', records(pack 'C a3 a*', 1, "\0\0\x64",
		substr hello(), 4, 100), 50 ],
	[ 'a record too long', "\x16\x03\x01\xff\xff" . 'x' x 10, 22 ],
	[ 'bytes behind the extensions', records(hello() =~
		s/^(.)(...)(.*)$/pack 'C a3 a*', 1, substr(pack('N', 1 +
		unpack 'N', "\0$2"), 1), "$3\0"/ser), 50 ],
	[ 'no cipher in common', records(hello(ciphers => [ 0x0005 ])), 40,
	    { server_name => $name, %TARGET } ]);

is_deeply([ $dns->questions ], [], 'no name was asked for');
ok($upstream->quiet, 'and no upstream was reached');

# Too big, declared or real.
$daemon->reload(limits => 'client_hello = "4KiB";');
my $big = hello(padding(4000));
refused_ok($daemon, map { [ title => "too big: $_->[0]", sent => '',
	end => 'reset', bytes => $_->[1], reason => 'client_hello_too_big',
	line => {} ] }
	[ 'declared', records("\1" . "\0\x10\1" . substr hello(), 4) ],
	[ 'declared, 16 MiB', records("\1\xff\xff\xff\3\3") ],
	[ 'declared, the header in four records', records("\1\0\x20\0", 1) ],
	[ 'declared, nothing else', records("\1\0\x20\0") ],
	[ 'really', records($big) ],
	[ 'really, in small records', records($big, 100) ],
	[ 'by its records alone', records(hello(padding(500)), 1) ]);
$daemon->reload(limits => 'client_hello = "32KiB";');

# A ClientHello that is accepted; the connection is closed then. Returns the
# answer and the audit line.
sub accepted_ok {
	my ($title, $bytes, %option) = @_;
	my %want = (%TARGET, server_name => $name, %{ delete $option{line} // {} });
	my $answer = Sniport::Hello::exchange(
		delete $option{port} // $daemon->port, $bytes, %option);
	my $local = $answer->{socket}->sockport;

	close $answer->{socket};
	my $line = { lines_of($daemon, $local) }->{$local};
	is_deeply({ hello => $answer->{hello}, reason => $line->{reason},
		map { ($_ => $line->{$_}) } keys %want },
		{ hello => 1, reason => 'client_abandoned', %want },
		"accepted: $title") or diag(Sniport::Hello::sent($answer));
	return $answer;
}

accepted_ok('a hello that is no bigger than the limit', records($big));
# AWS-LC takes 16 KiB at most.
my $BIG = tls_library() eq 'AWS-LC' ? 15_000 : 30_000;
accepted_ok("a hello of $BIG bytes in several records",
	records(hello(padding($BIG)), 4000));

# Cut in pieces.
accepted_ok("records of $_ bytes", records(hello(), $_)) for 1, 2, 3, 40, 64;
accepted_ok("segments of $_ bytes", records(hello()), segment => $_)
    for 1, 2, 7;
accepted_ok('records and segments of one byte', records(hello(), 1),
	segment => 1);

# What clients add.
my @GREASE = (
	ciphers => [ 0x4a4a, 0x1301, 0xc02b, 0xc02f ],
	versions => [ 0x2a2a, 0x0304, 0x0303 ], groups => [ 0x9a9a, 0x001d ],
	before => [ [ 0x1a1a, '' ] ], after => [ [ 0xfafa, "\0" ],
		[ 0xfe0d, pack 'C n n C n/a* n/a*', 0, 1, 1, 7, 'K' x 32,
			'P' x 144 ], [ 0x4469, "\0\3\2h2" ], [ 0xcafe, 'x' x 100 ],
		[ 17, "\0\7\2\0\4\0\0\0\0" ], [ 5, "\1\0\0\0\0" ],
		[ 18, '' ], [ 27, "\2\0\2" ], [ 28, "\x40\1" ] ]);
accepted_ok('GREASE, GREASE ECH and unknown extensions',
	records(hello(@GREASE)));

# The key exchange that tls.groups begins with where the library has it, offered
# alone, as by a mesh that insists on it.
{
	my $share = pack 'n n/a*', 0x11ec, "\0" x 1184 . "\x09" . "\0" x 31;
	my $offer = records(hello(groups => [ 0x11ec, 0x001d ],
		key_share => undef, after => [ [ 51, pack 'n/a*', $share ] ]));
	if (tls_library() eq 'AWS-LC') {
		my $answer = accepted_ok('X25519MLKEM768', $offer);
		like($answer->{raw}, qr/\x00\x33\x04\x64\x11\xec\x04\x60/,
			'is agreed to, with a share of 1088 and 32 bytes');
	} else {
		my $answer = Sniport::Hello::exchange($daemon->port, $offer);
		like($answer->{raw}, qr/\x00\x33\x00\x02\x00\x1d/,
			'for X25519MLKEM768, X25519 is asked for');
	}
}
accepted_ok('without supported_versions', records(hello(versions => undef,
	key_share => undef)));
accepted_ok('a session id of length 0', records(hello(session => '')));

# The numbers of the extensions of an unencrypted ServerHello.
sub selected {
	my ($answer) = @_;
	my $body = unpack 'x3 n/a*', $answer->{raw};

	my ($session, $extensions) = unpack 'x38 C/a* x3 n/a*', $body;
	return [ unpack '(n n/x)*', $extensions // '' ];
}

for my $alpn ([ 'h2', 'http/1.1' ], [ 'istio' ],
	[ 'istio-peer-exchange', 'istio' ], [ "\x0a\x0a" ]) {
	my $answer = accepted_ok("ALPN @{ [ map { escaped($_) } @$alpn ] }",
		records(hello(alpn => $alpn, versions => undef)));
	ok(!(grep { $_ == 16 } @{ selected($answer) }), 'nothing is selected');
}

# What breaks the records of a handshake that is under way has nothing to do with
# the versions that were offered.
for ([ 'plain text', "GET / HTTP/1.0\r\n\r\n" ],
	[ 'a record of version 2', "\x16\x02\x00\0\5hello" ]) {
	my $answer = Sniport::Hello::exchange($daemon->port, records(hello()));
	my $local = $answer->{socket}->sockport;
	Sniport::Hello::exchange($daemon->port, $_->[1],
		socket => $answer->{socket});
	is({ lines_of($daemon, $local) }->{$local}{reason}, 'tls_handshake',
		"$_->[0] in the midst of a handshake");
}

# HelloRetryRequest: nothing of the name may change.
sub retried {
	my ($first, $second, %option) = @_;

	return (bytes => records(Sniport::Hello::client_hello(key_share => 0,
			@$first)), exchange => [ retry => sub {
		return records(Sniport::Hello::client_hello(@$second), $option{size});
	} ]);
}

{
	my %again = (retried([ name => $name ], [ name => $name ]));
	my $answer = accepted_ok('the same name after a HelloRetryRequest',
		$again{bytes}, @{ $again{exchange} });
	is($answer->{retry}, 1, 'which there was');
	%again = (retried([ name => $name ], [ name => $name ], size => 1));
	accepted_ok('the same name again, in records of one byte',
		$again{bytes}, @{ $again{exchange} });
	%again = (retried([ name => $name, padding($BIG) ],
		[ name => $name, padding($BIG) ]));
	accepted_ok('each as big as one may be', $again{bytes},
		@{ $again{exchange} });
	for my $n (1, 20) {
		my $second = hello();
		accepted_ok("$n records between the hellos, in one segment",
			$again{bytes}, retry => sub {
				return "\x14\x03\x03\0\1\1" x $n . records($second);
			});
	}
	%again = retried([], []);
	accepted_ok('no name both times', $again{bytes}, @{ $again{exchange} },
		port => $daemon->port('both'), line => {
		target => "fallback.example.com:$port",
		host => 'fallback.example.com', server_name => undef });
}

# The dial is under way already when the name changes; what it has reached by
# then is of no interest here.
my @DIALLED = qw(upstream egress tried dns_ms connect_ms bytes_from_client
	bytes_from_upstream);
refused_ok($daemon, map { [
	title => "after a HelloRetryRequest: $_->[0]", name => $name,
	retried([ name => $name ], $_->[1]), reason => 'sni_changed',
	sent => 'retry, change_cipher_spec, alert 2 47',
	line => \%TARGET, ignore => \@DIALLED,
] } [ 'another name', [ name => "evil.test:$port" ] ],
	[ 'another port', [ name => 'example.com:22' ] ],
	[ 'a re-cased name', [ name => "Example.com:$port" ] ],
	[ 'another spelling', [ name => "example.com.:$port" ] ],
	[ 'the name in service form', [ name => "_$port._tcp.example.com" ] ],
	[ 'a shorter name', [ name => substr $name, 0, -1 ] ],
	[ 'a longer name', [ name => "${name}0" ] ],
	[ 'an empty name', [ name => '' ] ],
	[ 'a NUL behind the name', [ name => "$name\0" ] ],
	[ 'a dropped name', [] ],
	[ 'a malformed name', [ server_name => "$list\0" ] ],
	[ 'a second host_name', [ server_name =>
		Sniport::Hello::server_name($name, "evil.test:$port") ] ]);
refused_ok($daemon, [
	title => 'after a HelloRetryRequest: a name where there was none',
	retried([], [ name => $name ]), reason => 'sni_changed',
	sent => 'retry, change_cipher_spec, alert 2 47',
	port => $daemon->port('both'), ignore => \@DIALLED, line => { %TARGET,
		target => "fallback.example.com:$port",
		host => 'fallback.example.com' },
], [
	title => 'after a HelloRetryRequest: the name twice', name => $name,
	retried([ name => $name ], [ name => $name, after => [ [ 0, $list ] ] ]),
	reason => 'tls_handshake', sent => 'retry, change_cipher_spec, alert 2 47',
	line => \%TARGET, ignore => \@DIALLED,
], [
	title => 'after a HelloRetryRequest: no key share again', name => $name,
	retried([ name => $name ], [ name => $name, key_share => 0 ]),
	reason => 'tls_handshake', sent => 'retry, change_cipher_spec, alert 2 47',
	line => \%TARGET, ignore => \@DIALLED,
], [
	title => 'after a HelloRetryRequest: the second hello is too big',
	name => $name, end => 'reset', reason => 'client_hello_too_big',
	retried([ name => $name, padding($BIG) ],
		[ name => $name, padding(33_000) ]),
	sent => 'retry, change_cipher_spec', line => \%TARGET, ignore => \@DIALLED,
]);

# A refused name costs no HelloRetryRequest.
refused_ok($daemon, [ title => 'a bad name without a key share',
	name => 'example.com:0', hello => [ key_share => 0 ],
	sent => 'alert 2 112', reason => 'sni_bad_port' ]);

# It may have been asked again for what was no longer known.
my %heard = map { ($_ => 1) } $dns->questions;
is_deeply([ sort keys %heard ], [ map { ("$_ A", "$_ AAAA") }
	'example.com', 'fallback.example.com' ],
	'the name server has heard no other name');


# Real clients, through a relay that cuts what they send. It reports whether
# there was a HelloRetryRequest.
sub relay {
	my ($cut) = @_;
	my $to = $daemon->port;

	return Sniport::Upstream->new(code => sub {
		my ($client) = @_;
		my $server = IO::Socket::IP->new(PeerHost => '127.0.0.1',
			PeerPort => $to, Type => SOCK_STREAM) // die "connect: $@";
		setsockopt($server, IPPROTO_TCP, TCP_NODELAY, 1);
		my ($first, $back) = ('', '');
		my %open = map { (fileno $_ => $_) } $client, $server;
		while (%open) {
			my $bits = '';
			vec($bits, $_, 1) = 1 for keys %open;
			select($bits, undef, undef, undef) > 0 or next;
			for my $fd (grep { vec $bits, $_, 1 } keys %open) {
				my $from = $open{$fd};
				my $other = $from == $client ? $server : $client;
				if (!sysread $from, my $data, 65536) {
					delete $open{$fd};
					shutdown $other, 1;
				} elsif ($from == $server) {
					$back .= $data;
					syswrite $other, $data;
				} elsif (defined $first) {
					$first .= $data;
					# The hello is the first record, alone.
					next if length $first <
					    5 + (unpack 'x3 n', "$first\0\0\0\0\0");
					syswrite $other, $_ for $cut->($first);
					undef $first;
				} else {
					syswrite $other, $_ for split //, $data;
				}
			}
		}
		return (retry => Sniport::Hello::sent({ raw => $back }) =~
			/^retry/ ? 1 : 0);
	});
}

sub served_ok {
	my ($title, $relay, %option) = @_;
	my $retry = delete $option{retry} // 0;
	my $client = Sniport::Client->new(port => $relay->port, name => $name,
		%option);

	$client->put('ping') if $client->established;
	is($client->get(4), 'ping', "served: $title") or diag($client->ended);
	$client->end;
	is($client->wait_end, 'close_notify', 'to a clean end');
	$client->close;
	is($relay->report->{retry}, $retry,
		($retry ? 'a' : 'no') . ' HelloRetryRequest');
	my $line = $daemon->wait_audit(sub { $_->{reason} ne 'client_abandoned' });
	is_deeply({ reason => $line->{reason}, target => $line->{target} },
		{ reason => 'done', target => $name }, 'audit line');
	return;
}

{
	my $segments = relay(sub { return split //, $_[0]; });
	my $shreds = relay(sub { return records(substr($_[0], 5), 1); });

	for my $version ('1.2', '1.3') {
		served_ok("TLS $version, segments of one byte", $segments,
			version => $version);
		served_ok("TLS $version, a hello in records of one byte", $shreds,
			version => $version);
		for my $alpn ([ 'h2', 'http/1.1' ], [ 'istio' ]) {
			my $client = Sniport::Client->new(port => $daemon->port,
				name => $name, version => $version, alpn => $alpn);
			$client->put('ping') if $client->established;
			is($client->get(4), 'ping', "TLS $version, ALPN @$alpn");
			is($client->alpn, undef, 'nothing is selected');
			$client->end;
			$client->wait_end;
			is($daemon->wait_audit->{reason}, 'done', 'and nothing fails');
		}
	}
	served_ok('a HelloRetryRequest', $segments, version => '1.3',
		groups => 'P-521:P-256', retry => 1);
	served_ok('a HelloRetryRequest and a hello in records of one byte',
		$shreds, version => '1.3', groups => 'P-521:X25519', retry => 1);
}

# Slow, or gone.
refused_ok($daemon, map { [ title => $_->[0], bytes => $_->[1], sent => '',
	exchange => [ fin => 1 ], reason => 'client_abandoned',
	line => { closed_first => 'client' } ] }
	[ 'gone without a word', '' ], [ 'gone after a byte', "\x16" ],
	[ 'gone within the hello', substr records(hello()), 0, -1 ]);
# Long enough for a hello that is there at once.
my $ms = under_valgrind() ? 10 : 1;
$daemon->reload(timeouts => sprintf 'client_hello = "%dms"; handshake = "%dms";',
	250 * $ms, 800 * $ms);
my @slow = refused_ok($daemon, map { [ title => "slow: $_->[0]",
	bytes => $_->[1], sent => '', end => 'reset',
	reason => 'client_hello_timeout' ] }
	[ 'silent', '' ], [ 'one byte', "\x16" ],
	[ 'half a hello', substr records(hello()), 0, 100 ],
	[ 'all but one byte', substr records(hello()), 0, -1 ],
	[ 'a record of a hello in two', substr records(hello(), 100), 0, 105 ]);
ok($_->{total_ms} >= 250 * $ms, 'not before its time') for @slow;

{
	local $SIG{PIPE} = 'IGNORE';
	my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
		PeerPort => $daemon->port, Type => SOCK_STREAM) // die "connect: $@";
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	my @bytes = split //, records(hello());
	my $local = $socket->sockport;
	# A byte now and then until the end is there, far beyond the deadline.
	while (@bytes && !readable($socket, deadline(0.02 * $ms))) {
		syswrite $socket, shift @bytes;
	}
	ok(scalar @bytes, 'byte after byte does not win time');
	is(sysread($socket, my $data, 100), undef, 'the client sees a reset');
	is({ lines_of($daemon, $local) }->{$local}{reason},
		'client_hello_timeout', 'audit line');

	my $answer = Sniport::Hello::exchange($daemon->port, records(hello()));
	is($answer->{hello}, 1, 'a client that does not end its handshake');
	$local = $answer->{socket}->sockport;
	$answer = Sniport::Hello::exchange($daemon->port, '',
		socket => $answer->{socket});
	is($answer->{end}, 'reset', 'is reset');
	my $line = { lines_of($daemon, $local) }->{$local};
	is($line->{reason}, 'handshake_timeout', 'audit line');
	ok($line->{total_ms} >= 800 * $ms, 'not before its time');
}

$daemon->stop_ok;
is_deeply([ grep { $_->{bytes_from_client} && $_->{reason} ne 'done' }
	$daemon->audit ], [], 'no refused client got a byte through');

done_testing;
