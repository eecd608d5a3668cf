#!/usr/bin/perl
# A listener that cannot be had: what is said of it at the start, at a reload
# and by -t names the address, its line, and what to look at.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(build run slow);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# Where only loopback is, and IPv6 is off.
my @alone = (qw(unshare --net sh -c), 'ip link set lo up &&
	{ echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$@"; }', '-');

sub taken {
	my ($address) = @_;

	return IO::Socket::INET->new(Listen => 1, LocalAddr => $address)
	    || die "listen: $!";
}

# What is said of that address, of the file's third line.
sub said {
	my ($address, $error) = @_;

	return qr/:3: listeners\.address: \Q$address\E: bind: $error$/m;
}

sub in_use {
	my ($port, $has) = @_;

	return qr/Address already in use; another process, such as another sniport, has \Q$has\E: as root, ss -tanp "sport = :$port" shows which/;
}

my $taken = taken('127.0.0.1:0');
my $port = $taken->sockport;
my $other = taken('127.0.0.2:0');
my $beside = $other->sockport;
my @rows = (
	[ 'the address', "127.0.0.1:$port", in_use($port, 'it, or this port on all addresses') ],
	[ 'all addresses, one of which is taken', "0.0.0.0:$beside",
		in_use($beside, 'this port on some address') ],
	[ 'the same of both families', ":$beside", in_use($beside, 'this port on some address') ],
);

subtest 'at the start' => sub {
	for (@rows) {
		my ($title, $address, $error) = @$_;
		my $daemon = Sniport::Daemon->new(may_fail => 1,
			listeners => qq({ address = "$address"; }));
		is($daemon->wait_end, 1, "$title: there is no start");
		like($daemon->log, said($address, $error), "$title: why, and who to look for");
	}
};

subtest 'at a reload, and by -t' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	for (@rows) {
		my ($title, $address, $error) = @$_;
		$daemon->configure(listeners => qq({ address = "$address"; }));
		my ($status, $text) = $daemon->once('-t');
		is($status, 1, "$title: -t finds it");
		like($text, said($address, $error), "$title: and says the same");
		like($daemon->reload, qr/^Reload failed, generation 1 goes on: \S+:3: listeners\.address: \Q$address\E: bind: $error$/,
			"$title: so does a reload");
	}
	$daemon->stop_ok;
};

subtest 'what the connection of another has' => sub {
	# Who connects has a port as well, and need not share it.
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $port, LocalAddr => '127.0.0.3') or die "connect: $!";
	my $address = '127.0.0.3:' . $socket->sockport;
	my $daemon = Sniport::Daemon->new(may_fail => 1,
		listeners => qq({ address = "$address"; }));
	is($daemon->wait_end, 1, 'it is no start either');
	like($daemon->log, said($address, in_use($socket->sockport,
		'it, or this port on all addresses')), 'what is told to be run shows it');
};

# A child that was just forked has a copy of each listening socket.
for my $late (0, 1) {
	my $title = 'from one address to all, and back' .
	    ($late ? ', with children that take their time' : '');
	subtest $title => sub {
		plan skip_all => 'SKIPPED: a sanitizer comes before what is preloaded'
		    if $late && slow();
		my $daemon = Sniport::Daemon->new(@hosts, environment => {
			$late ? (LD_PRELOAD => build() . '/preload/late.so') : () });
		my $old = tunnel_open($daemon, $upstream);
		for my $address ('0.0.0.0:%PORT%', ':%PORT%', '127.0.0.1:%PORT%') {
			like($daemon->reload(listeners => qq({ address = "$address"; })),
				qr/^Serving:/, "$address: a reload does that");
			my $client = tunnel_open($daemon, $upstream);
			ok(works($client) && finish($client), "$address: it serves");
		}
		ok(works($old) && finish($old), 'a tunnel from before lives');
		$daemon->stop_ok;
	};
}

subtest 'by somebody who cannot know' => sub {
	plan skip_all => 'SKIPPED LOUDLY: not root' if $> != 0;
	my $daemon = Sniport::Daemon->new(@hosts);
	chown 65534, 65534, glob($daemon->dir . '/*'), $daemon->dir;
	my ($status, $text) = run(qw(setpriv --reuid=65534 --regid=65534
		--clear-groups), $daemon->command('-t', '-c', $daemon->dir . '/sniport.conf'));
	is($status, 1, '-t of another user cannot bind what the service has');
	like($text, qr/ shows which; where that is the running service, check as its user or as root$/m,
		'and says what to do');
	$daemon->stop_ok;
};

subtest 'addresses that are not there' => sub {
	my ($status, $text) = run(@alone, 'true');
	plan skip_all => "SKIPPED LOUDLY: no network of its own: $text" if $status;
	for (
		[ '192.0.2.1:8443', '' ],
		[ '[2001:db8::1]:8443', ', or IPv6 is disabled on its interface' ],
		[ '[::1]:8443', ', or IPv6 is disabled on its interface' ],
	) {
		my ($address, $more) = @$_;
		my $daemon = Sniport::Daemon->new(may_fail => 1, wrapper => \@alone,
			listeners => qq({ address = "$address"; }));
		is($daemon->wait_end, 1, "$address: there is no start");
		like($daemon->log, said($address, "Cannot assign requested address; this host does not have this address, or not yet \\(see listeners\\.freebind\\)$more"),
			"$address: what it may be");
	}
};

done_testing;
