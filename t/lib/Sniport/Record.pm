# TLS records that the test seals itself, for what no TLS library would send:
#
#     my $client = Sniport::Client->new(Sniport::Record::suite('1.3'), ...);
#     my $record = Sniport::Record->new($client);
#     $record->send($record->data('abc'), $record->key_update(1));
#
# It takes over the client's writing direction; the client goes on reading.
# ChaCha20-Poly1305 alone (RFC 8439, 7905, 8446 5.2), since it is the cipher
# that is quick to write down.
package Sniport::Record;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use Net::SSLeay ();

use Sniport::Hello ();
use Sniport::Test qw(deadline);

my @ROUNDS = ([ 0, 4, 8, 12 ], [ 1, 5, 9, 13 ], [ 2, 6, 10, 14 ],
	[ 3, 7, 11, 15 ], [ 0, 5, 10, 15 ], [ 1, 6, 11, 12 ], [ 2, 7, 8, 13 ],
	[ 3, 4, 9, 14 ]);

# The options that a client needs for it.
sub suite {
	my ($version) = @_;

	return (version => $version, secrets => 1,
		ciphers => 'ECDHE-ECDSA-CHACHA20-POLY1305',
		ciphersuites => 'TLS_CHACHA20_POLY1305_SHA256');
}

# For a client whose handshake is done and that has written nothing yet.
sub new {
	my ($class, $client) = @_;
	my $self = bless { client => $client }, $class;

	if ($client->version eq 'TLSv1.3') {
		($self->{secret}) = $client->secret('CLIENT_TRAFFIC_SECRET_0');
		$self->take_secret;
		return $self;
	}
	my ($master, $random) = $client->secret('CLIENT_RANDOM');
	my $keys = prf($master, 'key expansion' .
		Net::SSLeay::get_server_random($client->{ssl}) . $random, 88);
	@$self{qw(key iv)} = (substr($keys, 0, 32), substr $keys, 64, 12);
	$self->{sequence} = 1; # Finished was the first
	return $self;
}

# For a client of TLS 1.3 that is to send what ends its handshake.
sub for_handshake {
	my ($class, $client) = @_;
	my $self = bless { client => $client }, $class;

	($self->{secret}) = $client->secret('CLIENT_HANDSHAKE_TRAFFIC_SECRET');
	$self->take_secret;
	return $self;
}

