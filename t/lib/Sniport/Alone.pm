# Runs the whole test in a network of its own, which has loopback and no way
# out, and with mounts of its own:
#
#     use Sniport::Alone qw(alone);
#     ... skip 'SKIPPED LOUDLY: ' . not_alone(), 1 unless alone;
#
# Takes root, and a root directory that is a mount (in a plain chroot it is
# not); without them the test runs where it is, alone() is false and
# not_alone() says why. To be used before anything is forked, since the test
# starts anew.
package Sniport::Alone;

use strict;
use warnings;

use Exporter qw(import);
use Socket;

use Sniport::Test qw(run);

our @EXPORT_OK = qw(alone not_alone bind_file counter route);

# ioctl(2) and netdevice(7)
my $SIOCGIFFLAGS = 0x8913;
my $SIOCSIFFLAGS = 0x8914;
my $IFF_UP = 0x1;

my $why = 'root is needed';

sub alone { return $ENV{SNIPORT_ALONE} ? 1 : 0; }
sub not_alone { return "no network and mounts of its own: $why"; }

# Puts a file in the place of another, for this test and its children.
sub bind_file {
	my ($file, $place) = @_;

	my ($status, $text) = run('mount', '--bind', $file, $place);
	die "mount: $text" if $status;
	return;
}

# Is there a way to this address, other than by loopback? Nothing is sent.
sub route {
	my ($address) = @_;
	my $family = $address =~ /:/ ? AF_INET6 : AF_INET;
	my $ip = Socket::inet_pton($family, $address);

	socket(my $socket, $family, SOCK_DGRAM, 0) or return 0;
	return connect($socket, $family == AF_INET ? pack_sockaddr_in(9, $ip) :
		Socket::pack_sockaddr_in6(9, $ip)) ? 1 : 0;
}

# A counter of the network, such as "Tcp ActiveOpens" or "Ip6OutNoRoutes".
sub counter {
	my ($name) = @_;
	my ($section, $field) = split ' ', $name;
	my @keys;

	open my $file, '<', '/proc/net/snmp' . ($field ? '' : '6') or die $!;
	while (<$file>) {
		my @words = split;
		return $words[1] if !$field && $words[0] eq $section;
		next unless $field && $words[0] eq "$section:";
		if (!@keys) {
			@keys = @words;
			next;
		}
		my ($at) = grep { $keys[$_] eq $field } 0 .. $#keys;
		return $words[$at] if defined $at;
	}
	die "no counter $name";
}

sub loopback_up {
	my $request = pack 'Z16 x24', 'lo';

	socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
	ioctl($socket, $SIOCGIFFLAGS, $request) or die "SIOCGIFFLAGS: $!";
	my $flags = unpack 'x16 s', $request;
	$request = pack 'Z16 s x22', 'lo', $flags | $IFF_UP;
	ioctl($socket, $SIOCSIFFLAGS, $request) or die "SIOCSIFFLAGS: $!";
	return;
}

if (alone()) {
	loopback_up();
} elsif ($> == 0 && !$^C) {
	my @unshare = qw(unshare --net --mount);
	my ($status, $text) = run(@unshare, 'true');
	if ($status == 0) {
		$ENV{SNIPORT_ALONE} = 1;
		exec @unshare, $^X, $0, @ARGV or die "unshare: $!";
	}
	$why = $text =~ s/\s+\z//r;
}

1;
