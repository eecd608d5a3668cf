#!/usr/bin/perl
# sniport close: an operator ends tunnels, those that were meant and no others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP;

use Sniport::Admin qw(ask);
use Sniport::Daemon;
use Sniport::Test qw(deadline poll run sniport);
use Sniport::Tunnel qw(tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(
	hosts => "127.0.0.1 peer.test\n127.0.0.1 other.test\n",
	top => 'workers = 2;', log => 'level = "info";',
	admin => 'address = "127.0.0.1:%PORT_http%";');
my @asks = (sniport(), '--control', $daemon->dir . '/control.sock');

sub open_to {
	my ($host) = @_;

	return tunnel_open($daemon, $upstream,
		name => "$host.test:" . $upstream->port);
}

# Those that are open.
sub tunnels {
	my ($status, $text) = run(@asks, 'tunnels', '--json', @_);

	return map { decode_json($_) } split /\n/, $text;
}

# How the connection of a client ends.
sub end_of {
	my ($client) = @_;
	my $deadline = deadline();

	1 while $client->fill($deadline);
	return $client->ended;
}

sub closed { return run(@asks, 'close', @_); }

# How many audit lines say that an operator did it.
sub lines {
	$daemon->settle;
	return scalar grep { ($_->{reason} // '') eq 'closed_by_operator' }
	    $daemon->audit;
}

my @client = map { open_to($_) } qw(peer peer other other peer);
ok(works($_), 'a tunnel') for @client;
my @open;
ok(poll(sub { (@open = tunnels()) == @client }), 'all of them are open');

my ($first) = grep { $_->{client_port} == $client[0]->local_port } @open;
my ($status, $text) = closed($first->{tunnel});
is($status, 0, 'one by its id') or diag($text);
is($text, "sniport: close: 1 tunnel closed\n", 'which is said');
is(end_of($client[0]), 'reset', 'its client is reset');
my $line = $daemon->wait_audit(sub { $_->{tunnel} eq $first->{tunnel} });
is($line->{reason}, 'closed_by_operator', 'the audit line says why');
is($line->{closed_first}, 'sniport', 'and that it was neither side');
ok(works($_), 'the others go on') for @client[ 1 .. 4 ];
ok($daemon->wait_log(qr/admin\[\d+\]: close: 1 of 1 tunnel closed, as asked for by process \d+ of user $>$/m),
	'the error log says who asked');

($status, $text) = closed($first->{tunnel});
is($status, 1, 'it is gone');
is($text, "sniport: close: no such tunnel is open\n", 'which is said');
($status, $text) = closed('host=other.test', '--json');
is($status, 0, 'all to a host');
is_deeply(decode_json($text), { found => 2, closed => 2 }, 'as JSON');
is(end_of($client[$_]), 'reset', 'they are reset') for 2, 3;
ok(works($_), 'and the others go on') for @client[ 1, 4 ];

for (
	[ 'nothing', qr/close: which\?/ ],
	[ 'two ids', qr/"id" is not a filter, is given twice/, qw(1-0-1 1-0-2) ],
	[ 'a word that is no filter', qr/"colour" is not/, 'colour=red' ],
	[ 'a client that is not one', qr/"client" is not/, 'client=here' ],
) {
	my ($name, $says, @word) = @$_;
	($status, $text) = closed(@word);
	is($status, 2, "$name: is refused");
	like($text, $says, 'which is said');
}
is((ask($daemon, '/close', 'POST'))[0], 400, 'nor is anything meant by nothing');
is((ask($daemon, '/close?format=text', 'POST'))[0], 400, 'in any format');
is((ask($daemon, '/close?format=xml&id=1', 'POST'))[0], 400, 'or in another');
my (undef, undef, $field) = ask($daemon, '/close?client=::/0');
is($field->{allow}, 'POST', 'GET closes nothing');
is((ask($daemon->port('http'), '/close?client=127.0.0.1', 'POST'))[0], 403,
	'neither does the other socket');
SKIP: {
	skip 'SKIPPED LOUDLY: only root can be somebody else', 2 if $> != 0;
	chmod 0711, $daemon->dir;
	($status, $text) = run(qw(setpriv --reuid 65534 --regid 0 --clear-groups),
		@asks, 'close', 'generation=1');
	is($status, 2, 'nor who is only in the group');
	like($text, qr/POST \/close is for root and user 0 alone/, 'as is said');
}
ok(works($_), 'all that was refused has closed nothing') for @client[ 1, 4 ];

# Old generations, and more than one message has room for.
$daemon->reload;
my @more = map { open_to($_ % 2 ? 'peer' : 'other') } 1 .. 40;
ok(poll(sub { tunnels() == 42 }), 'many more');
($status, $text) = closed('generation=1');
is($text, "sniport: close: 2 tunnels closed\n", 'those of an old generation');
is(end_of($client[$_]), 'reset', 'are reset') for 1, 4;
($status, $text) = closed('client=127.0.0.0/8', 'host=peer.test');
is($text, "sniport: close: 20 tunnels closed\n", 'every second of them');
is(scalar(grep { works($more[ 2 * $_ - 1 ]) } 1 .. 20), 20, 'the rest goes on');
($status, $text) = closed('client=127.0.0.1');
is($text, "sniport: close: 20 tunnels closed\n", 'and all');
is_deeply([ tunnels() ], [], 'none is left');
is(lines(), 45, 'each has its line');

# Whoever stands still ends it later.
my $last = open_to('peer');
ok(works($last), 'one more');
my ($one) = tunnels();
my $worker = $daemon->worker($one->{worker});
kill 'STOP', $worker;
($status, $text) = closed($one->{tunnel});
kill 'CONT', $worker;
is($status, 1, 'of a worker that stands still');
is($text, "sniport: close: 0 of 1 closed; the workers of the others do not answer\n",
	'it is not closed, as is said');
is(end_of($last), 'reset', 'but as soon as the worker goes on');
$daemon->stop_ok;

done_testing;
