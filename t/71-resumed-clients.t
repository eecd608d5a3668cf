#!/usr/bin/perl
# A session is resumed only while what its client was verified by is as good as
# then: its certificate, its chain, the revocation lists, and the time since it
# showed the certificate. Else it shows it again, and an honest client notices
# nothing. The daemon's clock is put forward.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Net::SSLeay ();
use POSIX qw(strftime);
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(build run sanitized temporary);
use Sniport::Upstream;
use Sniport::Who;

my ($MINUTE, $HOUR) = (60, 3600);
my ($YES, $NO) = (JSON::PP::true(), JSON::PP::false());
my $WEB = 'spiffe://cluster.local/ns/billing/sa/web';
my $OTHER = 'spiffe://cluster.local/ns/other/sa/web';

my $dir = temporary();
my $clock = "$dir/clock";

# Sets by how many seconds sniport's clock is ahead of ours.
sub ahead {
	my ($seconds) = @_;

	open my $file, -e $clock ? '+<:raw' : '>:raw', $clock
	    or die "$clock: $!";
	syswrite $file, pack 'q', $seconds;
	close $file;
	return;
}

sub date { return strftime('%y%m%d%H%M%SZ', gmtime time + $_[0]); }

my $mesh = Sniport::Authority->new($dir, 'mesh');
my $short = Sniport::Authority->new($dir, 'short', end => date($HOUR));
my $below = Sniport::Authority->new($dir, 'below', issuer => $mesh);
my $passing = Sniport::Authority->new($dir, 'passing', issuer => $mesh,
	end => date($HOUR));
my %key = (
	web => [ $mesh->issue('web', "URI:$WEB") ],
	(map { ("revoked$_" => [ $mesh->issue("revoked$_", "URI:$WEB") ]) }
		'1.2', '1.3'),
	brief => [ $mesh->issue('brief', "URI:$WEB", end => date($HOUR)) ],
	other => [ $mesh->issue('other', "URI:$OTHER", end => date($HOUR)) ],
	passing => [ $passing->issue('web', "URI:$WEB", chain => [ $passing ]) ],
	below => [ $below->issue('web', "URI:$WEB", chain => [ $below ]) ],
	short => [ $short->issue('web', "URI:$WEB", end => date(2 * $HOUR)) ],
);
my $CAS = "$dir/cas.pem";
system("cat '$dir/mesh.pem' '$dir/short.pem' > '$CAS'") == 0 or die;

# The lists of all authorities; how long each is in force: 30 days unless given.
sub crls {
	my (%seconds) = @_;
	my $file = "$dir/all.crl";
	my %authority = (mesh => $mesh, short => $short, below => $below,
		passing => $passing);

	my @files = map { $authority{$_}->crl(seconds => $seconds{$_}) }
	    sort keys %authority;
	system("cat @files > '$file'") == 0 or die;
	return qq(crl = "$file";);
}

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
ahead(0);
my $NETWORKS = 'networks = [ "127.0.0.0/8" ];';

