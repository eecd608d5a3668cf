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

use POSIX ();

use Sniport::Alone qw(alone not_alone);
use Sniport::Test qw(run);

# Perl has no wrappers of unshare(2) and setns(2).
my %CALLS = (x86_64 => { unshare => 272, setns => 308 },
	aarch64 => { unshare => 97, setns => 268 });
my $CLONE_NEWNET = 0x40000000;

# Why there can be no networks; '' where there can.
sub impossible {
	return not_alone() unless alone;
	return 'this machine\'s system calls are not known here'
	    unless $CALLS{ (POSIX::uname())[4] };
	my ($status) = run(qw(ip -Version));
	return 'iproute2 is needed' if $status;
	return '';
}

sub call {
	my ($name, @arguments) = @_;

	syscall($CALLS{ (POSIX::uname())[4] }{$name}, @arguments) == 0
	    or die "$name: $!";
	return;
}

sub this {
	open my $file, '<', '/proc/self/ns/net' or die "namespace: $!";
	return $file;
}

# The network that the test is in.
sub here {
	my ($class) = @_;

	return bless { file => this() }, $class;
}

# One that has loopback and no way out.
sub new {
	my ($class) = @_;
	my $before = this();

	call('unshare', $CLONE_NEWNET);
	my $self = bless { file => this() }, $class;
	call('setns', fileno $before, $CLONE_NEWNET);
	$self->ip('link set dev lo up');
	return $self;
}

# Runs the code in that network; what it opens or starts stays there. Returns
# one value.
sub within {
	my ($self, $code) = @_;
	my $before = this();

	call('setns', fileno $self->{file}, $CLONE_NEWNET);
	my $value = eval { $code->() };
	my $error = $@;
	call('setns', fileno $before, $CLONE_NEWNET);
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

	$self->within(sub {
		open my $file, '>', '/proc/sys/net/' . $name =~ tr!.!/!r
		    or die "net.$name: $!";
		print $file $value;
		close $file or die "net.$name: $!";
	});
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
