#!/usr/bin/perl
# Clients that end their stream and close for good, as most do: our own
# close_notify then meets a closed socket, whose reset says nothing of the
# tunnel. Nor do clients that only write lose anything.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline poll readable unsent);
use Sniport::Upstream;

my $COUNT = 30;
my @VERSIONS = ('1.2', '1.3');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => 'shutdown = "2s";');

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
}

# How often each text came: "30 done" where all were the same.
sub tally {
	my @texts = @_;
	my %count;

	$count{ $_ // 'none' }++ for @texts;
	return join ', ', map { "$count{$_} $_" } sort keys %count;
}

# The reasons of the audit lines of clients with these local ports.
sub reasons {
	my @ports = @_;
	my %lines = lines_of($daemon, @ports);

	return tally(map { $_->{reason} } values %lines);
}

# Ends and closes a client, and leaves what it has not read; its local port.
sub leave {
	my ($client, $goodbye) = @_;
	my $port = $client->local_port;

	$client->$goodbye;
	$client->close;
	return $port;
}

# So many clients, one after the other, each treated by the code, which
# returns its local port; the reasons, and what the upstream's reports say.
sub clients {
	my ($upstream, $version, $code) = @_;
	my (@ports, @reports);

	for (1 .. $COUNT) {
		push @ports, $code->(client($upstream, version => $version));
		my $report = $upstream->report;
		push @reports, "$report->{bytes} $report->{end}";
	}
	return (reasons(@ports), tally(@reports));
}

my %goodbye = (end => 'done', fin => 'client_truncated');
for my $version (@VERSIONS) {
	for my $goodbye (sort keys %goodbye) {
		my $title = "TLS $version, $goodbye";
		my $reason = $goodbye{$goodbye};

		# The client is gone before the upstream ends.
		my $upstream = Sniport::Upstream->new('sink');
		is_deeply([ clients($upstream, $version, sub {
			my ($client) = @_;
			$client->put('x' x 1000);
			return leave($client, $goodbye);
		}) ], [ "$COUNT $reason", "$COUNT 1000 fin" ],
			"$title: the client ends first and closes");

		# Our goodbye lies unread in front of it.
		$upstream = Sniport::Upstream->new(code => sub {
			my ($socket, $self) = @_;
			$self->read_some($socket, 1000);
			$self->put($socket, 'answer');
			shutdown $socket, 1;
			$self->read_all($socket);
			return;
		});
		is_deeply([ clients($upstream, $version, sub {
			my ($client) = @_;
			$client->put('x' x 1000);
			$client->get(6) eq 'answer' or die 'no answer';
			return leave($client, $goodbye);
		}) ], [ "$COUNT $reason", "$COUNT 1000 fin" ],
			"$title: the upstream ends with its answer");
	}

	# What the client has sent waits for an upstream that does not read, when
	# the reset comes.
	my $title = "TLS $version: an upload behind the upstream's end";
	my $upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		shutdown $socket, 1;
		readable($self->{go}, deadline()) or return (end => 'time');
		sysread $self->{go}, my $byte, 1;
		$self->read_some($socket, 8_000_000);
		readable($self->{go}, deadline()) or return (end => 'time');
		$self->read_all($socket);
		return;
	});
	my $client = client($upstream, version => $version);
	ok(readable($client->socket, deadline()), "$title: the end comes");
	# As much as all pipes hold; then the upstream makes room for what our own
	# has still got, and no more.
	my $sent = 0;
	while ($sent < 100_000_000) {
		$client->put('x' x 65536);
		$sent += 65536;
		last unless poll(sub { unsent($client->socket) == 0 },
			deadline(1));
	}
	$client->end;
	$upstream->go;
	ok(poll(sub { unsent($client->socket) == 0 }), "$title: all is sent");
	my $port = $client->local_port;
	$client->close;
	$upstream->go;
	my $report = $upstream->report;
	is_deeply([ @$report{qw(bytes end)}, reasons($port) ],
		[ $sent, 'fin', '1 done' ], "$title: it is whole");
}

# A reset that tells more than that stays what it is.
for my $version (@VERSIONS) {
	my $title = "TLS $version: the answer is not read";
	my $upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->put($socket, 'x' x 3_000_000);
		shutdown $socket, 1;
		$self->read_all($socket);
		return;
	});
	my $client = client($upstream, version => $version,
		receive_buffer => 4096);
	$client->get(1);
	like(reasons(leave($client, 'end')), qr/^1 client_reset$/, $title);
	$upstream->report;

	$title = "TLS $version: no end before the reset";
	$upstream = Sniport::Upstream->new('half_close_first');
	$client = client($upstream, version => $version);
	is($client->get_all, "bye\n", "$title: the upstream's end");
	my $port = $client->local_port;
	$client->put('x');
	$client->reset;
	is(reasons($port), '1 client_reset', $title);
	is($upstream->report->{end}, 'reset', "$title: is passed on");
}
$daemon->stop_ok;

done_testing;
