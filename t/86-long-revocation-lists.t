#!/usr/bin/perl
# A revocation list is read, hashed and sorted once, when it is loaded: what a
# handshake costs a worker does not depend on how long it is; and the list is
# believed no more than before, whatever key has signed it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Authority;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll temporary usage);
use Sniport::Upstream;
use Sniport::Who;

my $ENTRIES = 200_000;
my $HANDSHAKES = 40;
my $dir = temporary();
my $upstream = Sniport::Upstream->new('echo');

my %authority = (
	ec => Sniport::Authority->new($dir, 'ec'),
	rsa => Sniport::Authority->new($dir, 'rsa', key => ['rsa:2048']),
	ed25519 => Sniport::Authority->new($dir, 'ed25519', key => ['ed25519']),
);
# One whose certificate the clients bring, as that of an intermediate.
$authority{below} = Sniport::Authority->new($dir, 'below',
	issuer => $authority{ec});
my $forger = Sniport::Authority->new($dir, 'forger', subject => 'below',
	unmarked => 1);
my %key;
for my $name (keys %authority) {
	my @chain = $name eq 'below' ? (chain => [ $authority{below} ]) : ();
	for my $who ('good', 'gone') {
		$key{"$name $who"} = [ $authority{$name}->issue($who,
			"DNS:$who.example.com", @chain) ];
	}
	$authority{$name}->revoke('gone');
}

# The contents of files, one behind the other.
sub joined {
	my ($name, @files) = @_;

	system("cat @files > '$dir/$name'") == 0 or die "cat @files";
	return "$dir/$name";
}

my $ca = joined('ca.pem', map { $authority{$_}->file } qw(ec rsa ed25519));
sub tls {
	my ($list) = @_;

	return qq(client_auth = "required"; client_ca = "$ca"; crl = "$list";);
}

my $short = joined('short.crl', map { $_->crl } values %authority);
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	tls => tls($short));
my $who = Sniport::Who->new(daemon => $daemon, port => $upstream->port,
	key => \%key);

# Returns once nobody goes by another list any more.
sub go_by {
	my ($list) = @_;

	$daemon->reload(tls => tls($list));
	poll(sub { (() = $daemon->workers) == 1 }) or die 'an old worker is left';
	return;
}

sub served_and_refused {
	my ($title) = @_;

	for my $version ('1.2', '1.3') {
		for my $name (sort keys %authority) {
			my $text = "$title: $version: $name";
			$who->served_ok($text, $who->client("$name good", 'peer',
				version => $version),
				identity => 'good.example.com');
			$who->unverified_ok($text, $who->client("$name gone", 'peer',
				version => $version), 'certificate_revoked',
				detail => 'certificate revoked');
		}
	}
	return;
}

# What so many handshakes cost the worker, in seconds.
sub cost {
	my $worker = $daemon->worker(0);
	my $before = usage($worker)->{cpu};

	for (1 .. $HANDSHAKES) {
		my $client = $who->client('ec good', 'peer');
		$client->put('x');
		$client->get(1) eq 'x' or return;
		$client->reset;
	}
	return usage($worker)->{cpu} - $before;
}

served_and_refused('short lists');
my $usual = cost();

open my $index, '>>', "$dir/ec.index" or die "$dir/ec.index: $!";
printf $index "R\t400101000000Z\t250101000000Z\t%08X\tunknown\t/CN=x\n",
    0x40000000 + 7 * ($_ * 7919 % $ENTRIES) for 1 .. $ENTRIES;
close $index or die "$dir/ec.index: $!";
go_by(joined('long.crl', map { $_->crl } values %authority));
served_and_refused('a long list');
my $cost = cost();
diag("$HANDSHAKES handshakes: $usual s, with a long list $cost s");
cmp_ok($cost, '<', 2 * $usual + 0.05,
	"a list of $ENTRIES does not make handshakes dear");

# Who signed a list is looked at, with the key that the chain has.
go_by(joined('forged.crl', $forger->crl,
	map { $authority{$_}->crl } qw(ec rsa ed25519)));
$who->unverified_ok('forged', $who->client('below good', 'peer',
	version => '1.2'), 'decrypt_error',
	detail => 'CRL signature failure');
$daemon->stop_ok;
done_testing;
