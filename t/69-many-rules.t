#!/usr/bin/perl
# What many rules cost in memory, of the master and of each worker: what reading
# them takes is given back, before workers are forked and after every reload.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll run slow sniport usage);
use Sniport::Tunnel qw(finish works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: only jemalloc is asked to give memory back'
    if slow() || (run('ldd', sniport()))[1] !~ /jemalloc/;

my $RULES = 20_000;
my $MOST = 530; # bytes for one

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my @rules = map { qq({ name = "rule-$_"; action = "allow";
	destinations = [ "host-$_.department.example.com:$port" ];
	networks = [ "127.0.0.0/8" ]; }) } 1 .. $RULES;

sub start {
	return Sniport::Daemon->new(rules => join(",\n", @_), top => 'workers = 1;',
		hosts => "127.0.0.1 host-$RULES.department.example.com\n");
}

# What the master and its worker have, in this order.
sub memory {
	my ($daemon) = @_;

	return map { usage($_)->{memory} } $daemon->pid, $daemon->workers;
}

my $few = start($rules[-1]);
my @base = memory($few);
$few->stop_ok;

my $daemon = start(@rules);
my @first = memory($daemon);
my $i = 0;
for my $who (qw(master worker)) {
	my $each = ($first[$i] - $base[$i]) / $RULES;
	cmp_ok($each, '<', $MOST, "$who: bytes for a rule");
	cmp_ok($each, '>', 0, "$who: it was measured");
	$i++;
}
my $client = Sniport::Client->new(port => $daemon->port,
	name => "host-$RULES.department.example.com:$port");
ok(works($client) && finish($client), 'the last of them decides');
is($daemon->wait_audit->{rule}, "rule-$RULES", 'and is named');

$daemon->reload for 1 .. 3;
# Until the worker of the generation before is gone.
ok(poll(sub { usage($daemon->pid)->{memory} < $first[0] + $MOST * $RULES / 4 }),
	'master: no more after some reloads');
note(join ' ', map { int $_ / 1024 } @base, @first,
	usage($daemon->pid)->{memory});
$daemon->stop_ok;
done_testing;
