# What became of tunnels, for tests of what lies between a server name and a
# connected upstream (of kind "echo").
#
#     my @clients = map { dial($daemon, $_) } "a.test:$port", "b.test:$port";
#     ended_ok($daemon, $clients[0], 'an address', reason => 'done',
#             tried => ["127.0.0.2:$port ok"]);
#     ended_ok($daemon, "c.test:$port", 'a loop', reason => 'guard', ...);
package Sniport::Dialled;

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

use Sniport::Client ();
use Sniport::Test qw(poll);
use Sniport::Tunnel qw(finish works);
use Sniport::Upstream ();

our @EXPORT_OK = qw(asked dial echoes ended_ok line_of listen_on);

# What a line must not have where nothing was connected.
my @ABSENT = qw(upstream egress connect_ms bytes_from_client
	bytes_from_upstream);

# A client after its handshake, which does not wait for the upstream.
sub dial {
	my ($daemon, $name, %option) = @_;

	my $client = Sniport::Client->new(port => $daemon->port, name => $name,
		version => '1.3', %option);
	die "$name: no handshake: " . $client->ended unless $client->established;
	return $client;
}

# The audit line of the end of a client (or of its port), or undef when there
# is none in time. The port may have been that of another client before.
sub line_of {
	my ($daemon, $client, $deadline) = @_;
	my ($port, $since) = ref $client ?
	    ($client->local_port, $client->opened) : ($client, '');

	return poll(sub {
		return (grep { $_->{event} eq 'end' && $_->{client_port} == $port &&
			$_->{time} ge $since } $daemon->audit)[-1];
	}, $deadline);
}

# What the client sees of its tunnel: "echo" where bytes go both ways and both
# ends are clean, else its end.
sub echoes {
	my ($client) = @_;

	return works($client) && finish($client) ? 'echo' : $client->wait_end;
}

# One test: a tunnel (a client, or the name for one) ends as the fields say.
# Without reason "done" it must be reset, and nothing connected. Returns the
# audit line.
sub ended_ok {
	my ($daemon, $client, $title, %want) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$client = dial($daemon, $client) unless ref $client;
	my $good = $want{reason} eq 'done';
	my $seen = echoes($client);
	my $line = line_of($daemon, $client) // {};
	%want = (decision => 'allow', %want);
	%want = ((map { ($_ => undef) } @ABSENT), %want) unless $good;
	Test::More::is_deeply({ seen => $seen, map { ($_ => $line->{$_}) }
		keys %want }, { seen => $good ? 'echo' : 'reset', %want },
		$title) or Test::More::diag(Test::More::explain($line));
	return $line;
}

# How often the name server was asked this, "name TYPE".
sub asked {
	my ($dns, $question) = @_;

	return scalar grep { $_ eq $question } $dns->questions;
}

# Upstreams of kind "echo" on one port of several addresses, by address.
sub listen_on {
	my @hosts = @_;

	for (1 .. 100) {
		my %upstreams;
		for my $host (@hosts) {
			my ($other) = values %upstreams;
			$upstreams{$host} = eval { Sniport::Upstream->new('echo',
				undef, host => $host,
				port => $other ? $other->port : 0) } or last;
		}
		return \%upstreams if keys %upstreams == @hosts;
	}
	die "no port is free on all of @hosts: $@";
}

1;
