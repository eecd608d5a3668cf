#!/usr/bin/perl
# What looks like the end of a stream and is not: the upstream, or the client,
# must see a reset, as it would on a direct connection.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use JSON::PP ();
use Time::HiRes ();

use Sniport::Audit qw(line_ok);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Record;
use Sniport::Test qw(deadline poll readable under_valgrind unsent writable);
use Sniport::Upstream;

my @VERSIONS = ('1.2', '1.3');
my $UPLOAD = 100_000;

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => 'shutdown = "1s";');

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, %option);
}

# An upstream that sends, once something has come, until nobody takes any more,
# says so, and then reads when it is told to.
sub flooding {
	return Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		my $block = 'x' x 65536;
		readable($socket, deadline());
		$socket->blocking(0);
		while (writable($socket, deadline(0.5))) {
			defined syswrite $socket, $block or last;
		}
		$socket->blocking(1);
		syswrite $self->{report}, "{\"stuck\":1}\n";
		readable($self->{go}, deadline());
		$self->read_all($socket);
		return;
	});
}

# What is sealed for the client lies in the worker when the client goes: a send
# to it fails, too, and says less than the receive.
for my $version (@VERSIONS) {
	my $name = "TLS $version: the client resets while sealed bytes wait";
	my $upstream = flooding();
	my $client = client($upstream, version => $version,
		receive_buffer => 4096);
	my $port = $client->local_port;
	$client->put('u' x $UPLOAD);
	poll(sub { unsent($client->socket) == 0 });
	ok($upstream->report->{stuck}, "$name: they do");
	$client->reset;
	$upstream->go;
	my $report = $upstream->report;
	is($report->{end}, 'reset', "$name: the upstream sees a reset");
	is($report->{bytes}, $UPLOAD, "$name: after all that was sent");
	line_ok($daemon, $port, $name, reason => 'client_reset', closed_first => 'client',
		client_truncated => undef, bytes_from_client => $UPLOAD);

	$name = "TLS $version: the client closes with unread data while " .
	    'sealed bytes wait';
	$upstream = flooding();
	$client = client($upstream, version => $version,
		receive_buffer => 4096);
	$port = $client->local_port;
	$client->put('u' x $UPLOAD);
	poll(sub { unsent($client->socket) == 0 });
	$upstream->report;
	$client->close;
	$upstream->go;
	$report = $upstream->report;
	is($report->{end}, 'reset', "$name: the upstream sees a reset");
	is($report->{bytes}, $UPLOAD, "$name: after all that was sent");
	line_ok($daemon, $port, $name, reason => 'client_reset', closed_first => 'client',
		client_truncated => undef, bytes_from_client => $UPLOAD);
}

# A client whose stream was broken hears of it by a reset alone: a fatal alert
# after the handshake is a clean end to Envoy.
for my $version (@VERSIONS) {
	my $name = "TLS $version: a broken record";
	my $upstream = Sniport::Upstream->new('sink');
	my $client = client($upstream, Sniport::Record::suite($version));
	my $port = $client->local_port;
	my $record = Sniport::Record->new($client);
	$record->send($record->data('good'), $record->data('bad') ^ "\0" x 8 . "\1");
	is($client->wait_end, 'reset', "$name: no alert, but a reset");
	my $report = $upstream->report;
	is($report->{end}, 'reset', "$name: so sees the upstream");
	line_ok($daemon, $port, $name, reason => 'client_tls', closed_first => 'client',
		bytes_from_client => 4);
}

# A stream that ends in the middle of a record lacks something for certain,
# whatever is believed of those that end without close_notify.
for my $version (@VERSIONS) {
	for ([ 'no record', 0, 'fin' ], [ 'a byte of a record', 1, 'reset' ],
	    [ 'a header', 5, 'reset' ], [ 'half a record', 500, 'reset' ],
	    [ 'all but a byte', -1, 'reset' ]) {
		my ($what, $length, $end) = @$_;
		my $name = "TLS $version: the client closes after $what";
		my $upstream = Sniport::Upstream->new('sink');
		my $client = client($upstream, Sniport::Record::suite($version));
		my $port = $client->local_port;
		my $record = Sniport::Record->new($client);
		# The second one's body has a length that a header could have.
		$record->send($record->data('whole'), $record->data('x'),
			substr $record->data('y' x 1000), 0, $length);
		$client->fin;
		my $report = $upstream->report;
		is($report->{end}, $end, "$name: the upstream sees a $end");
		is($report->{bytes}, 6, "$name: after what came whole");
		is($client->wait_end, $end eq 'fin' ? 'close_notify' : 'reset',
			"$name: so does the client");
		line_ok($daemon, $port, $name, closed_first => 'client',
			reason => $end eq 'fin' ? 'client_truncated' :
			    'client_cut',
			client_truncated => $end eq 'fin' ? JSON::PP::true :
			    undef, bytes_from_client => 6);
	}
}

$daemon->stop_ok;

# Who takes nothing of the last bytes is waited for as long as is said, though it
# is looked at ever less often.
my $SHUTDOWN = 5.4 * (under_valgrind() ? 5 : 1);
$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => sprintf 'shutdown = "%dms";', $SHUTDOWN * 1000);
{
	my $name = 'the upstream resets, the client does not read';
	my $upstream = Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		$self->put($socket, 'x' x 1_000_000);
		poll(sub { unsent($socket) == 0 });
		setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0;
		return (broke => Time::HiRes::time());
	});
	my @clients = map { client($upstream, receive_buffer => 4096) } 1 .. 5;
	my %broke = map { ($_->{peer} => $_->{broke}) }
	    map { $upstream->report } @clients;
	my (@took, @wrong);
	for my $client (@clients) {
		my $line = $daemon->wait_audit;
		push @took, Time::HiRes::time() - $broke{ $line->{egress} };
		push @wrong, $line if $line->{reason} ne 'upstream_reset';
	}
	@took = sort { $a <=> $b } @took;
	is_deeply(\@wrong, [], "$name: audit lines");
	cmp_ok($took[0], '>=', $SHUTDOWN, "$name: it is given timeouts.shutdown");
	cmp_ok($took[-1], '<', 1.7 * $SHUTDOWN, "$name: and not much more");
}
$daemon->stop_ok;

done_testing;
