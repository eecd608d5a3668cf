#!/usr/bin/perl
# What a client's certificate must be, what is told of it, and that nothing is
# done for a client that has yet to show it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;

use Sniport::Authority;
use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(temporary tls_library);
use Sniport::Upstream;
use Sniport::Who;

# An extension that nobody knows, of that many bytes.
sub padding { return '1.2.3.4=DER:' . unpack 'H*',
	pack 'n n/a*', 0x0482, 'x' x $_[0]; }

# Subject alternative names [ type, bytes ] as they are.
sub sans {
	my (@names) = @_;
	my $list = join '', map { pack 'C C/a*', 0x80 | $_->[0], $_->[1] } @names;

	return 'DER:' . join ':', unpack '(H2)*', pack 'C C/a*', 0x30, $list;
}

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my $foreign = Sniport::Authority->new($dir, 'foreign');
my $WEB = 'spiffe://cluster.local/ns/billing/sa/web';
my %key = (
	web => [ $mesh->issue('web', "URI:$WEB") ],
	expired => [ $mesh->issue('expired', "URI:$WEB",
		end => '200201000000Z') ],
	many => [ $mesh->issue('many', "DNS:first.example.com,URI:$WEB/many,"
		. 'DNS:Second.example.com,DNS:third.example.com') ],
);

# An intermediate of more than 16 KiB, so that each chain with it is longer; one
# of 70 KiB; and a certificate that is itself so long.
my %padded = map { ($_->[0] => Sniport::Authority->new($dir, $_->[0],
	issuer => $mesh, extensions => [ padding($_->[1]) ])) }
    [ long => 17_000 ], [ longer => 70_000 ];
$key{long} = [ $padded{long}->issue('web', "URI:$WEB/long",
	chain => [ $padded{long} ]) ];
$key{longer} = [ $padded{longer}->issue('web', "URI:$WEB/longer",
	chain => [ $padded{longer} ]) ];
$key{fattest} = [ $mesh->issue('fattest', "URI:$WEB/fat",
	extensions => [ padding(62_000) ]) ];
$key{fat} = [ $mesh->issue('fat', "URI:$WEB/fat",
	extensions => [ padding(20_000) ]) ];

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });

my $NETWORKS = 'networks = [ "127.0.0.0/8" ];';
my $daemon = Sniport::Daemon->new(
	dns => 'servers = [ "' . $dns->server . '" ]; cache_size = 0;',
	tls => qq(client_auth = "required"; client_ca = "@{[ $mesh->file ]}";),
	rules => qq(
	{ name = "one"; action = "allow"; $NETWORKS max_tunnels = 1;
	  destinations = [ "one.test:$port" ]; },
	{ name = "second"; action = "allow"; $NETWORKS
	  clients = [ "second.example.com" ];
	  destinations = [ "second.test:$port" ]; },
	{ name = "not-third"; action = "deny"; clients = [ "third.example.com" ];
	  destinations = [ "third.test:$port" ]; },
	{ name = "many"; action = "allow"; $NETWORKS
	  clients = [ "nobody.example.com", "spiffe://cluster.local/ns/billing/*" ];
	  destinations = [ "many.test:$port" ]; },
	{ name = "admin"; action = "allow"; $NETWORKS
	  clients = [ "admin.example.com" ];
	  destinations = [ "admin.test:$port" ]; },
	{ name = "open"; action = "allow"; $NETWORKS
	  destinations = [ "open.test:$port" ]; }));
my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

# A client whose hello was read and answered, and who says nothing more.
sub silent {
	my ($version, $host) = @_;
	my %option = $who->options(undef, $host);
	my $client = Sniport::Client->open(%option);
	my $answer = Sniport::Hello::exchange(undef, Sniport::Hello::records(
		Sniport::Hello::client_hello(name => $option{name},
		$version eq '1.2' ? (versions => undef) : ())),
		socket => $client->socket);

	ok($answer->{hello}, "$version: silent: the hello is answered");
	return $client;
}

# Required: no effect before the certificate is verified, though the rule is
# for all.
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	$dns->clear;
	my $silent = silent($version, 'one');
	$who->served_ok("$version: who waits takes no place of the rule",
		$who->client('web', 'one', @v), rule => 'one', identity => $WEB);
	is(scalar $dns->questions, 2,
		"$version: two questions (A, AAAA) for the one that was served");
	$silent->reset;
	$who->line_ok("$version: silent", $silent, reason => 'client_abandoned',
		dns_ms => undef, tried => undef, upstream => undef,
		decision => undef, rule => undef);

	$dns->clear;
	my $nobody = $who->client(undef, 'one', @v);
	isnt($nobody->wait_end, 'close_notify', "$version: nobody: refused");
	$who->line_ok("$version: nobody", $nobody, reason => 'client_certificate',
		dns_ms => undef, tried => undef, upstream => undef,
		decision => undef);
	is_deeply([ $dns->questions ], [],
		"$version: nothing is looked up for a client without certificate");
	# What is denied to all is refused at once.
	my $denied = $who->client(undef, 'nowhere', @v);
	is($denied->wait_end, 'alert access_denied',
		"$version: no rule, whoever it is: alert");
	$who->line_ok("$version: no rule", $denied, reason => 'no_rule',
		decision => 'deny');
}

