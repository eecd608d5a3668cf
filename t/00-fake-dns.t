# Is the name server of the other tests what it claims to be?
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::IP;
use Socket qw(AF_INET AF_INET6 SOCK_DGRAM SOCK_STREAM inet_ntop);
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::DNS;
use Sniport::Test qw(deadline poll readable);

my %TYPE = (A => 1, CNAME => 5, AAAA => 28, MX => 15);

sub query {
	my ($id, $name, $type) = @_;

	return pack('n6', $id, 0x0100, 1, 0, 0, 0) .
	    join('', map { pack 'C/a*', $_ } split /\./, $name) . "\0" .
	    pack 'nn', $TYPE{$type}, 1;
}

sub udp {
	my ($dns) = @_;

	return IO::Socket::IP->new(PeerHost => $dns->host, PeerPort => $dns->port,
		Type => SOCK_DGRAM, Proto => 'udp') // die "connect: $@";
}

sub skip_name {
	my ($message, $at) = @_;

	while ((my $length = ord substr $message, $at, 1) != 0) {
		return $at + 2 if $length >= 0xc0;
		$at += 1 + $length;
	}
	return $at + 1;
}

# What a message says: id, rcode, tc, and "TYPE ttl data" of each record.
sub decode {
	my ($message) = @_;
	my ($id, $flags, $qd, $an) = unpack 'n4', $message;
	my $at = skip_name($message, 12) + 4;
	my @records;

	for (1 .. $an) {
		$at = skip_name($message, $at);
		die 'short message' if length $message < $at + 10;
		my ($type, $class, $ttl, $data) = unpack "x$at nnN n/a*", $message;
		die 'short message' if length $message < $at + 10 + length $data;
		$at += 10 + length $data;
		push @records, $type == 1 ? "A $ttl " . inet_ntop(AF_INET, $data) :
		    $type == 28 ? "AAAA $ttl " . inet_ntop(AF_INET6, $data) :
		    "TYPE$type $ttl";
	}
	return { id => $id, rcode => $flags & 15, tc => $flags >> 9 & 1,
		response => $flags >> 15, records => \@records, rest =>
		    length($message) - $at };
}

# Asks once, by UDP; undef: no answer within that time.
sub ask_raw {
	my ($dns, $name, $type, $seconds) = @_;
	my $socket = udp($dns);

	$socket->send(query(0x1234, $name, $type));
	readable($socket, deadline($seconds)) or return undef;
	$socket->recv(my $message, 65536);
	return $message;
}

sub ask {
	my $message = ask_raw(@_);

	return defined $message ? decode($message) : undef;
}

sub records {
	return ask(@_)->{records};
}

sub read_exactly {
	my ($socket, $length) = @_;
	my $data = '';

	while (length $data < $length) {
		readable($socket, deadline()) or die 'no answer';
		sysread($socket, $data, $length - length $data, length $data)
		    or die 'closed';
	}
	return $data;
}

sub connect_tcp {
	my ($dns) = @_;

	return IO::Socket::IP->new(PeerHost => $dns->host, PeerPort => $dns->port,
		Type => SOCK_STREAM);
}

my $dns = Sniport::DNS->new(zone => {
	'a.test' => { A => [ '192.0.2.1', '192.0.2.2' ],
		AAAA => ['2001:db8::1'], ttl => 7 },
	'alias.test' => { CNAME => 'other.test', cname_ttl => 3 },
	'other.test' => { CNAME => 'a.test' },
	'dangling.test' => { CNAME => 'nowhere.test' },
	'loop.test' => { CNAME => 'loop.test' },
	'nodata.test' => 'NODATA',
	'servfail.test' => 'SERVFAIL',
	'refused.test' => 'REFUSED',
	'drop.test' => 'drop',
	'half.test' => { A => ['192.0.2.3'], AAAA => 'drop' },
	'slow.test' => { A => ['192.0.2.4'], AAAA => [],
		delay => { A => 0.3 } },
	'held.test' => { A => ['192.0.2.4'], delay => 'release' },
	'short.test' => { A => ['192.0.2.5'], truncate => 1 },
	'many.test' => { A => [ map { "192.0.2.$_" } 1 .. 20 ] },
	'more.test' => { A => [ map { "192.0.2.$_" } 1 .. 60 ] },
	'turn.test' => [ { A => ['192.0.2.6'], ttl => 0 },
		{ A => ['127.0.0.1'], ttl => 0 } ],
	'lost.test' => [ 'drop', { A => ['192.0.2.7'] } ],
	'*.wild.test' => { A => ['192.0.2.8'] },
	'garbage.test' => 'garbage',
	'noise.test' => 'noise',
	'id.test' => 'wrong_id',
	'name.test' => 'wrong_name',
	'mapped.test' => { AAAA => ['::ffff:127.0.0.1'] },
});

