#!/usr/bin/perl
# What leaves, and how: by the line that the rule names, seen from its far
# end. The test is in a network of its own with three others around it:
#
#     clients ---- in0 | sniport | b0 ---- B, an upstream at 203.0.113.1
#                      |         | c0 ---- C, another one at that address

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Test qw(poll status);
use Sniport::Tunnel qw(finish);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

# A tunnel that has ended too early is a failure and not the end of the test.
$SIG{PIPE} = 'IGNORE';

my $CLOSED = 9;
my ($FOUR, $SIX) = ('203.0.113.1', '2001:db8:61::1');
my %far = map { ($_ => Sniport::Network->new) } qw(B C clients);
my $here = Sniport::Network->here;

# Addresses of ours at the end of each line; the first is the kernel's choice.
my %ours = (
	b0 => [ map({ "10.61.1.$_" } 1, 11 .. 13), 'fd61:1::1', 'fd61:1::11' ],
	c0 => [ map({ "10.61.2.$_" } 1, 11, 12), 'fd61:2::1', 'fd61:2::11' ],
	in0 => ['10.61.0.1'],
);

sub give {
	my ($network, $device, @addresses) = @_;

	for (@addresses) {
		$network->ip("address add $_ dev $device" .
			(/:/ ? ' nodad' : ''));
	}
	return;
}

# Both lines lead to the same place; by rule it is B.
$here->set('ipv6.conf.all.disable_ipv6', 0);
for (['b0', 'B', 100], ['c0', 'C', 200], ['in0', 'clients']) {
	my ($device, $name, $metric) = @$_;
	my $net = $ours{$device}[0] =~ s/\.1$//r;
	$far{$name}->set('ipv6.conf.all.disable_ipv6', 0);
	$here->line($device, $far{$name}, 'up');
	give($here, $device, map { /:/ ? "$_/64" : "$_/24" }
		@{ $ours{$device} });
	give($far{$name}, 'up', "$net.2/24");
	next unless $metric;
	give($far{$name}, 'up', "$FOUR/32", "$SIX/128",
		$ours{$device}[-2] =~ s!1$!2/64!r);
	$here->ip("route add 203.0.113.0/24 dev $device metric $metric");
	$here->ip("route add 2001:db8:61::/64 dev $device " .
		"src $ours{$device}[-2] metric $metric");
}

# A mark has a way of its own, and another one another source address.
for (61, 4294967295) {
	my $source = $_ == 61 ? '' : 'src 10.61.2.12';
	my $table = $_ == 61 ? 161 : 162;
	$here->ip("rule add fwmark $_ lookup $table");
	$here->ip("-6 rule add fwmark $_ lookup $table");
	$here->ip("route add 203.0.113.0/24 dev c0 $source table $table");
	$here->ip('route add 2001:db8:61::/64 dev c0 src fd61:2::1 ' .
		"table $table");
}

# An upstream that says first where it is and whom it sees, then is an echo;
# "reset" makes it reset.
sub greet {
	my ($name) = @_;

	return sub {
		my ($socket, $upstream) = @_;
		my ($host, $port) = ($socket->peerhost, $socket->peerport);
		$host = "[$host]" if $host =~ /:/;
		$upstream->put($socket, "$name $host:$port\n");
		while (defined(my $data = $upstream->get($socket))) {
			if ($data eq 'reset') {
				setsockopt $socket, Socket::SOL_SOCKET(),
				    Socket::SO_LINGER(), pack 'i2', 1, 0;
				last;
			}
			$upstream->put($socket, $data) or last;
		}
		return (said => "$host:$port");
	};
}

# On the same port everywhere, which is the first one's choice.
my %upstream;
my $port = 0;
for my $name (qw(B C)) {
	for my $host ($FOUR, $SIX) {
		$upstream{"$name $host"} = $far{$name}->within(sub {
			Sniport::Upstream->new(code => greet($name),
				host => $host, port => $port) });
		$port ||= $upstream{"$name $host"}->port;
	}
}
my $other = $far{B}->within(sub {
	Sniport::Upstream->new(code => greet('B'), host => $FOUR) });

