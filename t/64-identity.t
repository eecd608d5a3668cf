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

sub client {
	my ($who, $name, %option) = @_;
	my @key = $who ? (certificate => $key{$who}[0], key => $key{$who}[1]) : ();

	return Sniport::Client->new(port => $daemon->port,
		name => "$name.test:$port", @key, %option);
}

sub line_of {
	my ($client) = @_;
	my $local = $client->local_port;

	return $daemon->wait_audit(sub { $_->{client_port} == $local });
}

sub is_line {
	my ($title, $line, %want) = @_;

	is_deeply({ map { $_ => $line->{$_} } keys %want }, \%want,
		"$title: audit line") or diag(explain($line));
	return;
}

# The tunnel works; returns its client.
sub served_ok {
	my ($title, $client, %line) = @_;

	ok($client->established && $client->put('ping')
		&& ($client->get(4) // '') eq 'ping', "$title: served")
	    or diag($client->ended);
	$client->end;
	$client->wait_end;
	is_line($title, line_of($client), reason => 'done',
		decision => 'allow', %line);
	return;
}

# The tunnel is refused once the identity is known: nobody was asked or dialled.
sub refused_ok {
	my ($title, $client, %line) = @_;

	is($client->wait_end, 'reset', "$title: reset");
	is_line($title, line_of($client), decision => 'deny',
		tried => undef, upstream => undef, %line);
	return;
}

# The handshake fails: of TLS 1.3 by a reset, see t/70-client-certificates.t.
sub unverified_ok {
	my ($title, $client, $alert, %line) = @_;

	is($client->wait_end, $client->{option}{version} eq '1.3' ? 'reset' :
		"alert $alert", "$title: the end");
	is_line($title, line_of($client), reason => 'client_certificate', %line);
	return;
}

for my $version ('1.2', '1.3') {
	my @v = (version => $version);
	my $no_rule = sub { (reason => 'no_rule', @_) };

	$dns->clear;
	refused_ok("$version: nobody", client(undef, 'billing', @v),
		$no_rule->(identity => undef));
	refused_ok("$version: somebody else", client('other', 'billing', @v),
		$no_rule->(identity => 'spiffe://cluster.local/ns/other/sa/web'));
	refused_ok("$version: an id below", client('deep', 'billing', @v),
		$no_rule->(identity => "$BILLING/x"));
	unverified_ok("$version: two URIs are no SPIFFE id",
		client('two', 'billing', @v), 'bad_certificate', identity => undef);
	refused_ok("$version: no names", client('bare', 'billing', @v),
		$no_rule->(identity => undef));
	refused_ok("$version: a wildcard in a certificate",
		client('wild', 'named', @v), $no_rule->(identity => '*.example.com'));
	is_deeply([ $dns->questions ], [],
		"$version: no name is looked up for whom no rule names");

	served_ok("$version: the right id", client('web', 'billing', @v),
		rule => 'billing', identity => $BILLING, resumed => JSON::PP::false());
	served_ok("$version: an id by its prefix", client('deep', 'below', @v),
		rule => 'below', identity => "$BILLING/x");
	served_ok("$version: a DNS name", client('dns', 'named', @v),
		rule => 'named', identity => 'Client.Example.com');

	# A deny that depends on the identity, before an allow that does not.
	refused_ok("$version: denied by identity", client('other', 'open', @v),
		reason => 'rule_deny', rule => 'not-other');
	served_ok("$version: not denied", client('web', 'open', @v),
		rule => 'open');
	served_ok("$version: not denied without certificate",
		client(undef, 'open', @v), rule => 'open', identity => undef);

	# Resumed.
	my $first = client('web', 'free', @v);
	my $session = $first->session;
	served_ok("$version: first", $first, rule => 'open');
	served_ok("$version: resumed, verified before",
		client('web', 'billing', @v, session => $session),
		rule => 'billing', identity => $BILLING,
		resumed => JSON::PP::true());
	$first = client('other', 'free', @v);
	$session = $first->session;
	served_ok("$version: first of another", $first, rule => 'open');
	refused_ok("$version: resumed with another's identity",
		client('web', 'billing', @v, session => $session), $no_rule->(
		identity => 'spiffe://cluster.local/ns/other/sa/web'));

	# Not verified.
	unverified_ok("$version: an unknown authority",
		client('foreign', 'open', @v), 'unknown_ca', identity => undef);
	unverified_ok("$version: expired", client('expired', 'open', @v),
		'certificate_expired');
}

# Another authority: no session of before is resumed, no certificate holds.
my %before;
for my $version ('1.2', '1.3') {
	my $first = client('web', 'free', version => $version);
	$before{$version} = $first->session;
	served_ok("$version: before the reload", $first, rule => 'open');
}
$daemon->reload(tls => tls('required', $foreign));
for my $version ('1.2', '1.3') {
	my @v = (version => $version);

	unverified_ok("$version: a session under other trust",
		client('web', 'billing', @v, session => $before{$version}),
		'unknown_ca', resumed => undef);
	served_ok("$version: the new authority",
		client('foreign', 'billing', @v), rule => 'billing');
	unverified_ok("$version: required, and none",
		client(undef, 'open', @v), 'handshake_failure');
}

# Revoked.
$mesh->revoke('revoked');
my $crl = $mesh->crl;
$daemon->reload(tls => tls('optional', $mesh, qq(crl = "$crl";)));
for my $version ('1.2', '1.3') {
	unverified_ok("$version: revoked",
		client('revoked', 'open', version => $version),
		'certificate_revoked', detail => 'certificate revoked');
	served_ok("$version: not revoked",
		client('web', 'billing', version => $version), rule => 'billing');
}
$daemon->stop_ok;
done_testing;
