#!/usr/bin/perl
# What did not end well is never made to look well: who was not told the end of
# a stream gets a reset, after the bytes that came before it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(:DEFAULT SO_ERROR SO_LINGER);
use Test::More;

use Sniport::Audit qw(line_ok lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Peer;
use Sniport::Test qw(deadline left poll readable run under_valgrind unsent
	writable);
use Sniport::Upstream;

my @VERSIONS = ('1.2', '1.3');

my $daemon;

sub start {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n", @_);
	return;
}

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
}

# Resets when the bytes sent have reached sniport; returns the port.
sub reset_client {
	my ($client) = @_;
	my $port = $client->local_port;

	poll(sub { unsent($client->socket) == 0 }) unless $client->{stuck};
	$client->reset;
	return $port;
}

# For the code of an upstream: resets when the bytes sent have reached sniport.
sub reset_when_sent {
	my ($socket) = @_;

	poll(sub { unsent($socket) == 0 });
	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
	return;
}

# For the code of an upstream: waits for a reset after the end of the stream.
sub wait_reset {
	my ($socket) = @_;

	return poll(sub {
		unpack 'i', getsockopt($socket, SOL_SOCKET, SO_ERROR);
	});
}

# An upstream that sends $size bytes and resets.
sub resetting {
	my ($size) = @_;

	return Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->put($socket, Sniport::Upstream::content($size));
		reset_when_sent($socket);
		return (done => 1);
	});
}

# Writes until nothing has been taken for a while.
sub put_until_stuck {
	my ($client) = @_;
	my $block = 'x' x 16384;

	1 while defined $client->operate(sub {
		Net::SSLeay::write($_[0], $block);
	}, deadline(0.3));
	$client->{stuck} = 1;
	return;
}

