# Headers of the PROXY protocol (haproxy.org, "The PROXY protocol",
# 2020-03-05), written and read byte by byte.
#
#     my $bytes = v1('10.1.2.3', 4000, '10.9.0.1', 8443);
#     my $bytes = v2([ '10.1.2.3', 4000, '10.9.0.1', 8443 ],
#             tlvs => [ [ 0x02, 'example.com' ] ]);
#     my $header = header_of($bytes);
#     $header->{source} eq '10.1.2.3:4000'
package Sniport::Proxy;

use strict;
use warnings;

use Exporter qw(import);
use Socket qw(AF_INET AF_INET6 inet_ntop inet_pton);

our @EXPORT_OK = qw(header_of tlv v1 v2);

my $SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

# Section 2.2.
my %FAMILY = (0x00 => [ 'unknown', 0 ], 0x11 => [ 'tcp4', 4, AF_INET ],
	0x21 => [ 'tcp6', 16, AF_INET6 ]);
my %TLV = (0x02 => 'authority', 0x20 => 'ssl', 0x03 => 'crc32c');
my %SSL = (0x21 => 'version', 0x22 => 'cn');

sub v1 {
	my ($source, $source_port, $to, $to_port) = @_;

	return sprintf "PROXY TCP%d %s %s %d %d\r\n", $source =~ /:/ ? 6 : 4,
	    $source, $to, $source_port, $to_port;
}

sub tlv { return pack 'C n/a*', @_; }

# Addresses as for v1; undef: none. Options, with what stands where they are
# absent: command => 1 (PROXY; 0: LOCAL), family => as the addresses have it,
# tlvs => [ [ type, value ], ... ], crc => 1 (a CRC32C is added; 2: a wrong
# one), length => what the field says, body => what stands after it.
sub v2 {
	my ($addresses, %option) = @_;
	my ($body, $family) = ('', 0x00);

	if ($addresses) {
		my ($source, $source_port, $to, $to_port) = @$addresses;
		$family = $source =~ /:/ ? 0x21 : 0x11;
		my $af = $FAMILY{$family}[2];
		$body = inet_pton($af, $source) . inet_pton($af, $to) .
		    pack 'n n', $source_port, $to_port;
	}
	$body .= join '', map { tlv(@$_) } @{ $option{tlvs} // [] };
	$body .= tlv(0x03, "\0" x 4) if $option{crc};
	$body = $option{body} // $body;
	my $header = $SIGNATURE . pack('C C n', 0x20 | ($option{command} // 1),
		$option{family} // $family, $option{length} // length $body) .
	    $body;
	substr $header, -4, 4, pack 'N', crc32c($header) ^ ($option{crc} == 2)
	    if $option{crc};
	return $header;
}

# RFC 3720, B.4.
sub crc32c {
	my ($bytes) = @_;
	my $crc = 0xffffffff;

	for (unpack 'C*', $bytes) {
		$crc ^= $_;
		$crc = $crc & 1 ? $crc >> 1 ^ 0x82f63b78 : $crc >> 1 for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

sub text {
	my ($family, $ip, $port) = @_;
	my $address = inet_ntop($family, $ip);

	return $family == AF_INET ? "$address:$port" : "[$address]:$port";
}

# Pairs of a name (or number) and a value; dies where lengths do not add up.
sub tlvs_of {
	my ($bytes, $names) = @_;
	my @tlvs;

	while (length $bytes) {
		die "a TLV is cut\n" if length $bytes < 3;
		my ($type, $length) = unpack 'C n', $bytes;
		die "a TLV is too long\n" if length $bytes < 3 + $length;
		push @tlvs, $names->{$type} // sprintf('0x%02x', $type),
		    substr $bytes, 3, $length;
		substr $bytes, 0, 3 + $length, '';
	}
	return @tlvs;
}

sub ssl_of {
	my ($value) = @_;

	die "the SSL TLV is cut\n" if length $value < 5;
	my ($client, $verify) = unpack 'C N', $value;
	return { client => $client, verify => $verify ? 'no' : 'yes',
		tlvs_of(substr($value, 5), \%SSL) };
}

# What stands at the start of these bytes: undef (not all of it is there), or
# a hash: version, length; family ("tcp4", "tcp6", "unknown"), source and
# destination ("address:port"); of version 2 command (0 or 1), authority, ssl
# (a hash: client, verify, version, cn), crc32c ("right" or "wrong"). Dies
# where they are no header.
sub header_of {
	my ($bytes) = @_;

	return header1($bytes) if $bytes =~ /^P/;
	return undef if length $bytes < 16 &&
	    substr($bytes, 0, 12) eq substr $SIGNATURE, 0, length $bytes;
	die "no header\n" if substr($bytes, 0, 12) ne $SIGNATURE;
	my ($command, $family, $length) = unpack 'x12 C C n', $bytes;
	return undef if length $bytes < 16 + $length;
	my ($name, $size, $af) = @{ $FAMILY{$family} // die "family\n" };
	die "command\n" if $command >> 4 != 2;
	my %header = (version => 2, command => $command & 15, family => $name,
		length => 16 + $length);
	my $at = 16;
	if ($size) {
		my ($source, $to, $source_port, $to_port) =
		    unpack "x16 a$size a$size n n", $bytes;
		@header{qw(source destination)} = (text($af, $source,
			$source_port), text($af, $to, $to_port));
		$at += 2 * $size + 4;
	}
	my %tlv = tlvs_of(substr($bytes, $at, 16 + $length - $at), \%TLV);
	$tlv{ssl} = ssl_of($tlv{ssl}) if defined $tlv{ssl};
	# It is the last one.
	my $zeroed = substr($bytes, 0, 12 + $length) . "\0" x 4;
	$tlv{crc32c} = $tlv{crc32c} eq pack('N', crc32c($zeroed)) ? 'right' :
	    'wrong' if defined $tlv{crc32c};
	return { %header, %tlv };
}

sub header1 {
	my ($bytes) = @_;
	my $end = index $bytes, "\r\n";

	return undef if $end < 0 && length $bytes < 107;
	die "a line without an end\n" if $end < 0;
	my $line = substr $bytes, 0, $end;
	my %header = (version => 1, family => 'unknown', length => $end + 2);
	return \%header if $line eq 'PROXY UNKNOWN';
	$line =~ /^PROXY TCP([46]) (\S+) (\S+) (\d+) (\d+)$/ or die "$line\n";
	my $af = $1 == 4 ? AF_INET : AF_INET6;
	return { %header, family => "tcp$1",
		source => text($af, inet_pton($af, $2) // die("$2\n"), $4),
		destination => text($af, inet_pton($af, $3) // die("$3\n"), $5) };
}

1;
