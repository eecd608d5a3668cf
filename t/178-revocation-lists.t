#!/usr/bin/perl
# Which of several revocation lists counts, and that a list which says less than
# who is revoked is refused before it can let anybody in: by both TLS libraries
# alike.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(temporary);
use Sniport::Upstream;
use Sniport::Who;

my $dir = temporary();
my $DATE = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;

# So many days from now; all are of one moment.
my $now = time;
sub date { return strftime('%y%m%d%H%M%SZ', gmtime $now + $_[0] * 24 * 3600); }

my $count = 0;
sub joined {
	my (@files) = @_;
	my $file = "$dir/joined" . ++$count;

	system("cat @files > '$file'") == 0 or die "cat @files";
	return $file;
}

my $mesh = Sniport::Authority->new($dir, 'mesh');
my $below = Sniport::Authority->new($dir, 'below', issuer => $mesh);
my $held = Sniport::Authority->new($dir, 'held');
my %key = map { ($_ => [ $mesh->issue($_, "DNS:$_.example.com") ]) }
    qw(alice bob);
$key{carol} = [ $below->issue('carol', 'DNS:carol.example.com',
	chain => [ $below ]) ];
$held->issue('dora', 'DNS:dora.example.com');

sub number { return sprintf '2.5.29.20=DER:02:01:%02x', $_[0]; }
sub scope { return "issuingDistributionPoint=critical,$_[0]"; }
my $DELTA = '2.5.29.27=critical,DER:02:01:01';

# A list of the days from the first to the second, with these extensions.
my %list;
sub list {
	my ($name, $authority, $from, $to, @extensions) = @_;

	$list{$name} = joined($authority->crl(start => date($from),
		end => date($to), extensions => \@extensions));
	return;
}

# Lists without alice.
list('clean', $mesh, -3, 3);
list('clean 1', $mesh, -2, 3, number(1));
list('clean 3', $mesh, -2, 3, number(3));
list('delta', $mesh, -1, 3, number(2), $DELTA);
list('delta, not critical', $mesh, -1, 3, number(2), $DELTA =~ s/critical,//r);
list('some reasons', $mesh, -1, 3, scope('onlysomereasons:keyCompromise'));
list('indirect', $mesh, -1, 3, scope('indirectCRL:TRUE'));
list('attributes', $mesh, -1, 3, scope('onlyAA:TRUE'));
list('strange', $mesh, -1, 3, '1.2.3.4=critical,DER:05:00');
list('authorities', $mesh, -1, 3, scope('onlyCA:TRUE'));
list('later', $mesh, 1, 3);
list('below', $below, -3, 3);
# Lists with her.
$mesh->revoke('alice');
list('revoking', $mesh, -2, 3);
list('revoking 2', $mesh, -2, 3, number(2));
list('revoking, oldest', $mesh, -4, 3);
list('revoking, out of date', $mesh, -2, -1);
list('revoking delta', $mesh, -1, 3, number(2), $DELTA);
list('clients', $mesh, -1, 3, scope('onlyuser:TRUE'));
list('newer of below', $below, -2, 3);
$held->revoke('dora', 'removeFromCRL');
list('taken back', $held, -1, 3);

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
sub tls {
	my ($file) = @_;

	return qq(client_auth = "optional"; client_ca = "@{[ $mesh->file ]}";
		allow_expired = true; crl = "$file";);
}
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n",
	tls => tls($list{revoking}));
my $who = Sniport::Who->new(daemon => $daemon, port => $port, key => \%key);

sub refused {
	my ($title, $name, $cause) = @_;
	my $client = $who->client($name, 'open', version => '1.2');

	$client->put('ping');
	like($client->wait_end, qr/^alert /, "$title: $name is refused");
	like($who->line($client)->{detail} // '', $cause,
		"$title: why $name is refused");
	return;
}

# What sniport -t says of tls.crl.
sub told {
	my ($status, $text) = $daemon->once('-t');

	return ($status, grep { /tls\.crl/ } split /\n/, $text);
}

# Lists that are refused, with each other list before or behind them.
my $FULL = qr/: give the full list of its issuer instead$/;
for (
	[ 'delta', qr/is a delta list, which only says what has changed since another$FULL/ ],
	[ 'delta, not critical', qr/is a delta list, .*$FULL/ ],
	[ 'revoking delta', qr/is a delta list, .*$FULL/ ],
	[ 'some reasons', qr/is for some reasons of revocation only$FULL/ ],
	[ 'indirect', qr/is an indirect list, of more than one issuer$FULL/ ],
	[ 'attributes', qr/is for attribute certificates only$FULL/ ],
	[ 'strange', qr/has a critical extension that is not known: give a list of its issuer without that$/ ],
	[ 'taken back', qr/has an entry with the reason removeFromCRL, which only delta lists may have$FULL/, 'held' ],
) {
	my ($name, $fault, $issuer) = @$_;

	$issuer //= 'mesh';
	for my $files ([ $name ], [ 'revoking', $name ], [ $name, 'revoking' ],
		[ 'clean', $name ]) {
		my $title = join ' and ', @$files;
		my ($at) = grep { $files->[$_ - 1] eq $name } 1 .. @$files;

		$daemon->configure(tls => tls(joined(@list{@$files})));
		my ($status, @told) = told();
		is($status, 1, "$title: sniport -t fails");
		is(scalar @told, 1, "$title: for one cause") or diag("@told");
		like($told[0] // '', qr/^sniport: \S+:\d+: tls\.crl: \Q$dir\E\S+: revocation list $at \(CN=$issuer\) $fault/,
			"$title: the file, the issuer and what to do");
	}
}
like($daemon->reload(tls => tls(joined(@list{qw(revoking delta)}))),
	qr/failed/, 'a delta list: a reload fails');