# Nobody of these is waited for: their lines would not come in time.
start(timeouts => 'shutdown = "10m";');
for my $version (@VERSIONS) {
	# The upstream resets while the client reads.
	my $name = "TLS $version: the upstream resets";
	my $upstream = resetting(1000);
	my $client = client($upstream, version => $version);
	is(length $client->get_all, 1000, "$name: its bytes come");
	is($client->ended, 'reset', "$name: so does the reset");
	line_ok($daemon, $client, $name, reason => 'upstream_reset',
		closed_first => 'upstream', bytes_from_client => 0,
		bytes_from_upstream => 1000, detail => 'Connection reset by peer');

	# The reset is there before the client reads the first byte.
	$name = "TLS $version: the upstream resets, the client reads late";
	$upstream = resetting(300_000);
	$client = client($upstream, version => $version, receive_buffer => 4096);
	$upstream->report;
	ok($client->get_all eq Sniport::Upstream::content(300_000),
		"$name: its bytes come");
	is($client->ended, 'reset', "$name: so does the reset");
	line_ok($daemon, $client, $name, reason => 'upstream_reset',
		closed_first => 'upstream', bytes_from_upstream => 300_000);

	# While the client sends more than the upstream reads.
	$name = "TLS $version: the upstream resets, the client sends";
	$upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->put($socket, 'so far');
		readable($self->{go}, deadline());
		reset_when_sent($socket);
		return;
	});
	$client = client($upstream, version => $version);
	put_until_stuck($client);
	$upstream->go;
	$upstream->report;
	is($client->get_all, 'so far', "$name: its bytes come");
	is($client->ended, 'reset', "$name: so does the reset");
	line_ok($daemon, $client, $name, reason => 'upstream_reset',
		closed_first => 'upstream', bytes_from_upstream => 6);

	# More than all buffers hold: some of it is still with the kernel.
	$name = "TLS $version: the upstream resets, much is on its way";
	my $much = pack 'N*', 1 .. 8_000_000;
	$upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		my $sent = 0;
		$socket->blocking(0);
		while (writable($socket, deadline(0.3))) {
			$sent += syswrite($socket, $much, 65536, $sent) // 0;
		}
		setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
		return (sent => $sent - unsent($socket));
	});
	$client = client($upstream, version => $version);
	my $sent = $upstream->report->{sent};
	my $got = $client->get_all;
	is(length $got, $sent, "$name: all that arrived comes");
	ok($got eq substr($much, 0, $sent), "$name: unchanged");
	is($client->ended, 'reset', "$name: so does the reset");
	line_ok($daemon, $client, $name, reason => 'upstream_reset',
		bytes_from_upstream => $sent);

	$name = "TLS $version: both reset";
	$upstream = resetting(300_000);
	$client = client($upstream, version => $version, receive_buffer => 4096);
	$client->put('x');
	$upstream->report;
	my $line = line_ok($daemon, reset_client($client), $name,
		decision => 'allow');
	like($line->{reason}, qr/^(?:upstream|client)_reset$/, "$name: reason");
	cmp_ok($line->{total_ms}, '<', 600_000,
		"$name: nobody is waited for");

	# The end of its stream, but not of the client's.
	$name = "TLS $version: the upstream closes, the client sends on";
	$upstream = Sniport::Upstream->new(close_after => 1000);
	$client = client($upstream, version => $version);
	$client->put('x' x 1000);
	is($client->wait_end, 'close_notify', "$name: a clean end comes first");
	is($upstream->report->{bytes}, 1000, "$name: the upstream is gone");
	$client->put('y');
	ok($client->wait_reset, "$name: then a reset");
	$line = line_ok($daemon, $client, $name, reason => 'upstream_reset',
		closed_first => 'upstream', bytes_from_upstream => 0);
	cmp_ok($line->{total_ms}, '<', 600_000,
		"$name: without further ado");

	# The client resets.
	$name = "TLS $version: the client resets";
	$upstream = Sniport::Upstream->new('sink');
	$client = client($upstream, version => $version);
	$client->put('x' x 100_000);
	line_ok($daemon, reset_client($client), $name,
		reason => 'client_reset', closed_first => 'client',
		bytes_from_client => 100_000, client_truncated => undef);
	my $report = $upstream->report;
	is($report->{bytes}, 100_000, "$name: its bytes come");
	is($report->{end}, 'reset', "$name: so does the reset");

	$name = "TLS $version: the client resets after the end of its stream";
	$upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->read_all($socket);
		syswrite $self->{report}, "{\"end\":\"fin\"}\n";
		return (end => wait_reset($socket) ? 'reset' : 'time');
	});
	$client = client($upstream, version => $version);
	$client->put('x');
	$client->end;
	is($upstream->report->{end}, 'fin', "$name: a clean end comes first");
	line_ok($daemon, reset_client($client), $name,
		reason => 'client_reset', closed_first => 'client',
		bytes_from_client => 1);
	is($upstream->report->{end}, 'reset', "$name: then a reset");

	# The client's stream has no proper end.
	$name = "TLS $version: no close_notify";
	$upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->read_all($socket);
		$self->put($socket, 'answer');
		return;
	});
	$client = client($upstream, version => $version);
	$client->put('x' x 1000);
	$client->fin;
	is($client->get_all, 'answer', "$name: the answer comes");
	is($client->ended, 'close_notify', "$name: and a clean end");
	$report = $upstream->report;
	is($report->{end}, 'fin', "$name: the upstream saw the end of the stream");
	is($report->{bytes}, 1000, "$name: and all bytes");
	line_ok($daemon, $client, $name, reason => 'client_truncated',
		client_truncated => JSON::PP::true, closed_first => 'client',
		bytes_from_client => 1000, bytes_from_upstream => 6);
}

$daemon->stop_ok;

# Those who do not read are waited for, but not for ever.
my $SHUTDOWN = under_valgrind() ? 10 : 1;
start(timeouts => qq(shutdown = "${SHUTDOWN}s";));
for my $version (@VERSIONS) {
	my $name = "TLS $version: the client resets, the upstream does not read";
	my $upstream = Sniport::Upstream->new('held');
	my $client = client($upstream, version => $version);
	put_until_stuck($client);
	line_ok($daemon, reset_client($client), $name,
		reason => 'client_reset', closed_first => 'client');
	$upstream->go;
	is($upstream->report->{end}, 'reset',
		"$name: the upstream is reset at last");
}

