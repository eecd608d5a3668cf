# ClientHellos built byte by byte (RFC 8446 4.1.2), for what no TLS library
# would send, and a reader of the answer.
#
#     my $answer = Sniport::Hello::exchange($port,
#             Sniport::Hello::records(Sniport::Hello::client_hello(
#                     name => "example.com:443")));
#     $answer->{alert} eq 'unrecognized_name'
package Sniport::Hello;

use strict;
use warnings;

use IO::Socket::IP;
use Socket qw(:DEFAULT TCP_NODELAY IPPROTO_TCP);

use Sniport::Client ();
use Sniport::Test qw(deadline readable writable);

# RFC 8446 4.1.3: a ServerHello with this random is a HelloRetryRequest.
my $RETRY = pack 'H*',
    'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c';

sub vector8 { return pack 'C/a*', $_[0]; }
sub vector16 { return pack 'n/a*', $_[0]; }
sub extension { return pack 'n n/a*', @_; }

# The body of a server_name extension with these names; each is a string
# (type host_name) or [ type, string ].
sub server_name {
	my @names = @_;

	return vector16(join '', map {
		my ($type, $name) = ref $_ ? @$_ : (0, $_);
		pack 'C n/a*', $type, $name;
	} @names);
}

# The handshake message. Options, with what stands where they are absent:
#     name => bytes            no server_name extension
#     server_name => bytes     body of the extension, instead of name
#     before, after => [ [ type, body ], ... ]   further extensions
#     version => 0x0303        the legacy field
#     versions => [ 0x0304, 0x0303 ]   supported_versions; undef: none
#     groups => [ 0x001d, 0x0017 ]     x25519, P-256
#     key_share => 1           x25519; 0: an empty list, which asks for a
#                              HelloRetryRequest; undef: no extension
#     ciphers => [ ... ]       the AEAD suites of TLS 1.3 and 1.2
#     alpn => [ names ]        none
#     session => bytes         32 bytes
#     random => bytes          32 bytes
sub client_hello {
	my (%o) = (version => 0x0303, versions => [ 0x0304, 0x0303 ],
		groups => [ 0x001d, 0x0017 ], key_share => 1,
		ciphers => [ 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9,
			0xc02f, 0xc030, 0xcca8 ],
		session => 'S' x 32, random => 'R' x 32, before => [], after => [],
		@_);
	my @extensions = @{ $o{before} };

	$o{server_name} //= server_name($o{name}) if defined $o{name};
	push @extensions, [ 0, $o{server_name} ] if defined $o{server_name};
	push @extensions, [ 10, vector16(pack 'n*', @{ $o{groups} }) ],
	    [ 11, vector8("\0") ],
	    [ 13, vector16(pack 'n*', 0x0403, 0x0804, 0x0805, 0x0401, 0x0503,
		0x0501) ];
	push @extensions, [ 16, vector16(join '', map { vector8($_) }
		@{ $o{alpn} }) ] if $o{alpn};
	push @extensions, [ 43, vector8(pack 'n*', @{ $o{versions} }) ]
	    if $o{versions};
	push @extensions, [ 51, vector16($o{key_share} ?
		pack('n n/a*', 0x001d, "\x09" . "\0" x 31) : '') ]
	    if defined $o{key_share};
	push @extensions, @{ $o{after} };

	my $body = pack('n', $o{version}) . $o{random} . vector8($o{session}) .
	    vector16(pack 'n*', @{ $o{ciphers} }) . vector8("\0") .
	    vector16(join '', map { extension(@$_) } @extensions);
	return pack('C', 1) . substr(pack('N', length $body), 1) . $body;
}

# Handshake bytes as TLS records of at most $size bytes each.
sub records {
	my ($handshake, $size) = @_;

	$size //= 16384;
	return join '', map { pack 'C n n/a*', 22, 0x0301, $_ }
	    unpack "(a$size)*", $handshake;
}

# A hello of the SSLv2 form that offers TLS 1.2 (RFC 5246 E.2).
sub sslv2_hello {
	my $body = pack 'C n n n n', 1, 0x0303, 3, 0, 16;

	$body .= "\0\xc0\x2b" . 'C' x 16;
	return pack('n', 0x8000 | length $body) . $body;
}