like($dns->server, qr/^127\.0\.0\.1:\d+$/, 'it has an address');
my $answer = ask($dns, 'a.test', 'A');
is($answer->{id}, 0x1234, 'the id is that of the question');
is($answer->{response}, 1, 'it is an answer');
is($answer->{rest}, 0, 'and nothing follows');
is_deeply($answer->{records}, [ 'A 7 192.0.2.1', 'A 7 192.0.2.2' ], 'A');
is_deeply(records($dns, 'A.TEST', 'AAAA'), ['AAAA 7 2001:db8::1'],
	'AAAA, in capitals');
is_deeply([ $dns->questions ], [ 'a.test A', 'A.TEST AAAA' ],
	'questions are remembered as they were');
$dns->clear;
is_deeply([ $dns->questions ], [], 'until they are not');
is_deeply(records($dns, 'a.test', 'MX'), [], 'no data of another type');
is_deeply(records($dns, 'alias.test', 'A'),
	[ 'TYPE5 3', 'TYPE5 60', 'A 7 192.0.2.1', 'A 7 192.0.2.2' ],
	'a chain of aliases');
is_deeply(records($dns, 'alias.test', 'CNAME'), ['TYPE5 3'], 'one of them');
$answer = ask($dns, 'dangling.test', 'A');
is("$answer->{rcode} @{$answer->{records}}", '3 TYPE5 60',
	'an alias of nothing');
is(scalar @{ records($dns, 'loop.test', 'A') }, 16, 'an alias of itself');

is(ask($dns, 'nowhere.test', 'A')->{rcode}, 3, 'NXDOMAIN');
is(ask($dns, 'nodata.test', 'A')->{rcode}, 0, 'NODATA is no error');
is_deeply(records($dns, 'nodata.test', 'A'), [], 'but no data');
is(ask($dns, 'servfail.test', 'A')->{rcode}, 2, 'SERVFAIL');
is(ask($dns, 'refused.test', 'A')->{rcode}, 5, 'REFUSED');
is(ask($dns, 'drop.test', 'A', 0.1), undef, 'silence');
is(ask($dns, 'half.test', 'AAAA', 0.1), undef, 'silence for one type');
is_deeply(records($dns, 'half.test', 'A'), ['A 60 192.0.2.3'],
	'and not for the other');

my $start = clock_gettime(CLOCK_MONOTONIC);
my $waiting = udp($dns);
$waiting->send(query(1, 'slow.test', 'A'));
ok(ask($dns, 'a.test', 'A'), 'others are answered during a delay');
ok(ask($dns, 'slow.test', 'AAAA'), 'even the same name');
ok(!readable($waiting, deadline(0)), 'while the first waits');
ok(readable($waiting, deadline()), 'then it has its answer');
cmp_ok(clock_gettime(CLOCK_MONOTONIC) - $start, '>=', 0.3, 'in due time');
$waiting = udp($dns);
$waiting->send(query(1, 'held.test', 'A'));
ok(poll(sub { grep { $_ eq 'held.test A' } $dns->questions }), 'one is held');
ok(!readable($waiting, deadline(0)), 'and not answered');
$dns->release;
ok(readable($waiting, deadline()), 'until it is released');

$answer = ask($dns, 'short.test', 'A');
is("$answer->{tc} @{$answer->{records}}", '1 ', 'truncated');
is(scalar @{ records($dns, 'many.test', 'A') }, 20, '20 addresses have room');
is(ask($dns, 'more.test', 'A')->{tc}, 1, '60 have not');
my $tcp = connect_tcp($dns);
$dns->clear;
syswrite $tcp, pack('n/a*', query(2, 'short.test', 'A')) .
    pack('n/a*', query(3, 'more.test', 'A'));