# How long the last bytes may take, whatever the version.
{
	# The last bytes take longer than timeouts.shutdown.
	my $name = "the upstream resets, the client reads slowly";
	my $upstream = resetting(2_000_000);
	my $client = client($upstream, receive_buffer => 4096);
	$upstream->report;
	my ($content, $deadline) = ('', deadline(2 * $SHUTDOWN));
	while (left($deadline) > 0) {
		$content .= $client->get(10_000);
		readable($upstream->{reports}, deadline(0.02 * $SHUTDOWN));
	}
	$content .= $client->get_all;
	ok($content eq Sniport::Upstream::content(2_000_000),
		"$name: its bytes come") or diag(length $content);
	is($client->ended, 'reset', "$name: so does the reset");
	line_ok($daemon, $client, $name, reason => 'upstream_reset',
		bytes_from_upstream => 2_000_000);

	# A client that does not read does not keep the tunnel for ever.
	$name = "the upstream resets, the client does not read";
	$upstream = resetting(1_000_000);
	$client = client($upstream, receive_buffer => 4096);
	$upstream->report;
	my $line = line_ok($daemon, $client, $name, reason => 'upstream_reset',
		closed_first => 'upstream');
	cmp_ok($line->{total_ms}, '>=', $SHUTDOWN * 1000,
		"$name: but it was given time");
}

# The way to the upstream.
my $full = Sniport::Upstream->full;
my $closed = Sniport::Upstream->closed;
for my $version (@VERSIONS) {
	my $name = "TLS $version: the upstream refuses";
	my $client = client($closed, version => $version);
	ok($client->established, "$name: the handshake succeeds");
	is($client->wait_end, 'reset', "$name: the tunnel is reset");
	line_ok($daemon, $client, $name, reason => 'connect_refused',
		closed_first => 'sniport',
		tried => [ '127.0.0.1:' . $closed->port . ' connect_refused' ],
		bytes_from_client => undef, bytes_from_upstream => undef);

	$name = "TLS $version: the client leaves before there is an answer";
	$client = client($full, version => $version);
	line_ok($daemon, reset_client($client), $name,
		reason => 'client_abandoned', closed_first => 'client');
}
$daemon->stop_ok;

start(tls => 'require_close_notify = true;');
for my $version (@VERSIONS) {
	my $name = "TLS $version: no close_notify where it is required";
	my $upstream = Sniport::Upstream->new('sink');
	my $client = client($upstream, version => $version);
	$client->put('x' x 1000);
	$client->fin;
	is($client->wait_end, 'reset', "$name: the client is reset");
	my $report = $upstream->report;
	is($report->{bytes}, 1000, "$name: its bytes come");
	is($report->{end}, 'reset', "$name: but no end of the stream");
	line_ok($daemon, $client, $name, reason => 'client_cut', closed_first => 'client',
		client_truncated => undef, bytes_from_client => 1000);

	$name = "TLS $version: close_notify where it is required";
	$upstream = Sniport::Upstream->new('echo');
	$client = client($upstream, version => $version);
	$client->put('x');
	$client->end;
	is($client->wait_end, 'close_notify', "$name: a clean end");
	line_ok($daemon, $client, $name, reason => 'done');
}
$daemon->stop_ok;

