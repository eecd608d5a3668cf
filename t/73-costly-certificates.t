#!/usr/bin/perl
# Before anything is verified, a client's certificates are decoded, in one call
# of the TLS library: what that would cost is bounded, and others of the worker
# do not wait. Chains that are in use pass.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Authority;
use Sniport::Certificate;
use Sniport::Daemon;
use Sniport::Test qw(slow temporary tls_library usage);
use Sniport::Upstream;
use Sniport::Who;

*der = \&Sniport::Certificate::der;
*sequence = \&Sniport::Certificate::sequence;
*name = \&Sniport::Certificate::name;
*extension = \&Sniport::Certificate::extension;
*certificate = \&Sniport::Certificate::certificate;

my $CURVE = 'a certificate\'s EC key is not on P-256, P-384 or P-521';
my $COUNT = 'the chain has more than 16 certificates';
my $NAME = 'a certificate has a name of more than 64 attributes';
my $ELEMENTS = 'the chain has more than 4096 DER elements';
my $RELATIVE = 'a certificate\'s CRL distribution points have relative names';
my $MALFORMED = 'a certificate of the chain is malformed';

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my %key = (web => [ $mesh->issue('web', 'DNS:web.example.com') ]);
my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
# In TLS 1.2 the curve of a client's key must be among the groups.
my $TLS = qq(client_ca = "@{[ $mesh->file ]}";
	groups = "X25519:P-256:P-384:P-521";);
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n",
	tls => qq($TLS client_auth = "required";));
my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

sub relative_points {
	my ($n) = @_;
	my $one = sequence(der(0xa0, der(0xa1,
		Sniport::Certificate::attribute(''))));

	return extension('551d1f', sequence($one x $n));
}

sub names { return extension('551d11', sequence(der(0x82, 'a') x $_[0])); }

# Title, certificates, detail. What each takes without a bound (OpenSSL 3.0) is
# behind it.
my $plain = certificate();
my @costly = (
	[ 'explicit curves', [ (certificate(issuer => sequence(),
	    subject => sequence(),
	    key => Sniport::Certificate::explicit_key())) x 90 ], $CURVE ], # 30 s
	[ 'one explicit curve', [ certificate(key =>
	    Sniport::Certificate::explicit_key()) ], $CURVE ], # 0.3 s
	[ 'points that are named relatively to a long name', [ certificate(
	    issuer => name(2000), extensions => [ relative_points(1500) ]) ],
	    $NAME ], # 5 s
	[ 'points that are named relatively', [ certificate(
	    issuer => name(64), extensions => [ relative_points(60) ]) ],
	    $RELATIVE ],
	[ 'compressed points on P-224', [ (certificate(issuer => sequence(),
	    subject => sequence(), key => Sniport::Certificate::p224_key()))
	    x 420 ], $CURVE ], # 0.3 s
	[ '17 certificates', [ ($plain) x 17 ], $COUNT ],
	[ 'as many as fit', [ ($plain) x 300 ], $COUNT ],
	[ '65 RDNs', [ certificate(subject => name(65)) ], $NAME ],
	[ '65 extensions', [ certificate(extensions =>
	    [ map { extension(sprintf('2a03%02x', $_), '') } 1 .. 65 ]) ],
	    'a certificate has more than 64 extensions' ],
	[ '5000 names', [ certificate(extensions => [ names(5000) ]) ],
	    $ELEMENTS ],
	[ '4200 names in 14 certificates', [ (certificate(extensions =>
	    [ names(300) ])) x 14 ], $ELEMENTS ],
	[ 'RSA of 16392 bits', [ certificate(key => sequence(sequence(
	    pack('H*', '06092a864886f70d0101010500')),
	    Sniport::Certificate::bits(sequence(
	    der(0x02, "\1" . 'x' x 2048), der(0x02, "\3"))))) ],
	    'a certificate\'s RSA key is longer than 16384 bits' ],
	[ 'no certificate, but bytes', [ 'x' x 1000 ], $MALFORMED ],
	[ 'an empty one', [ '' ], $MALFORMED ],
);

# CPU time in seconds and memory that one may take, all in all.
my ($CPU, $MEMORY) = slow() ? (4, 64 << 20) : (0.2, 8 << 20);

