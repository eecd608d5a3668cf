#!/usr/bin/perl
# How large the TLS records are that a client gets: small ones first, which can
# be opened when the first segment has come, and again after a pause; full ones
# in bulk. The client reads records from its socket as they are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(max);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline readable);
use Sniport::Upstream;

my $KIB = 1024;
my $APPLICATION_DATA = 23;
# What a record has beside data, its header left out.
my %FRAME = ('1.2' => 8 + 16, '1.3' => 1 + 16);
my %SUITE = (ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256',
	ciphersuites => 'TLS_AES_128_GCM_SHA256');

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n");

# Sends as many bytes as each line asks for.
my $upstream = Sniport::Upstream->new(code => sub {
	my ($socket) = @_;

	while (defined(my $line = <$socket>)) {
		my $bytes = 'x' x $line;
		while (length $bytes) {
			my $n = syswrite $socket, $bytes, 64 * $KIB or return;
			substr $bytes, 0, $n, '';
		}
	}
	return;
});

sub client {
	my ($version) = @_;
	my $client = Sniport::Client->new(port => $daemon->port, %SUITE,
		name => 'example.com:' . $upstream->port, version => $version);

	ok($client->established, "TLS $version: a session");
	return $client;
}

# The next so many bytes of the socket itself.
sub take {
	my ($client, $size, $deadline) = @_;
	my $bytes = '';

	while (length $bytes < $size) {
		readable($client->socket, $deadline)
		    && sysread($client->socket, $bytes, $size - length $bytes,
			length $bytes)
		    or die "the client's socket has no more\n";
	}
	return $bytes;
}

# Asks for so many bytes; how many each record has that brings them.
sub ask {
	my ($client, $version, $bytes, $tickets) = @_;
	my $deadline = deadline(30);
	my ($left, @sizes) = $bytes;

	$client->put("$bytes\n");
	while ($left > 0) {
		my ($type, undef, $size) = unpack 'Cnn', take($client, 5, $deadline);
		take($client, $size, $deadline);
		die "a record of type $type\n" if $type != $APPLICATION_DATA &&
		    !($version eq '1.2' && $tickets);
		next if $tickets-- > 0;
		push @sizes, $size - $FRAME{$version};
		$left -= $sizes[-1];
	}
	return @sizes;
}

# The records that begin before so many bytes have come, and the others.
sub before {
	my ($bytes, @sizes) = @_;
	my @before;

	while (@sizes && $bytes > 0) {
		push @before, shift @sizes;
		$bytes -= $before[-1];
	}
	return (\@before, \@sizes);
}

# However the bytes came in pieces, none is larger than that.
sub begins_small {
	my ($what, @sizes) = @_;
	my ($first, $later) = before(16 * $KIB, @sizes);

	cmp_ok(max(@$first), '<=', $KIB,
		"$what: the first 16 KiB are in records of 1 KiB at most");
	return @$later;
}

for my $version ('1.2', '1.3') {
	my $client = client($version);
	# A TLS 1.3 ticket comes with the first bytes.
	my @sizes = ask($client, $version, 4096 * $KIB, $version eq '1.3' ? 1 : 0);
	@sizes = begins_small("TLS $version", @sizes);
	my ($next, $bulk) = before(100 * $KIB, @sizes);
	cmp_ok(max(@$next), '<=', 4 * $KIB, "then they have 4 KiB at most");
	is(max(@$bulk), 16 * $KIB, 'and are full in bulk');

	# Only time ends a pause.
	select undef, undef, undef, 1.1;
	begins_small('after a second without data',
		ask($client, $version, 100 * $KIB, 0));
	$client->close;
}

{
	my $client = client('1.3');
	my @sizes = ask($client, '1.3', 100, 1);
	is("@sizes", '100', 'few bytes are one record');
	$client->close;
}

$daemon->stop_ok;
done_testing();
