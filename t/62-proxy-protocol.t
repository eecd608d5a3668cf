#!/usr/bin/perl
# The PROXY protocol: headers towards an upstream, headers from a trusted load
# balancer, and what must not be taken for one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Digest::SHA qw(sha256_hex);
use Fcntl qw(F_SETFD);
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_CORK TCP_NODELAY);
use Test::More;

use Sniport::Audit qw(fields_ok);
use Sniport::Authority;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Proxy qw(header_of v1 v2);
use Sniport::Test qw(deadline group_kill group_start left readable run
	temporary timeout);
use Sniport::Upstream;

# A peer that has gone is an error of the write.
$SIG{PIPE} = 'IGNORE';

my $dir = temporary();
my $MESH = 'spiffe://cluster.local/ns/billing/sa/web';
my $authority = Sniport::Authority->new($dir, 'mesh');
my @key;
@key[0, 1] = $authority->issue('web', "URI:$MESH");

# An upstream that reads a header, then does what it is told: "greet" sends a
# line first, "end" sends bytes and ends its stream first, both then send back
# what comes; "answer" reads to the end, then sends bytes.
my $ANSWER = 300_000;

sub headed {
	my ($socket, $upstream) = @_;
	my ($in, $header) = ('');
	my $kind = $upstream->{kind_of_headed};

	until ($header) {
		my $data = $upstream->get($socket);
		return (error => 'no header: ' . unpack 'H*', $in)
		    unless defined $data;
		$in .= $data;
		$header = eval { header_of($in) };
		return (error => "$@: " . unpack 'H200', $in) if $@;
	}
	substr $in, 0, $header->{length}, '';
	my $rest = Digest::SHA->new(256);
	my $greeting = $kind eq 'greet' ? "220 hello\r\n" :
	    $kind eq 'end' ? Sniport::Upstream::content($ANSWER) : '';
	$upstream->put($socket, $greeting) if $greeting ne '';
	shutdown $socket, 1 if $kind eq 'end';
	for (; defined $in; $in = $upstream->get($socket)) {
		$rest->add($in);
		$upstream->put($socket, $in) if $kind eq 'greet';
	}
	$upstream->put($socket, Sniport::Upstream::content($ANSWER))
	    if $kind eq 'answer';
	return (header => $header, rest => $rest->hexdigest);
}

my (%upstream, %port);
for my $kind (qw(greet end answer)) {
	$upstream{$kind} = Sniport::Upstream->new(code => sub {
		my ($socket, $upstream) = @_;
		$upstream->{kind_of_headed} = $kind;
		return headed($socket, $upstream);
	});
	$port{$kind} = $upstream{$kind}->port;
}
my $echo = Sniport::Upstream->new('echo');
my $port = $echo->port;

my $NETWORKS = 'networks = [ "127.0.0.0/8" ];';
my $OUT = join ', ', map { qq({ name = "out$_"; action = "allow"; $NETWORKS
	egress = "line$_"; destinations = [ "v$_.test:*" ]; }) } 1, 2;
my $RULES = join ', ', $OUT, qq(
	{ name = "banned"; action = "deny"; clients = [ "198.51.100.66" ];
	  destinations = [ "*:*" ]; }), map { my ($name, $clients) = @$_;
	qq({ name = "$name"; action = "allow"; $NETWORKS
	  clients = [ $clients ]; destinations = [ "in.test:$port" ]; }) }
    [ 'four', '"198.51.100.0/24"' ], [ 'six', '"2001:db8::/32"' ],
    [ 'balancer', '"127.0.0.2", "::1"' ], [ 'direct', '"127.0.0.1"' ],
    [ 'outside', '"127.0.0.9"' ];

# Load balancers are at 127.0.0.2 and 127.0.0.3.
my $TRUSTED = 'trusted_proxies = [ "127.0.0.2/31" ];';
my %config = (
	listeners => qq({ address = "127.0.0.1:%PORT%"; $TRUSTED },
		{ address = "127.0.0.1:%PORT_plain%"; },
		{ address = "[::1]:%PORT_six%"; },
		{ address = "[::1]:%PORT_six_proxy%";
		  trusted_proxies = [ "::1" ]; },
		{ address = ":%PORT_both%"; $TRUSTED }),
	hosts => "127.0.0.1 v1.test v2.test in.test\n", rules => $RULES,
	egress => '{ name = "line1"; proxy_protocol = 1; },
		{ name = "line2"; proxy_protocol = 2; }',
	tls => 'client_auth = "optional"; client_ca = "' .
	    $authority->file . '";',
);
my $daemon = Sniport::Daemon->new(%config);