# The identity that is told is the one by which the rule was chosen.
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	$who->served_ok("$version: by its second DNS name",
		$who->client('many', 'second', @v), rule => 'second',
		identity => 'Second.example.com');
	$who->refused_ok("$version: denied by its third DNS name",
		$who->client('many', 'third', @v), rule => 'not-third',
		reason => 'rule_deny', identity => 'third.example.com');
	$who->served_ok("$version: by its SPIFFE id",
		$who->client('many', 'many', @v), rule => 'many',
		identity => "$WEB/many");
	$who->served_ok("$version: a rule for all",
		$who->client('many', 'open', @v), rule => 'open',
		identity => "$WEB/many");
}

# How a refused certificate looks to a client: TLS 1.2 has an alert in its
# handshake. TLS 1.3 is done for the client, which has sent its first bytes
# already: not a byte comes after our Finished, and then a reset.
$key{foreign} = [ $foreign->issue('web', "URI:$WEB") ];
for (
	[ 'an unknown authority', 'foreign', 'unknown_ca',
	    detail => 'unable to get local issuer certificate' ],
	[ 'expired', 'expired', 'certificate_expired',
	    detail => 'certificate has expired' ],
	[ 'no certificate', undef, 'handshake_failure' ],
) {
	my ($title, $name, $alert, @line) = @$_;
	$who->unverified_ok("1.2: $title",
		$who->client($name, 'open', version => '1.2'), $alert, @line);
	my $client = $who->client($name, 'open', version => '1.3');
	ok($client->established, "1.3: $title: done for the client");
	$client->put('the first bytes');
	$who->unverified_ok("1.3: $title", $client, undef, @line,
		tls_version => undef);
}
# Nor is there an alert for other faults at that point: as many records come
# from sniport as for a client that ends its stream there.
sub after_finished {
	my ($then) = @_;
	my %option = $who->options(undef, 'open');
	my $client = Sniport::Client->open(%option);
	my $answer = Sniport::Hello::exchange(undef, Sniport::Hello::records(
		Sniport::Hello::client_hello(name => $option{name})),
		socket => $client->socket);

	$then->($client);
	Sniport::Hello::read_rest($answer);
	return ($client, $answer->{end},
		scalar split /, /, Sniport::Hello::sent($answer));
}
my (undef, $end, $records) = after_finished(sub { $_[0]->fin });
is($end, 'fin', '1.3: a client that ends its stream after our Finished');
for ([ 'a forged record', "\x17\x03\x03\0\x20" . 'x' x 32 ],
	[ 'plain text', "\x16\x03\x03\0\x04\x0b\0\0\0" ],
	[ 'an alert that nobody sends', "\x15\x03\x03\0\x04abcd" ]) {
	my ($title, $bytes) = @$_;
	my ($client, $end, $n) = after_finished(
		sub { syswrite $_[0]->socket, $bytes });

	is($end, 'reset', "1.3: $title after our Finished: reset");
	is($n, $records, "1.3: $title after our Finished: no alert");
	$who->line_ok("1.3: $title", $client, reason => 'tls_handshake');
}

