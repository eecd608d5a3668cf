#!/usr/bin/perl
# Rules that name clients by the identity in their verified certificate.

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
use Sniport::Test qw(temporary);
use Sniport::Upstream;
use Sniport::Who;

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my $foreign = Sniport::Authority->new($dir, 'foreign');
my $BILLING = 'spiffe://cluster.local/ns/billing/sa/web';
my %key = (
	web => [ $mesh->issue('web', "URI:$BILLING") ],
	other => [ $mesh->issue('other',
		'URI:spiffe://cluster.local/ns/other/sa/web') ],
	deep => [ $mesh->issue('deep', "URI:$BILLING/x,DNS:deep.example.com") ],
	two => [ $mesh->issue('two', "URI:$BILLING,URI:$BILLING/2") ],
	dns => [ $mesh->issue('dns', 'DNS:Client.Example.com') ],
	wild => [ $mesh->issue('wild', 'DNS:*.example.com') ],
	bare => [ $mesh->issue('bare', '') ],
	foreign => [ $foreign->issue('web', "URI:$BILLING") ],
	expired => [ $mesh->issue('expired', "URI:$BILLING",
		end => '200201000000Z') ],
	revoked => [ $mesh->issue('revoked', "URI:$BILLING") ],
);

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });

my $NETWORKS = 'networks = [ "127.0.0.0/8" ];';
my $RULES = qq(
	{ name = "billing"; action = "allow"; $NETWORKS
	  clients = [ "10.9.0.0/16", "spiffe://cluster.local/ns/billing/sa/web" ];
	  destinations = [ "billing.test:$port" ]; },
	{ name = "below"; action = "allow"; $NETWORKS
	  clients = [ "spiffe://cluster.local/ns/billing/*" ];
	  destinations = [ "below.test:$port" ]; },
	{ name = "named"; action = "allow"; $NETWORKS
	  clients = [ "client.example.com" ];
	  destinations = [ "named.test:$port" ]; },
	{ name = "not-other"; action = "deny";
	  clients = [ "spiffe://cluster.local/ns/other/sa/*" ];
	  destinations = [ "open.test:$port" ]; },
	{ name = "open"; action = "allow"; $NETWORKS
	  destinations = [ "open.test:$port", "free.test:$port" ]; });

sub tls {
	my ($auth, $ca, $more) = @_;

	return qq(client_auth = "$auth"; client_ca = "@{[ $ca->file ]}"; )
	    . ($more // '');
}

my $daemon = Sniport::Daemon->new(rules => $RULES,
	dns => 'servers = [ "' . $dns->server . '" ];',
	tls => tls('optional', $mesh));

my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

for my $version ('1.2', '1.3') {
	my @v = (version => $version);
	my $no_rule = sub { (reason => 'no_rule', @_) };

	$dns->clear;
	$who->refused_ok("$version: nobody", $who->client(undef, 'billing', @v),
		$no_rule->(identity => undef));
	$who->refused_ok("$version: somebody else", $who->client('other', 'billing', @v),
		$no_rule->(identity => 'spiffe://cluster.local/ns/other/sa/web'));
	$who->refused_ok("$version: an id below", $who->client('deep', 'billing', @v),
		$no_rule->(identity => "$BILLING/x"));
	$who->unverified_ok("$version: two URIs are no SPIFFE id",
		$who->client('two', 'billing', @v), 'bad_certificate', identity => undef);
	$who->refused_ok("$version: no names", $who->client('bare', 'billing', @v),
		$no_rule->(identity => undef));
	$who->refused_ok("$version: a wildcard in a certificate",
		$who->client('wild', 'named', @v), $no_rule->(identity => undef));
	is_deeply([ $dns->questions ], [],
		"$version: no name is looked up for whom no rule names");

	$who->served_ok("$version: the right id", $who->client('web', 'billing', @v),
		rule => 'billing', identity => $BILLING, resumed => JSON::PP::false());
	$who->served_ok("$version: an id by its prefix", $who->client('deep', 'below', @v),
		rule => 'below', identity => "$BILLING/x");
	$who->served_ok("$version: a DNS name", $who->client('dns', 'named', @v),
		rule => 'named', identity => 'Client.Example.com');

	# A deny that depends on the identity, before an allow that does not.
	$who->refused_ok("$version: denied by identity", $who->client('other', 'open', @v),
		reason => 'rule_deny', rule => 'not-other');
	$who->served_ok("$version: not denied", $who->client('web', 'open', @v),
		rule => 'open');
	$who->served_ok("$version: not denied without certificate",
		$who->client(undef, 'open', @v), rule => 'open', identity => undef);

	# Resumed.
	my $first = $who->client('web', 'free', @v);
	my $session = $first->session;
	$who->served_ok("$version: first", $first, rule => 'open');
	$who->served_ok("$version: resumed, verified before",
		$who->client('web', 'billing', @v, session => $session),
		rule => 'billing', identity => $BILLING,
		resumed => JSON::PP::true());
	$first = $who->client('other', 'free', @v);
	$session = $first->session;
	$who->served_ok("$version: first of another", $first, rule => 'open');
	$who->refused_ok("$version: resumed with another's identity",
		$who->client('web', 'billing', @v, session => $session), $no_rule->(
		identity => 'spiffe://cluster.local/ns/other/sa/web'));

	# Not verified.
	$who->unverified_ok("$version: an unknown authority",
		$who->client('foreign', 'open', @v), 'unknown_ca', identity => undef);
	$who->unverified_ok("$version: expired", $who->client('expired', 'open', @v),
		'certificate_expired');
}

# Another authority: no session of before is resumed, no certificate holds.
my %before;
for my $version ('1.2', '1.3') {
	my $first = $who->client('web', 'free', version => $version);
	$before{$version} = $first->session;
	$who->served_ok("$version: before the reload", $first, rule => 'open');
}
$daemon->reload(tls => tls('required', $foreign));
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	$who->unverified_ok("$version: a session under other trust",
		$who->client('web', 'billing', @v, session => $before{$version}),
		'unknown_ca', resumed => undef);
	$who->served_ok("$version: the new authority",
		$who->client('foreign', 'billing', @v), rule => 'billing');
	$who->unverified_ok("$version: required, and none",
		$who->client(undef, 'open', @v), 'handshake_failure');
}

# Revoked.
$mesh->revoke('revoked');
my $crl = $mesh->crl;
$daemon->reload(tls => tls('optional', $mesh, qq(crl = "$crl";)));
for my $version ('1.2', '1.3') {
	$who->unverified_ok("$version: revoked",
		$who->client('revoked', 'open', version => $version),
		'certificate_revoked', detail => 'certificate revoked');
	$who->served_ok("$version: not revoked",
		$who->client('web', 'billing', version => $version), rule => 'billing');
}
$daemon->stop_ok;
done_testing;
