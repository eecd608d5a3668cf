#!/usr/bin/perl
# Certificates that an authority has signed though no authority should have:
# each is refused for what is wrong with it, and nothing else, and no name is
# taken from bytes that can be read in two ways.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Authority;
use Sniport::Certificate;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(temporary tls_library);
use Sniport::Upstream;
use Sniport::Who;

*der = \&Sniport::Certificate::der;
*sequence = \&Sniport::Certificate::sequence;
*extension = \&Sniport::Certificate::extension;

my $EXTENSION = 'a certificate of the chain has a malformed extension';
my $TWICE = 'a certificate of the chain has an extension twice';
my $NOT_DER = 'a certificate of the chain is not in strict DER';
my $KEY = 'the key of the certificate is not valid';

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my (undef, $private) = $mesh->issue('web', 'DNS:web.example.com');
my $public = Sniport::Certificate::public_key($private);
my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n",
	tls => qq(client_ca = "@{[ $mesh->file ]}"; client_auth = "required";));
my %key;
my $who = Sniport::Who->new(daemon => $daemon, port => $upstream->port,
	key => \%key);

sub signed { return Sniport::Certificate::certificate(by => $mesh,
	key => $public, @_); }

sub with { return signed(extensions => [ @_ ]); }

my ($SAN, $CONSTRAINTS, $USAGE) = qw(551d11 551d13 551d0f);
my $DNS = der(0x82, 'a.example.com');

sub san { return extension($SAN, sequence(@_)); }

# A client that has the key as well.
sub client {
	my ($version, @certificates) = @_;

	$key{it} = [ Sniport::Certificate::write_pem("$dir/it.pem",
		@certificates), $private ];
	return $who->client('it', 'open', version => $version);
}

for my $version ('1.2', '1.3') {
	$who->served_ok("$version: nothing is wrong",
		client($version, with(san($DNS))), identity => 'a.example.com');
	$who->served_ok("$version: a constrained name in another, and a usage",
		client($version, with(san(der(0xa4, Sniport::Certificate::name(2)),
		$DNS), extension($USAGE, der(0x03, "\7\x80")),
		extension($CONSTRAINTS, sequence()))),
		identity => 'a.example.com');
}

my $AWSLC = tls_library() eq 'AWS-LC';
sub refused_ok {
	my ($title, $detail, @certificates) = @_;
	my $alert = 'bad_certificate';

	# It says so in its own words.
	($detail, $alert) = @$detail if ref $detail eq 'ARRAY';
	# This client proves nothing, for which AWS-LC waits in TLS 1.3.
	for my $version ('1.2', $AWSLC ? () : '1.3') {
		my $client = Sniport::Certificate->client(\@certificates,
			$who->options(undef, 'open', version => $version));

		# Under TLS 1.3 there is no alert: see 70-client-certificates.t.
		is($client->end, $version eq '1.3' ? 'reset' :
			"alert $alert", "$version: $title: the end");
		$who->line_ok("$version: $title", $client,
			reason => 'client_certificate', detail => $detail,
			identity => undef, upstream => undef, tried => undef);
	}
	return;
}

# OpenSSL calls an issuer unknown, though it is there.
refused_ok('two lists of names', $TWICE, with(san($DNS), san($DNS)));
refused_ok('two basic constraints', $TWICE, with(san($DNS),
	(extension($CONSTRAINTS, sequence())) x 2));
refused_ok('two unknown extensions', $TWICE, with(san($DNS),
	(extension('2a0304', 'x')) x 2));
refused_ok('a list of names without a value', $EXTENSION,
	with(extension($SAN, '')));
refused_ok('a name of no type', $EXTENSION, with(san(der(0x89, 'a'), $DNS)));
refused_ok('a key usage without bits', $AWSLC ?
	[ 'unsupported certificate purpose', 'alert_43' ] : $EXTENSION, with(san($DNS),
	extension($USAGE, der(0x03, "\0"))));
refused_ok('basic constraints that are none', $EXTENSION, with(san($DNS),
	extension($CONSTRAINTS, der(0x04))));
refused_ok('a negative length of path', $EXTENSION, with(san($DNS),
	extension($CONSTRAINTS, sequence(der(0x01, "\xff"),
	der(0x02, "\xff")))));
# ... in an intermediate, too.
refused_ok('constraints that are none, of an intermediate', $EXTENSION,
	Sniport::Certificate::certificate(issuer =>
	Sniport::Certificate::subject('below'), key => $public,
	extensions => [ san($DNS) ]), signed(subject =>
	Sniport::Certificate::subject('below'),
	extensions => [ extension($CONSTRAINTS, der(0x04)) ]));

# OpenSSL calls it weak.
my $curve = pack 'H*', '301306072a8648ce3d020106082a8648ce3d030107';
refused_ok('a key that is not on its curve', $AWSLC ?
	[ 'a certificate of the chain cannot be decoded: point is not on curve',
	'decode_error' ] : $KEY, signed(
	key => sequence($curve, der(0x03, "\0\4" . "\1" x 64)),
	extensions => [ san($DNS) ]));

# OpenSSL takes them.
refused_ok('a DNS name in pieces', $NOT_DER, with(san(der(0xa2,
	der(0x16, 'a.example'), der(0x16, '.com')))));
refused_ok('a SPIFFE id in pieces', $NOT_DER, with(san(der(0xa6,
	der(0x04, 'spiffe://mesh/ns/'), der(0x04, 'a/sa/b')))));
refused_ok('bytes behind the list of names', $EXTENSION,
	with(extension($SAN, sequence($DNS), der(0x05))));
refused_ok('a second list behind the list of names', $EXTENSION,
	with(extension($SAN, sequence($DNS), sequence($DNS))));
sub critical { return sequence(der(0x06, pack 'H*', $SAN), der(0x01, $_[0]),
	der(0x04, sequence($DNS))); }
refused_ok('critical by a byte of 1', $NOT_DER, with(critical("\1")));
refused_ok('not critical, in so many words', $NOT_DER, with(critical("\0")));
refused_ok('an authority by a byte of 1', $NOT_DER, with(san($DNS),
	extension($CONSTRAINTS, sequence(der(0x01, "\1")))));
for my $version ('1.2', '1.3') {
	$who->served_ok("$version: critical", client($version,
		with(critical("\xff"))), identity => 'a.example.com');
}

# Names of many hosts are no client's.
for my $version ('1.2', '1.3') {
	$who->served_ok("$version: a wildcard is nobody's name", client($version,
		with(san(der(0x82, '*.example.com')))), identity => undef);
	$who->served_ok("$version: a name behind a wildcard", client($version,
		with(san(der(0x82, '*.example.com'), $DNS))),
		identity => 'a.example.com');
}

$daemon->stop_ok;
done_testing;