refused('after that', 'alice', qr/^certificate revoked$/);
$who->served_ok('after that', $who->client('bob', 'open'),
	identity => 'bob.example.com');

# Title; lists; what is told; who is refused and why.
my $REVOKED = qr/^certificate revoked$/;
my $EXPIRED = qr/^CRL has expired$/;
my $SCOPE = qr/^different CRL scope$/i;
sub replaced {
	my ($old, $new, $issuer) = @_;

	return sprintf 'revocation list %d (CN=%s) is replaced by list %d, which is newer: it is left out',
	    $old, $issuer // 'mesh', $new;
}
for (
	[ [ 'clean', 'revoking' ], [ replaced(1, 2) ], alice => $REVOKED,
	    bob => undef ],
	[ [ 'revoking', 'clean' ], [ replaced(2, 1) ], alice => $REVOKED ],
	[ [ 'clean', 'revoking, oldest' ], [ replaced(2, 1) ], alice => undef ],
	# Of one time: the number tells.
	[ [ 'clean 1', 'revoking 2' ], [ replaced(1, 2) ], alice => $REVOKED,
	    bob => undef ],
	[ [ 'revoking 2', 'clean 1' ], [ replaced(2, 1) ], alice => $REVOKED ],
	[ [ 'revoking 2', 'clean 3' ], [ replaced(1, 2) ], alice => undef ],
	[ [ 'clean 3', 'revoking 2', 'clean 1' ], [ replaced(2, 1),
	    replaced(3, 1) ], alice => undef ],
	[ [ 'clean 1', 'revoking' ], [ replaced(2, 1) ], alice => undef ],
	[ [ 'revoking 2', 'revoking 2' ],
	    [ 'revocation list 2 (CN=mesh) is the same as list 1: it is left out' ],
	    alice => $REVOKED, bob => undef ],
	# The newest counts, though it is out of date.
	[ [ 'clean', 'revoking, out of date' ], [ replaced(1, 2),
	    qr/revocation list 2 \(CN=mesh\) has been out of date since $DATE: clients of its issuer are refused/ ],
	    alice => $EXPIRED, bob => $EXPIRED ],
	# One of the future replaces none before that.
	[ [ 'revoking', 'later' ], [], alice => $REVOKED, bob => undef ],
	# Lists for others replace each other no more than those of others.
	[ [ 'clients', 'authorities' ], [], alice => $REVOKED, bob => undef ],
	[ [ 'revoking', 'below' ], [], alice => $REVOKED, bob => undef,
	    carol => undef ],
	[ [ 'revoking', 'below', 'newer of below' ],
	    [ replaced(2, 3, 'below') ], carol => undef ],
	# All of an issuer's clients are shut out.
	[ [ 'clients' ], [ 'has no revocation list of CN=mesh that is for its own certificate too, which is certificate 1 of tls.client_ca: its clients are refused' ],
	    bob => $SCOPE ],
	[ [ 'authorities' ], [ 'revocation list 1 (CN=mesh) is for certificates of authorities only, and its issuer has no other: clients with certificates of that issuer are refused' ],
	    bob => $SCOPE ],
) {
	my ($files, $warnings, @clients) = @$_;
	my $title = join ' and ', @$files;

	like($daemon->reload(tls => tls(joined(@list{@$files}))),
		qr/^(?!.*failed)/, "$title: loaded");
	my ($status, @told) = told();
	is($status, 0, "$title: sniport -t is content");
	is(scalar @told, scalar @$warnings, "$title: as many warnings")
	    or diag("@told");
	for my $i (0 .. $#$warnings) {
		my $want = $warnings->[$i];

		$want = qr/\Q$want\E/ unless ref $want;
		like($told[$i] // '', qr/^sniport: warning: \S+:\d+: tls\.crl: \S+: $want$/,
			"$title: warning");
	}
	while (my ($name, $cause) = splice @clients, 0, 2) {
		if ($cause) {
			refused($title, $name, $cause);
		} else {
			$who->served_ok("$title: $name", $who->client($name,
				'open'), identity => "$name.example.com");
		}
	}
}

# Nothing tells which of two lists holds.
for my $files ([ 'clean 3', 'other 3' ], [ 'other 3', 'clean 3' ]) {
	list('other 3', $mesh, -2, 3, number(3));
	$daemon->configure(tls => tls(joined(@list{@$files})));
	my ($status, @told) = told();

	is($status, 1, "@$files: sniport -t fails");
	like($told[-1] // '', qr/: revocation lists 1 and 2 \(CN=mesh\) are not the same, but of the same time and with the same number: take out the one that does not hold$/,
		"@$files: two of the same time and number");
}

# Nor does anything tell which of two counts that have a certificate in common.
for my $files ([ 'clean', 'clients' ], [ 'authorities', 'revoking' ]) {
	$daemon->configure(tls => tls(joined(@list{@$files})));
	my ($status, @told) = told();

	is($status, 1, "@$files: sniport -t fails");
	like($told[-1] // '', qr/: of revocation lists 1 and 2 \(CN=mesh\) one is for all certificates, and the other for some of them only: give the full one alone$/,
		"@$files: one for all, and one for some");
}

$daemon->stop_ok;
done_testing;
