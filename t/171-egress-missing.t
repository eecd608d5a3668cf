#!/usr/bin/perl
# A source address that moves from node to node: while this one does not have
# it, tunnels of its line end for a reason of their own, and not one packet
# leaves by another address, whatever sysctls say. The test is in a network of
# its own, with one beside it:
#
#     clients on loopback, sniport | out0 ---- up | an upstream, 203.0.113.1

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Admin qw(ask);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Test qw(poll);
use Sniport::Tunnel qw(finish);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

my ($FOUR, $SIX) = ('203.0.113.1', '2001:db8:71::1');
my %source = (four => '10.71.0.9', six => 'fd71::9', both => '10.71.0.9');
my $here = Sniport::Network->here;
my $there = Sniport::Network->new;
$_->set('ipv6.conf.all.disable_ipv6', 0) for $here, $there;
$here->line('out0', $there, 'up');
$here->ip('address add 10.71.0.1/24 dev out0');
$here->ip('address add fd71::1/64 dev out0 nodad');
$there->ip('address add 10.71.0.2/24 dev up');
$there->ip("address add $FOUR/32 dev up");
$there->ip("address add $_ dev up nodad") for 'fd71::2/64', "$SIX/128";
$here->ip("route add $FOUR dev out0");
$here->ip("-6 route add $SIX dev out0");

# Says whom it sees, then ends. What others saw is kept, as well.
sub greet {
	my ($socket, $upstream) = @_;

	$upstream->put($socket, $socket->peerhost . "\n");
	$upstream->get($socket);
	return (said => $socket->peerhost);
}

my %upstream = map {
	my $host = $_;
	($host => $there->within(sub {
		Sniport::Upstream->new(code => \&greet, host => $host) }))
} $FOUR, $SIX;
my %target = (four => "four.test:" . $upstream{$FOUR}->port,
	six => "six.test:" . $upstream{$SIX}->port,
	both => "both.test:" . $upstream{$FOUR}->port);

my $daemon = Sniport::Daemon->new(
	timeouts => 'lost = "1s";',
	hosts => "$FOUR four.test\n$SIX six.test\n$FOUR both.test\n",
	egress => join(', ', map { qq({ name = "l-$_"; source = [ "$source{$_}" ]; }) }
		qw(four six)) . qq(, { name = "l-both"; source = [ "10.71.0.9", "10.71.0.1" ]; }),
	rules => join(', ', map { qq({ name = "r-$_"; action = "allow"; egress = "l-$_";
		destinations = [ "$_.test:*" ]; networks = [ "$FOUR", "$SIX" ]; }) }
		qw(four six both)));

# What the upstream has said, or how the client has ended, and the audit line.
sub dial {
	my ($name) = @_;
	my $client = Sniport::Client->new(port => $daemon->port, name => $target{$name});
	my $local = $client->local_port;
	my $said = '';

	while ($said !~ /\n/) {
		my $byte = $client->get(1);
		last if $byte eq '';
		$said .= $byte;
	}
	if ($said =~ /\n/) {
		finish($client);
	} else {
		$said = $client->wait_end;
	}
	my $line = $daemon->wait_audit(sub { $_->{client_port} == $local });
	return ($said =~ s/\n//r, $line);
}

sub leaves_ok {
	my ($name, $source, $title) = @_;
	my ($said, $line) = dial($name);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $said, $line->{reason} ], [ $source, 'done' ], $title);
	return;
}

sub missing_ok {
	my ($name, $title) = @_;
	my ($said, $line) = dial($name);
	my $where = ($name eq 'six' ? "[$SIX]" : $FOUR) . ':' .
	    ($target{$name} =~ s/.*://r);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $said, @$line{qw(reason egress_line upstream egress tried)} ],
		[ 'reset', 'egress_missing', "l-$name", undef, undef,
			["$where egress_missing"] ], $title)
	    or diag(explain($line));
	return;
}

sub move {
	my ($verb) = @_;

	$here->ip("address $verb $source{four}/32 dev out0");
	$here->ip("address $verb $source{six}/128 dev out0" .
		($verb eq 'add' ? ' nodad' : ''));
	return;
}

for my $time (1 .. 3) {
	missing_ok($_, "missing, time $time: $_") for qw(four six);
	leaves_ok('both', '10.71.0.1', "missing, time $time: another of the line")
	    for 1 .. 3;
	move('add');
	leaves_ok($_, $source{$_}, "here, time $time: $_") for qw(four six);
	move('del');
}

# Tunnels that are open when it goes have no way left.
move('add');
my %open = map { ($_ => Sniport::Client->new(port => $daemon->port,
	name => $target{$_})) } qw(four six);
$_->get(1) for values %open;
move('del');
$_->put('still there?') for values %open;
is($open{$_}->wait_end, 'reset', "a tunnel that was open: $_") for sort keys %open;
my %lost = map { ($_->{client_port} => 1) }
    map { $daemon->wait_audit(sub { $_->{reason} eq 'upstream_lost' }) } keys %open;
is_deeply([ sort keys %lost ], [ sort map { $_->local_port } values %open ],
	'they end as lost');

# A reload while it is missing, and then it comes.
like($daemon->reload, qr/^Serving: .*generation 2/, 'a reload does not mind');
missing_ok('four', 'it is still missing');
move('add');
leaves_ok('four', $source{four}, 'it comes after the reload');
move('del');

sub ready_is {
	my ($want) = @_;

	return poll(sub {
		((ask($daemon, '/readyz?line=l-six'))[0] // 0) == $want });
}

# Where bind(2) takes any address, as keepalived's users have it.
$here->set('ipv4.ip_nonlocal_bind', 1);
$here->set('ipv6.ip_nonlocal_bind', 1);
missing_ok('four', 'ip_nonlocal_bind does not help: IPv4');
leaves_ok('both', '10.71.0.1', 'another of the line serves then, too') for 1 .. 4;
my ($status, $text) = $daemon->once('-t');
is($status, 0, '-t takes it');
like($text, qr/warning: \S+: egress\.source: 10\.71\.0\.9: this host does not have this address/,
	'and is not deceived: IPv4');
like($text, qr/warning: \S+: egress\.source: fd71::9: this host does not have this address/,
	'nor IPv6');
move('add');
leaves_ok('four', $source{four}, 'it comes');
# Of IPv6 the kernel would let connections leave by it, so the master has to
# have seen that it is gone.
ok(ready_is(200), 'it is seen to come');
leaves_ok('six', $source{six}, 'it comes: IPv6');
move('del');
ok(ready_is(503), 'and to go');
missing_ok('six', 'ip_nonlocal_bind does not help: IPv6');
move('add');
ok(ready_is(200), 'it is seen to come again');
leaves_ok('six', $source{six}, 'it comes again: IPv6');
move('del');

# Nobody else was seen in all this.
my %seen;
for my $host ($FOUR, $SIX) {
	$seen{ $upstream{$host}->report->{said} }++ while !$upstream{$host}->quiet;
}
is_deeply([ sort keys %seen ], [ sort '10.71.0.1', @source{qw(four six)} ],
	'no other address was seen');
is($seen{'10.71.0.1'}, 13, 'and the kernel\'s choice where it is of the line alone');

$daemon->stop_ok;
done_testing;
