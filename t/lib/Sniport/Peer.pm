# The program t/peer/peer.c: both ends of many tunnels at once, faster than
# Perl could be them, and each checks every byte of the other.
#
#     my $peer = Sniport::Peer->new(port => $daemon->port, tunnels => 200,
#             client => 1000000, upstream => 1000000, random => 1);
#     my @reports = $peer->reports;
#
# Options: port (sniport's, which must resolve peer.test to 127.0.0.1);
# tunnels; client and upstream (bytes that each sends); random => 1 (sizes are
# random, at most these); seed; version; first ('client', 'upstream' or
# 'together': who ends first, see peer.c); held ('client' or 'upstream': does
# not read until release()); keys => 1 (TLS 1.3 keys are updated both ways);
# fragment (at most so many bytes, 512 to 4096, in a record that sniport sends);
# ciphers (of TLS 1.2).
#
# A report is a hash: client (its "address:port"), client_sent, client_got,
# client_saw ("close_notify", "fin", "reset", "time", an error text),
# client_error where the bytes that came are not those that were sent, and the
# same for upstream.
package Sniport::Peer;

use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Open2 qw(open2);
use JSON::PP ();

use Sniport::Test qw(build deadline readable timeout);

my %SWITCH = (port => '-p', tunnels => '-n', client => '-c', upstream => '-u',
	seed => '-s', version => '-v', first => '-e', held => '-w',
	fragment => '-m', ciphers => '-l');
my %FLAG = (random => '-r', keys => '-k');

# The program stands beside the one that is under test.
sub program {
	return dirname($ENV{SNIPORT}) . '/peer/peer'
	    if $ENV{SNIPORT} && !$ENV{SNIPORT_BUILD};
	return build() . '/peer/peer';
}

sub new {
	my ($class, %option) = @_;
	my @arguments;

	for my $name (sort keys %option) {
		if ($FLAG{$name}) {
			push @arguments, $FLAG{$name} if $option{$name};
		} else {
			push @arguments, $SWITCH{$name} // die("no option $name"),
			    $option{$name};
		}
	}
	my $pid = open2(my $out, my $in, program(), @arguments);
	return bless { pid => $pid, out => $out, in => $in, buffer => '' }, $class;
}

# The next line that it prints, decoded; undef at its end.
sub line {
	my ($self, $deadline) = @_;
	my $end;

	while (($end = index $self->{buffer}, "\n") < 0) {
		readable($self->{out}, $deadline) or die 'the peer is silent';
		sysread($self->{out}, $self->{buffer}, 65536,
			length $self->{buffer}) or return undef;
	}
	return JSON::PP::decode_json(substr $self->{buffer}, 0, $end + 1, '');
}

# Waits for the standstill of a peer with "held"; the bytes that were sent by
# then.
sub standstill {
	my ($self) = @_;

	return $self->line(deadline())->{sent};
}

# Lets the held ends read.
sub release {
	my ($self) = @_;

	syswrite($self->{in}, "\n");
	return;
}

# Waits for the end of all tunnels; their reports, one each.
sub reports {
	my ($self, $deadline) = @_;
	my @reports;

	$deadline //= deadline(6 * timeout());
	while (my $report = $self->line($deadline)) {
		push @reports, $report;
	}
	waitpid delete $self->{pid}, 0;
	die "the peer ended with $?" if $?;
	return @reports;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	if ($self->{pid}) {
		kill 'KILL', $self->{pid};
		waitpid $self->{pid}, 0;
	}
	return;
}

1;
