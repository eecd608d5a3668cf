# Network namespaces by unshare(2) and setns(2), which Perl has no wrappers of.
# A file handle stands for one; it goes with the last handle and process.
package Sniport::Namespace;

use strict;
use warnings;

use Exporter qw(import);
use POSIX ();

our @EXPORT_OK = qw(enter_network leave_network set_here this_network
	unknown_calls);

my %CALLS = (x86_64 => { unshare => 272, setns => 308 },
	aarch64 => { unshare => 97, setns => 268 });
my $CLONE_NEWNET = 0x40000000;

# Why this cannot be done; '' where it may be.
sub unknown_calls {
	return $CALLS{ (POSIX::uname())[4] } ? '' :
	    'this machine\'s system calls are not known here';
}

sub call {
	my ($name, @arguments) = @_;

	syscall($CALLS{ (POSIX::uname())[4] }{$name}, @arguments) == 0
	    or die "$name: $!\n";
	return;
}

# The one that this process is in.
sub this_network {
	open my $file, '<', '/proc/self/ns/net' or die "namespace: $!\n";
	return $file;
}

sub enter_network {
	my ($namespace) = @_;

	call('setns', fileno $namespace, $CLONE_NEWNET);
	return;
}

# This process goes on in a new one, in which nothing is up.
sub leave_network {
	call('unshare', $CLONE_NEWNET);
	return;
}

# Sets net.NAME of sysctl(8) in the one that this process is in.
sub set_here {
	my ($name, $value) = @_;

	open my $file, '>', '/proc/sys/net/' . $name =~ tr!.!/!r
	    or die "net.$name: $!\n";
	print $file $value;
	close $file or die "net.$name: $!\n";
	return;
}

1;
