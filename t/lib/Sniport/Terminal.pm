# A program on a terminal of its own.
#
#     my $terminal = Sniport::Terminal->new([ 'sniport', 'top' ], 24, 80);
#     $terminal->shows(qr/tunnels/); $terminal->type('q');
#     $terminal->resize(10, 40);
#     is($terminal->end, 0, 'its exit status');
#
# What it has shown so far is in {text}, with all escapes.
package Sniport::Terminal;

use strict;
use warnings;

use Fcntl qw(O_NOCTTY O_RDWR);
use POSIX ();

use Sniport::Test qw(deadline left readable);

# ioctl_tty(2)
my ($TIOCSCTTY, $TIOCSWINSZ, $TIOCGPTN, $TIOCSPTLCK) =
    (0x540e, 0x5414, 0x80045430, 0x40045431);

sub new {
	my ($class, $command, @size) = @_;

	sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!";
	my ($unlocked, $number) = (pack('i', 0)) x 2;
	ioctl $master, $TIOCSPTLCK, $unlocked or die "TIOCSPTLCK: $!";
	ioctl $master, $TIOCGPTN, $number or die "TIOCGPTN: $!";
	my $self = bless { master => $master, text => '' }, $class;
	$self->resize(@size);
	my $name = '/dev/pts/' . unpack 'i', $number;
	$self->{pid} = fork() // die "fork: $!";
	if ($self->{pid} == 0) {
		POSIX::setsid();
		sysopen my $slave, $name, O_RDWR or POSIX::_exit(126);
		ioctl $slave, $TIOCSCTTY, 0;
		POSIX::dup2(fileno $slave, $_) for 0 .. 2;
		exec @$command or POSIX::_exit(127);
	}
	return $self;
}

# The kernel tells the program of it.
sub resize {
	my ($self, $lines, $columns) = @_;

	my $size = pack 'S4', $lines, $columns, 0, 0;
	ioctl $self->{master}, $TIOCSWINSZ, $size or die "TIOCSWINSZ: $!";
	return;
}

sub type {
	my ($self, $keys) = @_;

	syswrite $self->{master}, $keys;
	return;
}

# Waits until what is shown from now on matches; false: it does not.
sub shows {
	my ($self, $pattern) = @_;
	my $deadline = deadline();
	my $text = '';

	while ($text !~ $pattern) {
		return 0 if !readable($self->{master}, $deadline);
		# It has ended: EIO.
		my $n = sysread $self->{master}, $text, 65536, length $text;
		last if !$n;
		$self->{text} .= substr $text, -$n;
	}
	return $text =~ $pattern ? 1 : 0;
}

# Waits for its end; its exit status, 128 + N for signal N.
sub end {
	my ($self) = @_;

	$self->shows(qr/(?!)/);
	my $deadline = deadline();
	while (waitpid($self->{pid}, POSIX::WNOHANG()) == 0) {
		kill 'KILL', $self->{pid} if left($deadline) == 0;
		select undef, undef, undef, 0.01;
	}
	my $status = $?;
	delete $self->{pid};
	return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

sub DESTROY {
	my ($self) = @_;

	return if !$self->{pid};
	local ($?, $!);
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

1;
