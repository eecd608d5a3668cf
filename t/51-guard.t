#!/usr/bin/perl
# Which of a name's addresses are dialled: none that the guard refuses, and of
# the others one after the other (RFC 8305) until one answers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone not_alone counter route);
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Test qw(deadline poll slow under_valgrind);
use Sniport::Upstream;

my @V4 = map { "127.0.0.$_" } 1 .. 4;
my $servers = listen_on(@V4, '::1');
my $port = $servers->{'127.0.0.1'}->port;
my $dns = Sniport::DNS->new;
my $rule = '{ name = "test"; action = "allow"; destinations = [ "*:*" ];';
my $two = qq($rule networks = [ "127.0.0.2" ]; });
my $daemon = Sniport::Daemon->new(rules => "$rule }",
	dns => 'servers = [ "' . $dns->server . '" ]; timeout = "5s";
	min_ttl = "0";');

# All upstreams but these have heard nothing.
sub quiet_ok {
	my ($title, @but) = @_;
	my %loud = map { ($_ => 1) } @but;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ grep { !$loud{$_} && !$servers->{$_}->quiet } @V4, '::1' ],
		[], $title);
	return;
}

# What was dialled, well or not, as the kernel counts it.
sub dialled {
	return counter('Tcp ActiveOpens') + counter('Ip OutNoRoutes') +
	    counter('Ip6OutNoRoutes');
}

# Names for addresses that nobody may be led to.
my %REFUSED = (
	'127.0.0.1' => 'Loopback', '127.0.0.2' => 'Loopback',
	'127.255.255.254' => 'Loopback',
	'0.0.0.0' => 'This host on this network', '0.1.2.3' => 'This network',
	'10.0.0.1' => 'Private-Use', '172.31.255.255' => 'Private-Use',
	'192.168.1.1' => 'Private-Use', '100.100.100.200' =>
	    'Shared Address Space',
	'169.254.169.254' => 'Link Local', '168.63.129.16' =>
	    'Azure platform services',
	'192.0.0.192' => 'IETF Protocol Assignments',
	'198.18.0.1' => 'Benchmarking', '224.0.0.1' => 'Multicast',
	'240.240.0.1' => 'Reserved (Istio virtual addresses)',
	'240.0.0.1' => 'Reserved', '255.255.255.255' => 'Limited Broadcast',
	'::' => 'Unspecified Address', '::1' => 'Loopback Address',
	'::127.0.0.1' => 'IPv4-Compatible',
	'::ffff:127.0.0.1' => 'Loopback', '::ffff:10.0.0.1' => 'Private-Use',
	'64:ff9b::7f00:1' => 'Loopback', '64:ff9b::a9fe:a9fe' => 'Link Local',
	'64:ff9b:1::7f00:1' => 'IPv4-IPv6 Translation',
	'2001:2::1' => 'Benchmarking (Istio virtual addresses)',
	'2001:db8::1' => 'Documentation', '2002:7f00:1::1' => '6to4',
	'fd00:ec2::254' => 'Unique-Local', 'fe80::1' => 'Link-Local Unicast',
	'fec0::1' => 'Deprecated (Site-Local)', 'ff02::1' => 'Multicast',
);
my @refused = sort keys %REFUSED;
my %name = map { ($refused[$_] => "n$_.test") } 0 .. $#refused;

sub zone_of {
	my ($address) = @_;

	return { ($address =~ /:/ ? 'AAAA' : 'A') => [$address], ttl => 3600 };
}

sub text {
	my ($address, $what) = @_;

	$address = $address =~ /:/ ? "[$address]" : $address;
	return "$address:$port $what";
}

$dns->zone({ map { ($name{$_} => zone_of($_)) } @refused });
my $before = alone && dialled();
for my $address (@refused) {
	ended_ok($daemon, "$name{$address}:$port", "guard: $address",
		reason => 'guard', detail => $REFUSED{$address},
		tried => [ text($address, 'guard') ]);
}
# One that is known is looked at like one that is new.
ended_ok($daemon, "$name{'::1'}:$port", 'guard: from the cache',
	reason => 'guard', tried => [ text('::1', 'guard') ]);
