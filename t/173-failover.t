#!/usr/bin/perl
# Two nodes that share an address, at which clients come and by which tunnels
# leave: while it moves from one to the other, and back, all the time, no
# connection leaves either node by an address of its own, and who comes to the
# shared address is served. It moves by hand, and by keepalived where that is
# installed. Each node is a network of its own, on a bridge:
#
#     sniport a | out0 --- br0 --- out0 | sniport b
#                          |
#                   upstream, clients

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use POSIX ();
use Socket qw(SOCK_DGRAM SOL_SOCKET SO_RCVBUF);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Test qw(deadline group_kill group_start poll readable run slow temporary);
use Sniport::Tunnel qw(finish);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

my $AF_PACKET = 17;
my $ETH_P_ALL = 0x0300; # in the order of the network
my ($FAR, $SHARED) = ('10.74.0.2', '10.74.0.9');
my @own = ('10.74.0.11', '10.74.0.12');
my $dir = temporary();

my $hub = Sniport::Network->new;
my @nodes = map { Sniport::Network->new } 0, 1;
my ($bridge) = $hub->within(sub { (run(qw(ip link add br0 type bridge)))[0] });
plan skip_all => 'SKIPPED LOUDLY: this kernel has no bridges' if $bridge;
$hub->ip('link set dev br0 up');
$hub->ip("address add $FAR/24 dev br0");
for (0, 1) {
	$hub->line("port$_", $nodes[$_], 'out0');
	$hub->ip("link set dev port$_ master br0");
	$nodes[$_]->ip("address add $own[$_]/24 dev out0");
}

# Says whom it sees.
my $upstream = $hub->within(sub { Sniport::Upstream->new(
	code => sub {
		my ($socket, $upstream) = @_;
		$upstream->put($socket, $socket->peerhost . "\n");
		$upstream->get($socket);
		return (said => $socket->peerhost);
	}, host => $FAR) });

# From which addresses the hub sees connections to the upstream begin: a process
# that counts until it is told to stop.
pipe(my $counted, my $count) or die "pipe: $!";
pipe(my $stops, my $stop) or die "pipe: $!";
my $watcher = $hub->within(sub {
	socket(my $packets, $AF_PACKET, SOCK_DGRAM, $ETH_P_ALL) or die "packets: $!";
	setsockopt $packets, SOL_SOCKET, SO_RCVBUF, 1 << 22;
	return group_start(sub {
		my %seen;
		for (;;) {
			if (!readable($packets, deadline(0.1))) {
				last if readable($stops, deadline(0));
				next;
			}
			recv $packets, my $packet, 128, 0;
			my ($version, $protocol, $from, $to) =
			    unpack 'C x8 C x2 a4 a4', $packet;
			next if $version >> 4 != 4 || $protocol != 6 ||
			    Socket::inet_ntoa($to) ne $FAR;
			my ($port, $flags) = unpack 'x2 n x9 C',
			    substr $packet, 4 * ($version & 15);
			$seen{ Socket::inet_ntoa($from) }++
			    if $port == $upstream->port && ($flags & 0x12) == 2;
		}
		syswrite $count, join(' ', %seen) . "\n";
		POSIX::_exit(0);
	});
});

