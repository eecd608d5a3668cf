# Tunnels to an upstream of kind "echo", for tests that do something to
# sniport meanwhile and want to know what has become of them.
#
#     my $tunnel = tunnel_open($daemon, $upstream);
#     ok(works($tunnel), 'bytes go both ways');
#     ok(finish($tunnel), 'both ends are clean');
#
#     my $arrivals = arrivals_start($daemon->port, 'peer.test:' . $upstream->port);
#     ... arrivals_more($arrivals, 3) ... arrivals_stop($arrivals) ...
package Sniport::Tunnel;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use POSIX ();
use Test::More;

use Sniport::Client ();
use Sniport::Test qw(deadline group_kill group_start poll readable);

our @EXPORT_OK = qw(all_done_ok arrivals_more arrivals_start arrivals_stop
	broken_peers finish is_open name_of seen tunnel_open works);

my $count = 0;

# The server name for this upstream.
sub name_of {
	my ($upstream, $host) = @_;

	return ($host // 'peer.test') . ':' . $upstream->port;
}

# A client with a tunnel through sniport's port (or the option port).
sub tunnel_open {
	my ($daemon, $upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => name_of($upstream), %option);
}

# Do bytes go both ways? The text is never the same, so that nothing that was
# sent before can be taken for it.
sub works {
	my ($client, $size) = @_;
	my $text = sprintf('%d %d;', $$, ++$count);

	$text x= 1 + ($size // 0) / length $text;
	return 0 unless $client->established && $client->put($text);
	return $client->get(length $text) eq $text;
}

# When a client with a tunnel of its own has its answers, the worker has seen
# all that came before.
sub seen {
	my ($bystander) = @_;

	works($bystander) && works($bystander)
	    or die 'the worker does not answer';
	return;
}

# Does the client see no end yet? Looks only, sends nothing.
sub is_open {
	my ($client) = @_;

	$client->fill(deadline(0));
	return !defined $client->ended;
}

# Ends a tunnel from the client's side. Were both ends clean?
sub finish {
	my ($client) = @_;

	return 0 unless $client->established;
	$client->end;
	return $client->wait_end eq 'close_notify';
}

# Opens one tunnel after the other in a process of its own, from now on.
sub arrivals_start {
	my ($port, $name) = @_;

	pipe(my $reports, my $report) or die "pipe: $!";
	pipe(my $stops, my $stop) or die "pipe: $!";
	my $pid = group_start(sub {
		my ($n, @wrong) = (0);
		do {
			my $client = Sniport::Client->new(port => $port,
				name => $name);
			my $good = works($client, 1000) && finish($client);
			$n++;
			push @wrong, "tunnel $n: " . ($client->ended //
				'wrong bytes') unless $good || @wrong > 20;
			syswrite $report, "\n";
		} until readable($stops, deadline(0));
		syswrite $report, JSON::PP::encode_json({ count => $n,
			wrong => \@wrong });
		POSIX::_exit(0);
	});
	my $arrivals = { pid => $pid, reports => $reports, stop => $stop };
	arrivals_more($arrivals, 1);
	return $arrivals;
}

# Waits until so many more tunnels have come and gone.
sub arrivals_more {
	my ($arrivals, $n) = @_;

	while ($n > 0) {
		readable($arrivals->{reports}, deadline()) &&
		    sysread($arrivals->{reports}, my $bytes, $n)
		    or die 'no tunnels arrive';
		$n -= length $bytes;
	}
	return;
}

# Ends that; a hash: count (of tunnels), wrong (texts of those that failed).
sub arrivals_stop {
	my ($arrivals) = @_;
	my $text = '';

	syswrite $arrivals->{stop}, "\n";
	waitpid $arrivals->{pid}, 0;
	group_kill($arrivals->{pid});
	readable($arrivals->{reports}, deadline(0)) or die 'no report';
	sysread $arrivals->{reports}, $text, 65536;
	return JSON::PP::decode_json($text);
}

# Of a Sniport::Peer's reports, a text for each tunnel that was not as it
# should be.
sub broken_peers {
	my @reports = @_;

	return grep { defined } map {
		my $r = $_;
		my @wrong = map { "$_: $r->{$_}" }
		    grep { defined $r->{$_} } qw(client_error upstream_error);
		push @wrong, "the client saw $r->{client_saw}"
		    if $r->{client_saw} ne 'close_notify';
		push @wrong, "the upstream saw $r->{upstream_saw}"
		    if $r->{upstream_saw} ne 'fin';
		push @wrong, "the upstream got $r->{upstream_got} of " .
		    "$r->{client_sent}" if $r->{upstream_got} != $r->{client_sent};
		push @wrong, "the client got $r->{client_got} of " .
		    "$r->{upstream_sent}" if $r->{client_got} != $r->{upstream_sent};
		@wrong ? "$r->{client}: " . join(', ', @wrong) : undef;
	} @reports;
}

# Two tests: there are so many audit lines, and all say that all went well.
# Returns them.
sub all_done_ok {
	my ($daemon, $n) = @_;
	my @lines;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll(sub { return (@lines = $daemon->audit) == $n; });
	is(scalar @lines, $n, 'each has its audit line');
	is_deeply([ map { $_->{reason} eq 'done' ? () :
		"$_->{client} $_->{reason}" } @lines ], [], 'which says "done"');
	return @lines;
}

1;
