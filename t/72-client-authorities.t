#!/usr/bin/perl
# Which clients are shut out by the files of their authorities is told by
# sniport -t, and each warning is true: clients are refused where there is one,
# and served where there is none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(certificate temporary tls_library);
use Sniport::Upstream;
use Sniport::Who;

my $DAY = 24 * 3600;
my $DATE = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;
my $dir = temporary();

sub date { return strftime('%y%m%d%H%M%SZ', gmtime time + $_[0]); }

# The contents of files, one behind the other.
my $count = 0;
sub joined {
	my (@files) = @_;
	my $file = "$dir/joined" . ++$count;

	system("cat @files > '$file'") == 0 or die "cat @files";
	return $file;
}

# An authority's certificate as it is now.
sub copy { return joined($_[0]->file); }

my $mesh = Sniport::Authority->new($dir, 'mesh');
my $aside = Sniport::Authority->new($dir, 'aside');
my $twin = Sniport::Authority->new($dir, 'twin', subject => 'mesh');
my $below = Sniport::Authority->new($dir, 'below', issuer => $mesh);
my $forger = Sniport::Authority->new($dir, 'forger', subject => 'below',
	unmarked => 1);
my $gone = Sniport::Authority->new($dir, 'gone', issuer => $mesh);
# One name, and keys of their own that no certificate tells apart.
my @same = (unmarked => 1, anonymous => 1, subject => 'same');
my $first = Sniport::Authority->new($dir, 'first', @same);
my $second = Sniport::Authority->new($dir, 'second', @same);
my $past = Sniport::Authority->new($dir, 'past', @same, end => date(-$DAY));
my $marked = Sniport::Authority->new($dir, 'marked', subject => 'same');
my $SAME = qr/ have one name \(CN=same\), two keys, and no key identifiers to tell them apart: clients of one of them are refused; issue both with a subjectKeyIdentifier, /;
my $old = Sniport::Authority->new($dir, 'old', end => date(-$DAY));
my $early = Sniport::Authority->new($dir, 'early', start => date(5 * $DAY),
	end => date(50 * $DAY));