# What is in a certificate passes for what it is, or the certificate for
# nobody's: it is refused, since to ignore it would pass a rule that denies it.
my $BYTE = 'a name in the certificate has a character that is not allowed in names';
my $AUTHORITY = 'the certificate has a SPIFFE id, but is that of an authority';
my $KEY = 'the certificate has a SPIFFE id, but its key usage ';
my $ID = 'the certificate\'s SPIFFE id is malformed';
my $TWO = 'the certificate has a SPIFFE id and another URI';
my @names = map { "DNS:n$_.example.com" } 1 .. 127;
for (
	[ 'a NUL in a DNS name', sans([ 2, "admin.example.com\0.attacker.example" ]),
	    $BYTE ],
	[ 'a NUL at the end of a DNS name', sans([ 2, "admin.example.com\0" ]),
	    $BYTE ],
	[ 'a NUL in the second name', sans([ 2, 'admin.example.com' ],
	    [ 2, "a\0b" ]), $BYTE ],
	[ 'a NUL in a SPIFFE id', sans([ 6, "$WEB\0/x" ]), $BYTE ],
	[ 'a new line in a DNS name', sans([ 2, "admin.example.com\nx" ]), $BYTE ],
	[ 'a byte that is not ASCII', sans([ 2, "\xe9.example.com" ]), $BYTE ],
	[ 'a NUL in another URI', sans([ 2, 'admin.example.com' ],
	    [ 6, "https://example.com/\0" ]), $BYTE ],
	[ '129 names', join(',', @names, 'DNS:z.example.com',
	    'DNS:admin.example.com'), 'the certificate has more than 128 names' ],
	[ 'a SPIFFE id of an authority', "URI:$WEB", $AUTHORITY,
	    'basicConstraints=critical,CA:TRUE' ],
	[ 'a SPIFFE id, and a key that signs certificates', "URI:$WEB",
	    "${KEY}is that of an authority",
	    'keyUsage=critical,digitalSignature,keyCertSign' ],
	[ 'a SPIFFE id, and a key that signs revocation lists', "URI:$WEB",
	    "${KEY}is that of an authority", 'keyUsage=critical,digitalSignature,cRLSign' ],
	[ 'a SPIFFE id, and a key that does not sign', "URI:$WEB",
	    "${KEY}lacks digitalSignature", 'keyUsage=critical,keyAgreement' ],
	[ 'two SPIFFE ids', "URI:$WEB,URI:$WEB/2", $TWO ],
	[ 'a SPIFFE id and another URI', "URI:https://example.com/,URI:$WEB", $TWO ],
	[ 'a trust domain in capital letters', 'URI:spiffe://Cluster.local/a', $ID ],
	[ 'a scheme in capital letters', 'URI:SPIFFE://cluster.local/a', $ID ],
	[ 'a SPIFFE id with a port', 'URI:spiffe://cluster.local:1/a', $ID ],
	[ 'a SPIFFE id with an empty segment', "URI:$WEB//x", $ID ],
) {
	my ($title, $names, $detail, @extensions) = @$_;
	$key{it} = [ $mesh->issue('it', $names, extensions => \@extensions) ];
	for my $version ('1.2', '1.3') {
		# AWS-LC sees that by itself there.
		$detail = 'key usage bit incorrect' if $version eq '1.3' &&
		    $detail =~ /lacks/ && tls_library() eq 'AWS-LC';
		$who->unverified_ok("$version: $title",
			$who->client('it', 'admin', version => $version),
			'bad_certificate', detail => $detail);
	}
}
for (
	[ '128 names, the last of which counts', join(',', @names,
	    'DNS:admin.example.com'), 'admin', 'admin.example.com' ],
	[ 'an authority, by a DNS name', 'DNS:admin.example.com', 'admin',
	    'admin.example.com', 'basicConstraints=critical,CA:TRUE' ],
	[ 'a DNS name and URIs that are no SPIFFE ids',
	    'DNS:admin.example.com,URI:https://example.com/,URI:urn:x', 'admin',
	    'admin.example.com' ],
	[ 'a key usage that includes digitalSignature', "URI:$WEB", 'open', $WEB,
	    'keyUsage=critical,digitalSignature,keyEncipherment' ],
	[ 'what no host is called', 'DNS:10.0.0.1,DNS:a b,DNS:-,URI:https://a/,'
	    . 'email:a@example.com,IP:10.0.0.1', 'open', undef ],
	[ 'what no host is called, and a name', 'DNS:10.0.0.1,DNS:b.example.com',
	    'open', 'b.example.com' ],
) {
	my ($title, $names, $host, $identity, @extensions) = @$_;
	$key{it} = [ $mesh->issue('it', $names, extensions => \@extensions) ];
	for my $version ('1.2', '1.3') {
		$who->served_ok("$version: $title",
			$who->client('it', $host, version => $version),
			identity => $identity);
	}
}

# A chain has a bound of its own, and not that of a ClientHello.
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	$who->served_ok("$version: a chain of more than 16 KiB",
		$who->client('long', 'open', @v), identity => "$WEB/long");
	# A ticket has the client's own certificate in it, and would make the
	# next hello too big.
	my $fat = $who->client('fat', 'open', @v);
	$fat->put('ping');
	is($fat->get(4), 'ping', "$version: a certificate of 20 KiB: served");
	my $session = $fat->{sessions}[-1];
	$fat->end;
	$fat->wait_end;
	$who->line_ok("$version: a certificate of 20 KiB", $fat,
		reason => 'done', identity => "$WEB/fat");
	$who->served_ok("$version: a certificate of 20 KiB, once more",
		$who->client('fat', 'open', @v, session => $session),
		identity => "$WEB/fat", resumed => JSON::PP::false());
	my $client = $who->client('longer', 'open', @v);
	$client->put('ping');
	isnt($client->wait_end, 'close_notify', "$version: 70 KiB: refused");
	$who->line_ok("$version: a chain of more than limits.handshake",
		$client, reason => 'handshake_too_big');
}
$daemon->reload(limits => 'handshake = "256KiB";');
for my $version ('1.2', '1.3') {
	$who->served_ok("$version: a chain within a raised limit",
		$who->client('longer', 'open', version => $version),
		identity => "$WEB/longer");
	$who->unverified_ok("$version: a certificate of 61 KiB",
		$who->client('fattest', 'open', version => $version),
		'bad_certificate', detail =>
		'the certificate is longer than 60 KiB');
}

$daemon->stop_ok;
done_testing;