# Each line has a rule and a name of its own.
my %lines = (
	b => 'device = "b0";', c => 'device = "c0";',
	three => 'source = [ "10.61.1.11", "10.61.1.12", "10.61.1.13" ];',
	both => 'source = [ "10.61.1.12", "fd61:1::11" ];',
	all => 'source = [ "10.61.2.11", "fd61:2::11" ]; device = "c0";',
	six => 'source = [ "fd61:1::11" ];',
	one => 'source = [ "10.61.1.11" ];',
	two => 'source = [ "10.61.1.11", "10.61.1.12" ];',
	lacks => 'source = [ "10.61.1.99" ];',
	'lacks-six' => 'source = [ "fd61:1::99" ];',
	'lacks-one' => 'source = [ "10.61.1.99", "10.61.1.12" ];',
	'no-device' => 'device = "none0";',
);
my %marks = (marked => 'mark = 61;', most => 'mark = 4294967295L;',
	'marked-b' => 'mark = 61; device = "b0"; source = [ "10.61.1.13" ];',
	'no-route' => 'mark = 62;');

# The hosts file has each name as it is, as 4.NAME and as 6.NAME.
sub configuration {
	my (%with) = @_;
	my @names = sort keys %with;
	my @all = ('none', @names);

	return (
		egress => join(', ', map { qq({ name = "$_"; $with{$_} }) }
			@names),
		rules => join(', ', map {
			my $line = $_ eq 'none' ? '' : qq(egress = "$_";);
			qq({ name = "r-$_"; action = "allow";
			    destinations = [ "$_.test:*", "*.$_.test:*" ]; $line
			    networks = [ "$FOUR", "2001:db8:61::/64" ]; })
		} @all),
		hosts => join("\n", (map { ("$FOUR $_.test 4.$_.test",
			"$SIX $_.test 6.$_.test", "2001:db8:61::99 $_.test") }
			@all), ''),
	);
}

my $daemon = Sniport::Daemon->new(configuration(%lines),
	listeners => '{ address = "10.61.0.1:%PORT%"; }',
	dns => 'family = "prefer-ipv4";');

sub dial {
	my ($name, $to) = @_;

	return $far{clients}->within(sub {
		Sniport::Client->new(host => '10.61.0.1', port => $daemon->port,
			name => "$name:" . ($to // $port)) });
}

sub line_of {
	my ($client) = @_;
	my $local = $client->local_port;

	return $daemon->wait_audit(sub { $_->{client_port} == $local });
}

# What the upstream said first: "B" and the address it sees; or the reason why
# there is none.
sub greeting {
	my ($client) = @_;
	my $text = '';

	while ($text !~ /\n/) {
		my $byte = $client->get(1);
		return undef if $byte eq '';
		$text .= $byte;
	}
	chomp $text;
	return $text;
}

# One test: the tunnel to this name ends at that upstream, which sees that
# address; and so says the audit line.
sub leaves_ok {
	my ($name, $where, $source, $title) = @_;
	my $client = dial($name);
	my $said = greeting($client) // 'nothing';
	my ($saw) = $said =~ / (.*)$/;
	my ($rule) = $name =~ /([^.]+)\.test$/;

	my $works = $client->put('ping') && $client->get(4) eq 'ping';
	finish($client);
	my $line = line_of($client);
	my %want = (reason => 'done', rule => "r-$rule", egress => $saw,
		egress_line => $rule eq 'none' ? undef : $rule);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ said => $said =~ s/:\d+$//r, works => $works ? 1 : 0,
		map { ($_ => $line->{$_}) } keys %want },
		{ said => "$where $source", works => 1, %want }, $title)
	    or diag(explain($line));
	return $line;
}

# One test: there is no tunnel.
sub fails_ok {
	my ($name, $title, %want) = @_;
	my $client = dial($name, delete $want{to});
	my $end = $client->wait_end;
	my $line = line_of($client);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ end => $end, map { ($_ => $line->{$_}) } keys %want },
		{ end => 'reset', %want }, $title) or diag(explain($line));
	return $line;
}

# The capabilities of the worker, once it is alone: inheritable, permitted,
# effective, and ambient ones.
sub capabilities {
	my $who = $_[0] // $daemon;

	my @workers;
	poll(sub { (@workers = $who->workers) == 1 })
	    or die 'the old worker is there';
	return join ' ', map { status($workers[0], "Cap$_") =~ /^0*(\w+)/ }
	    qw(Inh Prm Eff Amb);
}