my $victim = $who->client('web', 'open', version => '1.3');
for my $version ('1.2', '1.3') {
	for (@costly) {
		my ($title, $certificates, $detail) = @$_;
		my ($worker) = $daemon->workers;
		my $before = usage($worker);
		my $client = Sniport::Certificate->client($certificates,
			$who->options(undef, 'open', version => $version));

		# Under TLS 1.3 there is no alert: see 70-client-certificates.t.
		is($client->end, $version eq '1.3' ? 'reset' :
			'alert decode_error', "$version: $title: the end");
		$who->line_ok("$version: $title", $client,
			reason => 'client_certificate', detail => $detail,
			identity => undef, upstream => undef, tried => undef);
		is_deeply([ $daemon->workers ], [ $worker ],
			"$version: $title: the worker lives") or next;
		my $after = usage($worker);
		cmp_ok($after->{cpu} - $before->{cpu}, '<', $CPU,
			"$version: $title: takes little time");
		cmp_ok($after->{peak} - $before->{peak}, '<', $MEMORY,
			"$version: $title: takes little memory");
		ok($victim->put('ping') && ($victim->get(4) // '') eq 'ping',
			"$version: $title: another's tunnel goes on");
	}
}
$victim->end;
$victim->wait_end;
$who->line_ok('the other tunnel', $victim, reason => 'done');

# What is within the bounds goes on to be verified, with AWS-LC and TLS 1.3 only
# where the client proves that it has the key.
for my $version ('1.2', tls_library() eq 'AWS-LC' ? () : '1.3') {
	for (
		[ '16 certificates, 50 attributes', [ (certificate(
		    subject => name(50))) x 16 ] ],
		[ '64 extensions, 3000 names', [ certificate(extensions =>
		    [ names(3000), map { extension(sprintf('2a03%02x', $_),
		    'x') } 1 .. 63 ]) ] ],
	) {
		my ($title, $certificates) = @$_;
		my $client = Sniport::Certificate->client($certificates,
			$who->options(undef, 'open', version => $version));

		is($client->end, $version eq '1.3' ? 'reset' :
			'alert unknown_ca', "$version: $title: the end");
		$who->line_ok("$version: $title", $client,
			reason => 'client_certificate', detail =>
			$title =~ /names/ && tls_library() eq 'AWS-LC' ?
			'self signed certificate' :
			'unable to get local issuer certificate');
	}
}

# Keys of all kinds, as authorities' and as clients'.
my @EC = ('ec', '-pkeyopt');
my %kind = (
	'RSA 2048' => [ 'rsa:2048' ],
	'RSA 4096' => [ 'rsa:4096' ],
	'P-256' => [ @EC, 'ec_paramgen_curve:prime256v1' ],
	'P-384' => [ @EC, 'ec_paramgen_curve:secp384r1' ],
	'P-521' => [ @EC, 'ec_paramgen_curve:secp521r1' ],
	'Ed25519' => [ 'ed25519' ],
	'Ed448' => [ 'ed448' ],
);
delete $kind{Ed448} if tls_library() eq 'AWS-LC'; # it has none
my $URIS = 'crlDistributionPoints=' . join ',',
    map { "URI:http://crl$_.example.com/list.crl" } 1 .. 10;
for my $kind (sort keys %kind) {
	my $file = $kind =~ s/\W//gr;
	my $below = Sniport::Authority->new($dir, $file, issuer => $mesh,
		key => $kind{$kind}, extensions => [ $URIS ]);
	$key{$kind} = [ $below->issue($file, "DNS:$file.example.com",
		chain => [ $below ], key => $kind{$kind},
		extensions => [ $URIS ]) ];
	for my $version ('1.2', '1.3') {
		$who->served_ok("$version: $kind",
			$who->client($kind, 'open', version => $version),
			identity => "$file.example.com");
	}
}

# Many names, in constraints too; a chain as long as may be, and a longer one.
my @names = map { "n$_.example.com" } 1 .. 500;
my $bound = Sniport::Authority->new($dir, 'bound', issuer => $mesh,
	extensions => [ 'nameConstraints=' . join ',',
	map { "permitted;DNS:$_" } @names[0 .. 99] ]);
$key{many} = [ $bound->issue('many', join(',', (map { "DNS:$_" }
	@names[0 .. 99]), map { "email:a\@$_" } @names), chain => [ $bound ]) ];
my @chain = ($mesh);
for my $n (1 .. 16) {
	push @chain, Sniport::Authority->new($dir, "below$n",
		issuer => $chain[-1]);
}
for my $n (15, 16) {
	$key{$n} = [ $chain[$n]->issue("deep$n", 'DNS:deep.example.com',
		chain => [ reverse @chain[1 .. $n] ]) ];
}
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	$who->served_ok("$version: 600 names, 100 constraints",
		$who->client('many', 'open', @v), identity => 'n1.example.com');
	$who->served_ok("$version: a chain of 16",
		$who->client(15, 'open', @v), identity => 'deep.example.com');
	$who->unverified_ok("$version: a chain of 17",
		$who->client(16, 'open', @v), 'decode_error', detail => $COUNT);
}

# Where a certificate may be missing, too.
$daemon->reload(tls => qq($TLS client_auth = "optional";));
for my $version ('1.2', '1.3') {
	my %option = $who->options(undef, 'open', version => $version);
	my $client = Sniport::Certificate->client($costly[0][1], %option);

	$client->end;
	$who->line_ok("$version: optional", $client,
		reason => 'client_certificate', detail => $costly[0][2]);
	$who->served_ok("$version: no certificate at all",
		Sniport::Client->new(%option), identity => undef);
}

$daemon->stop_ok;
done_testing;
