#!/usr/bin/perl
# A client's certificate that the TLS library cannot decode, or whose key or
# signature it does not know, is a matter of the certificate, whoever finds it
# out: the reason is client_certificate, and the audit line has the cause.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Authority;
use Sniport::Certificate;
use Sniport::Daemon;
use Sniport::Test qw(temporary tls_library);
use Sniport::Upstream;
use Sniport::Who;

*der = \&Sniport::Certificate::der;
*bits = \&Sniport::Certificate::bits;
*number = \&Sniport::Certificate::number;
*sequence = \&Sniport::Certificate::sequence;
*name = \&Sniport::Certificate::name;
*extension = \&Sniport::Certificate::extension;
*certificate = \&Sniport::Certificate::certificate;

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n",
	tls => qq(client_ca = "@{[ $mesh->file ]}"; client_auth = "required";));
my $who = Sniport::Who->new(daemon => $daemon, port => $upstream->port,
	key => {});

# The authority's own signature, so that nothing else is wrong.
sub by_mesh {
	my ($content) = @_;

	open my $file, '>', "$dir/content" or die "$dir/content: $!";
	print $file $content;
	close $file or die "$dir/content: $!";
	open my $openssl, '-|', qw(openssl dgst -sha256 -sign), "$dir/mesh.key",
	    "$dir/content" or die "openssl: $!";
	local $/;
	return scalar <$openssl>;
}

sub oid { return der(0x06, pack 'H*', $_[0]); }
sub key { return sequence(sequence(@{ $_[0] }), bits($_[1])); }

my @MESH = (issuer => sequence(der(0x31,
	Sniport::Certificate::attribute('mesh'))), sign => \&by_mesh);
my @EC = (oid('2a8648ce3d0201'), oid('2a8648ce3d030107'));
my @RSA = (oid('2a864886f70d010101'), "\5\0");
my @PSS = (oid('2a864886f70d01010a'));
my $MODULUS = number('0xc' . '5' x 511);

# Title and parts.
my @unreadable = (
	[ 'a serial number in more bytes than it needs',
	    serial => "\2\2\0\1" ],
	[ 'an empty serial number', serial => "\2\0" ],
	[ 'a version that is no number', version => der(0xa0, "\4\1\2") ],
	[ 'a version in more bytes than it needs', version => der(0xa0, "\2\2\0\2") ],
	[ 'a signature algorithm with a malformed name',
	    algorithm => sequence(oid('8086')) ],
	[ 'a key algorithm that is not named', key =>
	    sequence(sequence(@RSA, "\5\0"), bits(sequence($MODULUS, number(3)))) ],
	[ 'half a character in a name', subject => sequence(der(0x31,
	    sequence("\6\3\x55\4\3", der(0x1e, 'abc')))) ],
	[ 'a number in the place of a time', validity =>
	    sequence(number(1), number(2)) ],
	[ 'three times', validity => sequence(map { der(0x17, '260101000000Z') }
	    1 .. 3) ],
	[ 'an extension whose name is malformed', extensions => [
	    extension('80', sequence()) ] ],
);
my @unknown = (
	[ 'a signature algorithm that nobody knows', @MESH,
	    algorithm => sequence(oid('2a030405')) ],
	[ 'a signature algorithm that is a hash', @MESH,
	    algorithm => sequence(oid('608648016503040201')) ],
	[ 'an Ed25519 key that is too short', @MESH,
	    key => key([ oid('2b6570') ], 'k' x 31) ],
	[ 'an Ed448 key that is too long', @MESH,
	    key => key([ oid('2b6571') ], 'k' x 58) ],
	[ 'a point that is not on its curve', @MESH,
	    key => key(\@EC, "\4" . 'x' x 64) ],
	[ 'no point', @MESH, key => key(\@EC, '') ],
	[ 'an RSA key of nothing', @MESH,
	    key => key(\@RSA, sequence(number(0), number(0))) ],
	[ 'an RSA key of 512 bits', @MESH,
	    key => key(\@RSA, sequence(number('0xc' . '5' x 127), number(3))) ],
	[ 'RSA-PSS with parameters that are none', @MESH,
	    key => key([ @PSS, number(1) ], sequence($MODULUS, number(3))) ],
	[ 'an extension that is critical in two bytes', @MESH, extensions => [
	    sequence(oid('551d13'), "\1\2\xff\xff", der(0x04, sequence())) ] ],
	[ 'extensions that are malformed', @MESH, extensions => [
	    extension('551d0f', number(1)) ] ],
	[ 'the same extension twice', @MESH, extensions => [
	    (extension('551d13', sequence())) x 2 ] ],
);