my $port;
sub daemon {
	my ($i) = @_;

	return $nodes[$i]->within(sub { Sniport::Daemon->new(
		hosts => "$FAR far.test\n",
		listeners => qq({ address = "$own[$i]:%PORT%"; },
			{ address = "$SHARED:) . ($port // '%PORT_shared%') .
			    '"; freebind = true; }',
		egress => qq({ name = "line"; source = [ "$SHARED" ]; }),
		timeouts => 'connect = "500ms";',
		rules => qq({ name = "r"; action = "allow"; egress = "line";
			destinations = [ "*:*" ]; networks = [ "$FAR" ]; })) });
}

my @daemons = (daemon(0));
$port = $daemons[0]->port('shared');
push @daemons, daemon(1);

sub client {
	my ($host, $at) = @_;

	return $hub->within(sub { Sniport::Client->new(host => $host, port => $at,
		name => 'far.test:' . $upstream->port) });
}

# What the upstream says first; undef: nothing.
sub greeting {
	my ($client) = @_;
	my $said = '';

	return undef if !$client || !$client->established;
	while ($said !~ /\n/) {
		my $byte = $client->get(1);
		return undef if $byte eq '';
		$said .= $byte;
	}
	finish($client);
	chomp $said;
	return $said;
}

# Comes to each node's own address all the time, whether it has the other or
# not. Nobody cares what becomes of them.
sub arrivals {
	my ($i) = @_;

	return group_start(sub {
		$ENV{SNIPORT_TEST_TIMEOUT} = 0.5;
		for (;;) {
			my $client = eval { client($own[$i], $daemons[$i]->port) };
			greeting($client) if $client;
			select undef, undef, undef, 0.01;
		}
	});
}

# What a client of the shared address is told, once it is served. The first may
# still go to the other node.
sub served {
	my $said;

	poll(sub {
		my $client = eval { client($SHARED, $port) } or return 0;
		return defined($said = greeting($client));
	});
	return $said;
}

# The address is at that node alone.
sub move {
	my ($i) = @_;

	$nodes[1 - $i]->within(sub {
		run(qw(ip address del), "$SHARED/32", qw(dev out0)) });
	$nodes[$i]->ip("address add $SHARED/32 dev out0");
	$hub->within(sub { run(qw(ip neighbour flush dev br0)) });
	return;
}

my $times = slow() ? 20 : 100;
subtest 'moved by hand' => sub {
	my @arrivals = map { arrivals($_) } 0, 1;
	my @wrong;
	for my $time (1 .. $times) {
		move($time % 2);
		my $said = served();
		push @wrong, "time $time: " . ($said // 'nobody')
		    if ($said // '') ne $SHARED;
	}
	is(join("\n", @wrong), '', "$times times: clients are served each time");
	group_kill($_) for @arrivals;
	$nodes[$_]->within(sub {
		run(qw(ip address del), "$SHARED/32", qw(dev out0)) }) for 0, 1;
};

sub keepalived {
	my ($i) = @_;
	my ($me, $other) = @own[ $i, 1 - $i ];

	open my $file, '>', "$dir/keepalived$i.conf" or die $!;
	print $file <<"END";
global_defs {
    router_id node$i
    vrrp_version 3
    script_user root
}
vrrp_track_file best {
    file $dir/best$i
    weight 1
}
vrrp_instance shared {
    state BACKUP
    interface out0
    virtual_router_id 74
    priority 100
    advert_int 0.02
    unicast_src_ip $me
    unicast_peer {
        $other
    }
    virtual_ipaddress {
        $SHARED/32 dev out0
    }
    track_file {
        best weight 1
    }
}
END
	close $file;
	best($i, 0);
	return $nodes[$i]->within(sub { group_start(sub {
		open STDOUT, '>>', "$dir/keepalived$i.log" or die $!;
		open STDERR, '>&', \*STDOUT;
		exec qw(keepalived --dont-fork --log-console --vrrp
			--use-file), "$dir/keepalived$i.conf",
		    '--pid', "$dir/k$i.pid", '--vrrp_pid', "$dir/v$i.pid";
	}) });
}

# What is added to that node's priority.
sub best {
	my ($i, $value) = @_;

	open my $file, '>', "$dir/best$i" or die $!;
	print $file "$value\n";
	close $file;
	return;
}

sub has {
	my ($i) = @_;

	return $nodes[$i]->within(sub { (run(qw(ip -4 -o address show dev out0)))[1] })
	    =~ / \Q$SHARED\E/ ? 1 : 0;
}

subtest 'moved by keepalived' => sub {
	my ($missing) = run(qw(keepalived --version));
	plan skip_all => 'SKIPPED LOUDLY: keepalived is not installed' if $missing;
	plan skip_all => 'all is slow here' if slow();
	# It takes its time, so there are fewer unless more are asked for.
	my $rounds = $ENV{SNIPORT_FAILOVERS} // 30;
	my @keepalived = map { keepalived($_) } 0, 1;
	my @arrivals = map { arrivals($_) } 0, 1;
	my @wrong;
	for my $time (1 .. $rounds) {
		my $i = $time % 2;
		best($i, 50);
		best(1 - $i, 0);
		poll(sub { has($i) && !has(1 - $i) }) or
		    push @wrong, "time $time: it does not move";
		my $said = served();
		push @wrong, "time $time: " . ($said // 'nobody')
		    if ($said // '') ne $SHARED;
		last if @wrong;
	}
	is(join("\n", @wrong), '', "$rounds times: clients are served each time")
	    or diag(map { Sniport::Test::slurp("$dir/keepalived$_.log") } 0, 1);
	group_kill($_) for @arrivals, @keepalived;
};

syswrite $stop, "\n";
my %seen = readable($counted, deadline()) ? split ' ', <$counted> : ();
is_deeply([ keys %seen ], [$SHARED], 'the upstream has seen no other address')
    or diag(explain(\%seen));
cmp_ok($seen{$SHARED} // 0, '>=', $times, 'but this one many times');
group_kill($watcher);

# Why there was no tunnel, where there was none. A client of the watch above may
# have been cut off with it; and one whose node has just lost the address waits.
my %reason;
$reason{ $_->{reason} }++ for map { $_->audit } @daemons;
ok($reason{egress_missing}, 'tunnels that were refused say why');
is(join(' ', grep { /unreachable|no_port|connect_failed|egress_failed/ }
	keys %reason), '', 'and nothing that is not so') or diag(explain(\%reason));

# Some tunnels of the watch have lost their address, and nobody ends them.
$_->stop_ok(signal => 'QUIT') for @daemons;
done_testing;