is(asked($dns, "$name{'::1'} AAAA"), 1, 'that was from the cache');
SKIP: {
	skip 'SKIPPED LOUDLY: ' . not_alone(), 1 unless alone;
	is(dialled() - $before, 1 + @refused,
		'the kernel has seen the clients dial, and nobody else');
}
quiet_ok('no upstream has heard of it');

# TTL 0, and another address the next time; an alias of a private name.
$dns->zone({
	'turn.test' => [ { A => ['127.0.0.2'], ttl => 0 },
		{ A => ['127.0.0.1'], ttl => 0 } ],
	'back.test' => [ { A => ['127.0.0.1'], ttl => 0 },
		{ A => ['127.0.0.2'], ttl => 0 } ],
	'alias.test' => { CNAME => 'alias2.test' },
	'alias2.test' => { CNAME => 'private.test' },
	'private.test' => { A => ['10.1.2.3'] },
	'mix.test' => { A => [ '10.0.0.1', '127.0.0.1', '127.0.0.2',
		'169.254.169.254', '127.0.0.3' ], AAAA => [ '::1', 'fd00::1' ] },
	'public.test' => { A => ['127.0.0.2'], AAAA => ['::ffff:127.0.0.1'] },
	'mapped.test' => { AAAA => ['::ffff:127.0.0.2'] },
	'six.test' => { AAAA => ['::1'] },
});
$daemon->reload(rules => $two);
my $good = "127.0.0.2:$port ok";
my @done = (reason => 'done', upstream => "127.0.0.2:$port");
my @guard = (reason => 'guard', tried => ["127.0.0.1:$port guard"]);
ended_ok($daemon, "turn.test:$port", 'turn: permitted', @done);
ended_ok($daemon, "turn.test:$port", 'turn: refused from then on', @guard)
    for 1 .. 2;
ended_ok($daemon, "back.test:$port", 'back: refused', @guard);
ended_ok($daemon, "back.test:$port", 'back: permitted again', @done);
ended_ok($daemon, "alias.test:$port", 'an alias of a private name',
	reason => 'guard', tried => ["10.1.2.3:$port guard"]) for 1 .. 2;

