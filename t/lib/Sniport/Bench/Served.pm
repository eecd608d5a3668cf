# A proxy that runs: {name}, {port}, {pid} of its first process, and how it is
# stopped. Sniport::Bench::Sniport, ::Nginx, ::Haproxy and ::Envoy start one
# each, as it is configured best for this work; each setting says there why.
#
# All serve TLS 1.3 with the same certificate (ECDSA P-256) and group, by one
# process or thread that serves, under a user without rights where they can
# change it, and write one line per connection with the same content, as far as
# they know it, into a file.
package Sniport::Bench::Served;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX qw(WNOHANG);

use Sniport::Bench::Machine qw(cpu_time on_proxy processes pss);
use Sniport::Daemon;
use Sniport::Test qw(deadline group_kill group_start poll slurp write_file);

# Runs the command until it listens: name, command (without the configuration's
# name, which comes last), config (code that is given a port that was free a
# moment ago and returns the text), dir (a folder), suffix (of the name).
sub start {
	my ($class, %option) = @_;
	my ($name, $dir) = @option{qw(name dir)};
	my $file = "$dir/$name" . ($option{suffix} // '.conf');

	for my $try (1 .. 3) {
		my $free = Sniport::Daemon::hold_port();
		my $port = $free->sockport;
		close $free;
		write_file($file, $option{config}->($port));
		my $pid = group_start(sub {
			open STDIN, '<', '/dev/null' or die $!;
			open STDOUT, '>>', "$dir/$name.log" or die $!;
			open STDERR, '>>', "$dir/$name.err" or die $!;
			exec on_proxy(), @{ $option{command} }, $file
			    or die "$option{command}[0]: $!\n";
		});
		my $ended;
		my $listens = poll(sub {
			$ended = waitpid($pid, WNOHANG) != 0;
			return $ended || IO::Socket::INET->new(
				PeerAddr => '127.0.0.1', PeerPort => $port);
		});
		return bless { name => $name, port => $port, pid => $pid }, $class
		    if $listens && !$ended;
		group_kill($pid);
	}
	die "$name does not listen:\n" . slurp("$dir/$name.err");
}

# A user without rights, if we are root; the same for all.
sub user {
	my @user = getpwnam('nobody');

	return () if $> != 0 || !@user;
	return ($user[0], scalar getgrgid($user[3]));
}

# All processes of it, and those that serve.
sub processes_all { return processes($_[0]{pid}); }
sub workers { return $_[0]{pid}; }

sub cpu { return cpu_time($_[0]->processes_all); }
sub memory { return pss($_[0]->processes_all); }

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	kill 'TERM', $pid;
	poll(sub { waitpid($pid, WNOHANG) != 0 }, deadline(2));
	group_kill($pid);
	return;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	$self->stop;
	return;
}

1;
