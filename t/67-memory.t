#!/usr/bin/perl
# A worker that is given no more memory: tunnels are refused with a reason, which
# the audit line of each has, the worker neither dies nor spins, and all is well
# when there is memory again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline limit_process poll readable run slow status
	usage);
use Sniport::Tunnel qw(finish is_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: the limit is on address space, of which a ' .
    'sanitizer and valgrind take what they like' if slow();
plan skip_all => 'SKIPPED LOUDLY: root is needed to limit a worker'
    if $> != 0;
plan skip_all => 'SKIPPED LOUDLY: prlimit and setpriv are needed'
    if grep { (run($_, '--version'))[0] } qw(prlimit setpriv);

# More than fits into what is left to the worker.
my $MOST = 3000;
my $LEFT = 16 * 1024 * 1024;

my $upstream = Sniport::Upstream->new('echo');
my $name = 'peer.test:' . $upstream->port;
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	files => 20000, limits => 'tunnels = 100000; buffer = "64KiB";',
	timeouts => 'client_hello = "60s"; handshake = "60s"; connect = "60s";');
my ($worker) = $daemon->workers;

# The first number of that line of the worker's status.
sub status_of {
	my ($name) = @_;

	return status($worker, $name) =~ /^(\d+)/ ? $1 : die;
}

sub limit { return limit_process($worker, 'as', $_[0]); }

# Leaves it so many bytes more than it has.
sub leave { return limit(1024 * status_of('VmSize') + $_[0]); }

# The lines of those that were refused for want of memory.
sub refused { return grep { $_->{reason} eq 'no_memory' } $daemon->audit; }