sub line_of {
	my ($client) = @_;
	my $local = ref $client ? $client->local_port : $client;

	return $daemon->wait_audit(sub {
		$_->{client_port} == $local ||
		    ($_->{proxy} // '') =~ /:$local$/ });
}

#
# To an upstream
#

sub out {
	my ($version, $kind, %option) = @_;

	return Sniport::Client->new(port => $daemon->port('plain'),
		name => "v$version.test:$port{$kind}", %option);
}

# Two tests: the upstream has got this header and then exactly these bytes;
# and so says the audit line.
sub headed_ok {
	my ($client, $kind, $bytes, $title, %want) = @_;
	my $local = $client->local_port;
	my $report = $upstream{$kind}->report;
	my $line = line_of($client);
	my $header = $report->{header} // {};

	delete $header->{length};
	%want = (family => 'tcp4', source => "127.0.0.1:$local",
		destination => '127.0.0.1:' . $daemon->port('plain'), %want);
	$want{crc32c} = 'right' if $want{version} == 2;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ error => $report->{error}, rest => $report->{rest},
		header => $header, end => $report->{end} },
		{ error => undef, rest => sha256_hex($bytes), header => \%want,
		end => 'fin' }, "$title: header and bytes")
	    or diag(explain($report));
	fields_ok($line, $title, reason => 'done',
		rule => "out$want{version}", bytes_from_client => length $bytes,
		egress_line => "line$want{version}",
		egress => $report->{peer}, proxy => undef);
	return;
}

my $big = Sniport::Upstream::content(1_000_000) =~ tr/0-9/g-p/r;
for my $version (1, 2) {
	for my $tls ('1.2', '1.3') {
		my @kind = ("v$version, TLS $tls");
		my %more = $version == 1 ? () : (command => 1, ssl => {
			client => 0x01, verify => 'no',
			version => "TLSv$tls" });
		my $want = sub {
			return (version => $version, %more, $version == 1 ?
				() : (authority => "v2.test:$port{$_[0]}"));
		};

		# The client speaks first.
		my $client = out($version, 'answer', version => $tls);
		$client->put('hello');
		$client->end;
		is($client->get_all, Sniport::Upstream::content($ANSWER),
			"@kind: bytes of the upstream");
		is($client->ended, 'close_notify', "@kind: a clean end");
		headed_ok($client, 'answer', 'hello', "@kind: client first",
			$want->('answer'));

		# The upstream does, which takes that the header comes alone.
		$client = out($version, 'greet', version => $tls);
		is($client->get(11), "220 hello\r\n", "@kind: a greeting");
		$client->put('bye');
		is($client->get(3), 'bye', "@kind: an echo");
		$client->end;
		is($client->wait_end, 'close_notify', "@kind: a clean end");
		headed_ok($client, 'greet', 'bye', "@kind: upstream first",
			$want->('greet'));

		# Nobody says anything.
		$client = out($version, 'answer', version => $tls);
		$client->end;
		$client->get_all;
		headed_ok($client, 'answer', '', "@kind: no byte",
			$want->('answer'));

		# Much, and one side ends before the other begins.
		$client = out($version, 'answer', version => $tls);
		$client->put($big);
		$client->end;
		is($client->get_all, Sniport::Upstream::content($ANSWER),
			"@kind: an answer after the end");
		headed_ok($client, 'answer', $big, "@kind: half-closed",
			$want->('answer'));
		$client = out($version, 'end', version => $tls);
		is($client->get_all, Sniport::Upstream::content($ANSWER),
			"@kind: the upstream ends first");
		$client->put($big);
		$client->end;
		headed_ok($client, 'end', $big, "@kind: its half-close",
			$want->('end'));
	}
}

# Who the client is, if it was verified.
for my $tls ('1.2', '1.3') {
	my $session;
	for my $title ('fresh', 'resumed') {
		my $client = out(2, 'answer', certificate => $key[0],
			key => $key[1], session => $session, version => $tls);
		my $resumed = $client->resumed;
		$client->end;
		$client->get_all;
		$session //= $client->session;
		is($resumed, $title eq 'resumed' ? 1 : 0, "TLS $tls: $title");
		my $report = $upstream{answer}->report;
		my $ssl = $report->{header}{ssl};
		is_deeply([ @$ssl{qw(verify version cn)} ],
			[ 'yes', "TLSv$tls", $MESH ],
			"TLS $tls, $title: the client's identity")
		    or diag(explain($report));
		# PP2_CLIENT_SSL, CERT_SESS, and CERT_CONN if one was sent.
		is($ssl->{client}, $resumed ? 0x05 : 0x07,
			"TLS $tls, $title: its certificate");
		line_of($client);
	}
}

# A certificate without a name was verified all the same.
{
	my ($pem, $key) = $authority->issue('nameless', '');
	my $client = out(2, 'answer', certificate => $pem, key => $key);
	$client->end;
	$client->get_all;
	my $ssl = $upstream{answer}->report->{header}{ssl};
	is_deeply([ @$ssl{qw(verify cn client)} ], [ 'yes', undef, 0x07 ],
		'a certificate without a name: verified') or diag(explain($ssl));
	line_of($client);
}

# Other families.
for (
	[ 1, '127.0.0.1', 'both', 'tcp4' ], [ 2, '127.0.0.1', 'both', 'tcp4' ],
	[ 1, '::1', 'six', 'tcp6' ], [ 2, '::1', 'six', 'tcp6' ],
) {
	my ($version, $host, $name, $family) = @$_;
	my $client = out($version, 'answer', host => $host,
		port => $daemon->port($name));
	my $address = $host =~ /:/ ? "[$host]" : $host;
	$client->end;
	$client->get_all;
	headed_ok($client, 'answer', '', "v$version, $name",
		version => $version, family => $family,
		source => "$address:" . $client->local_port,
		destination => "$address:" . $daemon->port($name),
		$version == 1 ? () : (command => 1,
			authority => "v2.test:$port{answer}",
			ssl => { client => 0x01, verify => 'no',
				version => 'TLSv1.3' }));
}

#
# From a load balancer
#

# Sends the bytes, then is a client. Options: port; source; how: "apart" (the
# hello comes behind), "together" (one segment holds both), "slices" (of one
# byte); name.
sub behind {
	my ($bytes, %option) = @_;
	my $how = delete $option{how} // 'apart';
	my $client = Sniport::Client->open(port => $daemon->port,
		source => '127.0.0.2', name => "in.test:$port", %option);
	my $socket = $client->socket // die $client->ended;

	setsockopt $socket, IPPROTO_TCP, TCP_CORK, 1 if $how eq 'together';
	for my $piece ($how eq 'slices' ? split(//, $bytes) : $bytes) {
		syswrite($socket, $piece) == length $piece or die "write: $!";
	}
	if ($how eq 'together') {
		$client->start_tls;
		Net::SSLeay::connect($client->{ssl});
		setsockopt $socket, IPPROTO_TCP, TCP_CORK, 0;
	}
	$client->handshake;
	return $client;
}

# Two tests: a tunnel with that header works, and the audit line has these
# fields; by => the load balancer, undef: none is noted.
sub behind_ok {
	my ($title, $bytes, $option, %want) = @_;
	my $client = behind($bytes, %$option);
	my $echo = $client->put('ping') ? $client->get(4) : $client->ended;
	my $address = $client->socket->sockhost;
	my $local = ($address =~ /:/ ? "[$address]" : $address) . ':' .
	    $client->local_port;

	$client->end;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $echo, $client->wait_end ], [ 'ping', 'close_notify' ],
		"$title: a tunnel");
	fields_ok(line_of($client), $title, client => $local, proxy => $local,
		reason => 'done', bytes_from_client => 4, %want);
	return;
}