sub tls {
	my ($auth, $more) = @_;

	return qq(client_auth = "$auth"; client_ca = "$CAS"; ) . ($more // '');
}

my $daemon = Sniport::Daemon->new(hosts => join("\n", map {
	"127.0.0.1 $_.test" } qw(billing free open)) . "\n", tls => tls('optional'),
	environment => { LD_PRELOAD => build() . '/preload/clock.so',
		CLOCK_FILE => $clock, sanitized() ? (ASAN_OPTIONS => join ':',
		$ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0') : () },
	rules => qq(
	{ name = "not-other"; action = "deny"; clients = [ "$OTHER" ];
	  destinations = [ "open.test:$port" ]; },
	{ name = "billing"; action = "allow"; $NETWORKS clients = [ "$WEB" ];
	  destinations = [ "billing.test:$port" ]; },
	{ name = "free"; action = "allow"; $NETWORKS
	  destinations = [ "free.test:$port" ]; },
	{ name = "open"; action = "allow"; $NETWORKS
	  destinations = [ "open.test:$port" ]; }));
my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

# A tunnel of that client; its session, for the next.
sub tunnel {
	my ($title, $version, $name, $host, $session, %line) = @_;
	my $client = $who->client($name, $host, version => $version,
		session => $session);
	# TLS 1.2 has a new ticket only in a whole handshake.
	my $next = $version eq '1.2' && $client->resumed ? $session :
	    $client->session;

	$who->served_ok($title, $client, rule => $host, %line);
	return $next;
}

# The configuration once more, and sniport's clock as ours.
sub anew {
	my ($auth, $more) = @_;

	ahead(0);
	$daemon->reload(tls => tls($auth, $more));
	return;
}

for my $auth ('optional', 'required') {
	for my $version ('1.2', '1.3') {
		my $is = "$auth, $version";

		# As long as all is good: with the same identity.
		anew($auth, crls());
		my $session = tunnel("$is: first", $version, 'below', 'billing',
			undef, resumed => $NO, identity => $WEB);
		$session = tunnel("$is: resumed", $version, 'below', 'billing',
			$session, resumed => $YES, identity => $WEB);
		tunnel("$is: resumed again", $version, 'below', 'billing',
			$session, resumed => $YES, identity => $WEB);

		# A certificate of the chain expires.
		for ([ 'its certificate', 'brief' ], [ 'its authority', 'short' ],
			[ 'an intermediate', 'passing' ]) {
			my ($title, $name) = @$_;

			ahead(0);
			my $session = tunnel("$is: $title, before", $version, $name,
				'billing', undef, identity => $WEB);
			ahead($HOUR - 10 * $MINUTE);
			$session = tunnel("$is: $title, shortly before", $version,
				$name, 'billing', $session, resumed => $YES,
				identity => $WEB);
			ahead($HOUR + 10 * $MINUTE);
			$who->unverified_ok("$is: $title has expired since",
				$who->client($name, 'open', version => $version,
				session => $session), 'certificate_expired',
				detail => 'certificate has expired');
		}

		# A client that a rule denies does not pass it by waiting.
		ahead(0);
		my $denied = tunnel("$is: allowed elsewhere", $version, 'other',
			'free', undef, identity => $OTHER);
		$who->refused_ok("$is: denied", $who->client('other', 'open',
			version => $version, session => $denied),
			reason => 'rule_deny', rule => 'not-other',
			identity => $OTHER, resumed => $YES);
		ahead($HOUR + 10 * $MINUTE);
		$who->unverified_ok("$is: denied, and expired since",
			$who->client('other', 'open', version => $version,
			session => $denied), 'certificate_expired');

		# Its certificate is another one by then: nothing is noticed.
		ahead(0);
		$session = tunnel("$is: a certificate that expires", $version,
			'brief', 'billing', undef);
		ahead($HOUR + 10 * $MINUTE);
		$session = tunnel("$is: a new certificate", $version, 'web',
			'billing', $session, resumed => $NO, identity => $WEB);
		tunnel("$is: its session", $version, 'web', 'billing',
			$session, resumed => $YES, identity => $WEB);

		# The list goes out of date.
		anew($auth, crls(mesh => $HOUR));
		$session = tunnel("$is: a list in force", $version, 'web',
			'billing', undef);
		ahead($HOUR + 10 * $MINUTE);
		$who->unverified_ok("$is: a list out of date since",
			$who->client('web', 'open', version => $version,
			session => $session), 'certificate_expired',
			detail => 'CRL has expired');
		anew($auth, crls(below => $HOUR));
		$session = tunnel("$is: an intermediate's list in force", $version,
			'below', 'billing', undef);
		ahead($HOUR + 10 * $MINUTE);
		$who->unverified_ok("$is: an intermediate's list out of date",
			$who->client('below', 'open', version => $version,
			session => $session), 'certificate_expired',
			detail => 'CRL has expired');

		# It is renewed.
		anew($auth, crls(mesh => $HOUR));
		$session = tunnel("$is: before a new list", $version, 'web',
			'billing', undef);
		anew($auth, crls());
		tunnel("$is: a new list", $version, 'web', 'billing', $session,
			identity => $WEB);

		# The time since the certificate was shown, not since the last
		# ticket.
		anew($auth, 'authentication_lifetime = "1h";');
		$session = tunnel("$is: shown", $version, 'web', 'billing', undef);
		ahead(40 * $MINUTE);
		$session = tunnel("$is: 40 minutes", $version, 'web', 'billing',
			$session, resumed => $YES);
		ahead(80 * $MINUTE);
		$session = tunnel("$is: 80 minutes, with a ticket of the 40th",
			$version, 'web', 'billing', $session, resumed => $NO,
			identity => $WEB);
		ahead(100 * $MINUTE);
		tunnel("$is: 20 minutes since it was shown again", $version, 'web',
			'billing', $session, resumed => $YES, identity => $WEB);
		# A clock that goes back.
		$session = tunnel("$is: before the clock goes back", $version,
			'web', 'billing', undef);
		ahead(0);
		tunnel("$is: a ticket of the future", $version, 'web', 'billing',
			$session, resumed => $NO);

		# Nobody was verified: nothing can have become worse.
		next if $auth eq 'required';
		$session = tunnel("$is: nobody", $version, undef, 'open', undef,
			identity => undef);
		ahead(80 * $MINUTE);
		tunnel("$is: nobody, resumed", $version, undef, 'open', $session,
			identity => undef, resumed => $YES);
		# A ticket of nobody is none where a certificate is required.
		ahead(0);
		$session = tunnel("$is: nobody again", $version, undef, 'open',
			undef);
		$daemon->reload(tls => tls('required'));
		$who->unverified_ok("$is: nobody, now required",
			$who->client(undef, 'open', version => $version,
			session => $session), 'handshake_failure');
	}
}

# For how long a ticket is good, and what it says of that to the client: as long
# as tickets are, but no longer than the client's certificate need not be shown.
sub hint_ok {
	my ($title, $session, $most) = @_;

	open my $file, '>:raw', "$dir/session" or die $!;
	print $file Net::SSLeay::i2d_SSL_SESSION($session);
	close $file;
	my (undef, $text) = run(qw(openssl sess_id -noout -text -inform DER -in),
		"$dir/session");
	my ($seconds) = $text =~ /lifetime hint: (\d+) /;
	ok(($seconds // 0) > $most - 60 && $seconds <= $most,
		"$title: its ticket says $most seconds")
	    or diag($seconds // 'nothing');
	return;
}

for my $version ('1.2', '1.3') {
	for ([ '', 12 * $HOUR, 12 * $HOUR ],
		[ 'ticket_lifetime = "3h";', 3 * $HOUR, 3 * $HOUR ],
		[ 'ticket_lifetime = "7d"; authentication_lifetime = "4h";',
		    4 * $HOUR, 7 * 24 * $HOUR ],
		[ 'ticket_lifetime = "4h"; authentication_lifetime = "7d";',
		    4 * $HOUR, 4 * $HOUR ]) {
		my ($settings, $client, $nobody) = @$_;
		my $is = $version . ', ' . ($settings || 'the defaults');
		anew('optional', $settings);
		for ([ 'web', $client ], [ undef, $nobody ]) {
			my ($name, $seconds) = @$_;
			my $it = "$is: " . ($name // 'nobody');
			my @who = ($version, $name, 'free');
			ahead(0);
			my $session = tunnel("$it: anew", @who, undef);
			hint_ok($it, $session, $seconds);
			# It is not asked for another, which would live on.
			ahead($seconds - 10 * $MINUTE);
			tunnel("$it: before its end", @who, $session,
				resumed => $YES);
			ahead($seconds + 10 * $MINUTE);
			tunnel("$it: behind its end", @who, $session,
				resumed => $NO);
		}
	}
}

# Revoked between two tunnels.
for my $version ('1.2', '1.3') {
	anew('required', crls());
	my $name = "revoked$version";
	my $session = tunnel("$version: before", $version, $name, 'billing',
		undef);
	$mesh->revoke($name);
	anew('required', crls());
	$who->unverified_ok("$version: revoked since",
		$who->client($name, 'open', version => $version,
		session => $session), 'certificate_revoked');
}

$daemon->stop_ok;
done_testing;