# One test: each of those that are gone has such a line of its own, among those
# from that number on.
sub refused_ok {
	my ($title, $from, @clients) = @_;
	my @missing;

	poll(sub {
		my @lines = $daemon->audit;
		my %left;
		$left{ $_->{client_port} }++ for
		    grep { $_->{reason} eq 'no_memory' } @lines[$from .. $#lines];
		# A port can come again.
		@missing = grep { --$left{$_} < 0 } map { $_->local_port } @clients;
		return !@missing;
	});
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply(\@missing, [], $title);
	return;
}

# One test: CPU time of the worker in the next second.
sub idle_ok {
	my ($title) = @_;
	my $before = usage($worker)->{cpu};

	select(undef, undef, undef, 1);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(usage($worker)->{cpu} - $before, '<', 0.1, $title);
	return;
}

# How many connections were made.
my $made = 0;

sub client {
	$made++;
	return Sniport::Client->new(port => $daemon->port, name => $name, @_);
}

sub serves_ok {
	my ($title) = @_;
	my $good = grep { my $c = client(); works($c, 200_000) && finish($c) }
	    1 .. 10;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($good, 10, $title);
	return;
}

serves_ok('before');

# Connections that send a hello and no more: each costs a session of the TLS
# library.
my $from = $daemon->audit;
leave($LEFT);
my (@half, $n);
for $n (1 .. $MOST) {
	push @half, Sniport::Client->open(port => $daemon->port, name => $name);
	$made++;
	last if $half[-1]->ended;
	$half[-1]->begin;
	last if !($n % 50) && refused();
}
ok(poll(sub { scalar refused() }),
	'half-open: refused for want of memory') or
    diag(scalar @half . ' connections');
note(scalar @half . ' half-open connections');
idle_ok('half-open: the worker does not spin');
# Who was reset has no peer any more, whatever is left to be read.
my @waiting = grep { $_->socket && defined getpeername $_->socket } @half;
cmp_ok(scalar @waiting, '>', 10, 'half-open: those that are there remain');
is_deeply([ $daemon->workers ], [$worker], 'half-open: the worker lives');
my %waiting = map { ($_ => 1) } @waiting;
refused_ok('half-open: each that is gone was', $from,
	grep { !$waiting{$_} } @half);
limit('unlimited');
is(($waiting[0]->handshake && works($waiting[0]) && finish($waiting[0]) ? 1 : 0),
	1, 'half-open: one of them is served later');
my @ports = map { $_->local_port } @waiting;
$_->close for @half;
serves_ok('half-open: service as before');

# Tunnels: bytes that nobody reads take buffers, too.
my $held = Sniport::Upstream->new('held');
my $held_name = 'peer.test:' . $held->port;
my $before = refused();
$from = $daemon->audit;
leave($LEFT);
my (@open, @lost);
my $bytes = 'x' x 16384;
for (1 .. 600) {
	my $client = client(name => $held_name);
	if (!$client->established) {
		push @lost, $client;
		last if @lost > 20;
		next;
	}
	push @open, $client;
	# As much as goes at once.
	local $SIG{PIPE} = 'IGNORE';
	for (1 .. 200) {
		defined $client->operate(
			sub { Net::SSLeay::write($_[0], $bytes) }, deadline(0))
		    or last;
	}
}
refused_ok('tunnels: each without handshake was refused so', $from, @lost);
my @refused = refused();
note(@open . ' tunnels, ' . @lost . ' without handshake, ' .
	(@refused - $before) . ' lines');
cmp_ok(scalar @refused, '>', $before, 'tunnels: refused for want of memory');
is_deeply([ map { ($_->{reason} // '?') . ': ' . ($_->{detail} // '') }
	grep { ($_->{reason} // '') !~
	/^(?:done|no_memory|client_abandoned)$/ } $daemon->audit ], [],
	'tunnels: and for nothing else');
# But for a client that left before it could be told.
my %left = map { ($_ => 1) } @ports;
is_deeply([ grep { $_->{closed_first} ne 'sniport' &&
	!$left{ $_->{client_port} } } @refused ], [], 'by sniport');
idle_ok('tunnels: the worker does not spin');
is_deeply([ $daemon->workers ], [$worker], 'tunnels: the worker lives');
cmp_ok(scalar(grep { is_open($_) } @open), '>', 0, 'tunnels: some go on');
limit('unlimited');
push @ports, map { $_->local_port } @open;
$_->reset for @open, @lost;
$held->stop;
serves_ok('tunnels: service as before');
is_deeply([ $daemon->workers ], [$worker], 'it is the same worker');
my %lines;
poll(sub {
	%lines = ();
	$lines{ $_->{client_port} } = 1 for $daemon->audit;
	return !grep { !$lines{$_} } @ports;
});
is_deeply([ grep { !$lines{$_} } @ports ], [],
	'each that was there has left its audit line');
$daemon->stop_ok;
my %reasons;
$reasons{ $_->{reason} }++ for $daemon->audit;
note(explain(\%reasons));
is(scalar(my @all = $daemon->audit), $made,
	'each connection that was made has one, and no other');
my $count = ($daemon->counters)[-1];
is($count->{accepted}, $made, 'each was counted when it came');
is_deeply({ map { ($_ => $count->{$_}) } keys %reasons }, \%reasons,
	'and for the reason of its line');

# To add up takes memory as well, from the first tunnel on that another worker
# has counted: more than is left, although there is enough for the tunnel.
$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test counted.test\n",
	limits => 'tunnels_per_client = 0; unfinished_per_client = 0;',
	rules => '{ name = "counted"; action = "allow"; max_tunnels = 2;
		destinations = [ "counted.test:*" ]; networks = [ "127.0.0.0/8" ]; },
		{ name = "other"; action = "allow";
		destinations = [ "*:*" ]; networks = [ "127.0.0.0/8" ]; }');
my $counted = 'counted.test:' . $upstream->port;
my ($old) = $daemon->workers;
my $first = client(name => $counted);
is(works($first), 1, 'counted: one in the first generation');
$daemon->reload;
($worker) = grep { $_ != $old } $daemon->workers;

# How the tunnel of this client ended, as its audit line has it.
sub reason_of {
	my ($port) = @_;

	return poll(sub { return (map { $_->{reason} } grep {
		($_->{client_port} // 0) == $port } $daemon->audit)[0] });
}

serves_ok('counted: before');
leave(256 * 1024);
for my $try (1, 2) {
	my $client = client(name => $counted);
	is($client->ended, 'alert internal_error', 'counted: refused');
	is(reason_of($client->local_port), 'no_memory', 'for want of memory');
	serves_ok('counted: while there is enough for others');
}
limit('unlimited');
my $second = client(name => $counted);
is(works($second), 1, 'counted: with memory there is service');
is(reason_of(client(name => $counted)->local_port), 'limit_rule',
	'for as many as there may be');
is(finish($second), 1, 'counted: the end');
is(works($first), 1, 'counted: the first goes on');
is_deeply([ sort $daemon->workers ], [ sort $old, $worker ],
	'counted: the workers live');
finish($first);
$daemon->stop_ok;
done_testing;
