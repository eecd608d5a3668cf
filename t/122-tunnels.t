#!/usr/bin/perl
# sniport tunnels: who is connected to where, now.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::UNIX;
use JSON::PP;

use Sniport::Admin qw(ask);
use Sniport::Daemon;
use Sniport::Test qw(poll run sniport);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(
	hosts => "127.0.0.1 peer.test\n127.0.0.1 other.test\n",
	top => 'workers = 2;');
my @asks = (sniport(), '--control', $daemon->dir . '/control.sock');

sub tunnels {
	my ($status, $text) = run(@asks, 'tunnels', '--json', @_);

	return $status == 0 ? map { decode_json($_) } split /\n/, $text
	    : { text => $text };
}

is_deeply([ tunnels() ], [], 'there is none');
my @client = map { tunnel_open($daemon, $upstream,
	name => "$_.test:" . $upstream->port) } qw(peer peer other);
ok(works($_, 1000), 'bytes go') for @client;
my @all;
poll(sub { (@all = tunnels()) == 3 });
is(scalar(@all), 3, 'three are listed');
for my $t (@all) {
	is($t->{event}, 'open', 'which are open');
	like($t->{total_ms}, qr/^\d+\.\d+$/, 'for so long');
	cmp_ok($t->{bytes_from_client}, '>=', 1000, 'bytes from the client');
	is($t->{bytes_from_upstream}, $t->{bytes_from_client}, 'and back');
	ok(!exists $t->{$_}, "no $_") for qw(reason closed_first);
}
is_deeply([ map { $_->{host} } sort { $a->{host} cmp $b->{host} } @all ],
	[ qw(other.test peer.test peer.test) ], 'by their hosts');

my ($one) = grep { $_->{host} eq 'other.test' } @all;
for (
	[ 'an id', 1, $one->{tunnel} ],
	[ 'an id by its name', 1, "id=$one->{tunnel}" ],
	[ 'an id that is none', 0, '9-9-9' ],
	[ 'a host', 2, 'host=peer.test' ],
	[ 'a target', 1, "target=$one->{target}" ],
	[ 'a target without its port', 0, 'target=peer.test' ],
	[ 'a rule', 3, "rule=$one->{rule}" ],
	[ 'a rule that is none', 0, 'rule=a b&c' ],
	[ 'a client', 3, 'client=127.0.0.0/8' ],
	[ 'another client', 0, 'client=192.0.2.1' ],
	[ 'an identity that nobody has', 0, 'identity=spiffe://a/b' ],
	[ 'a generation', 3, 'generation=1' ],
	[ 'another generation', 0, 'generation=2' ],
	[ 'two filters', 1, 'generation=1', 'host=other.test' ],
	[ 'two of which one is wrong', 0, 'generation=2', 'host=other.test' ],
) {
	my ($name, $count, @filter) = @$_;
	my @got = tunnels(@filter);
	is(scalar(grep { $_->{event} } @got), $count, $name)
	    or diag(explain \@got);
}

my ($status, $text) = run(@asks, 'tunnels', 'host=other.test');
is($status, 0, 'as text');
like($text, qr/^\S+ open \S+ -> other\.test:\d+ via \S+ .*\n\z/,
	'which is one line');
($status, $text) = run(@asks, 'tunnels', 'colour=red');
is($status, 2, 'a filter that is not there');
like($text, qr/"colour" is not a filter/, 'is told');
($status, $text) = run(@asks, 'tunnels', 'client=here');
is($status, 2, 'a client that is not an address');
my @wrong;
for (4050 .. 4090) {
	($status, $text) = run(@asks, 'tunnels', 'host=' . 'a' x $_, 'b' x 9000);
	push @wrong, "$_: $status $text"
	    if $status != 2 || $text !~ /filters are too long/;
}
is_deeply(\@wrong, [], 'filters of any length that is too much');

# An admin process that was broken into may answer anything.
my $path = $daemon->dir . '/false.sock';
my $false = IO::Socket::UNIX->new(Local => $path, Listen => 1)
    or die "listen: $!";
open my $pipe, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', sniport(),
    '--control', $path, 'status' or die "status: $!";
my $asked = $false->accept or die "accept: $!";
$asked->sysread(my $request, 8192);
$asked->syswrite("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na\tb\e[2J\x7f\n");
close $asked;
is(join('', <$pipe>), "a\tb?[2J?\n", 'what a terminal would obey is not shown');
close $pipe;

ok(finish($one = $client[2]), 'one ends');
poll(sub { tunnels() == 2 });
is(scalar(my @left = tunnels()), 2, 'and is not listed any more');
$daemon->reload(log => 'level = "info";');
my @old;
poll(sub { @old = grep { $_->{event} } tunnels('generation=1');
	@old == 2 && -1 < index join('', run(@asks, 'status')), 'generation: 2' });
is(scalar(@old), 2, 'those of an old generation are');
ok(finish($_), 'they work') for @client[ 0, 1 ];
$daemon->stop_ok;

done_testing;
