#!/usr/bin/perl
# The ticket of TLS 1.3 is no byte that anybody asked for: a client that only
# writes is not to find it unread in its way when it closes, since its kernel
# then resets the connection and what is still on its way is lost. A client
# that reads resumes all the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::DNS;
use Sniport::Record;
use Sniport::Test qw(deadline poll readable tls_library);
use Sniport::Upstream;

my $COUNT = 20;
my $SIZE = 100_000;
my $dns = Sniport::DNS->new;
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	dns => 'servers = [ "' . $dns->server . '" ]; family = "ipv4";
		timeout = "500ms"; tries = 10; cache_size = 0;');

sub client {
	my ($upstream, %option) = @_;

	return Sniport::Client->new(port => $daemon->port,
		name => (delete $option{to} // 'example.com') . ':' .
		    $upstream->port,
		version => '1.3', %option);
}

# Sends all and closes without a read; what the upstreams got of each.
sub written {
	my (%option) = @_;
	my $upstream = Sniport::Upstream->new('sink');
	my @ports = map {
		my $client = client($upstream, %option);
		my $port = $client->local_port;
		$client->put('w' x $SIZE);
		Net::SSLeay::shutdown($client->{ssl});
		$client->close;
		$port;
	} 1 .. $COUNT;
	my %seen;
	for (@ports) {
		my $report = $upstream->report;
		$seen{"$report->{bytes} $report->{end}"}++;
	}
	my %lines = lines_of($daemon, @ports);
	$seen{ $_->{reason} }++ for values %lines;
	return \%seen;
}

my %whole = ("$SIZE fin" => $COUNT, done => $COUNT);
is_deeply(written(version => "1.$_"), \%whole,
	"TLS 1.$_: clients that only write and close") for 2, 3;

# Before the upstream is there, too: the name is slow to resolve.
{
	my $upstream = Sniport::Upstream->new('sink');
	$dns->set('late.test' => 'drop');
	my $client = client($upstream, to => 'late.test');
	my $port = $client->local_port;
	$client->put('w' x 10_000);
	Net::SSLeay::shutdown($client->{ssl});
	$client->close;
	$dns->set('late.test' => { A => ['127.0.0.1'] });
	is_deeply([ @{ $upstream->report }{qw(bytes end)}, 
		{ lines_of($daemon, $port) }->{$port}{reason} ],
		[ 10_000, 'fin', 'done' ], 'gone before the upstream is there');
}

# A session from each way on which bytes of ours come, and whether it is good.
sub resumes_ok {
	my ($title, $client, $code, %option) = @_;
	my $echo = Sniport::Upstream->new('echo');

	is(scalar @{ $client->{sessions} }, 0, "$title: no ticket yet");
	$code->($client);
	my $session = $client->{sessions}[-1];
	ok($session, "$title: a ticket") or return;
	my $next = client($echo, session => $session, %option);
	$next->put('ping');
	is_deeply([ $next->resumed, $next->get(4) ], [ 1, 'ping' ],
		"$title: is good");
	$next->end;
	$next->wait_end;
	return;
}

my $echo = Sniport::Upstream->new('echo');
my $client = client($echo);
ok(!readable($client->socket, deadline(0.2)),
	'nothing is sent to a client before its upstream has spoken');
is(scalar @{ $client->{sessions} }, 0, 'not the ticket either');
$client->put('x');
is($client->get(1), 'x', 'the first bytes come');
is(scalar @{ $client->{sessions} }, 1, 'and the ticket');
$client->end;
$client->wait_end;

# A resumed session brings another ticket, since each is used once.
for my $n (1 .. 3) {
	my $next = client($echo, session => $client->{sessions}[-1]);
	is($next->resumed, 1, "resumed, number $n");
	is(scalar @{ $next->{sessions} }, 0, "resumed, number $n: no ticket yet");
	$next->put('x');
	$next->get(1);
	is(scalar @{ $next->{sessions} }, 1, "resumed, number $n: a ticket");
	$next->end;
	$next->wait_end;
	$client = $next;
}

$client = client(Sniport::Upstream->new('speak_first'));
$client->get(1);
ok($client->{sessions}[-1], 'an upstream that speaks first');
$client->close;

my $sink = Sniport::Upstream->new('sink');
resumes_ok('an upstream without a byte', client($sink), sub {
	my ($silent) = @_;
	$silent->put('x');
	$silent->end;
	is($silent->wait_end, 'close_notify', 'an upstream without a byte: ends');
});

resumes_ok('a refused upstream', client(Sniport::Upstream->closed), sub {
	is($_[0]->wait_end, 'reset', 'a refused upstream: a reset');
});

resumes_ok('an upstream that resets', client(
	Sniport::Upstream->new(reset_after => 1)), sub {
	my ($cut) = @_;
	$cut->put('x');
	is($cut->wait_end, 'reset', 'an upstream that resets: a reset');
});

# The answer to a KeyUpdate is sealed after the ticket, and comes behind it.
# OpenSSL (3.0) gives it when it comes to the next message, AWS-LC when it has
# data to send, which the sink never has.
$client = client($sink, Sniport::Record::suite('1.3'));
my $record = Sniport::Record->new($client);
resumes_ok('a KeyUpdate', $client, sub {
	$record->send($record->key_update(1), $record->key_update(1));
	poll(sub { $client->fill(deadline(0)); @{ $client->{sessions} } });
}, Sniport::Record::suite('1.3')) if tls_library() eq 'OpenSSL';
$record->send($record->data('x'), $record->close_notify);
is($client->wait_end, 'close_notify', 'a KeyUpdate: all can be read');

$daemon->stop_ok;

done_testing;