for my $expect ([ 2, 1 ], [ 3, 60 ]) {
	my $length = unpack 'n', read_exactly($tcp, 2);
	$answer = decode(read_exactly($tcp, $length));
	is("$answer->{id} $answer->{tc} " . @{ $answer->{records} },
		"$expect->[0] 0 $expect->[1]", 'all over TCP');
}
is_deeply([ $dns->questions('tcp') ], [ 'short.test A', 'more.test A' ],
	'known as asked over TCP');
is_deeply([ $dns->questions('udp') ], [], 'not UDP');

is_deeply(records($dns, 'turn.test', 'A'), ['A 0 192.0.2.6'], 'one answer');
is_deeply(records($dns, 'turn.test', 'A'), ['A 0 127.0.0.1'], 'then another');
is_deeply(records($dns, 'turn.test', 'A'), ['A 0 127.0.0.1'], 'which stays');
is(ask($dns, 'lost.test', 'A', 0.1), undef, 'the first is lost');
is_deeply(records($dns, 'lost.test', 'A'), ['A 60 192.0.2.7'],
	'not the second');
is_deeply(records($dns, 'x.y.wild.test', 'A'), ['A 60 192.0.2.8'], 'wildcard');
is(ask($dns, 'wild.test', 'A')->{rcode}, 3, 'which is not its own name');
is_deeply(records($dns, 'mapped.test', 'AAAA'), ['AAAA 60 ::ffff:127.0.0.1'],
	'an IPv4-mapped address');

ok(!eval { ask($dns, 'garbage.test', 'A') }, 'garbage cannot be read');
is(unpack('n', ask_raw($dns, 'garbage.test', 'A')), 0x1234, 'but has the id');
isnt(unpack('n', ask_raw($dns, 'noise.test', 'A')), 0x1234, 'noise has not');
isnt(ask($dns, 'id.test', 'A')->{id}, 0x1234, 'nor has a forged answer');
like(ask_raw($dns, 'name.test', 'A'), qr/not-name/, 'another question');

$dns->set('a.test' => 'NXDOMAIN', 'new.test' => { A => ['192.0.2.9'] });
is(ask($dns, 'a.test', 'A')->{rcode}, 3, 'a name is changed');
is_deeply(records($dns, 'new.test', 'A'), ['A 60 192.0.2.9'], 'one is added');
$dns->all('SERVFAIL');
is(ask($dns, 'new.test', 'A')->{rcode}, 2, 'all fail');
$dns->all(undef);
is(ask($dns, 'new.test', 'A')->{rcode}, 0, 'and no longer');
$dns->zone({ 'only.test' => 'NODATA' });
is(ask($dns, 'new.test', 'A')->{rcode}, 3, 'another zone');
is(ask($dns, 'only.test', 'A')->{rcode}, 0, 'has its own names');
udp($dns)->send('x');
is(ask($dns, 'only.test', 'A')->{rcode}, 0, 'what is no question is ignored');

my $port = $dns->port;
my $pid = $dns->{pid};
$dns->stop;
ok(!kill(0, $pid), 'the server is gone');
ok(!connect_tcp($dns), 'and refuses');

SKIP: {
	skip 'Net::DNS is not installed', 3 unless eval { require Net::DNS; 1 };
	my $other = Sniport::DNS->new(zone => {
		'alias.test' => { CNAME => 'a.test' },
		'a.test' => { A => [ map { "192.0.2.$_" } 1 .. 60 ] },
	});
	my $resolver = Net::DNS::Resolver->new(nameservers => [ $other->host ],
		port => $other->port, recurse => 1, udp_timeout => 5,
		tcp_timeout => 5);
	my $packet = $resolver->send('alias.test', 'A');
	is(scalar $packet->answer, 61, 'another resolver reads all of it');
	is(($packet->answer)[0]->cname, 'a.test', 'the alias');
	is(($packet->answer)[60]->address, '192.0.2.60', 'and the last address');
}
done_testing();