my $soon = Sniport::Authority->new($dir, 'soon', end => date(13 * $DAY));
# What an authority may do is less than it has to.
my $AUTHORITY = 'basicConstraints=critical,CA:TRUE';
my $USAGE = 'keyUsage=critical,keyCertSign,cRLSign';
my %limited = map { ($_->[0] => Sniport::Authority->new($dir, $_->[0],
	authority => [ @$_[1 .. $#$_] ])) }
    [ 'unsigning', $AUTHORITY, 'keyUsage=critical,cRLSign' ],
    [ 'listless', $AUTHORITY, 'keyUsage=critical,keyCertSign' ],
    [ 'serving', $AUTHORITY, $USAGE, 'extendedKeyUsage=serverAuth' ],
    [ 'strange', $AUTHORITY, $USAGE, '1.2.3.4=critical,DER:05:00' ],
    [ 'longest', "$AUTHORITY,pathlen:1", $USAGE ],
    [ 'both', $AUTHORITY, $USAGE, 'extendedKeyUsage=serverAuth,clientAuth' ];
my $under = Sniport::Authority->new($dir, 'under', issuer => $limited{longest});
my $deepest = Sniport::Authority->new($dir, 'deepest', issuer => $under);
my $server = Sniport::Authority->new($dir, 'server', issuer => $mesh,
	extensions => [ 'extendedKeyUsage=serverAuth' ]);
my %key = (
	(map { ($_ => [ $limited{$_}->issue('leaf', 'DNS:a.example.com') ]) }
		keys %limited),
	under => [ $under->issue('leaf', 'DNS:a.example.com',
		chain => [ $under ]) ],
	deepest => [ $deepest->issue('leaf', 'DNS:a.example.com',
		chain => [ $deepest, $under ]) ],
	server => [ $server->issue('leaf', 'DNS:a.example.com') ],
	any => [ $mesh->issue('any', 'DNS:a.example.com',
		usage => 'anyExtendedKeyUsage') ],
	twin => [ $twin->issue('leaf', 'DNS:a.example.com') ],
	mesh => [ $mesh->issue('leaf', 'DNS:a.example.com') ],
	aside => [ $aside->issue('leaf', 'DNS:a.example.com') ],
	old => [ $old->issue('leaf', 'DNS:a.example.com') ],
	early => [ $early->issue('leaf', 'DNS:a.example.com') ],
	soon => [ $soon->issue('leaf', 'DNS:a.example.com') ],
	alone => [ $below->issue('alone', 'DNS:a.example.com') ],
	below => [ $below->issue('leaf', 'DNS:a.example.com',
		chain => [ $below ]) ],
	whole => [ $below->issue('whole', 'DNS:a.example.com',
		chain => [ $below, $mesh ]) ],
	gone => [ $gone->issue('leaf', 'DNS:a.example.com',
		chain => [ $gone ]) ],
	first => [ $first->issue('leaf', 'DNS:a.example.com') ],
	second => [ $second->issue('leaf', 'DNS:a.example.com') ],
	bad => [ $below->issue('bad', 'DNS:a.example.com') ],
	forged => [ $forger->issue('leaf', 'DNS:a.example.com') ],
	self => [ certificate($dir, 'self', host => 'a.example.com') ],
);

# An authority whose certificate has expired, and was renewed.
my $expired = copy($old);
$old->sign_authority;
my $renewed = copy($old);
my $below_now = copy($below);
$below->sign_authority(issuer => $mesh, end => date(-$DAY));
my $below_expired = copy($below);
# Lists out of date, in force, and of the future.
my $late = joined($mesh->crl(end => date(-$DAY)));
my $future = joined($mesh->crl(start => date($DAY)));
$mesh->revoke_authority($gone);
$below->revoke('bad');
my %crl = map { ($_->{name} => joined($_->crl)) }
    ($mesh, $aside, $below, $twin, $gone, $limited{listless});

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n");
my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

sub ca { return joined(map { ref $_ ? $_->file : $_ } @_); }

my $EXPIRED = 'certificate has expired';
my $PURPOSE = tls_library() eq 'AWS-LC' ? 'unsupported certificate purpose'
    : 'unsuitable certificate purpose';
my $NO_CRL = 'unable to get certificate CRL';
my $NO_ISSUER = 'unable to get local issuer certificate';
# Title; client_ca; crl (undef: none); warnings; then for each client that is
# refused the cause, undef for those that are served.
for (
	[ 'an authority', ca($mesh), undef, [], mesh => undef ],
	[ 'an authority and its list', ca($mesh), $crl{mesh}, [], mesh => undef ],
	[ 'an expired authority', $expired, undef,
	    [ qr/: certificate 1 \(CN=old\) expired on $DATE: its clients are refused$/ ],
	    old => $EXPIRED ],
	[ 'an expired authority beside its renewed certificate',
	    ca($expired, $renewed), undef, [], old => undef ],
	[ 'the same in another order', ca($renewed, $expired), undef, [],
	    old => undef ],
	[ 'an expired authority beside others', ca($mesh, $expired), undef,
	    [ qr/: certificate 2 \(CN=old\) expired on $DATE: its clients are refused$/ ],
	    old => $EXPIRED, mesh => undef ],
	[ 'an authority that is not valid yet', ca($early), undef,
	    [ qr/: certificate 1 \(CN=early\) is not valid before $DATE: its clients are refused$/ ],
	    early => 'certificate is not yet valid' ],
	[ 'an authority that expires soon', ca($soon), undef,
	    [ qr/: certificate 1 \(CN=soon\) expires on $DATE; then its clients are refused$/ ],
	    soon => undef ],
	[ 'an authority without a list, though another has one',
	    ca($mesh, $aside), $crl{mesh},
	    [ qr/: has no revocation list of CN=aside, which is certificate 2 of tls\.client_ca: its clients are refused$/ ],
	    mesh => undef, aside => $NO_CRL ],
	[ 'lists for both', ca($mesh, $aside), ca(@crl{qw(aside mesh)}), [],
	    mesh => undef, aside => undef ],
	[ 'a list of somebody else alone', ca($mesh), $crl{aside},
	    [ qr/: has no revocation list of CN=mesh, which is certificate 1 / ],
	    mesh => $NO_CRL ],
	[ 'a list out of date', ca($mesh), $late,
	    [ qr/: revocation list 1 \(CN=mesh\) has been out of date since $DATE: clients of its issuer are refused$/ ],
	    mesh => 'CRL has expired' ],
	[ 'a list out of date, and one in force', ca($mesh),
	    ca($late, $crl{mesh}),
	    [ qr/: revocation list 1 \(CN=mesh\) is replaced by list 2, which is newer: it is left out$/ ],
	    mesh => undef ],
	[ 'a list that is not in force yet', ca($mesh), $future,
	    [ qr/: revocation list 1 \(CN=mesh\) is not in force before $DATE: clients of its issuer are refused$/ ],
	    mesh => 'CRL is not yet valid' ],
	[ 'a list that another of the same name signed', ca($mesh), $crl{twin},
	    [ qr/: revocation list 1 is not signed by its issuer \(CN=mesh\): it is left out$/,
	      qr/: has no revocation list of CN=mesh, / ],
	    mesh => $NO_CRL ],
	[ 'a list that another of the same name signed, and the right one',
	    ca($mesh), ca($crl{twin}, $crl{mesh}),
	    [ qr/: revocation list 1 is not signed by its issuer / ],
	    mesh => undef ],
	[ 'two authorities of the same name, and their lists', ca($mesh, $twin),
	    ca($crl{twin}, $crl{mesh}), [], mesh => undef ],
	[ 'two authorities of the same name that are told apart',
	    ca($mesh, $twin), undef, [], mesh => undef, twin => undef ],
	[ 'two authorities of the same name that are not', ca($first, $second),
	    undef, [ qr/: certificates 1 and 2$SAME/ ], first => undef,
	    second => 'certificate signature failure' ],
	[ 'three, one of which says which key it has',
	    ca($mesh, $marked, $first, $second), undef,
	    [ qr/: certificates 2 and 3$SAME/, qr/: certificates 2 and 4$SAME/ ] ],
	[ 'the same certificate twice', ca($first, $first), undef, [],
	    first => undef ],
	[ 'one of them has expired', ca($past, $first), undef,
	    [ qr/: certificate 1 \(CN=same\) expired on / ], first => undef ],

	# An intermediate is an anchor where nobody above it is known.
	[ 'an intermediate alone', $below_now, undef, [], alone => undef,
	    below => undef, whole => undef, mesh => $NO_ISSUER ],
	[ 'an intermediate, whose name a forger takes', $below_now, undef, [],
	    forged => 'certificate signature failure', alone => undef ],
	[ 'an intermediate and its list', $below_now, $crl{below}, [],
	    alone => undef, below => undef, whole => undef,
	    bad => 'certificate revoked' ],
	[ 'an intermediate, its list and that of its unknown issuer', $below_now,
	    ca($crl{below}, $crl{mesh}), [], alone => undef,
	    below => undef, whole => undef, bad => 'certificate revoked' ],
	[ 'an intermediate without a list', $below_now, $crl{mesh},
	    [ qr/: has no revocation list of CN=below, which is certificate 1 / ],
	    alone => $NO_CRL ],
	[ 'an intermediate and its issuer', ca($mesh, $below_now), undef, [],
	    alone => undef, below => undef, mesh => undef ],
	[ 'both with their lists', ca($below_now, $mesh),
	    ca(@crl{qw(mesh below)}), [], alone => undef, below => undef,
	    mesh => undef, bad => 'certificate revoked' ],
	[ 'both, and the intermediate is revoked', ca($mesh, $gone),
	    ca(@crl{qw(mesh gone)}), [], gone => 'certificate revoked' ],
	[ 'an intermediate beside an authority with another one below',
	    ca($below_now, $aside), ca(@crl{qw(below aside)}), [],
	    alone => undef, aside => undef ],
	[ 'an intermediate that has expired', $below_expired, undef,
	    [ qr/: certificate 1 \(CN=below\) expired on $DATE: its clients are refused$/ ],
	    alone => $EXPIRED ],
	# That a client sends the renewed one does not help.
	[ 'an intermediate that has expired, and its issuer',
	    ca($below_expired, $mesh), undef,
	    [ qr/: certificate 1 \(CN=below\) expired on / ],
	    alone => $EXPIRED, below => $EXPIRED, mesh => undef ],

	# What its certificate says that it may do.
	[ 'an authority that may not sign certificates', ca($limited{unsigning}),
	    undef, [ qr/: certificate 1 \(CN=unsigning\) may not sign certificates \(keyUsage without keyCertSign\): its clients are refused$/ ],
	    unsigning => tls_library() eq 'AWS-LC' ? $NO_ISSUER :
	    'invalid CA certificate' ],
	[ 'an authority that may not sign lists, without any',
	    ca($limited{listless}), undef, [], listless => undef ],
	[ 'an authority that may not sign lists, and one',
	    ca($limited{listless}), $crl{listless},
	    [ qr/: certificate 1 \(CN=listless\) may not sign revocation lists \(keyUsage without cRLSign\): its clients are refused$/ ],
	    listless => 'key usage does not include CRL signing' ],
	[ 'an authority of servers', ca($limited{serving}, $limited{both}), undef,
	    [ qr/: certificate 1 \(CN=serving\) is not for clients \(extendedKeyUsage without clientAuth\): its clients are refused$/ ],
	    serving => $PURPOSE, both => undef ],
	[ 'an intermediate of servers', ca($server), undef,
	    [ qr/: certificate 1 \(CN=server\) is not for clients / ],
	    server => $PURPOSE ],
	[ 'an authority with an unknown critical extension',
	    ca($limited{strange}), undef,
	    [ qr/: certificate 1 \(CN=strange\) has a critical extension that is not known: its clients are refused$/ ],
	    strange => 'unhandled critical extension' ],
	[ 'an authority with a path length', ca($limited{longest}), undef, [],
	    longest => undef, under => undef,
	    deepest => 'path length constraint exceeded' ],
	[ 'any extended key usage of a client', ca($mesh), undef, [],
	    any => $PURPOSE ],

	# What is not an authority.
	[ 'a client\'s own certificate, of an authority', $key{mesh}[0], undef,
	    [ qr/: certificate 1 \(CN=leaf\) is not that of an authority: no client is verified by it$/ ],
	    mesh => $NO_ISSUER ],
	[ 'a client\'s own certificate, signed by itself', $key{self}[0], undef,
	    [], self => undef ],
) {
	my ($title, $ca, $crl, $warnings, @clients) = @$_;
	my $tls = qq(client_auth = "optional"; client_ca = "$ca"; allow_expired = true;)
	    . ($crl ? qq( crl = "$crl";) : '');

	$daemon->reload(tls => $tls);
	my ($status, $text) = $daemon->once('-t');
	my @told = grep { /tls\.(?:client_ca|crl)/ } split /\n/, $text;
	is($status, 0, "$title: sniport -t is content");
	is(scalar @told, scalar @$warnings, "$title: as many warnings")
	    or diag($text);
	for my $i (0 .. $#$warnings) {
		like($told[$i] // '', $warnings->[$i], "$title: warning");
		like($told[$i] // '', qr/^sniport: warning: \S+:\d+: tls\.(?:client_ca|crl): \Q$dir\E/,
			"$title: its place");
	}
	while (my ($name, $cause) = splice @clients, 0, 2) {
		my $client = $who->client($name, 'open', version => '1.2');
		if ($cause) {
			$client->put('ping');
			like($client->wait_end, qr/^alert /,
				"$title: $name is refused");
			$who->line_ok("$title: $name", $client,
				reason => 'client_certificate', detail => $cause);
		} else {
			$who->served_ok("$title: $name", $client,
				identity => 'a.example.com');
		}
	}
}

# Nobody is asked.
$daemon->reload(tls => qq(client_ca = "$expired"; crl = "$late";));
my ($status, $text) = $daemon->once('-t');
my @told = grep { /tls\.(?:client_ca|crl)/ } split /\n/, $text;
is($status, 0, 'client_ca without client_auth: sniport -t is content');
is(scalar @told, 2, 'and tells that it has no effect, and no more') or diag($text);
for my $setting ('client_ca', 'crl') {
	like(shift @told, qr/: tls\.$setting: \S+: has no effect, since tls\.client_auth is "none" and clients are not asked for certificates$/,
		"$setting: has no effect");
}
$who->served_ok('client_ca without client_auth', $who->client('old', 'open'),
	identity => undef);
like($daemon->log, qr/ warning master\[\d+\]: \S+: tls\.client_ca: \S+: has no effect/,
	'the error log has the warnings of a reload');

$daemon->stop_ok;
done_testing;
