#!/usr/bin/perl
# A tunnel has few connections under way to its upstream at once, however many
# addresses that has: those that do not answer make room for the next ones. And
# who dials such names does not take a worker's descriptors from others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(ended_ok);
use Sniport::Test qw(poll under_valgrind);
use Sniport::Tunnel qw(finish works);
use Sniport::Upstream;

my $ADDRESSES = 24;
my $TUNNELS = 30;

# Of one port: who connects there hears nothing.
sub silent_on {
	my ($port) = @_;

	return map { Sniport::Upstream->full(host => "127.0.9.$_",
		port => $port) } 1 .. $ADDRESSES;
}

# The port of an echo that is free on the silent addresses as well.
my ($upstream, @silent);
for (1 .. 100) {
	$upstream = Sniport::Upstream->new('echo');
	@silent = eval { silent_on($upstream->port) } and last;
}
die "no port is free: $@" unless @silent;
my $port = $upstream->port;
my @hosts = map { $_->host } @silent;

my $dns = Sniport::DNS->new(zone => {
	'late.test' => { A => [ @hosts[0 .. 6] ], AAAA => ['::ffff:127.0.0.1'] },
	'*.silent.test' => { A => \@hosts },
	'*.good.test' => { A => ['127.0.0.1'] },
});
my @dns = (dns => 'servers = [ "' . $dns->server .
    '" ]; family = "prefer-ipv4";');

my $daemon = Sniport::Daemon->new(@dns, timeouts => 'connect = "60s";');
my $line = ended_ok($daemon, "late.test:$port", 'the last of eight answers',
	reason => 'done');
my %seen;
$seen{$_}++ for map { s/^\S+ //r } @{ $line->{tried} };
is_deeply(\%seen, { connect_timeout => 3, open => 4, ok => 1 },
	'five were under way at once, and the oldest were given up')
    or diag(explain($line));
like($line->{tried}[-1], qr/ ok$/, 'it was the last that was tried');
$daemon->stop_ok;

SKIP: {
	skip 'SKIPPED: valgrind keeps files for itself', 5 if under_valgrind();

	# Each of these tunnels once had a descriptor for each address.
	$daemon = Sniport::Daemon->new(@dns, timeouts => 'connect = "4s";',
		files => 340);
	my @clients = map { Sniport::Client->new(port => $daemon->port,
		source => '127.0.1.9', name => "$_.silent.test:$port") }
	    1 .. $TUNNELS;
	my ($served, @not) = (0);
	my $ended = sub {
		return grep { $_->{event} eq 'end' &&
			$_->{client_address} eq '127.0.1.9' } $daemon->audit;
	};
	while (!$ended->() && $served + @not < 10_000) {
		my $client = Sniport::Client->new(port => $daemon->port,
			source => '127.0.1.10',
			name => $served + @not . ".good.test:$port");
		works($client) && finish($client) ? $served++ :
		    push @not, $client->ended;
	}
	cmp_ok($served, '>', 0, 'other clients are served meanwhile');
	is_deeply(\@not, [], 'each of them, by a name of its own');
	ok(poll(sub { $ended->() == $TUNNELS }), 'the silent ones end');
	is_deeply([ grep { $_->{reason} ne 'connect_timeout' } $ended->() ], [],
		'for want of an answer');
	unlike($daemon->log, qr/accepting paused|open files\b(?!.*raise it)/,
		'no descriptor was missing');
	$daemon->stop_ok;
}

done_testing;
