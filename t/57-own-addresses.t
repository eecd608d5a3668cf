#!/usr/bin/perl
# No name leads to this host: not to its public addresses, not to one that it
# was given after the start, and never to sniport itself; unless a rule's
# networks, or connect_to, name the address. The test is in a network of its
# own with a line to another:
#
#     services on this host | sniport | b0 ---- up | an upstream

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Daemon;
use Sniport::Dialled qw(ended_ok);
use Sniport::Network;
use Sniport::Test qw(build slow);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

my $here = Sniport::Network->here;
my $there = Sniport::Network->new;
$_->set('ipv6.conf.all.disable_ipv6', 0) for $here, $there;
$here->line('b0', $there, 'up');

sub give {
	my ($network, $device, @addresses) = @_;

	for (@addresses) {
		$network->ip("address add $_ dev $device" .
			(/:/ ? ' nodad' : ' broadcast +'));
	}
	return;
}

# The second is a secondary address: the kernel's source towards it is the
# first.
give($here, 'b0', '198.41.1.1/24', '198.41.1.2/24', '2606:4700:57::1/64');
give($there, 'up', '198.41.1.9/24', '2606:4700:57::9/64');
$here->ip('route add local 198.41.77.0/24 dev lo');
$here->ip('-6 route add local 2606:4700:77::/64 dev lo');

# Blocks of other tables, which rules lead to.
$here->ip('route add local 198.41.80.0/24 dev lo table 100');
$here->ip('-6 route add local 2606:4700:80::/64 dev lo table 1000');
$here->ip('rule add to 198.41.80.0/24 lookup 100');
$here->ip('-6 rule add to 2606:4700:80::/64 lookup 1000');
# What a transparent proxy catches is not ours: it has a mark, or comes from
# elsewhere.
for my $rule ('fwmark 7 lookup 101', 'iif b0 lookup 102') {
	my ($table) = $rule =~ /(\d+)$/;
	$here->ip("$_ rule add $rule") for '-4', '-6';
	$here->ip("-4 route add local $_ dev lo table $table")
	    for 'default', '198.41.1.8/29';
	$here->ip("-6 route add local $_ dev lo table $table")
	    for 'default', '2606:4700:57::8/125';
}
# Nor is everything this host's.
$here->ip("$_ rule add to 203.0.113.0/24 lookup 103") for '-4';
$here->ip("$_ route add local default dev lo table 103") for '-4', '-6';

# A name for each address; those behind "new" come after the start.
my %address = (
	first => '198.41.1.1', second => '198.41.1.2',
	six => '2606:4700:57::1', nat64 => '64:ff9b::198.41.1.1',
	broadcast => '198.41.1.255', block => '198.41.77.7',
	'block-six' => '2606:4700:77::7', 'table' => '198.41.80.7',
	'table-six' => '2606:4700:80::7', loopback => '127.0.0.1',
	'new-first' => '198.41.2.1', 'new-second' => '198.41.1.3',
	'new-six' => '2606:4700:58::1', 'new-nat64' => '64:ff9b::198.41.1.3',
	'new-block' => '198.41.78.7', 'new-block-six' => '2606:4700:78::7',
	'new-third' => '198.41.3.1', 'new-fourth' => '198.41.1.4',
	far => '198.41.1.9', 'far-six' => '2606:4700:57::9',
	any => '0.0.0.0', 'any-six' => '::',
);
my $hosts = join '', map { "$address{$_} $_.test\n" } sort keys %address;
my %good = (reason => 'done');

# Services on all addresses of this host, and the upstream, on one port.
my $service = Sniport::Upstream->new('echo', undef, host => '::');
my $port = $service->port;
my @far = $there->within(sub { [ map { Sniport::Upstream->new('echo', undef,
	host => $_, port => $port) } @address{qw(far far-six)} ] });

my $rule = '{ name = "test"; action = "allow"; destinations = [ "*:*",
	"0.0.0.0/0:*", "[::/0]:*" ];';
my $daemon = Sniport::Daemon->new(hosts => $hosts, rules => "$rule }",
	listeners => '{ address = ":%PORT%"; }', dns => 'family = "any";');
my $own = $daemon->port;

# Neither a tunnel nor sniport -q gets there, and why.
sub refused_ok {
	my ($name, $detail, $title, %want) = @_;
	my $reason = $want{reason} // 'guard';
	my $to = delete $want{to} // $port;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $line = ended_ok($daemon, "$name.test:$to", "$title: $name",
		reason => $reason, detail => $detail, %want);
	my ($status, $said) = $daemon->once('-q', "$name.test:$to");
	$said = $1 if $said =~ /^guard: .* is refused: (.*)$/m;
	$said = 'own_listener' if $said =~ /the target is sniport itself/;
	is_deeply([ $status, $said ], [ 1, $detail // $reason ],
		"$title: $name: sniport -q");
	return $line;
}

