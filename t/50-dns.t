#!/usr/bin/perl
# Names become addresses, or do not, and no tunnel waits for another's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone not_alone bind_file);
use Test::More;
use Time::HiRes ();

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Test qw(deadline poll slow temporary write_file);
use Sniport::Tunnel qw(is_open);

my @HOSTS = map { "127.0.0.$_" } 2 .. 4;
my $servers = listen_on(@HOSTS);
my $port = $servers->{'127.0.0.2'}->port;
my $ok = "127.0.0.2:$port ok";
my @done = (reason => 'done', tried => [$ok]);

my $dns = Sniport::DNS->new;

# Nothing ends by a time-out here unless it is meant to.
sub dns {
	my ($more) = @_;
	my $text = $more // '';

	$text .= ' servers = [ "' . $dns->server . '" ];'
	    unless $text =~ /servers/;
	$text .= ' timeout = "60s";' unless $text =~ /timeout/;
	return (dns => $text);
}

# Waits until the name server has been asked.
sub wait_asked {
	my ($question, $count) = @_;

	return poll(sub { asked($dns, $question) >= ($count // 1) });
}

# Has this tunnel's end not come yet?
sub is_pending {
	my ($daemon, $client) = @_;

	return is_open($client) && !line_of($daemon, $client, deadline(0));
}

my $daemon = Sniport::Daemon->new(dns());
my $good = { A => ['127.0.0.2'] };

# What a name server says.
$dns->zone({
	'plain.test' => $good,
	'six.test' => { A => 'NODATA', AAAA => ['::ffff:127.0.0.2'] },
	'delay.test' => { %$good, delay => 0.1 },
	'truncate.test' => { %$good, truncate => 1 },
	'alias.test' => { CNAME => 'alias2.test' },
	'alias2.test' => { CNAME => 'alias3.test' },
	'alias3.test' => { CNAME => 'Plain.Test' },
	'twin.test' => { A => ['127.0.1.1', '127.0.1.1'] },
	'half.test' => { %$good, AAAA => 'SERVFAIL' },
	'other.test' => { %$good, AAAA => 'NXDOMAIN' },
	'rubbish.test' => { %$good, AAAA => 'garbage' },
	'*.wild.test' => $good,
	'gone.test' => 'NXDOMAIN',
	'nodata.test' => 'NODATA',
	'empty.test' => { A => [], AAAA => [] },
	'servfail.test' => 'SERVFAIL',
	'refused.test' => 'REFUSED',
	'formerr.test' => 'FORMERR',
	'notimp.test' => 'NOTIMP',
	'garbage.test' => 'garbage',
	'toward-gone.test' => { CNAME => 'gone.test' },
	'toward-nodata.test' => { CNAME => 'nodata.test' },
	'toward-servfail.test' => { CNAME => 'servfail.test' },
	'loop.test' => { CNAME => 'pool.test' },
	'pool.test' => { CNAME => 'loop.test' },
	'unknown.test' => { A => 'SERVFAIL' },
	'nowhere.test' => { A => 'NXDOMAIN', AAAA => 'SERVFAIL' },
});
ended_ok($daemon, "$_.test:$port", $_, @done) for qw(plain delay truncate
	alias half other rubbish a.b.wild);
ended_ok($daemon, "six.test:$port", 'an IPv4-mapped address', reason => 'done',
	tried => ["[::ffff:127.0.0.2]:$port ok"]);
ended_ok($daemon, "twin.test:$port", 'an address given twice is dialled once',
	reason => 'connect_refused', tried => ["127.0.1.1:$port connect_refused"]);
is_deeply([ sort $dns->questions('tcp') ], ['truncate.test A',
	'truncate.test AAAA'], 'what was truncated is asked again by TCP');
my %FAILS = (
	dns_not_found => [ qw(gone not-there toward-gone nowhere) ],
	dns_no_address => [ qw(nodata empty toward-nodata loop) ],
	dns_failed => [ qw(servfail refused formerr notimp garbage
		toward-servfail unknown) ],
);
for my $reason (sort keys %FAILS) {
	ended_ok($daemon, "$_.test:$port", "$reason: $_", reason => $reason,
		tried => undef, target => "$_.test:$port")
	    for @{ $FAILS{$reason} };
}

# One name hangs; of the same worker's other tunnels none does.
$dns->set('held.test' => { %$good, delay => 'release' },
	'held-tcp.test' => { %$good, truncate => 1, delay => 'release' },
	'new.test' => $good, 'new-tcp.test' => { %$good, truncate => 1 },
	'new-gone.test' => 'NXDOMAIN');
my $held = dial($daemon, "held.test:$port");
my $held_tcp = dial($daemon, "held-tcp.test:$port");
ok(wait_asked("$_.test AAAA") && wait_asked("$_.test A"), "$_ is asked for")
    for qw(held held-tcp);
$dns->release;
is(echoes($held), 'echo', 'a late answer is as good as another');
ok(poll(sub { 2 == grep { /^held-tcp/ } $dns->questions('tcp') }),
	'the other one is asked for by TCP');
$dns->set('held2.test' => { %$good, delay => 'release' });
$held = dial($daemon, "held2.test:$port");
ok(wait_asked('held2.test A'), 'and one by UDP');
ended_ok($daemon, "$_.test:$port", "beside them: $_", @done)
    for qw(plain new new-tcp);
ended_ok($daemon, "new-gone.test:$port", 'beside them: new-gone',
	reason => 'dns_not_found');
ok(is_pending($daemon, $_), 'one still hangs') for $held, $held_tcp;
$dns->release;
is(echoes($_), 'echo', 'and goes on') for $held, $held_tcp;

# Whoever wants the same name waits for the same answer.
$dns->set('crowd.test' => { %$good, delay => 'release' },
	'left.test' => { %$good, delay => 'release' });
my @crowd = map { dial($daemon, "crowd.test:$port") } 1 .. 20;
ok(wait_asked('crowd.test A'), 'a name is asked for');
for my $gone (splice(@crowd, 0, 1), splice(@crowd, 9, 1)) {
	my $local = $gone->local_port;
	$gone->reset;
	is((line_of($daemon, $local) // {})->{reason}, 'client_abandoned',
		'one of many does not wait');
}
is(scalar(grep { is_pending($daemon, $_) } @crowd), 18, 'the others do');
$dns->release;
is(scalar(grep { echoes($_) eq 'echo' } @crowd), 18, 'and are served');
is(asked($dns, "crowd.test $_"), 1, "there was one question: $_")
    for qw(A AAAA);
my $left = dial($daemon, "left.test:$port");
my $left_port = $left->local_port;
ok(wait_asked('left.test A'), 'a name is asked for');
$left->reset;
line_of($daemon, $left_port);
$left = dial($daemon, "left.test:$port");
ok(is_pending($daemon, $left), 'for one who leaves, and for the next');
$dns->release;
is(echoes($left), 'echo', 'who is served');
is(asked($dns, 'left.test A'), 1, 'by the same question');

# Name servers that do not answer, all at once.
my $timeout = slow() ? 2000 : 400;
$daemon->reload(dns(qq(timeout = "${timeout}ms"; tries = 2;)));
$dns->zone({ 'lost.test' => [ 'drop', $good ], 'right.test' => [ 'wrong_id',
	$good ], (map { ("$_.test" => $_) } qw(drop noise wrong_id wrong_name)),
	'one.test' => { A => 'drop' } });
$dns->clear;
my %clients = map { ($_ => dial($daemon, "$_.test:$port")) }
    qw(lost right drop noise wrong_id wrong_name one);
ended_ok($daemon, delete $clients{$_}, "$_: asked again", @done)
    for qw(lost right);
is(asked($dns, "$_.test A"), 2, "$_: once") for qw(lost right);
for my $name (sort keys %clients) {
	my $line = ended_ok($daemon, $clients{$name}, "dns_timeout: $name",
		reason => 'dns_timeout', tried => undef);
	cmp_ok($line->{total_ms} // 0, '>=', 2 * $timeout, "$name: after a time");
	is(asked($dns, "$name.test A"), 2, "$name: tried as often as told");
}

# The time for all of it is over first.
$daemon->reload(dns(), timeouts => 'connect = "300ms";');
ended_ok($daemon, "drop.test:$port", 'no answer within timeouts.connect',
	reason => 'dns_timeout', tried => undef);
$daemon->reload(timeouts => '');

# More than one name server.
my $dead = Sniport::DNS->new;
$dead->stop;
my $six = Sniport::DNS->new(host => '::1', zone => { 'six.test' => $good });
my $mute = Sniport::DNS->new;
$mute->all('drop');
$dns->zone({ 'plain.test' => $good });
for ([ 'one that is dead', $dead ], [ 'one that is silent', $mute ]) {
	my ($title, $first) = @$_;
	$daemon->reload(dns(sprintf 'servers = [ "%s", "%s" ]; timeout = "%dms";',
		$first->server, $dns->server, $timeout));
	ended_ok($daemon, "plain.test:$port", "$title, and another", @done);
}
$daemon->reload(dns(sprintf 'servers = [ "%s" ];', $dead->server));
ended_ok($daemon, "plain.test:$port", 'one that is dead alone',
	reason => 'dns_failed', tried => undef);
$daemon->reload(dns(sprintf 'servers = [ "%s" ];', $six->server));
ended_ok($daemon, "six.test:$port", 'one with an IPv6 address', @done);

# What is known already.
sub cached_ok {
	my ($name, $asked, $title, %want) = @_;
	my $before = asked($dns, "$name.test A");

	%want = @done unless %want;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ended_ok($daemon, "$name.test:$port", $title, %want);
	is(asked($dns, "$name.test A") - $before, $asked, "$title: asked");
	return;
}

sub cache {
	my ($settings) = @_;

	$dns->zone({
		(map { ("$_.test" => $good) } 'a' .. 'c'),
		'zero.test' => { %$good, ttl => 0 },
		'one.test' => { %$good, ttl => 1 },
		'long.test' => { %$good, ttl => 86400 },
		'alias.test' => { CNAME => 'a.test', cname_ttl => 0 },
		'turn.test' => [ { %$good, ttl => 0 },
			{ A => ['127.0.0.3'], ttl => 0 } ],
		'die.test' => [ { %$good, ttl => 0 }, 'NXDOMAIN' ],
		'gone.test' => 'NXDOMAIN', 'nodata.test' => 'NODATA',
		'fail.test' => 'REFUSED',
	});
	$dns->clear;
	return $daemon->reload(dns(qq(family = "ipv4"; tries = 1; $settings)));
}

cache('min_ttl = "0";');
cached_ok('a', 1, 'a new name');
cached_ok('a', 0, 'a known one') for 1 .. 2;
cached_ok('zero', 1, 'TTL 0') for 1 .. 2;
cached_ok('alias', 1, 'TTL 0 of an alias') for 1 .. 2;
cached_ok('turn', 1, 'TTL 0, the first address');
cached_ok('turn', 1, 'TTL 0, the second', reason => 'done',
	tried => ["127.0.0.3:$port ok"]);
cached_ok('die', 1, 'a name that goes');
cached_ok('die', 1, 'is gone', reason => 'dns_not_found', tried => undef);
my $start = Time::HiRes::time();
cached_ok('one', 1, 'TTL 1');
ok(poll(sub {
	die 'no echo' if echoes(dial($daemon, "one.test:$port")) ne 'echo';
	return asked($dns, 'one.test A') == 2;
}), 'TTL 1: asked once more');
cmp_ok(Time::HiRes::time() - $start, '>=', 1, 'after its time');

my @GONE = ([ gone => 'dns_not_found' ], [ nodata => 'dns_no_address' ],
	[ fail => 'dns_failed' ]);
cache('min_ttl = "1h"; negative_ttl = "1h";');
cached_ok('zero', 1, 'min_ttl');
cached_ok('zero', 0, 'min_ttl: known');
for (@GONE) {
	my ($name, $reason) = @$_;
	my @want = (reason => $reason, tried => undef);
	cached_ok($name, 1, "negative_ttl: $name", @want);
	$dns->set("$name.test" => $good);
	cached_ok($name, 0, "negative_ttl: $name, known", @want);
}
cache('min_ttl = "0"; max_ttl = "0"; negative_ttl = "0";');
cached_ok('long', 1, 'max_ttl') for 1 .. 2;
for (@GONE) {
	my ($name, $reason) = @$_;
	cached_ok($name, 1, "negative_ttl 0: $name", reason => $reason);
	$dns->set("$name.test" => $good);
	cached_ok($name, 1, "negative_ttl 0: $name is there");
}

cache('cache_size = 2;');
cached_ok($_, 1, "cache_size: $_ is new") for 'a', 'b';
cached_ok('a', 0, 'cache_size: a is known');
cached_ok('c', 1, 'cache_size: c drives out');
cached_ok('a', 0, 'cache_size: not a');
cached_ok('b', 1, 'cache_size: but b');
cache('cache_size = 0;');
cached_ok('a', 1, 'no cache') for 1 .. 2;

# The servers fail when an answer is out of date.
cache('min_ttl = "0"; negative_ttl = "0";');
cached_ok('turn', 1, 'stale: before');
$dns->all('SERVFAIL');
cached_ok('turn', 1, 'stale: the servers fail');
ok($daemon->wait_log(qr/turn\.test \(A\): .*; its expired addresses are used/),
	'the log says so');
cached_ok('a', 1, 'stale: a new name', reason => 'dns_failed');
$dns->all('REFUSED');
cached_ok('turn', 1, 'stale: they still fail');
$dns->all(undef);
cached_ok('turn', 1, 'stale: they are back', reason => 'done',
	tried => ["127.0.0.3:$port ok"]);
cache('min_ttl = "0"; negative_ttl = "1h";');
cached_ok('zero', 1, 'stale: before');
$dns->all('SERVFAIL');
cached_ok('zero', 1, 'stale: asked');
cached_ok('zero', 0, 'stale: not again within negative_ttl');
$dns->all(undef);
cache('min_ttl = "0"; stale = "0";');
cached_ok('zero', 1, 'no stale: before');
$dns->all('SERVFAIL');
cached_ok('zero', 1, 'no stale', reason => 'dns_failed', tried => undef);
$dns->all(undef);
my $mortal = Sniport::DNS->new(zone => { 'zero.test' => { %$good, ttl => 0 } });
$daemon->reload(dns(sprintf 'servers = [ "%s" ]; min_ttl = "0";',
	$mortal->server));
ended_ok($daemon, "zero.test:$port", 'a server lives', @done);
$mortal->stop;
ended_ok($daemon, "zero.test:$port", 'and dies: stale', @done);
ended_ok($daemon, "a.test:$port", 'a new name', reason => 'dns_failed');

# The hosts file is asked first.
$dns->zone({ map { ("$_.test" => { A => ['127.0.0.3'] }) } 'a', 'b' });
$dns->clear;
my @other = (reason => 'done', tried => ["127.0.0.3:$port ok"]);
$daemon->reload(dns(), hosts => "127.0.0.2 x.test A.test # b.test\n");
ended_ok($daemon, "a.test:$port", 'hosts: a name that is there', @done);
is_deeply([ $dns->questions ], [], 'is not asked for');
ended_ok($daemon, "b.test:$port", 'hosts: another', @other);
is_deeply([ sort $dns->questions ], [ 'b.test A', 'b.test AAAA' ], 'is');
$daemon->write('hosts', "127.0.0.2 b.test\n");
ended_ok($daemon, "$_->[0].test:$port", 'hosts: changed, not loaded', @{$_->[1]})
    for [ a => \@done ], [ b => \@other ];
$daemon->reload(hosts => "127.0.0.2 b.test\n10.0.0.9 six.test\n");
ended_ok($daemon, "$_->[0].test:$port", 'hosts: loaded', @{$_->[1]})
    for [ a => \@other ], [ b => \@done ];
$dns->clear;
$daemon->reload(dns('family = "ipv6";'));
ended_ok($daemon, "b.test:$port", 'hosts: not of this family',
	reason => 'dns_no_address');
is_deeply([ $dns->questions ], [], 'hosts: nobody else knows better');
$daemon->reload(dns('family = "ipv4";'));
ended_ok($daemon, "$_:$port", "$_ is asked nowhere", reason => 'connect_refused',
	tried => ["127.0.0.1:$port connect_refused"])
    for qw(localhost www.localhost);
is_deeply([ $dns->questions ], [], 'for nobody else knows better');
$daemon->stop_ok;

# No search list, nor what else the environment may say.
my $dir = temporary();
my @short = (reason => 'dns_not_found', tried => undef);
$dns->zone({ map { ("$_.test" => $good) } qw(short.corp short.search real) });
$dns->clear;
$daemon = Sniport::Daemon->new(dns('negative_ttl = "0";'), environment => {
	LOCALDOMAIN => 'corp.test search.test', RES_OPTIONS => 'ndots:5',
	HOSTALIASES => write_file("$dir/aliases", "short real.test\n") });
ended_ok($daemon, "short:$port", 'no search list', @short);
ended_ok($daemon, "short.corp:$port", 'nor part of one', @short);
$dns->all('SERVFAIL');
ended_ok($daemon, "short:$port", 'nor if servers fail',
	reason => 'dns_failed', tried => undef);
$dns->all(undef);
my %questions = map { ($_ => 1) } $dns->questions;
is_deeply([ sort keys %questions ], [ map { ("$_ A", "$_ AAAA") } 'short',
	'short.corp' ], 'names are asked for as they are');
$daemon->stop_ok;

# No dns.servers.
SKIP: {
	skip 'SKIPPED LOUDLY: ' . not_alone(), 6 unless alone;
	my @own = map { Sniport::DNS->new(host => "127.0.0.5$_", port => 53,
		zone => { "own$_.test" => $good, 'short.corp.test' => $good })
	} 0, 1;
	my $use = sub { return write_file("$dir/resolv.conf", "search corp.test\n" .
		"options ndots:4\nnameserver " . $own[ $_[0] ]->host . "\n") };
	bind_file($use->(0), '/etc/resolv.conf');
	$daemon = Sniport::Daemon->new(dns('/* servers: those of resolv.conf */'));
	ended_ok($daemon, "own0.test:$port", 'resolv.conf', @done);
	ended_ok($daemon, "short:$port", 'its search list is not used', @short);
	is(scalar(grep { !/^(?:own0\.test|short) A/ } $own[0]->questions), 0,
		'names are asked for as they are');
	$use->(1);
	$daemon->reload;
	ended_ok($daemon, "own1.test:$port", 'resolv.conf changed', @done);
	ended_ok($daemon, "own0.test:$port", 'the first server is not asked',
		reason => 'dns_not_found');
	$daemon->stop_ok;
}

done_testing;