my @four = ('198.51.100.7', 0, '192.0.2.1', 443);
my @six = ('2001:db8::7', 0, '2001:db8::1', 443);
my $next_port = 10000;

# The address, with a port that no other has.
sub from {
	my ($address, @rest) = @{ $_[0] };

	return [ $address, ++$next_port, @rest[1 .. $#rest] ];
}

sub client_of {
	my ($from) = @_;

	return ($from->[0] =~ /:/ ? "[$from->[0]]" : $from->[0]) . ":$from->[1]";
}

# A header as long as one may be, 2048 bytes: an IPv4 one is 28 without TLVs.
my @long = (tlvs => [ [ 0xe0, 'x' x 1000 ], [ 0xe1, 'x' x 1014 ] ]);
my @tlvs = (tlvs => [ [ 0x02, 'other.example:1' ], [ 0x04, 'x' x 20 ],
	[ 0x20, "\x07" . "\0" x 4 . Sniport::Proxy::tlv(0x22, 'admin') ] ]);
my @rows = (
	[ 'v1', \@four, sub { v1(@{ $_[0] }) } ],
	[ 'v1, IPv6', \@six, sub { v1(@{ $_[0] }) } ],
	[ 'v2', \@four, sub { v2($_[0]) } ],
	[ 'v2, IPv6', \@six, sub { v2($_[0]) } ],
	[ 'v2, TLVs', \@four, sub { v2($_[0], @tlvs, crc => 1) } ],
	[ 'v2, long', \@four, sub { v2($_[0], @long) } ],
);
for my $how (qw(apart together slices)) {
	for (@rows) {
		my ($title, $whom, $bytes) = @$_;
		my $from = from($whom);
		behind_ok("$title, $how", $bytes->($from), { how => $how },
			client => client_of($from), identity => undef,
			rule => $whom == \@six ? 'six' : 'four');
	}
}
my $from = from(\@four);
behind_ok('a mapped address', v2([ "::ffff:$from->[0]", $from->[1],
	'::ffff:192.0.2.1', 443 ]), {}, client => client_of($from),
	rule => 'four');
$from = from(\@four);
behind_ok('by IPv6', v1(@$from), { host => '::1', source => '::1',
	port => $daemon->port('six_proxy') }, client => client_of($from),
	rule => 'four');
$from = from(\@four);
behind_ok('a socket of both families', v1(@$from),
	{ port => $daemon->port('both') }, client => client_of($from),
	rule => 'four');

# The load balancer speaks for itself.
for (
	[ 'UNKNOWN', "PROXY UNKNOWN\r\n" ],
	[ 'UNKNOWN, long', 'PROXY UNKNOWN ' . 'x' x 91 . "\r\n" ],
	[ 'LOCAL', v2(undef, command => 0) ],
	[ 'LOCAL, addresses', v2(\@four, command => 0) ],
	[ 'LOCAL, anything', v2(undef, command => 0, body => "\xff" x 100) ],
	[ 'no addresses', v2(undef) ],
	[ 'a local socket', v2(undef, family => 0x31, body => 'x' x 216) ],
) {
	my ($title, $bytes) = @$_;
	behind_ok("$title, $_", $bytes, { how => $_ }, rule => 'balancer')
	    for qw(apart together);
}

# Policy is about the client.
$from = from([ '198.51.100.66', 0, '192.0.2.1', 443 ]);
my $client = behind(v2($from));
is($client->ended, 'alert access_denied', 'a client that is denied');
fields_ok(line_of($client), 'denied', reason => 'rule_deny', rule => 'banned',
	client => client_of($from), proxy => '127.0.0.2:' . $client->local_port);
$from = from([ '203.0.113.1', 0, '192.0.2.1', 443 ]);
$client = behind(v1(@$from));
is($client->ended, 'alert access_denied', 'a client without a rule');
fields_ok(line_of($client), 'no rule', reason => 'no_rule',
	client => client_of($from), client_address => '203.0.113.1');

# In and out: the upstream hears of the client, not of the load balancer.
for my $whom (\@four, \@six) {
	$from = from($whom);
	$client = behind(v2($from), name => "v2.test:$port{greet}");
	$client->end;
	$client->get_all;
	line_of($client);
	my $to = '127.0.0.1:' . $daemon->port;
	$to = "[::ffff:127.0.0.1]:" . $daemon->port if $whom == \@six;
	my $header = $upstream{greet}->report->{header};
	is_deeply([ @$header{qw(source destination)} ],
		[ client_of($from), $to ], "in and out: $whom->[0]");
}

#
# What is refused
#

# Sends the bytes; with fin it ends its stream then, with gone it resets;
# returns how it ended and the audit line.
sub sent {
	my ($bytes, %option) = @_;
	my $socket = IO::Socket::INET->new(LocalAddr => $option{source} //
		'127.0.0.2', PeerAddr => '127.0.0.1',
		PeerPort => $option{port} // $daemon->port) or die "connect: $@";
	my $local = $socket->sockport;
	my $end = 'none';

	syswrite $socket, $bytes if length $bytes;
	shutdown $socket, 1 if $option{fin};
	if ($option{gone}) {
		setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
		close $socket;
	} elsif (readable($socket, deadline())) {
		my $n = sysread $socket, my $data, 100;
		$end = !defined $n ? 'reset' : $n ? 'bytes' : 'fin';
	} else {
		$end = 'time';
	}
	return ($end, line_of($local), $local);
}

# Two tests.
sub bad_ok {
	my ($title, $bytes, $option, %want) = @_;
	my ($end, $line, $local) = sent($bytes, %$option);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($end, 'reset', "$title: a reset") unless $option->{gone};
	fields_ok($line, $title, reason => 'proxy_header', proxy => undef,
		client => ($option->{source} // '127.0.0.2') . ":$local",
		detail => 'Protocol error', decision => undef,
		server_name => undef, closed_first => 'sniport', %want);
	return;
}

my $hello = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => "in.test:$port"));
for (
	[ 'a hello without a header', $hello ],
	[ 'a request', "GET / HTTP/1.0\r\n\r\n" ],
	[ 'one wrong byte', 'Q' ],
	[ 'v1: small letters', 'PROXY tcp4' ],
	[ 'v1: no such family', 'PROXY TCP5' ],
	[ 'v1: half an address', 'PROXY TCP4 198.51.100 ' ],
	[ 'v1: another family', 'PROXY TCP4 2001:db8::7 ' ],
	[ 'v1: an octal address', 'PROXY TCP4 198.51.100.07 ' ],
	[ 'v1: too high a port', "PROXY TCP4 1.1.1.1 2.2.2.2 65536 1\r\n" ],
	[ 'v1: no CR', "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n" ],
	[ 'v1: a NUL', "PROXY TCP4 1.1.1.1\0" ],
	[ 'v1: too long', 'PROXY UNKNOWN ' . 'x' x 94 ],
	[ 'v2: a wrong signature', "\r\n\r\n\0\r\nQUIT\r" ],
	[ 'v2: version 3', substr(v2(\@four), 0, 12) . "\x31" ],
	[ 'v2: no such command', v2(\@four, command => 2) ],
	[ 'v2: UDP', v2(\@four, family => 0x12) ],
	[ 'v2: no such family', v2(\@four, family => 0x41) ],
	[ 'v2: no room for addresses', v2(\@four, length => 11) ],
	[ 'v2: a TLV beyond the end', v2(\@four, body => 'x' x 12 .
		"\x02\0\x08abc") ],
	[ 'v2: half a TLV', v2(\@four, body => 'x' x 12 . "\x02\0") ],
	[ 'v2: a wrong CRC', v2(\@four, crc => 2) ],
	[ 'v2: too long', v2(\@four, length => 2033),
		detail => 'Message too long' ],
	[ 'v2: much too long', v2(undef, command => 0, length => 65535),
		detail => 'Message too long' ],
) {
	my ($title, $bytes, @want) = @$_;
	bad_ok($title, $bytes, {}, @want);
}
like($daemon->log, qr/ proxy_header: the PROXY protocol header of a trusted/,
	'the error log has it');

# Who leaves in the middle, or at once, as health checks do.
my @left = (reason => 'client_abandoned', closed_first => 'client');
for (
	[ 'no byte', '' ], [ 'v1: cut', v1(@four), 1, 20, -2, -1 ],
	[ 'v2: cut', v2(\@four, @tlvs), 1, 12, 16, 27, 30, -1 ],
) {
	my ($title, $bytes, @lengths) = @$_;
	for (@lengths ? @lengths : 0) {
		bad_ok("$title, $_", substr($bytes, 0, $_), { fin => 1 },
			detail => undef, @left);
	}
}
$from = from(\@four);
my ($end, $line) = sent(v2($from), fin => 1);
fields_ok($line, 'a header and no hello', client => client_of($from), @left);
($end, $line) = sent(substr(v2($from), 0, 20), gone => 1);
fields_ok($line, 'a reset', @left, proxy => undef);

# Who is not trusted.
for (['127.0.0.1'], [ '127.0.0.4' ], [ '127.0.0.2', 'plain' ]) {
	my ($source, $name) = @$_;
	for my $bytes (v1(@four), v2(\@four), v2(undef, command => 0)) {
		my ($end, $line, $local) = sent($bytes . $hello,
			source => $source, port => $daemon->port($name));
		fields_ok($line, "$source, " . ($name // 'listener'),
			reason => 'not_tls', client => "$source:$local",
			proxy => undef, decision => undef);
	}
}
behind_ok('no header from who is not trusted', '', { source => '127.0.0.1' },
	proxy => undef, rule => 'direct');

# haproxy
SKIP: {
	my ($status) = run(qw(haproxy -v));
	skip 'SKIPPED LOUDLY: haproxy is needed', 1 if $status;
	haproxy_tests();
}

# Slow ones. A header gives no more time.
$daemon->reload(timeouts => 'client_hello = "250ms"; handshake = "1s";');
my @late = (detail => 'Connection timed out');
bad_ok('silence', '', {}, @late);
bad_ok('a part of v1', substr(v1(@four), 0, 20), {}, @late);
bad_ok('a part of v2', substr(v2(\@four, @long), 0, 1000), {}, @late);
$from = from(\@four);
($end, $line) = sent(v2($from));
fields_ok($line, 'no hello', reason => 'client_hello_timeout',
	client => client_of($from));
my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.2', PeerAddr =>
	'127.0.0.1', PeerPort => $daemon->port) or die "connect: $@";
my $local = $slow->sockport;
my $deadline = deadline();
for my $byte (split //, v2(\@four, @long)) {
	syswrite $slow, $byte or last;
	last if readable($slow, deadline(0.02)) || !left($deadline);
}
$line = line_of($local);
fields_ok($line, 'byte by byte', reason => 'proxy_header', @late);
ok($line->{total_ms} >= 250 && $line->{total_ms} < 500 * timeout(), 'in time')
    or diag($line->{total_ms});
$daemon->stop_ok;

# A haproxy with this configuration, in which %NAME% is a socket that listens
# already.
sub haproxy_start {
	my ($text, %sockets) = @_;

	for my $name (keys %sockets) {
		fcntl $sockets{$name}, F_SETFD, 0 or die "fcntl: $!";
		my $fd = fileno $sockets{$name};
		$text =~ s/%$name%/fd\@$fd/g;
	}
	open my $file, '>', "$dir/haproxy.cfg" or die $!;
	print $file <<"END";
global
	maxconn 100
defaults
	mode tcp
	timeout connect 10s
	timeout client 30s
	timeout server 30s
$text
END
	close $file or die $!;
	return group_start(sub {
		open STDOUT, '>', "$dir/haproxy.log" or die $!;
		open STDERR, '>&', \*STDOUT or die $!;
		exec 'haproxy', '-db', '-f', "$dir/haproxy.cfg" or die $!;
	});
}

sub haproxy_tests {
	my %socket = map { ($_ => IO::Socket::INET->new(Listen => 10,
		LocalAddr => '127.0.0.1', LocalPort => 0) // die "listen: $@") }
	    qw(one two web);
	my $to = '127.0.0.1:' . $daemon->port;
	my $group = haproxy_start(<<"END", %socket);
listen one
	bind %one%
	server s $to source 127.0.0.2 send-proxy
listen two
	bind %two%
	server s $to source 127.0.0.2 send-proxy-v2 proxy-v2-options crc32c
backend check
	server s $to source 127.0.0.3 check inter 100ms send-proxy-v2 check-send-proxy
listen web
	mode http
	bind %web% accept-proxy
	http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port] %[fc_pp_authority]"
END
	for my $name (qw(one two)) {
		my $client = Sniport::Client->new(source => '127.0.0.9',
			port => $socket{$name}->sockport,
			name => "in.test:$port");
		my $echo = $client->put($big) &&
		    $client->get(length $big) eq $big;
		my $local = $client->local_port;
		$client->end;
		is_deeply([ $echo, $client->wait_end ],
			[ 1, 'close_notify' ], "haproxy $name: a tunnel")
		    or diag($client->ended);
		my $line = $daemon->wait_audit(sub {
			$_->{client} eq "127.0.0.9:$local" });
		fields_ok($line, "haproxy $name", reason => 'done',
			rule => 'outside', bytes_from_client => length $big);
		like($line->{proxy}, qr/^127\.0\.0\.2:\d+$/,
			"haproxy $name: audit line: proxy");
	}
	my $line = $daemon->wait_audit(sub { $_->{client} =~ /^127\.0\.0\.3:/ });
	fields_ok($line, "haproxy's health check", @left, proxy => $line->{client});

	# What sniport writes, as haproxy reads it.
	$port{web} = $socket{web}->sockport;
	for my $version (1, 2) {
		my $client = out($version, 'web');
		my $local = $client->local_port;
		$client->put("GET / HTTP/1.0\r\n\r\n");
		my ($text) = $client->get_all =~ /\r\n\r\n(.*)/s;
		is($text, "127.0.0.1:$local 127.0.0.1:" .
			$daemon->port('plain') . ' ' .
			($version == 1 ? '' : "v2.test:$port{web}"),
			"haproxy reads version $version");
		$client->end;
		line_of($client);
	}
	group_kill($group);
	return;
}

done_testing;