# As routed, by device, by source address.
leaves_ok('4.none.test', 'B', '10.61.1.1', 'no line: as routed');
leaves_ok('6.none.test', 'B', '[fd61:1::1]', 'no line: IPv6');
leaves_ok('4.b.test', 'B', '10.61.1.1', 'a device');
leaves_ok('4.c.test', 'C', '10.61.2.1', 'another device');
leaves_ok('6.b.test', 'B', '[fd61:1::1]', 'a device: IPv6');
leaves_ok('6.c.test', 'C', '[fd61:2::1]', 'another device: IPv6');
leaves_ok('4.both.test', 'B', '10.61.1.12', 'a source address');
leaves_ok('6.both.test', 'B', '[fd61:1::11]', 'a source address: IPv6');
leaves_ok('4.all.test', 'C', '10.61.2.11', 'a source address and a device');
leaves_ok('6.all.test', 'C', '[fd61:2::11]', 'both: IPv6');

# Several source addresses.
my %spread;
for (1 .. 100) {
	my $client = dial('4.three.test');
	$spread{ greeting($client) =~ s/:\d+$//r }++;
	finish($client);
	last if $_ >= 12 && keys %spread == 3;
}
is_deeply([ sort keys %spread ], [ map { "B 10.61.1.$_" } 11 .. 13 ],
	'several source addresses: each is used');

# A line that has source addresses of one family.
$_->report while $_ = (grep { !$_->quiet } values %upstream)[0];
for (1 .. 3) {
	my $line = leaves_ok('one.test', 'B', '10.61.1.11', 'IPv4 alone');
	is(scalar(grep { /^\[/ && !/ egress_failed$/ } @{ $line->{tried} }), 0,
		'IPv6 is not dialled');
}
leaves_ok('six.test', 'B', '[fd61:1::11]', 'IPv6 alone');
fails_ok('6.one.test', 'IPv4 alone: an IPv6 target',
	reason => 'egress_failed', egress_line => 'one',
	detail => 'Address family not supported by protocol',
	tried => ["[$SIX]:$port egress_failed"]);
fails_ok('4.six.test', 'IPv6 alone: an IPv4 target',
	reason => 'egress_failed', egress_line => 'six',
	tried => ["$FOUR:$port egress_failed"]);
fails_ok('one.test', 'what was dialled says more', to => $CLOSED,
	reason => 'connect_refused');
is_deeply([ grep { !$upstream{$_}->quiet } "B $SIX", "C $SIX", "C $FOUR" ],
	["B $SIX"], 'no other upstream has heard of it');
$upstream{"B $SIX"}->report;
ok($upstream{"B $SIX"}->quiet, 'nor has this one more than once');

# What this node does not have.
for (['4.lacks.test', "$FOUR:$port"], ['6.lacks-six.test', "[$SIX]:$port"]) {
	my ($name, $tried) = @$_;
	fails_ok($name, "not our address: $name", reason => 'egress_missing',
		detail => 'Cannot assign requested address', upstream => undef,
		egress => undef, egress_line => $name =~ /\.(.*)\./,
		tried => ["$tried egress_missing"]);
}
like($daemon->log, qr/ egress_failed: .*: Address family not supported by/,
	'the error log has the first of those');
leaves_ok('4.lacks-one.test', 'B', '10.61.1.12', 'the others serve')
    for 1 .. 5;
fails_ok('4.no-device.test', 'no such device', reason => 'egress_missing',
	detail => 'No such device', egress_line => 'no-device');

# What this node does not have is told at the start, and by -t, and nothing
# else is.
my $fail = 'while that is so, tunnels that leave by it fail';
my @lacks = sort(qq(device: this host does not have a device "none0": $fail),
	map { "source: $_: this host does not have this address: $fail" }
	qw(10.61.1.99 10.61.1.99 fd61:1::99));
is_deeply([ sort $daemon->log =~
	/ warning master\[\d+\]: \S+:\d+: egress\.(.*)\n/g ], \@lacks,
	'what is not on this host is a warning at the start');
my ($checked, $warned) = $daemon->once('-t');
is_deeply([ $checked, sort $warned =~ /^sniport: warning: \S+:\d+: egress\.(.*)\n/mg ],
	[ 0, @lacks ], '-t says the same');

# Marks.
is(capabilities(), '0 0 0 0', 'no mark: no capability');
$daemon->reload(configuration(%lines, %marks));
is(capabilities(), '0 2000 2000 0', 'a mark: CAP_NET_RAW');
leaves_ok('4.none.test', 'B', '10.61.1.1', 'no mark: as routed');
leaves_ok('4.marked.test', 'C', '10.61.2.1', 'a mark');
leaves_ok('6.marked.test', 'C', '[fd61:2::1]', 'a mark: IPv6');
leaves_ok('4.most.test', 'C', '10.61.2.12', 'a mark of 32 bits');
leaves_ok('4.marked-b.test', 'B', '10.61.1.13', 'a device is more');
leaves_ok('4.no-route.test', 'B', '10.61.1.1', 'a mark that nobody knows');
$here->ip('rule add fwmark 62 prohibit');
fails_ok('4.no-route.test', 'a mark that may not pass',
	reason => 'connect_failed', detail => 'Permission denied',
	egress_line => 'no-route');
$daemon->reload(configuration(%lines));
is(capabilities(), '0 0 0 0', 'no mark any more: nor that');

# A few source ports. The clients' own are those of another network.
$here->set('ipv4.ip_local_port_range', '40000 40003');
my %held;

# Opens tunnels until one fails; returns their greetings and that one.
sub fill {
	my ($name, $to) = @_;
	my @said;

	for (1 .. 20) {
		my $client = dial($name, $to);
		my $said = greeting($client) // return ($client, @said);
		push @{ $held{$name} }, $client;
		push @said, $said;
	}
	return (undef, @said);
}

sub release {
	for my $tunnel (map { @$_ } values %held) {
		$tunnel->put('reset');
		$tunnel->wait_end;
	}
	%held = ();
	return;
}

sub no_port_ok {
	my ($client, $title) = @_;
	my $line = $client && line_of($client);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ @$line{qw(reason detail upstream)} ], [ 'connect_no_port',
		'Cannot assign requested address', undef ], $title);
	return;
}

