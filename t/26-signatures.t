#!/usr/bin/perl
# What the server signs by: each algorithm that its key knows, if the client
# offers it, the server's choice if it offers several, and no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(run);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $name = 'a.test:' . $upstream->port;
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 a.test\n");

# What the program openssl says of the server's signature, offering these.
sub signature {
	my ($version, $offered) = @_;
	my ($status, $text) = run('sh', '-c', 'exec "$@" 2>&1 </dev/null', 'sh',
		qw(openssl s_client), "-tls1_$version", '-sigalgs', $offered,
		'-servername', $name, '-connect', '127.0.0.1:' . $daemon->port);

	return 'none' if $text =~ /handshake failure/;
	my ($type) = $text =~ /^Peer signature type: (\S+)/m;
	my ($digest) = $text =~ /^Peer signing digest: (\S+)/m;
	$type =~ s/^(?:id-)?ecdsa.*|^ecPublicKey$/ECDSA/i if defined $type;
	return $type . '+' . $digest if defined $type && defined $digest;
	return "no signature in: $text";
}

is(signature(2, "ECDSA+$_"), "ECDSA+$_", "TLS 1.2: $_ alone")
    for qw(SHA256 SHA384 SHA512);
is(signature(2, 'ECDSA+SHA512:RSA+SHA256:ECDSA+SHA256'), 'ECDSA+SHA256',
	'TLS 1.2: the server chooses');
is(signature(2, 'RSA+SHA384:ECDSA+SHA384:RSA+SHA256'), 'ECDSA+SHA384',
	'TLS 1.2: among others that are not for its key');
is(signature(3, 'ECDSA+SHA256'), 'ECDSA+SHA256', 'TLS 1.3: SHA256 alone');
is(signature(3, 'RSA-PSS+SHA256:ECDSA+SHA384:ECDSA+SHA256'), 'ECDSA+SHA256',
	'TLS 1.3: the one for its curve');
is(signature(3, 'RSA-PSS+SHA256:ECDSA+SHA384'), 'none',
	'TLS 1.3: none is for its key');
is($daemon->wait_audit(sub { ($_->{reason} // '') =~ /tls/ })->{reason},
	'tls_handshake', 'which is told');
$daemon->stop_ok;
done_testing();