# Of several addresses, those that are permitted alone. Where the race begins
# is another place each time.
for (1 .. 5) {
	my $line = ended_ok($daemon, "mix.test:$port", 'a mix', @done);
	is_deeply([ grep { !/ guard$/ } @{ $line->{tried} // [] } ], [$good],
		'one is dialled, those before it are refused');
}
my $line = ended_ok($daemon, "public.test:$port", 'a mix of families', @done);
is($line->{tried}[-1], $good, 'one is dialled');
ended_ok($daemon, "mapped.test:$port", 'a mapped address is what it holds',
	reason => 'done', tried => ["[::ffff:127.0.0.2]:$port ok"]);
ended_ok($daemon, "six.test:$port", 'what is not named is not opened',
	reason => 'guard', tried => ["[::1]:$port guard"]);
quiet_ok('no other upstream has heard of it', '127.0.0.2');

# A closed port of the one that is permitted says more than the others.
my $closed = Sniport::Upstream->closed(host => '127.0.0.2');
my $nobody = $closed->port;
$line = ended_ok($daemon, "mix.test:$nobody", 'the permitted one is closed',
	reason => 'connect_refused');
is_deeply([ sort @{ $line->{tried} // [] } ], [ sort
	"127.0.0.2:$nobody connect_refused",
	map { "$_:$nobody guard" } '10.0.0.1', '127.0.0.1', '127.0.0.3',
	'169.254.169.254', '[::1]', '[fd00::1]' ], 'and no other is dialled');

# What one rule opens is open for that rule.
$daemon->reload(rules => qq({ name = "open"; action = "allow";
	destinations = [ "public.test:$port", "six.test:*" ];
	networks = [ "127.0.0.2", "::1/128" ]; }, $rule }));
ended_ok($daemon, "public.test:$port", 'open for one rule', @done,
	rule => 'open');
$line = ended_ok($daemon, "public.test:$nobody", 'not for another',
	reason => 'guard', rule => 'test');
is_deeply([ sort @{ $line->{tried} // [] } ], [ "127.0.0.2:$nobody guard",
	"[::ffff:127.0.0.1]:$nobody guard" ], 'nothing is dialled');
ended_ok($daemon, "six.test:$port", 'an IPv6 network', reason => 'done',
	tried => ["[::1]:$port ok"]);

# sniport itself, whatever is open; beside it a name may have what is good.
my $own = $daemon->port;
$dns->zone({
	'self.test' => { A => ['127.0.0.1'] },
	'self6.test' => { AAAA => ['::1'] },
	'near.test' => { A => ['127.0.0.2'] },
	'far.test' => { A => ['10.0.0.1', '127.0.0.3'] },
	'all.test' => { A => [@V4], AAAA => ['::1'] },
});
$daemon->reload(rules => qq($rule networks = [ "0.0.0.0/0", "::/0" ]; }));
my %self = (self => "127.0.0.1:$own", self6 => "[::1]:$own",
	near => "127.0.0.2:$own");
ended_ok($daemon, "$_.test:$own", "own listener: $_", reason => 'own_listener',
	tried => ["$self{$_} own_listener"]) for sort keys %self;
$daemon->reload(rules => qq($rule networks = [ "127.0.0.3" ]; }));
$line = ended_ok($daemon, "far.test:$own", 'it says more than the guard',
	reason => 'own_listener');
is_deeply([ sort @{ $line->{tried} // [] } ], [ "10.0.0.1:$own guard",
	"127.0.0.3:$own own_listener" ], 'nothing is dialled');
$daemon->reload(hosts => "10.0.0.1 all.test\n127.0.0.2 near.test\n",
	rules => $two);
ended_ok($daemon, "all.test:$port", 'the hosts file opens nothing',
	reason => 'guard', tried => ["10.0.0.1:$port guard"]);
ended_ok($daemon, "near.test:$port", 'nor does it close', reason => 'done',
	tried => [$good]);

# connect_to is the operator's own word. No name is asked for.
$dns->clear;
for ('127.0.0.2', '[::1]') {
	$daemon->reload(rules => qq($rule connect_to = "$_:$port"; }), hosts => '');
	ended_ok($daemon, 'self.test:443', "connect_to $_", reason => 'done',
		target => 'self.test:443', upstream => "$_:$port",
		tried => ["$_:$port ok"]);
}
$daemon->reload(rules => qq($rule connect_to = "127.0.0.2:$own"; }));
ended_ok($daemon, 'self.test:443', 'connect_to sniport itself',
	reason => 'own_listener', tried => ["127.0.0.2:$own own_listener"]);
$daemon->reload(rules => qq($rule connect_to = "127.0.0.2:$nobody"; }));
ended_ok($daemon, "all.test:$port", 'connect_to a closed port',
	reason => 'connect_refused',
	tried => ["127.0.0.2:$nobody connect_refused"]);
is_deeply([ $dns->questions ], [], 'connect_to: no name is asked for');

# Which family is asked for, and which is dialled first.
my $all = qq($rule networks = [ "127.0.0.0/8", "::1", "2001:db8::/32" ]; });
sub setup {
	my ($dns_settings, %option) = @_;

	$dns->clear;
	return $daemon->reload(rules => $all, dns => 'servers = [ "' .
		$dns->server . "\" ]; timeout = \"5s\"; $dns_settings", %option);
}

# A name that no worker has known yet; once one does, both families are there
# at once.
sub known {
	my ($name) = @_;

	echoes(dial($daemon, $name));
	return dial($daemon, $name);
}

