# Certificates built byte by byte (RFC 5280), for what no authority would sign,
# and a client that sends any: it speaks with the TLS library until the server
# awaits its certificate, and without it from there on.
#
#     my $bytes = Sniport::Certificate::certificate(subject => name(map ...));
#     my $client = Sniport::Certificate->client([ $bytes ], %option);
#     $client->end eq 'alert decode_error'
#
# Options are those of Sniport::Client; version is "1.2" or "1.3".
package Sniport::Certificate;

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Net::SSLeay ();

use Sniport::Client ();
use Sniport::Hello ();
use Sniport::Record ();
use Sniport::Test qw(deadline readable slurp write_file);

sub der {
	my ($tag, @parts) = @_;
	my $body = join '', @parts;
	my $length = length $body;

	return pack('C', $tag) . ($length < 0x80 ? pack 'C', $length :
	    $length < 0x100 ? pack 'C C', 0x81, $length :
	    pack 'C n', 0x82, $length) . $body;
}

sub sequence { return der(0x30, @_); }
sub bits { return der(0x03, "\0", @_); }

# A positive number, in hexadecimal or as it is.
sub number {
	my ($text) = @_;
	my $bytes = $text =~ /^0x(.*)/ ? pack 'H*', length($1) % 2 ? "0$1" : $1 :
	    pack 'C', $text;

	return der(0x02, ord $bytes < 0x80 ? $bytes : "\0$bytes");
}

sub attribute { return sequence("\6\3\x55\4\3", der(0x0c, $_[0])); }

# A name of that many RDNs.
sub name { return sequence(map { der(0x31, attribute('')) } 1 .. $_[0]); }

sub extension {
	my ($id, @value) = @_;

	return sequence(der(0x06, pack 'H*', $id), der(0x04, @value));
}

my $ALGORITHM = pack 'H*', '300a06082a8648ce3d040302';
my $ED25519 = sequence(sequence("\6\3\x2b\x65\x70"), bits('k' x 32));

# Parts: version, serial, algorithm, issuer, validity, subject, key, extensions
# (an array), and sign: what is called with the bytes that are to be signed, and
# gives the signature; or by: the Sniport::Authority that signs it. Without them
# nobody has signed it.
sub certificate {
	my (%part) = @_;
	my $by = $part{by};
	@part{qw(issuer sign)} = (subject($by->{name}),
		sub { signature($by, @_) }) if $by;
	my $algorithm = $part{algorithm} // $ALGORITHM;
	my $content = sequence($part{version} // der(0xa0, number(2)),
		$part{serial} // number(1), $algorithm, $part{issuer} // name(1),
		$part{validity} // sequence(der(0x17, '260101000000Z'),
		der(0x17, '460101000000Z')), $part{subject} // name(1),
		$part{key} // $ED25519, $part{extensions} ?
		der(0xa3, sequence(@{ $part{extensions} })) : ());

	return sequence($content, $algorithm,
		bits($part{sign} ? $part{sign}->($content) : "\x30\0"));
}

# The name of an authority.
sub subject { return sequence(der(0x31, attribute($_[0]))); }

sub signature {
	my ($authority, $content) = @_;
	my $base = "$authority->{dir}/$authority->{name}";

	write_file("$base.content", $content);
	system('openssl', 'dgst', '-sha256', '-sign', "$base.key", '-out',
		"$base.signature", "$base.content") == 0
	    or die 'cannot sign';
	return slurp("$base.signature");
}

# The public half of the key in a file.
sub public_key {
	my ($file) = @_;

	open my $pipe, '-|', qw(openssl pkey -pubout -outform DER -in), $file
	    or die $!;
	binmode $pipe;
	local $/;
	return <$pipe>;
}

# Keeps certificates in PEM format, for a client that has their key.
sub write_pem {
	my ($file, @certificates) = @_;

	write_file($file, join '', map { "-----BEGIN CERTIFICATE-----\n" .
		encode_base64($_) . "-----END CERTIFICATE-----\n" }
		@certificates);
	return $file;
}