# Time limits.
my $long = Sniport::Upstream->new('sink');
my $bye = Sniport::Upstream->new('half_close_first');
my ($silent, $short) = map { Sniport::Upstream->new(code => sub {
	my ($socket, $self) = @_;
	$self->read_all($socket);
	my $end = $self->{result}{end};
	return (end => wait_reset($socket) ? "$end reset" : 'time');
}) } 1, 2;
# So long that what the test does meanwhile fits in, on a busy machine, too.
my $ms = under_valgrind() ? 20 : 4;
start(timeouts => sprintf('idle = "%dms"; half_close = "%dms"; connect = "%dms";',
		600 * $ms, 400 * $ms, 300 * $ms),
	rules => sprintf '
	{ name = "endless"; action = "allow"; destinations = [ "*:%d", "*:%d" ];
	  networks = [ "127.0.0.0/8" ]; idle_timeout = "0"; },
	{ name = "long"; action = "allow"; destinations = [ "*:%d" ];
	  networks = [ "127.0.0.0/8" ]; idle_timeout = "%dms"; },
	{ name = "short"; action = "allow"; destinations = [ "*:%d" ];
	  networks = [ "127.0.0.0/8" ]; idle_timeout = "%dms"; },
	{ name = "test"; action = "allow"; destinations = [ "*:*" ];
	  networks = [ "127.0.0.0/8" ]; }', $bye->port, $silent->port, $long->port,
	1800 * $ms, $short->port, 300 * $ms);
{
	my $name = "nothing moves";
	my $upstream = Sniport::Upstream->new('sink');
	my $client = client($upstream);
	$client->put('x');
	my $other = client($long);
	is($client->wait_end, 'reset', "$name: the client is reset");
	is($upstream->report->{end}, 'reset', "$name: the upstream, too");
	my $line = line_ok($daemon, $client, $name, reason => 'idle_timeout',
		closed_first => 'sniport', bytes_from_client => 1);
	cmp_ok($line->{total_ms}, '>=', 600 * $ms, "$name: not too early");

	$name = "nothing moves, the rule's limit";
	is($other->wait_end, 'reset', "$name: the client is reset");
	is($long->report->{end}, 'reset', "$name: the upstream, too");
	$line = line_ok($daemon, $other, $name, reason => 'idle_timeout', rule => 'long',
		closed_first => 'sniport');
	cmp_ok($line->{total_ms}, '>=', 1800 * $ms, "$name: not too early");

	# So many would be no end of them.
	$name = "nothing but KeyUpdates, which are answered";
	my $keys = Sniport::Upstream->new('sink');
	my ($port, $sent, $saw) = split ' ', (run(
		Sniport::Peer::program() =~ s/peer$/raw/r, qw(-v 1.3 -k ask -r),
		'-i', 100 * $ms, '-n', 200, '-p', $daemon->port,
		'-s', 'example.com:' . $keys->port))[1];
	is($saw, 'reset', "$name: the client is reset");
	cmp_ok($sent, '<', 200, "$name: before it is done");
	is({ lines_of($daemon, $port) }->{$port}{reason}, 'idle_timeout',
		"$name: for it was idle");
	$keys->report;

	$name = "half a tunnel is left, the client's end came";
	$client = client($silent);
	$client->put('x');
	$client->end;
	is($client->wait_end, 'reset', "$name: the client is reset");
	is($silent->report->{end}, 'fin reset', "$name: the upstream, too");
	line_ok($daemon, $client, $name, reason => 'half_close_timeout',
		closed_first => 'client', bytes_from_client => 1);

	$name = "half a tunnel is left, the rule's limit is shorter";
	$client = client($short);
	$client->put('x');
	$client->end;
	is($client->wait_end, 'reset', "$name: the client is reset");
	is($short->report->{end}, 'fin reset', "$name: the upstream, too");
	line_ok($daemon, $client, $name, reason => 'idle_timeout', rule => 'short',
		closed_first => 'client', bytes_from_client => 1);

	$name = "half a tunnel is left, the upstream's end came";
	$client = client($bye);
	is($client->get_all, "bye\n", "$name: all of it comes");
	is($client->ended, 'close_notify', "$name: and its end");
	ok($client->wait_reset, "$name: then the client is reset");
	is($bye->report->{end}, 'reset', "$name: the upstream, too");
	line_ok($daemon, $client, $name, reason => 'half_close_timeout',
		closed_first => 'upstream', bytes_from_upstream => 4);

	$name = "an end after a long time";
	$client = client($long);
	readable($client->socket, deadline(0.7 * $ms)) if $client->get_now eq '';
	$client->end;
	is($client->wait_end, 'close_notify', "$name: the limit starts with it");
	$long->report;
	line_ok($daemon, $client, $name, reason => 'done');

	# Bytes put the limits off.
	$name = "little moves";
	$upstream = Sniport::Upstream->new('echo');
	$client = client($upstream);
	for (1 .. 10) {
		$client->put('x');
		$client->get(1);
		readable($client->socket, deadline(0.1 * $ms));
	}
	$client->end;
	is($client->wait_end, 'close_notify', "$name: it goes on");
	$line = line_ok($daemon, $client, $name, reason => 'done');
	cmp_ok($line->{total_ms}, '>', 900 * $ms, "$name: beyond the limits");
}

for my $version (@VERSIONS) {
	my $name = "TLS $version: the upstream does not answer";
	my $client = client($full, version => $version);
	ok($client->established, "$name: the handshake succeeds");
	is($client->wait_end, 'reset', "$name: the tunnel is reset");
	my $line = line_ok($daemon, $client, $name, reason => 'connect_timeout',
		closed_first => 'sniport',
		tried => [ '127.0.0.1:' . $full->port . ' connect_timeout' ]);
	cmp_ok($line->{total_ms}, '>=', 300 * $ms, "$name: not too early");
}
$daemon->stop_ok;

done_testing;