$dns->zone({
	'*.both.test' => { A => ['127.0.0.2'], AAAA => ['::1'] },
	'*.closed.test' => { A => ['127.0.0.3', '127.0.0.4'],
		AAAA => ['::1', '::ffff:127.0.0.2'] },
});
my $six = "[::1]:$port ok";
for (
	[ 'any', '6464', $six, 'A', 'AAAA' ],
	[ 'prefer-ipv6', '6644', $six, 'A', 'AAAA' ],
	[ 'prefer-ipv4', '4466', $good, 'A', 'AAAA' ],
	[ 'ipv6', '66', $six, 'AAAA' ], [ 'ipv4', '44', $good, 'A' ],
) {
	my ($family, $order, $first, @types) = @$_;
	setup(qq(family = "$family";));
	ended_ok($daemon, known("$family.both.test:$port"), "$family: the first",
		reason => 'done', tried => [$first]);
	$line = ended_ok($daemon, known("$family.closed.test:$nobody"),
		"$family: all are tried", reason => 'connect_refused');
	is(join('', map { /^\[/ ? 6 : 4 } @{ $line->{tried} // [] }), $order,
		"$family: in that order");
	is_deeply([ sort $dns->questions ], [ sort map { ("$family.both.test $_",
		"$family.closed.test $_") } @types ], "$family: what is asked for");
}

# The other family does not wait for long, nor longer than it must.
$dns->zone({
	'both.test' => { A => ['127.0.0.2'], AAAA => ['::1'] },
	'late6.test' => { A => ['127.0.0.2'], AAAA => ['::1'],
		delay => { AAAA => 'release' } },
	'late4.test' => { A => ['127.0.0.2'], AAAA => ['::1'],
		delay => { A => 'release' } },
	'wait.test' => { A => ['127.0.1.1'], AAAA => ['::1'],
		delay => { AAAA => 'release' } },
	'*.soon.test' => { A => ['127.0.0.2'], AAAA => ['::1'],
		delay => { AAAA => 0.005 } },
	'closed6.test' => { A => ['127.0.0.2'], AAAA => ['::ffff:127.0.1.1'] },
	'away.test' => { A => ['127.0.0.2'], AAAA => ['2001:db8::1'] },
	'further.test' => { AAAA => ['2001:db8::1'] },
	'hang6.test' => { A => ['127.0.0.2'], AAAA => ['::ffff:127.0.1.9'] },
	'three.test' => { A => ['127.0.1.1'], AAAA => ['::ffff:127.0.1.9', '::1'] },
	'hang.test' => { A => ['127.0.1.9'], AAAA => ['::ffff:127.0.1.9'] },
	'stuck.test' => { A => ['127.0.1.1'], AAAA => ['::ffff:127.0.1.9'] },
	'refused.test' => { A => ['127.0.1.1'], AAAA => 'drop' },
	'guarded.test' => { A => ['10.0.0.1'], AAAA => 'drop' },
	'twenty.test' => { A => [ (map { "127.0.1.$_" } 10 .. 28), '127.0.0.2' ] },
	'private.test' => { A => [ (map { "10.0.0.$_" } 1 .. 19), '127.0.0.2' ] },
	(map { ("$_.test" => { A => ['127.0.0.2', '127.0.0.3'] }) } 'x', 'y'),
});
setup('');
ended_ok($daemon, "late6.test:$port", 'AAAA is late', reason => 'done',
	tried => [$good]);
ended_ok($daemon, "late4.test:$port", 'A is late', reason => 'done',
	tried => [$six]);
my $client = dial($daemon, "wait.test:$port");
ok(poll(sub { asked($dns, 'wait.test A') && asked($dns, 'wait.test AAAA') }),
	'AAAA is late and A is closed');
ended_ok($daemon, "late6.test:$port", 'AAAA is still late', reason => 'done',
	tried => [$good]);
ok(!line_of($daemon, $client, deadline(0)), 'it is waited for');
$dns->release;
ended_ok($daemon, $client, 'and dialled', reason => 'done',
	tried => [ "127.0.1.1:$port connect_refused", $six ]);
# On a busy machine 5 ms may become more than the 50 that are waited for.
ok(scalar(grep {
	my $soon = dial($daemon, "$_.soon.test:$port");
	echoes($soon) eq 'echo' && line_of($daemon, $soon)->{tried}[0] eq $six;
} 1 .. 5), 'AAAA is late, but not too late');
ended_ok($daemon, known("closed6.test:$port"), 'IPv6 is closed',
	reason => 'done', tried => [
	"[::ffff:127.0.1.1]:$port connect_refused", $good ]);
ok(scalar(grep {
	my $quick = dial($daemon, "closed6.test:$port");
	echoes($quick) eq 'echo' && line_of($daemon, $quick)->{connect_ms} < 250;
} 1 .. 5), 'the next one does not wait for its turn then');
SKIP: {
	skip 'IPv6 is routed here, and root is needed for a network of its own', 2
	    if !alone && route('2001:db8::1');
	ended_ok($daemon, known("away.test:$port"), 'IPv6 goes nowhere',
		reason => 'done', tried => [
		"[2001:db8::1]:$port connect_unreachable", $good ]);
	ended_ok($daemon, "further.test:$port", 'and nothing else is there',
		reason => 'connect_unreachable',
		tried => ["[2001:db8::1]:$port connect_unreachable"]);
}

# One that does not answer is not waited for.
my $full = Sniport::Upstream->full(host => '127.0.1.9', port => $port);
$line = ended_ok($daemon, known("hang6.test:$port"), 'IPv6 hangs',
	reason => 'done', tried => [ "[::ffff:127.0.1.9]:$port open", $good ]);
cmp_ok($line->{connect_ms} // 0, '>=', 250, 'it was given its time');
# The race begins at any of a family's addresses: once it is that one.
my $quick;
for (1 .. 30) {
	my $third = dial($daemon, "three.test:$port");
	last if echoes($third) ne 'echo';
	$line = line_of($daemon, $third);
	next if @{ $line->{tried} // [] } != 3;
	$quick = $line->{connect_ms} < 500;
	last if $quick;
}
ok($quick, 'one that hangs, one that is closed: the third does not wait');
$client = dial($daemon, "hang.test:$port");
my $local = $client->local_port;
ended_ok($daemon, "both.test:$port", 'one that hangs holds nobody up',
	reason => 'done');
ok(!line_of($daemon, $client, deadline(0)), 'it still hangs');
$client->reset;
$line = line_of($daemon, $local);
is($line->{reason}, 'client_abandoned', 'its client leaves');
like($line->{tried}[0], qr/127\.0\.1\.9\]?:$port open$/,
	'the line says where it was');
# Long enough for what comes before the second attempt.
setup('', timeouts => sprintf 'connect = "%dms";', under_valgrind() ? 20000 : slow() ? 4000 : 400);
my %late = map { ($_ => dial($daemon, "$_.test:$port")) }
    qw(hang stuck refused guarded);
ended_ok($daemon, $late{refused}, 'one is closed, the other family unknown',
	reason => 'connect_refused', tried => ["127.0.1.1:$port connect_refused"]);
ended_ok($daemon, $late{guarded}, 'one is refused, the other family unknown',
	reason => 'guard', tried => ["10.0.0.1:$port guard"]);
$line = ended_ok($daemon, $late{stuck}, 'one is closed, the other hangs',
	reason => 'connect_timeout', detail => undef);
is_deeply([ sort @{ $line->{tried} // [] } ], [ "127.0.1.1:$port connect_refused",
	"[::ffff:127.0.1.9]:$port connect_timeout" ], 'both were dialled');
$line = ended_ok($daemon, $late{hang}, 'all hang', reason => 'connect_timeout',
	detail => undef);
is_deeply([ sort @{ $line->{tried} // [] } ], [
	"127.0.1.9:$port connect_timeout",
	"[::ffff:127.0.1.9]:$port connect_timeout" ], 'both were dialled');

# Tunnels spread over the addresses, wherever the good one is.
setup('', timeouts => '');
for my $name ('twenty', 'private') {
	my $count = grep { echoes(dial($daemon, "$name.test:$port")) eq 'echo' }
	    1 .. 20;
	is($count, 20, "$name: one good address of many");
}
my %spread;
for my $turn (1 .. 24) {
	for my $name ('x', 'y') {
		my $one = dial($daemon, "$name.test:$port");
		echoes($one);
		$spread{"$name " . line_of($daemon, $one)->{upstream}}++;
	}
}
is_deeply([ sort keys %spread ], [ map { ("$_ 127.0.0.2:$port",
	"$_ 127.0.0.3:$port") } 'x', 'y' ], 'two names, each by both addresses') or
    diag(explain(\%spread));
$daemon->stop_ok;
done_testing;
