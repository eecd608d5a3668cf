#!/usr/bin/perl
# Both streams have ended, but what was sent last has not arrived yet: the
# tunnel is over when it has, and the audit line says what became of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;

use Sniport::Audit qw(line_ok);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Record;
use Sniport::Test qw(deadline readable timeout);
use Sniport::Tunnel qw(seen);
use Sniport::Upstream;

# More than a peer that does not read takes, less than the kernel does.
my $SIZE = 1 << 20;
my $content = Sniport::Upstream::content($SIZE);

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n");
my $echo = Sniport::Upstream->new('echo');
my $bystander = Sniport::Client->new(port => $daemon->port,
	name => 'example.com:' . $echo->port);

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
}

sub has_line {
	my ($client) = @_;
	my $port = $client->local_port;

	return scalar grep { $_->{client_port} == $port } $daemon->audit;
}

# A client that has ended its stream, and reads nothing of what waits for it.
sub owed {
	my ($source, %option) = @_;
	my $client = client($source, %option);

	$client->end;
	$source->report;
	seen($bystander);
	return $client;
}

my $source = Sniport::Upstream->new(source => $SIZE);
for my $version ('1.2', '1.3') {
	my $client = owed($source, version => $version);
	ok(!has_line($client), "$version: it is not over while bytes are due");
	is($client->get_all, $content, "$version: the client reads them");
	is($client->wait_end, 'close_notify', "$version: to their end");
	line_ok($daemon, $client, "$version: then it is over", reason => 'done',
		bytes_from_upstream => $SIZE);

	$client = owed($source, version => $version);
	$client->reset;
	line_ok($daemon, $client, "$version: a client resets with bytes due",
		reason => 'client_reset');
}

# It ends its stream first, and resets when it is told to.
my $deaf = Sniport::Upstream->new(code => sub {
	my ($socket, $self) = @_;

	shutdown($socket, 1);
	readable($self->{go}, deadline(10 * timeout())) or return (end => 'time');
	sysread($self->{go}, my $byte, 1);
	setsockopt($socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0);
	return;
});
{
	my $client = client($deaf);
	is($client->wait_end, 'close_notify', 'an upstream has ended its stream');
	$client->put($content);
	$client->end;
	seen($bystander);
	ok(!has_line($client), 'it is not over while the upstream reads nothing');
	$deaf->go;
	line_ok($daemon, $client, 'the upstream resets with bytes due',
		reason => 'upstream_reset', closed_first => 'upstream');
}

# The same with an answer that comes when the client has ended its stream.
my $late = Sniport::Upstream->new(code => sub {
	my ($socket, $self) = @_;

	$self->read_all($socket);
	readable($self->{go}, deadline(10 * timeout())) or return (end => 'time');
	sysread($self->{go}, my $byte, 1);
	return (whole => $self->put($socket, $content) ? 1 : 0);
});
for my $version ('1.2', '1.3') {
	for (
		[ 'bytes that are not a record', sub { 'x' x 100 } ],
		[ 'half a record', sub { substr $_[0]->data('x' x 99), 0, 50 } ],
		[ 'a second close_notify', sub { $_[0]->close_notify } ],
		[ 'data', sub { $_[0]->data('x' x 99) } ],
	) {
		my ($what, $bytes) = @$_;
		my $title = "$version: $what after its close_notify";
		my $client = client($late, Sniport::Record::suite($version));
		my $record = Sniport::Record->new($client);
		$record->send($record->close_notify);
		seen($bystander);
		$record->send($bytes->($record));
		seen($bystander);
		$late->go;
		$late->report;
		is(length $client->get_all, $SIZE, "$title: it gets all");
		is($client->wait_end, 'close_notify', "$title: to its end");
		line_ok($daemon, $client, $title, reason => 'done',
			bytes_from_upstream => $SIZE);
	}
}

$bystander->end;
$daemon->stop_ok;

# Who does not read has the time of a tunnel that is half closed.
$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => 'half_close = "1s"; shutdown = "1ms";');
$bystander = client($echo);
{
	my $client = owed($source);
	line_ok($daemon, $client, 'a client never reads',
		reason => 'half_close_timeout');
	ok($client->wait_reset, 'it sees a reset');
}
$bystander->end;
$daemon->stop_ok;

done_testing();
