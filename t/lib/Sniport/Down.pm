# Workers that are down, and what becomes of connections that wait for them.
#
#     my @queued = down($daemon, 0, 4, sub { waiting($daemon, 30, $name) });
#     is(served(@queued), 30, 'all that wait are served');
#     is(servers($daemon, @queued), '1 2', 'by these workers');
package Sniport::Down;

use strict;
use warnings;

use Exporter qw(import);

use Sniport::Client ();
use Sniport::Test qw(deadline left poll timeout);
use Sniport::Tunnel qw(finish works);

our @EXPORT_OK = qw(audited down ready served servers waiting);

# How often the worker with that number has begun to serve.
sub ready {
	my ($daemon, $number) = @_;

	return scalar(() = $daemon->log =~ /worker $number\[\d+\]: ready/g);
}

# So many connections for a server name, which may wait; to the listener of that
# name.
sub waiting {
	my ($daemon, $n, $name, $listener) = @_;

	return map { Sniport::Client->open(port => $daemon->port($listener),
		name => $name) } 1 .. $n;
}

# How many of them are tunnels to an echo, and end well.
sub served { return scalar grep { $_->handshake && works($_) && finish($_) } @_; }

# The audit lines of these clients.
sub audited {
	my ($daemon, @clients) = @_;
	my %port = map { $_->local_port => 1 } @clients;
	my @lines;

	poll(sub {
		@lines = grep { $port{ $_->{client_port} // 0 } } $daemon->audit;
		return @lines >= @clients;
	});
	return @lines;
}

# Which workers have served these.
sub servers {
	my %seen = map { $_->{worker} => 1 } audited(@_);

	return join ' ', sort keys %seen;
}

# Has the worker die until its replacement is put off for so many seconds;
# before it dies for the last time it stands still, and the code is run.
sub down {
	my ($daemon, $number, $seconds, $before) = @_;
	my $half = $seconds / 2;
	my $last = 0;
	my $deadline = deadline(6 * timeout());

	while (left($deadline) > 0) {
		my $pid;
		poll(sub { ($pid = $daemon->worker($number)) && $pid != $last })
		    or die $daemon->log;
		my $is_last = $daemon->log =~
		    /worker $number: died again: replaced in $half s$/m;
		kill 'STOP', $pid if $is_last;
		my @result = $is_last ? $before->() : ();
		kill 'KILL', $pid;
		$daemon->wait_log(qr/worker $number\[$pid\] of generation \d+: died/)
		    or die $daemon->log;
		return @result if $is_last;
		$last = $pid;
	}
	die "its replacement is not put off for $seconds s:\n" . $daemon->log;
}

1;