my $AWSLC = tls_library() eq 'AWS-LC';
sub is_refused {
	my ($title, $certificate, $reason, %option) = @_;
	my ($bytes, $detail) = delete @option{qw(bytes detail)};
	my $client = Sniport::Certificate->client([ $certificate ],
		$who->options(undef, 'open'), %option);

	$client->send($bytes) if $bytes;
	my $end = $client->end;
	if ($option{version} eq '1.2') {
		like($end, qr/^alert /, "$title: alert");
	} else {
		is($end, 'reset', "$title: reset");
	}
	my $line = $who->line($client->{client});
	is($line->{reason}, $reason, "$title: reason");
	like($line->{detail} // '', $detail // qr/./, "$title: and detail");
	return;
}

for my $version ('1.2', '1.3') {
	for (@unreadable) {
		my ($title, @parts) = @$_;
		is_refused("$version: $title", certificate(@parts),
			'client_certificate', version => $version, detail =>
			qr/^a certificate of the chain cannot be decoded: ./);
	}
	for (@unknown) {
		my ($title, @parts) = @$_;
		# Those it verifies, once there is a proof.
		next if $AWSLC && $version eq '1.3' &&
		    $title =~ /^a signature algorithm|512 bits|twice/;
		is_refused("$version: $title", certificate(@parts),
			'client_certificate', version => $version);
	}
}

# Nor does it help to have somebody else's certificate: the proof is bad. Before
# it, TLS 1.2 has a key exchange (X25519).
my $good = certificate(@MESH, key => key(\@EC, pack 'H*', '04'
    . '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'
    . '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'));
sub message { return pack 'C a3 a*', $_[0], substr(pack('N', length $_[1]), 1),
	$_[1]; }
my $proof = message(15, pack 'n n/a*', 0x0403, sequence(number(1), number(1)));
my %before = ('1.2' => [ message(16, pack 'C/a*', "\x09" . "\0" x 31) ], '1.3' => []);
is_refused("$_: another's certificate", $good, 'client_certificate',
	version => $_, then => [ @{ $before{$_} }, $proof ]) for '1.2', '1.3';

# In TLS 1.2 the curve of a client's key must be among the groups.
$daemon->reload(tls => qq(client_ca = "@{[ $mesh->file ]}";
	client_auth = "required"; groups = "X25519:P-256";));
$who->{key}{long} = [ $mesh->issue('long', 'DNS:long.example.com',
	key => [ 'ec', '-pkeyopt', 'ec_paramgen_curve:secp521r1' ]) ];
unless ($AWSLC) { # Which takes all that it knows.
	my $long = $who->client('long', 'open', version => '1.2');
	is($long->wait_end, 'alert illegal_parameter',
		'1.2: a curve that is not among the groups');
	$who->line_ok('1.2: a curve that is not among the groups', $long,
		reason => 'client_certificate', detail => 'wrong curve');
}

# What the record layer finds is not the certificate's fault.
is_refused('1.3: a forged record in the midst of it', $good, 'tls_handshake',
	version => '1.3', cut => 1, bytes => "\x17\x03\x03\0\x20" . 'x' x 32);
is_refused('1.2: a record of no version in the midst of it', $good,
	'tls_handshake', version => '1.2', cut => 1, bytes => "\x16\x07\x03\0\x20" . 'x' x 32);

$daemon->stop_ok;
done_testing;