# Sends records, or any other bytes; stops early where the server has reset.
sub send {
	my ($self, @bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';
	Sniport::Hello::send_all($self->{client}->socket, join('', @bytes), undef,
		deadline());
	return;
}

sub data { return $_[0]->seal(23, $_[1]); }
sub handshake { return $_[0]->seal(22, $_[1]); }
sub alert { return $_[0]->seal(21, pack 'CC', @_[1, 2]); }
sub close_notify { return $_[0]->alert(1, 0); }

# A KeyUpdate, which may ask for one in return; the next record has new keys.
sub key_update {
	my ($self, $request) = @_;
	my $record = $self->handshake(pack 'C a3 C', 24, "\0\0\1", $request // 0);

	$self->{secret} = expand($self->{secret}, 'traffic upd', 32);
	$self->take_secret;
	return $record;
}

# One record; in TLS 1.3 with that many bytes of padding.
sub seal {
	my ($self, $type, $content, $padding) = @_;
	my $sequence = pack 'Q>', $self->{sequence}++;
	my $nonce = $self->{iv} ^ "\0\0\0\0$sequence";

	if (!$self->{secret}) {
		my $sealed = aead($self->{key}, $nonce, $content,
			$sequence . pack 'C n n', $type, 0x0303, length $content);
		return pack 'C n n/a*', $type, 0x0303, $sealed;
	}
	my $inside = $content . chr($type) . "\0" x ($padding // 0);
	my $header = pack 'C n n', 23, 0x0303, 16 + length $inside;
	return $header . aead($self->{key}, $nonce, $inside, $header);
}

sub take_secret {
	my ($self) = @_;

	$self->{key} = expand($self->{secret}, 'key', 32);
	$self->{iv} = expand($self->{secret}, 'iv', 12);
	$self->{sequence} = 0;
	return;
}

# HKDF-Expand-Label with an empty context, at most one hash long.
sub expand {
	my ($secret, $label, $length) = @_;

	return substr hmac_sha256(pack('n C/a* C', $length, "tls13 $label", 0) .
		"\1", $secret), 0, $length;
}

# P_SHA256 of RFC 5246 5.
sub prf {
	my ($secret, $seed, $length) = @_;
	my ($a, $out) = ($seed, '');

	while (length $out < $length) {
		$a = hmac_sha256($a, $secret);
		$out .= hmac_sha256($a . $seed, $secret);
	}
	return substr $out, 0, $length;
}

sub pad16 { return $_[0] . "\0" x (-length($_[0]) % 16); }

sub aead {
	my ($key, $nonce, $plain, $aad) = @_;
	my $sealed = '';

	for (my $i = 0; 64 * $i < length $plain; $i++) {
		my $block = substr $plain, 64 * $i, 64;
		$sealed .= $block ^
		    substr chacha20($key, $nonce, $i + 1), 0, length $block;
	}
	return $sealed . poly1305(chacha20($key, $nonce, 0), pad16($aad) .
		pad16($sealed) . pack 'Q< Q<', length $aad, length $sealed);
}

sub chacha20 {
	use integer;
	my ($key, $nonce, $counter) = @_;
	my @start = unpack 'V16', 'expand 32-byte k' . $key .
	    pack('V', $counter) . $nonce;
	my @x = @start;

	for (1 .. 10) {
		for my $quarter (@ROUNDS) {
			my ($i, $j, $k, $l) = @$quarter;
			my ($a, $b, $c, $d) = @x[$i, $j, $k, $l];
			$a = $a + $b & 0xffffffff;
			$d ^= $a;
			$d = ($d << 16 | $d >> 16) & 0xffffffff;
			$c = $c + $d & 0xffffffff;
			$b ^= $c;
			$b = ($b << 12 | $b >> 20) & 0xffffffff;
			$a = $a + $b & 0xffffffff;
			$d ^= $a;
			$d = ($d << 8 | $d >> 24) & 0xffffffff;
			$c = $c + $d & 0xffffffff;
			$b ^= $c;
			$b = ($b << 7 | $b >> 25) & 0xffffffff;
			@x[$i, $j, $k, $l] = ($a, $b, $c, $d);
		}
	}
	return pack 'V16', map { $x[$_] + $start[$_] & 0xffffffff } 0 .. 15;
}

# A number of 17 bytes as five limbs of 26 bits.
sub limbs {
	use integer;
	my ($a, $b, $c, $d, $e) = unpack 'V5', $_[0] . "\0\0\0";

	return ($a & 0x3ffffff, ($a >> 26 | $b << 6) & 0x3ffffff,
		($b >> 20 | $c << 12) & 0x3ffffff,
		($c >> 14 | $d << 18) & 0x3ffffff, $d >> 8 | $e << 24);
}

sub carry {
	use integer;
	my ($h) = @_;

	for my $i (0 .. 4, 0) {
		my $over = $h->[$i] >> 26;
		$h->[$i] &= 0x3ffffff;
		$h->[($i + 1) % 5] += $i == 4 ? 5 * $over : $over;
	}
	return;
}

# The message is a multiple of 16 bytes.
sub poly1305 {
	use integer;
	my ($key, $message) = @_;
	my @r = limbs((substr($key, 0, 16) & pack 'V4', 0x0fffffff, 0x0ffffffc,
		0x0ffffffc, 0x0ffffffc) . "\0");
	my @h = (0) x 5;

	for my $block (unpack '(a16)*', $message) {
		my @n = limbs("$block\1");
		$h[$_] += $n[$_] for 0 .. 4;
		my @product = (0) x 5;
		for my $i (0 .. 4) {
			for my $j (0 .. 4) {
				$product[($i + $j) % 5] += $h[$i] * $r[$j] *
				    ($i + $j > 4 ? 5 : 1);
			}
		}
		@h = @product;
		carry(\@h);
	}
	carry(\@h);
	# Modulo 2^130 - 5.
	my ($over, @less) = (5);
	for my $i (0 .. 4) {
		my $sum = $h[$i] + $over;
		$less[$i] = $sum & 0x3ffffff;
		$over = $sum >> 26;
	}
	@h = @less if $over;
	my @words = ($h[0] | $h[1] << 26, $h[1] >> 6 | $h[2] << 20,
		$h[2] >> 12 | $h[3] << 14, $h[3] >> 18 | $h[4] << 8);
	my @s = unpack 'x16 V4', $key;
	$over = 0;
	for my $i (0 .. 3) {
		my $sum = ($words[$i] & 0xffffffff) + $s[$i] + $over;
		$words[$i] = $sum & 0xffffffff;
		$over = $sum >> 32;
	}
	return pack 'V4', @words;
}

1;
