# Networks (network namespaces) with lines (veth pairs) between them. They have
# no names and live as long as this object or a process in them, so nothing is
# left behind, whatever becomes of the test.
#
#     use Sniport::Alone qw(alone not_alone);
#     ... skip $why, 1 if my $why = Sniport::Network::impossible();
#     my $here = Sniport::Network->here;
#     my $there = Sniport::Network->new;
#     $here->line('out0', $there, 'up');
#     $here->ip('address add 10.9.0.1/24 dev out0');
#     my $upstream = $there->within(sub { Sniport::Upstream->new(...) });
package Sniport::Network;

use strict;
use warnings;

use Sniport::Alone qw(alone not_alone);
use Sniport::Namespace qw(enter_network leave_network set_here
	this_network unknown_calls);
use Sniport::Test qw(run);

# Why there can be no networks; '' where there can.
sub impossible {
	return not_alone() unless alone;
	return unknown_calls() if unknown_calls();
	my ($status) = run(qw(ip -Version));
	return 'iproute2 is needed' if $status;
	return '';
}

# The network that the test is in.
sub here {
	my ($class) = @_;

	return bless { file => this_network() }, $class;
}

# One that has loopback and no way out.
sub new {
	my ($class) = @_;
	my $before = this_network();

	leave_network();
	my $self = $class->here;
	enter_network($before);
	$self->ip('link set dev lo up');
	return $self;
}

# Runs the code in that network; what it opens or starts stays there. Returns
# one value.
sub within {
	my ($self, $code) = @_;
	my $before = this_network();

	enter_network($self->{file});
	my $value = eval { $code->() };
	my $error = $@;
	enter_network($before);
	die $error if $error;
	return $value;
}

# Runs ip(8) there, with these words.
sub ip {
	my ($self, $words) = @_;

	my $result = $self->within(sub { [ run('ip', split ' ', $words) ] });
	die "ip $words: $result->[1]" if $result->[0];
	return;
}

# Sets net.NAME of sysctl(8) there.
sub set {
	my ($self, $name, $value) = @_;

	$self->within(sub { set_here($name, $value); });
	return;
}

# A line between the two, by a device on each side. Answers need not come by
# the way that a packet to there would take.
sub line {
	my ($self, $device, $other, $far) = @_;

	$self->ip("link add $device type veth peer name $far netns " .
		"/proc/$$/fd/" . fileno $other->{file});
	for ([ $self, $device ], [ $other, $far ]) {
		my ($network, $name) = @$_;
		$network->set("ipv4.conf.$_.rp_filter", 0) for 'all', $name;
		$network->ip("link set dev $name up");
	}
	return;
}

1;