my @ports = 40000 .. 40003;
my ($refused, @said) = fill('4.one.test', $port);
is_deeply([ sort @said ], [ map { "B 10.61.1.11:$_" } @ports ],
	'one source address: all its ports');
no_port_ok($refused, 'then there is none');
like($daemon->log, qr/ connect_no_port: .*\(EADDRNOTAVAIL\)/,
	'the error log has it');
($refused, @said) = fill('4.one.test', $other->port);
is_deeply([ sort @said ], [ map { "B 10.61.1.11:$_" } @ports ],
	'they serve once more towards another upstream');
no_port_ok($refused, 'as often as that');
($refused, @said) = fill('4.two.test', $port);
is_deeply([ sort @said ], [ map { "B 10.61.1.12:$_" } @ports ],
	'another source address has ports of its own');
no_port_ok($refused, 'then both have none');
($refused, @said) = fill('4.none.test', $port);
is_deeply([ sort @said ], [ map { "B 10.61.1.1:$_" } @ports ],
	'so it is without a line');
no_port_ok($refused, 'which is told as well');

# A port that is free again serves again.
my $client = shift @{ $held{'4.one.test'} };
$client->put('reset');
is($client->wait_end, 'reset', 'a tunnel goes');
line_of($client);
$client = dial('4.one.test');
like(greeting($client), qr/^B 10\.61\.1\.11:4000\d$/, 'another one comes');
no_port_ok(dial('4.one.test'), 'and no more');
push @{ $held{'4.one.test'} }, $client;
release();
($refused, @said) = fill('4.two.test', $other->port);
is_deeply([ sort @said ], [ map { my $ip = $_;
	map { "B $ip:$_" } @ports } '10.61.1.11', '10.61.1.12' ],
	'two source addresses: twice as many');
no_port_ok($refused, 'and no more');
release();
$daemon->stop_ok;

# Who may not set marks says so and does not start; either capability will do.
my @need = map { "--bounding-set=-$_" } qw(net_raw net_admin);
my ($status) = Sniport::Test::run('setpriv', @need, 'true');
SKIP: {
	skip 'SKIPPED LOUDLY: setpriv is needed', 6 if $status;
	my @less = (configuration(%lines, %marks),
		listeners => '{ address = "10.61.0.1:%PORT%"; }');
	my $less = Sniport::Daemon->new(@less, may_fail => 1,
		wrapper => ['setpriv', @need]);
	is($less->wait_end, 1, 'marks without a capability: no start');
	my $why = qr/^sniport: \S+:\d+: egress\.mark: sniport may not set marks: it needs CAP_NET_ADMIN, or since Linux 5\.17 CAP_NET_RAW, for the network that it is in$/m;
	like($less->log, $why, 'the log says why, and where');
	($status, my $said) = Sniport::Test::run('setpriv', @need,
		$less->command('-t', '-c', $less->dir . '/sniport.conf'));
	is($status, 1, '-t refuses it as well');
	like($said, $why, 'and says the same');
	$less = Sniport::Daemon->new(@less, wrapper => ['setpriv', $need[0]]);
	is(capabilities($less), '0 1000 1000 0', 'CAP_NET_ADMIN alone will do');
	$less->stop_ok;
}

done_testing;
