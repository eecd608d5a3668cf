#!/usr/bin/perl
# limits.buffer from its minimum to its maximum: all bytes arrive both ways,
# whatever the frames of the records take, and however small they are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Peer;
use Sniport::Test qw(certificate poll slow tls_library);
use Sniport::Upstream;

# AES-CBC with the longest MAC has the largest frames.
my $CBC = 'ECDHE-ECDSA-AES256-SHA384';
my @CLIENTS = (
	[ 'TLS 1.3', version => '1.3' ],
	[ 'TLS 1.3, small records', version => '1.3', fragment => 512 ],
	[ 'TLS 1.3, new keys', version => '1.3', keys => 1 ],
	[ 'TLS 1.2', version => '1.2' ],
	[ 'TLS 1.2, AES-CBC', version => '1.2', ciphers => $CBC ],
	[ 'TLS 1.2, AES-CBC, small records', version => '1.2', ciphers => $CBC,
		fragment => 512 ],
);

# AWS-LC has none with such a MAC.
if (tls_library() eq 'AWS-LC') {
	$CBC = 'ECDHE-ECDSA-AES256-SHA';
	s/^TLS 1\.2, AES-CBC/TLS 1.2, AES-CBC, SHA-1/ for map { $_->[0] } @CLIENTS;
	for my $client (@CLIENTS) {
		my ($title, %option) = @$client;
		$option{ciphers} = $CBC if $option{ciphers};
		$client = [ $title, %option ];
	}
}

my $daemon;

# One test: all that both sent has arrived, and both ends were clean.
sub whole_ok {
	my ($title, $peer) = @_;
	my ($report) = $peer->reports;
	my ($port) = $report->{client} =~ /:(\d+)$/;
	my $line = { lines_of($daemon, $port) }->{$port};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ @$report{qw(client_saw upstream_saw client_got upstream_got
		client_error upstream_error)}, $line->{reason} ], [ 'close_notify',
		'fin', @$report{qw(upstream_sent client_sent)}, undef, undef,
		'done' ], $title) or diag(explain($report, $line));
	return;
}

for my $buffer ('4KiB', '64KiB', '1MiB', '11MiB', '16MiB') {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		limits => qq(buffer = "$buffer";),
		tls => "ciphers = \"ECDHE+AESGCM:$CBC\";");
	# More than two blocks, where the machine is quick enough.
	my $size = $buffer =~ /^1\dMiB/ && !slow() ? 48 << 20 : 6 << 20;
	for (@CLIENTS) {
		my ($title, @client) = @$_;
		my @p = (port => $daemon->port, @client);

		whole_ok("$buffer: $title: both ways", Sniport::Peer->new(@p,
			client => $size / 2, upstream => $size / 2));
		# Whole blocks at once, since all of it waits for the reader.
		for my $held ('client', 'upstream') {
			my $from = $held eq 'client' ? 'upstream' : 'client';
			my $peer = Sniport::Peer->new(@p, held => $held,
				$from => $size);
			$peer->standstill;
			$peer->release;
			whole_ok("$buffer: $title: much for the $held", $peer);
		}
	}
	$daemon->stop_ok;
}

# The handshake may be larger than a block: a chain of 40 certificates.
{
	my $upstream = Sniport::Upstream->new('echo');
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		limits => 'buffer = "4KiB";');
	certificate($daemon->dir, "long$_", host => "c" . "x" x 60) for 1 .. 4;
	certificate($daemon->dir, 'leaf');
	my $text = join '', map { $daemon->slurp($_) } 'leaf.pem',
	    map { ("long$_.pem") x 20 } 1 .. 4;
	$daemon->write('chain.pem', $text);
	$daemon->reload(tls => 'certificates = ( { chain = "%DIR%/chain.pem";
		key = "%DIR%/leaf.key"; } );');
	for my $version ('1.2', '1.3') {
		my $client = Sniport::Client->new(port => $daemon->port,
			name => 'peer.test:' . $upstream->port, version => $version,
			receive_buffer => 4096);
		ok($client->established && $client->put('x'),
			"TLS $version: a chain larger than a block")
		    or diag($client->ended);
		is($client->get(1), 'x', "TLS $version: and a tunnel");
		$client->end;
		$client->wait_end;
	}
	$daemon->stop_ok;
}

done_testing;