# Sends bytes to the port and reads records until the server has decided.
# Options:
#     host => address          127.0.0.1
#     segment => N             sent N bytes at a time
#     retry => sub             called on a HelloRetryRequest; its bytes are
#                              sent as the answer
#     fin => 1                 our stream ends after the bytes
#     socket => connected one
# Returns a hash: alert (its name), level, hello (the server has accepted the
# ClientHello), retry (there was a HelloRetryRequest), end ("fin", "reset",
# "time", undef: not awaited), raw (all that came), socket.
sub exchange {
	my ($port, $bytes, %option) = @_;
	my $socket = $option{socket} // IO::Socket::IP->new(
		PeerHost => $option{host} // '127.0.0.1', PeerPort => $port,
		Type => SOCK_STREAM) // die "connect: $@";
	my %answer = (socket => $socket, raw => '');
	my $deadline = deadline();

	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	$socket->blocking(0);
	local $SIG{PIPE} = 'IGNORE';
	send_all($socket, $bytes, $option{segment}, $deadline);
	CORE::shutdown($socket, 1) if $option{fin};
	my $at = 0;
	for (;;) {
		while (length($answer{raw}) - $at >= 5) {
			my ($type, $version, $length) =
			    unpack "x$at C n n", $answer{raw};
			last if length($answer{raw}) - $at - 5 < $length;
			my $body = substr $answer{raw}, $at + 5, $length;
			$at += 5 + $length;
			if ($type == 21 && $length == 2) {
				my ($level, $number) = unpack 'CC', $body;
				@answer{qw(level alert)} =
				    ($level, Sniport::Client::alert_name($number));
			} elsif ($type == 22 && $body =~ /^\x02/) {
				if (substr($body, 6, 32) ne $RETRY) {
					$answer{hello} = 1;
					return \%answer;
				}
				$answer{retry}++;
				return \%answer unless $option{retry};
				send_all($socket, $option{retry}->(),
					$option{segment}, $deadline);
			}
		}
		if (!readable($socket, $deadline)) {
			$answer{end} = 'time';
			return \%answer;
		}
		my $n = sysread($socket, $answer{raw}, 65536, length $answer{raw});
		next if !defined $n && $!{EAGAIN};
		if (!$n) {
			$answer{end} = defined $n ? 'fin' : 'reset';
			return \%answer;
		}
	}
}

# Reads on to the end of an exchange: adds to raw, and sets end.
sub read_rest {
	my ($answer) = @_;
	my $deadline = deadline();

	until ($answer->{end}) {
		readable($answer->{socket}, $deadline) or
		    return $answer->{end} = 'time';
		my $n = sysread $answer->{socket}, $answer->{raw}, 65536,
		    length $answer->{raw};
		next if !defined $n && $!{EAGAIN};
		$answer->{end} = defined $n ? 'fin' : 'reset' unless $n;
	}
	return;
}

# What the server has sent, record by record: "alert LEVEL NUMBER", "retry" (a
# HelloRetryRequest), "hello" (whose record may hold a certificate too),
# "change_cipher_spec", "handshake", "data". An empty string: not a byte.
sub sent {
	my ($answer) = @_;
	my @records;

	my @type = qw(change_cipher_spec alert handshake data);
	my $raw = $answer->{raw};
	while (length $raw >= 5) {
		my ($type, $body) = (unpack('C', $raw), unpack 'x3 n/a*', $raw);
		substr $raw, 0, 5 + length $body, '';
		push @records, $type == 21 && length $body == 2 ?
		    sprintf('alert %d %d', unpack 'CC', $body) :
		    $type == 22 && $body =~ /^\x02/ ?
		    substr($body, 6, 32) eq $RETRY ? 'retry' : 'hello' :
		    $type >= 20 && $type <= 23 ? $type[$type - 20] : "type $type";
	}
	return join ', ', @records, length $raw ? 'a part of a record' : ();
}

# Stops early where the server has reset: the answer tells why.
sub send_all {
	my ($socket, $bytes, $segment, $deadline) = @_;

	while (length $bytes) {
		writable($socket, $deadline) or return;
		my $n = syswrite $socket, $bytes, $segment // length $bytes;
		next if !defined $n && $!{EAGAIN};
		return unless $n;
		substr $bytes, 0, $n, '';
	}
	return;
}

1;