# A key on a curve with explicit parameters, modulo a prime p = k 2^637 + 1, with
# its point compressed: to decode it, OpenSSL takes square roots modulo p, with
# Tonelli's and Shanks' algorithm, in the way that takes longest.
sub explicit_key {
	my $p = '1ea5bbe' . '0' x 158 . '1';
	my $x = '1383955e8766ed88daf4016b4013ef254b0c4e010c4759482c9cbc43435cc52eae'
	    . '05cf96d0cc5fd4c28c2e7c26847f0316909e3bbbe9eaa8948c893b61867626bb7d'
	    . 'bd2d1c9af0153e7c2a26a2c0bd3b1287ff';
	my $b = '1802d146cf57a6823c15828c8254320e175ad8c3a0ea40b6dbda6390cdb580416b'
	    . '932188fe9f37291fce280f31ccac52008e7f4f6a42f662afc89e22a1e204766e21'
	    . '84cf7daf6bca95c5915fba82fd6b5c2c9e';
	my $point = "\2" . pack 'H*', $x;

	return sequence(sequence(pack('H*', '06072a8648ce3d0201'), sequence(
		number(1), sequence(pack('H*', '06072a8648ce3d0101'),
		number("0x$p")), sequence(der(0x04, "\1"),
		der(0x04, pack 'H*', $b)), der(0x04, $point),
		number('0x1ea5bbd' . 'f' x 159), number(1))),
	    bits($point));
}

# A key on P-224, compressed: its prime is 1 modulo 2^96.
sub p224_key {
	return sequence(sequence(pack('H*', '06072a8648ce3d0201'),
		pack 'H*', '06052b81040021'), bits(pack 'H*',
		'0379ea0789e7d31acad368014ea010fb3a5952aeef2b6e0079d52a8c81'));
}

# The body of a message has its length in front.
sub vector24 { return substr(pack('N', length $_[0]), 1) . $_[0]; }

sub message {
	my ($version, @certificates) = @_;
	my ($context, $extensions) = $version eq '1.3' ? ("\0", "\0\0") : ('', '');

	return "\x0b" . vector24($context . vector24(join '',
		map { vector24($_) . $extensions } @certificates));
}

# A client of that version that has sent these certificates. Options are also
# then (an array of messages that follow) and cut (1: half of the message is all
# that is sent).
sub client {
	my ($class, $certificates, %option) = @_;
	my $then = delete $option{then} // [];
	my $cut = delete $option{cut};
	my $client = Sniport::Client->open(%option,
		Sniport::Record::suite($option{version}));
	my $self = bless { client => $client, raw => '' }, $class;
	my $message = message($option{version}, @$certificates);
	$message = substr $message, 0, length($message) / 2 if $cut;
	my @parts = map { unpack '(a16000)*', $_ } $message, @$then;

	if ($option{version} eq '1.2') {
		my $answer = Sniport::Hello::exchange(undef,
			Sniport::Hello::records(Sniport::Hello::client_hello(
				name => $option{name}, versions => undef)),
			socket => $client->socket);
		$answer->{hello} or die 'no ServerHello';
		$self->send(join '', map { pack 'C n n/a*', 22, 0x0303, $_ }
			@parts);
		return $self;
	}
	$self->meet_server;
	my $record = Sniport::Record->for_handshake($client);
	$self->send(join '', map { $record->handshake($_) } @parts);
	return $self;
}

sub send {
	my ($self, $bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';
	Sniport::Hello::send_all($self->{client}->socket, $bytes, undef,
		deadline());
	return;
}

# The handshake, until the TLS library would send what follows our hello.
sub meet_server {
	my ($self) = @_;
	my $client = $self->{client};

	$client->start_tls;
	my ($ssl, $socket) = @$client{qw(ssl socket)};
	my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) }
	    1, 2;
	Net::SSLeay::set_bio($ssl, $in, $out);
	Net::SSLeay::connect($ssl);
	$self->send(Net::SSLeay::BIO_read($out, 65536));
	my $deadline = deadline();
	until (grep { /^CLIENT_TRAFFIC_SECRET_0 / } @{ $client->{secrets} }) {
		readable($socket, $deadline) or die 'the server says nothing';
		sysread $socket, my $bytes, 65536 or die 'the server has ended';
		Net::SSLeay::BIO_write($in, $bytes);
		Net::SSLeay::connect($ssl);
	}
	return;
}

sub local_port { return $_[0]{client}->local_port; }

# How it ended: "alert NAME", "fin", "reset", "time".
sub end {
	my ($self) = @_;
	my %answer = (socket => $self->{client}->socket, raw => '');

	Sniport::Hello::read_rest(\%answer);
	my ($number) = Sniport::Hello::sent(\%answer) =~ /alert 2 (\d+)/;
	return $number ? 'alert ' . Sniport::Client::alert_name($number) :
	    $answer{end};
}

1;
