#!/usr/bin/perl
# What the audit line says of a tunnel whose worker died in the midst of its
# work: which addresses were being dialled, and each byte that was delivered.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Dialled qw(dial line_of);
use Sniport::Test qw(build poll slow slurp);
use Sniport::Tunnel qw(name_of tunnel_open works);
use Sniport::Upstream;

my $HOSTS = "::1 both.test\n127.0.0.1 both.test\n127.0.0.1 peer.test\n";

# Does the kernel wait for an answer from that port?
sub is_dialled {
	my ($port) = @_;
	my $far = sprintf ':%04X', $port;

	return grep { (split)[2] =~ /\Q$far\E$/ && (split)[3] eq '02' }
	    split /\n/, slurp('/proc/net/tcp');
}

# An upstream that does not answer, whose other address refuses.
{
	my $daemon = Sniport::Daemon->new(hosts => $HOSTS,
		networks => '[ "127.0.0.0/8", "::1/128" ]');
	my $full = Sniport::Upstream->full;
	my $port = $full->port;
	my $client = dial($daemon, "both.test:$port");

	ok(poll(sub { is_dialled($port) }), 'dialling: an address does not answer');
	kill 'KILL', $daemon->workers;
	my $line = line_of($daemon, $client);
	is($line->{reason}, 'worker_died', 'dialling: the worker died');
	like("@{ $line->{tried} // [] }",
		qr/^\[::1\]:$port connect_\w+ 127\.0\.0\.1:$port open$/,
		'dialling: the line has the addresses that were tried');
	ok(defined $line->{dns_ms}, 'dialling: and how long the look-up took');
	is($line->{upstream}, undef, 'dialling: but nothing was connected');
	is($client->wait_end, 'reset', 'dialling: the client is reset');
	$daemon->stop_ok(name => 'dialling: sniport stops');
}

# One that has ended its stream is the first to have closed, as in other lines.
{
	my $upstream = Sniport::Upstream->new(stop_after => 1);
	my $daemon = Sniport::Daemon->new(hosts => $HOSTS);
	my $client = tunnel_open($daemon, $upstream);

	$client->put('x');
	$client->end;
	# The end has been passed on: nothing else is in the upstream's socket.
	my $near = sprintf ':%04X', $upstream->port;
	ok(poll(sub { grep { (split)[1] =~ /\Q$near\E$/ && (split)[3] eq '08' }
		split /\n/, slurp('/proc/net/tcp') }),
		'half-closed: the upstream has the end');
	kill 'KILL', $daemon->workers;
	my $line = line_of($daemon, $client);
	is($line->{reason}, 'worker_died', 'half-closed: the worker died');
	is($line->{closed_first}, 'client', 'half-closed: the client closed first');
	is($line->{bytes_from_client}, 1, 'half-closed: after a byte');
	$daemon->stop_ok(name => 'half-closed: sniport stops');
}

SKIP: {
	skip 'SKIPPED: a sanitizer comes before what is preloaded', 6 if slow();
	my $bytes = 'x' x 2_000_000;
	my %upstream = (
		bytes_from_client => Sniport::Upstream->new('sink'),
		bytes_from_upstream => Sniport::Upstream->new(code => sub {
			my ($socket, $self) = @_;
			$self->put($socket, $bytes);
			$self->read_all($socket);
			return;
		}),
	);
	for my $field (sort keys %upstream) {
		my $daemon = Sniport::Daemon->new(hosts => $HOSTS, environment => {
			LD_PRELOAD => build() . '/preload/midway.so',
			MIDWAY => 200_000 });
		my $client = tunnel_open($daemon, $upstream{$field});

		$client->put($bytes) if $field eq 'bytes_from_client';
		is($client->wait_end, 'reset', "$field: the worker died");
		my $line = line_of($daemon, $client);
		my ($moved) = $daemon->log =~ /^midway: (\d+) bytes$/m;
		is($line->{reason}, 'worker_died', "$field: its line says so");
		is($line->{$field}, $moved,
			"$field: and tells of each byte that was delivered");
		$daemon->stop_ok(name => "$field: sniport stops");
	}
}

done_testing;