sub works_ok {
	my ($name, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ended_ok($daemon, "$name.test:$port", "$title: $name", %good);
	my ($status, $said) = $daemon->once('-q', "$name.test:$port");
	is($status, 0, "$title: $name: sniport -q") or diag($said);
	return;
}

my $OURS = 'Address of this host';
works_ok($_, 'an upstream') for qw(far far-six);
refused_ok($_, $OURS, 'an address of this host') for
    qw(first second six nat64 broadcast block block-six table table-six);
refused_ok('loopback', 'Loopback', 'special purpose');
refused_ok('any', 'This host on this network', 'unspecified');
refused_ok('any-six', 'Unspecified Address', 'unspecified');
refused_ok($_, undef, 'an own listener', to => $own,
	reason => 'own_listener') for
    qw(first second six nat64 loopback any any-six);

# What comes later is found out as it is dialled. The worker was told nothing.
give($here, 'b0', '198.41.2.1/24', '198.41.1.3/24', '2606:4700:58::1/64');
$here->ip('route add local 198.41.78.0/24 dev lo');
my @new = qw(new-first new-second new-six new-nat64 new-block);
refused_ok($_, $OURS, 'after the start') for @new;
refused_ok($_, undef, 'after the start, an own listener', to => $own,
	reason => 'own_listener') for @new;
ok($service->quiet, 'no service of this host has heard of it');
is_deeply([ grep { $_->{client_address} !~ /^127\./ } $daemon->audit ], [],
	'nor has sniport, from itself');
works_ok($_, 'still an upstream') for qw(far far-six);

# But for a block of IPv6 addresses that is routed here: the next reload has it.
$here->ip('-6 route add local 2606:4700:78::/64 dev lo');
$daemon->reload;
refused_ok('new-block-six', $OURS, 'after the start and a reload');
ok($service->quiet, 'no service of this host has heard of it');

# With a source address of ours, the two ends of a connection differ.
$daemon->reload(egress => '{ name = "line"; source = [ "198.41.1.2",
	"2606:4700:57::1" ]; }', rules => qq($rule egress = "line"; }));
give($here, 'b0', '198.41.1.4/24');
refused_ok('new-fourth', $OURS, 'after the start, by a line');
works_ok($_, 'an upstream by a line') for qw(far far-six);
$daemon->reload(egress => '', rules => "$rule }");

# Packets with a line's mark are looked up where a rule says so.
SKIP: {
	skip 'SKIPPED: marks are for root', 2 if $>;
	$daemon->reload(egress => '{ name = "line"; mark = 7; }',
		rules => qq($rule egress = "line"; }));
	refused_ok($_, $OURS, 'by a line with a mark') for qw(far far-six);
	$daemon->reload(egress => '', rules => "$rule }");
}

# Where anything may be bound to.
$here->set('ipv4.ip_nonlocal_bind', 1);
works_ok('far', 'anything may be bound to: an upstream');
give($here, 'b0', '198.41.3.1/24');
refused_ok('new-third', $OURS, 'anything may be bound to: after the start');
refused_ok('new-third', undef, 'anything may be bound to: an own listener',
	to => $own, reason => 'own_listener');
$here->set('ipv4.ip_nonlocal_bind', 0);

# What networks name is open, and nothing else; an own listener is not.
$daemon->reload(rules => "$rule networks = [ \"198.41.1.2\", \"198.41.78.0/24\",
	\"2606:4700:57::/64\", \"0.0.0.0/31\" ]; }");
works_ok($_, 'open by networks') for qw(second new-block six far);
refused_ok($_, $OURS, 'beside networks') for qw(first block new-six);
refused_ok('any', 'This host on this network', 'unspecified, in networks');
refused_ok($_, undef, 'open by networks, an own listener', to => $own,
	reason => 'own_listener') for qw(second new-block six);

# The operator's own word, for one address.
for ('198.41.1.1', '198.41.2.1') {
	$daemon->reload(rules => qq($rule connect_to = "$_:$port"; }));
	works_ok('nobody', "connect_to $_");
	$daemon->reload(rules => qq($rule connect_to = "$_:$own"; }));
	ended_ok($daemon, "nobody.test:$port", "connect_to $_: an own listener",
		reason => 'own_listener', tried => ["$_:$own own_listener"]);
}

$daemon->stop_ok;

# One that comes between the question and the answer: what is connected to this
# host gets no further.
SKIP: {
	skip 'SKIPPED: sanitizers and valgrind come first', 4 if slow();
	my $late = Sniport::Daemon->new(hosts => $hosts, rules => "$rule }",
		listeners => '{ address = ":%PORT%"; }',
		environment => { LD_PRELOAD => build() . '/preload/blind.so' });
	$late->reload(hosts => "198.41.9.1 late.test\n198.41.1.9 far.test\n");
	give($here, 'b0', '198.41.9.1/24');
	$service->report while !$service->quiet;
	ended_ok($late, "late.test:$port", 'found out by the connection',
		reason => 'guard', detail => $OURS,
		tried => ["198.41.9.1:$port guard"]);
	is($service->report->{bytes}, 0, 'which was left without a byte');
	my $loop = $late->port;
	ended_ok($late, "late.test:$loop",
		'found out by the connection: an own listener',
		reason => 'own_listener', tried => ["198.41.9.1:$loop own_listener"]);
	ended_ok($late, "far.test:$port", 'found out by the connection: an ' .
		'upstream', %good);
	$late->stop_ok;
}

done_testing;
