#!/usr/bin/perl
# What a client's certificates take decoded is given back once its handshake is
# done, and its session goes on without them: records, KeyUpdates, the end of
# the stream, and a session that follows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;

use Sniport::Authority;
use Sniport::Certificate;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Record;
use Sniport::Test qw(poll slow temporary usage);
use Sniport::Upstream;
use Sniport::Who;

*der = \&Sniport::Certificate::der;
*sequence = \&Sniport::Certificate::sequence;

my $COUNT = 40;

# An idle tunnel has some 20 KiB; each of these chains takes another 55 KiB or
# more, decoded.
my $MOST = 64 << 10;

my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my (undef, $private) = $mesh->issue('web', 'DNS:web.example.com');
my $public = Sniport::Certificate::public_key($private);
my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 open.test\n",
	tls => qq(client_ca = "@{[ $mesh->file ]}"; client_auth = "required";));
my %key;
my $who = Sniport::Who->new(daemon => $daemon, port => $upstream->port,
	key => \%key);

# A certificate with a name, so many addresses, and an extension of so many
# bytes that nobody knows.
sub leaf {
	my ($addresses, $bytes) = @_;

	return Sniport::Certificate::certificate(by => $mesh, key => $public,
		extensions => [ Sniport::Certificate::extension('551d11',
		    sequence(der(0x82, 'a.example.com'),
		    der(0x87, 'abcd') x $addresses)),
		    Sniport::Certificate::extension('2a0304', 'x' x $bytes) ]);
}

sub chain {
	my ($title, @certificates) = @_;

	$key{$title} = [ Sniport::Certificate::write_pem(
		"$dir/$title.pem", @certificates), $private ];
	return $title;
}

sub opened {
	my ($title, %option) = @_;
	my $client = $who->client($title, 'open', %option);

	$client->put('ping');
	($client->get(4) // '') eq 'ping' or die "$title: " . $client->ended;
	return $client;
}

my @chains = (chain(usual => leaf(1, 1)),
	chain(addresses => leaf(3900, 1)), chain(long => leaf(1, 28_000)),
	chain(junk => leaf(1, 1), leaf(3900, 1)),
	chain(second => leaf(1, 1), leaf(1, 28_000), leaf(1, 28_000)));
for my $version ('1.2', '1.3') {
	for my $title (@chains) {
		# One in whose memory there are no gaps yet.
		$daemon->reload;
		my ($worker, @leaving);
		poll(sub { ($worker, @leaving) = $daemon->workers; !@leaving })
		    or die 'the worker of before does not leave';
		# The first takes what all take together.
		my @clients = opened($title, version => $version);
		my $before = usage($worker)->{memory};
		push @clients, map { opened($title, version => $version) }
		    2 .. $COUNT;
		my $each = (usage($worker)->{memory} - $before) / ($COUNT - 1);
		SKIP: {
			skip 'memory is not what it is elsewhere', 1 if slow();
			cmp_ok($each, '<', $MOST,
				"$version: $title: what a tunnel takes");
		}
		$_->end for @clients;
		$_->wait_end for @clients;
		$who->line_ok("$version: $title", $clients[-1], reason => 'done',
			identity => 'a.example.com');
	}
}

# All else goes on.
chain(some => leaf(900, 1));
my %session;
for my $version ('1.2', '1.3') {
	my $client = opened('some', version => $version);
	$session{$version} = $client->{sessions}[-1];
	$client->end;
	is($client->wait_end, 'close_notify', "$version: ends well");
	for my $n (1 .. 2) {
		my $next = opened('some', version => $version,
			session => $session{$version});

		$session{$version} = $next->{sessions}[-1] // $session{$version};
		$next->end;
		is($next->wait_end, 'close_notify',
			"$version: resumed, number $n: ends well");
		$who->line_ok("$version: resumed, number $n", $next,
			reason => 'done', identity => 'a.example.com',
			resumed => JSON::PP::true());
	}

	$client = $who->client('some', 'open', Sniport::Record::suite($version));
	my $record = Sniport::Record->new($client);
	$record->send(map { ($version eq '1.3' ? $record->key_update(1) : (),
		$record->data('abcd')) } 1 .. 3);
	is($client->get(12), 'abcd' x 3, $version eq '1.3' ?
		'1.3: KeyUpdates are answered' : '1.2: records come back');
	$record->send($record->close_notify);
	is($client->wait_end, 'close_notify', "$version: and the end");
	$who->line_ok("$version: records of its own", $client, reason => 'done');
}

$daemon->stop_ok;
done_testing;
