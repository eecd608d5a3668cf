# A syslog daemon of our own, in a /dev of sniport's own.
#
#     my $why = no_syslog();   # undef where it can be had
#     my $daemon = Sniport::Daemon->new(syslog(), log => 'access = "syslog";');
#     my $text = syslog_next($daemon, qr/"event"/);
#     syslog_leave($daemon); syslog_return($daemon);   # it restarts
package Sniport::Syslog;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::UNIX;
use Socket;

use Sniport::Test qw(deadline readable run temporary);

our @EXPORT_OK = qw(no_syslog syslog syslog_leave syslog_next syslog_return);

# The log of that /dev is a link to a socket in the folder.
my $script = <<'EOT';
set -e
mkdir -p "$0/dev"
mount -t tmpfs -o mode=755 tmpfs "$0/dev"
for file in null full urandom; do
	: >"$0/dev/$file"
	mount --bind "/dev/$file" "$0/dev/$file"
done
ln -s "$0/syslog" "$0/dev/log"
mount --bind "$0/dev" /dev
exec "$@"
EOT

sub wrapper { return (qw(unshare -m sh -c), $script, $_[0]); }

# Why there is none.
sub no_syslog {
	my $dir = temporary();
	my ($status, $text) = run(wrapper("$dir"), 'true');

	return $status ? "no /dev of its own: $text" : undef;
}

# It begins, perhaps anew: what the last one was sent and did not read is gone.
sub syslog_return {
	my ($daemon) = @_;
	my $path = $daemon->dir . '/syslog';

	syslog_leave($daemon);
	$daemon->{syslog} = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
		Local => $path) or die "syslog: $!";
	chmod 0666, $path or die $!;
	return;
}

# It is gone.
sub syslog_leave {
	my ($daemon) = @_;

	close delete $daemon->{syslog} if $daemon->{syslog};
	unlink $daemon->dir . '/syslog';
	return;
}

# Options for a daemon that has it.
sub syslog {
	my @wrapper = wrapper('');

	return (wrapper => \@wrapper, before => sub {
		my ($daemon) = @_;

		$wrapper[-1] = $daemon->dir;
		syslog_return($daemon);
	});
}

# The next datagram that matches; '' when none comes.
sub syslog_next {
	my ($daemon, $match) = @_;

	for (;;) {
		readable($daemon->{syslog}, deadline()) or return '';
		recv $daemon->{syslog}, my $text, 65536, 0;
		return $text if $text =~ $match;
	}
}

1;
