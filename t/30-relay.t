#!/usr/bin/perl
# Every byte arrives, once and in order, both ways at once, and is counted.
# SNIPORT_RELAY_SIZE is the size of the largest stream, 1 GiB by default;
# SNIPORT_RELAY_SEED repeats a run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Peer;
use Sniport::Test qw(slow usage);

my $HOSTS = "127.0.0.1 peer.test\n";
my $size = $ENV{SNIPORT_RELAY_SIZE} // (slow() ? 64 << 20 : 1 << 30);
my $seed = $ENV{SNIPORT_RELAY_SEED} // time;
note "SNIPORT_RELAY_SEED=$seed";

# One test: all tunnels of the peers went well, and the audit lines have the
# same numbers.
sub tunnels_ok {
	my ($daemon, $name, @peers) = @_;
	my (@wrong, %sent);

	for my $report (map { $_->reports } @peers) {
		$sent{ $report->{client} } =
		    [ @$report{qw(client_sent upstream_sent)} ];
		push @wrong, $report unless
		    $report->{client_saw} eq 'close_notify' &&
		    $report->{upstream_saw} eq 'fin' &&
		    $report->{client_got} == $report->{upstream_sent} &&
		    $report->{upstream_got} == $report->{client_sent} &&
		    !$report->{client_error} && !$report->{upstream_error};
	}
	my $count = keys %sent;
	while (%sent) {
		my $line = $daemon->wait_audit(sub { $sent{ $_->{client} } });
		my ($client, $upstream) = @{ delete $sent{ $line->{client} } };
		push @wrong, $line unless $line->{reason} eq 'done' &&
		    $line->{bytes_from_client} == $client &&
		    $line->{bytes_from_upstream} == $upstream;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($count && !@wrong, "$name: $count tunnels") or
	    diag(explain([ @wrong > 4 ? @wrong[0 .. 3] : @wrong ]));
	return;
}

# One large stream each way.
my $daemon = Sniport::Daemon->new(hosts => $HOSTS);
my ($worker) = $daemon->workers;
my $before = usage($worker)->{peak};
tunnels_ok($daemon, "$size bytes each way", Sniport::Peer->new(
	port => $daemon->port, client => $size, upstream => $size,
	seed => $seed, version => '1.3'));
my $growth = usage($worker)->{peak} - $before;
SKIP: {
	skip 'memory is not what it will be in use', 1 if slow();
	cmp_ok($growth, '<', 6 << 20, 'the worker holds none of it');
}
tunnels_ok($daemon, 'TLS 1.2', Sniport::Peer->new(port => $daemon->port,
	client => $size / 16, upstream => $size / 16, seed => $seed + 1,
	version => '1.2'));
tunnels_ok($daemon, 'key updates', Sniport::Peer->new(port => $daemon->port,
	client => $size / 16, upstream => $size / 16, seed => $seed + 2,
	version => '1.3', keys => 1));

# Many at once, of both versions.
sub many {
	my ($first, $count, $bytes) = @_;

	return map { Sniport::Peer->new(port => $daemon->port, tunnels => $count,
		client => $bytes, upstream => $bytes, random => 1,
		seed => $seed + $first + 1000 * $_, version => "1.$_") } 2, 3;
}
tunnels_ok($daemon, 'random sizes', many(3, 100, 4 << 20));
$daemon->stop_ok;

# The smallest buffer, and one that holds more than one turn's work.
for my $buffer ('4KiB', '1MiB') {
	$daemon = Sniport::Daemon->new(hosts => $HOSTS, top => 'workers = 2;',
		limits => qq(buffer = "$buffer";));
	tunnels_ok($daemon, "buffers of $buffer", many(4, 20, 4 << 20));
	$daemon->stop_ok;
}

done_testing;
