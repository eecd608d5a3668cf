#!/usr/bin/perl
# Each side's stream ends on its own, whoever is first, and nothing is lost;
# a side that does not read stops the other one, and nobody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(IPPROTO_TCP TCP_CORK);
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::DNS;
use Sniport::Peer;
use Sniport::Test qw(slow usage);
use Sniport::Upstream;

my $MUCH = 50_000_000;
my $dns = Sniport::DNS->new;
my $daemon = Sniport::Daemon->new(
	hosts => "127.0.0.1 peer.test example.com\n",
	dns => 'servers = [ "' . $dns->server . '" ]; family = "ipv4";
		timeout = "500ms"; tries = 10; cache_size = 0;');
my ($worker) = $daemon->workers;

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
}

# One test: all tunnels of the peer ended cleanly with all bytes, and the audit
# lines say so. closed_first: who must have ended first.
sub peer_ok {
	my ($name, $peer, $closed_first) = @_;
	my @wrong;

	my %reports = map { ($_->{client} =~ s/.*://r => $_) } $peer->reports;
	my %lines = lines_of($daemon, keys %reports);
	for my $port (keys %reports) {
		my ($report, $line) = ($reports{$port}, $lines{$port});
		push @wrong, $report, $line unless
		    $report->{client_saw} eq 'close_notify' &&
		    $report->{upstream_saw} eq 'fin' &&
		    $report->{client_got} == $report->{upstream_sent} &&
		    $report->{upstream_got} == $report->{client_sent} &&
		    !$report->{client_error} && !$report->{upstream_error} &&
		    $line->{reason} eq 'done' &&
		    !exists $line->{client_truncated} &&
		    $line->{bytes_from_client} == $report->{client_sent} &&
		    $line->{bytes_from_upstream} == $report->{upstream_sent} &&
		    (!$closed_first || $line->{closed_first} eq $closed_first);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(%reports && !@wrong, $name) or diag(explain(\@wrong));
	return;
}

sub peer {
	return Sniport::Peer->new(port => $daemon->port, @_);
}

for my $version ('1.2', '1.3') {
	my @v = (version => $version);
	# The other side waits for the end before it sends.
	peer_ok("TLS $version: the client ends, then much comes from the upstream",
		peer(@v, first => 'client', client => 1000, upstream => $MUCH),
		'client');
	peer_ok("TLS $version: the upstream ends, then much comes from the client",
		peer(@v, first => 'upstream', client => $MUCH, upstream => 1000),
		'upstream');
	peer_ok("TLS $version: both end at once",
		peer(@v, first => 'together', client => 10, upstream => 10,
			tunnels => 50));
	peer_ok("TLS $version: not a byte", peer(@v, tunnels => 20));
	peer_ok("TLS $version: not a byte, the client ends first",
		peer(@v, tunnels => 20, first => 'client'), 'client');
	peer_ok("TLS $version: not a byte, the upstream ends first",
		peer(@v, tunnels => 20, first => 'upstream'), 'upstream');

	my $upstream = Sniport::Upstream->new('speak_first');
	my $client = client($upstream, @v);
	is($client->get(11), "220 hello\r\n",
		"TLS $version: the upstream speaks first");
	$client->put('QUIT');
	is($client->get(4), 'QUIT', "TLS $version: and is answered");
	$client->end;
	is($client->wait_end, 'close_notify', "TLS $version: to the end");
	is($upstream->report->{bytes}, 4, "TLS $version: the upstream has it all");
	is($daemon->wait_audit->{reason}, 'done', "TLS $version: audit line");
}
peer_ok('keys are updated after the upstream has ended',
	peer(version => '1.3', first => 'upstream', client => 5_000_000,
		keys => 1));

# The first data, and the end of the stream, in one segment with the last
# message of the handshake.
sub corked {
	my ($name, %option) = @_;
	my $upstream = Sniport::Upstream->new('echo');

	my $client = Sniport::Client->open(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
	$client->start_tls;
	# Sends the ClientHello.
	Net::SSLeay::connect($client->{ssl});
	setsockopt($client->socket, IPPROTO_TCP, TCP_CORK, 1) or die $!;
	$client->handshake;
	my $data = Sniport::Upstream::content(10_000);
	$client->put($data);
	$client->end;
	setsockopt($client->socket, IPPROTO_TCP, TCP_CORK, 0) or die $!;
	ok($client->get_all eq $data, "$name: data with the Finished comes back");
	is($client->ended, 'close_notify', "$name: so does its end");
	is($upstream->report->{end}, 'fin', "$name: the upstream saw the end");
	my $line = $daemon->wait_audit;
	is($line->{reason}, 'done', "$name: audit line");
	is($line->{bytes_from_client}, 10_000, "$name: audit line: bytes");
	return $line;
}
corked('TLS 1.3', version => '1.3');
# In TLS 1.2 the client's Finished is the last message of a resumed session.
my $upstream = Sniport::Upstream->new('echo');
my $first = client($upstream, version => '1.2');
my $session = $first->session;
$first->end;
$first->wait_end;
$daemon->wait_audit;
ok(corked('TLS 1.2', version => '1.2', session => $session)->{resumed},
	'TLS 1.2: the session was resumed');

# Data, and the end of the stream, before the upstream is connected.
for my $version ('1.2', '1.3') {
	$upstream = Sniport::Upstream->new('echo');
	$dns->set('late.test' => 'drop');
	my $client = Sniport::Client->new(port => $daemon->port,
		name => 'late.test:' . $upstream->port, version => $version);
	my $data = Sniport::Upstream::content(20_000);
	$client->put($data);
	$client->end;
	$dns->set('late.test' => { A => ['127.0.0.1'] });
	ok($client->get_all eq $data, "TLS $version: what was sent early comes back");
	is($client->ended, 'close_notify', "TLS $version: the early end, too");
	$upstream->report;
	my $line = $daemon->wait_audit;
	is($line->{reason}, 'done', "TLS $version: audit line");
	is($line->{bytes_from_client}, 20_000, "TLS $version: audit line: bytes");
}

# Much that waits for a side that does not read.
for my $held ('upstream', 'client') {
	my $sender = $held eq 'client' ? 'upstream' : 'client';
	my $count = slow() ? 4 : 20;
	my $before = usage($worker);
	my $peer = peer(tunnels => $count, held => $held, $sender => 20_000_000);
	my $sent = $peer->standstill;
	cmp_ok($sent, '<', $count * 18_000_000,
		"the $held that does not read stops the $sender");
	my $still = usage($worker);
	$upstream = Sniport::Upstream->new('echo');
	my $client = client($upstream);
	$client->put('x') && $client->get(1) for 1 .. 100;
	$client->end;
	is($client->wait_end, 'close_notify', 'but nobody else');
	$upstream->report;
	$daemon->wait_audit;
	cmp_ok(usage($worker)->{cpu} - $still->{cpu}, '<', slow() ? 5 : 0.2,
		'and the worker has nothing to do meanwhile');
	$peer->release;
	peer_ok("all comes when the $held reads at last", $peer);
	SKIP: {
		skip 'memory is not what it will be in use', 1 if slow();
		# Two blocks per tunnel.
		cmp_ok(usage($worker)->{peak} - $before->{memory}, '<',
			$count * 2 * 100_000 + 2_000_000,
			'the worker holds little of it');
	}
}

$daemon->stop_ok;

done_testing;
