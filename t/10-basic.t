#!/usr/bin/perl
# One tunnel from its start to its audit line, and one that is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $daemon = Sniport::Daemon->new(
	hosts => "127.0.0.1 example.com\n",
	rules => qq({ name = "billing"; action = "allow";
		destinations = [ "example.com:$port" ];
		networks = [ "127.0.0.0/8" ]; }));

my @workers = $daemon->workers;
is(scalar @workers, 1, 'one worker runs');

# A tunnel.
my $client = Sniport::Client->new(port => $daemon->port,
	name => "EXAMPLE.com:$port", version => '1.3');
ok($client->established, 'the handshake succeeds') or diag($client->ended);
ok($client->put('hello'), 'the client writes');
is($client->get(5), 'hello', 'and reads what the upstream has sent back');
my $local = $client->local_port;
$client->end;
is($client->wait_end, 'close_notify', 'both ends are clean');
my $report = $upstream->report;
is($report->{bytes}, 5, 'the upstream has got all bytes');
is($report->{end}, 'fin', 'and the end of the stream');

my $line = $daemon->wait_audit;
my %want = (
	event => 'end', reason => 'done', decision => 'allow',
	rule => 'billing', client => "127.0.0.1:$local",
	target => "example.com:$port", host => 'example.com', port => $port,
	server_name => "EXAMPLE.com:$port",
	upstream => "127.0.0.1:$port", egress => $report->{peer},
	tls_version => 'TLSv1.3', closed_first => 'client',
	bytes_from_client => 5, bytes_from_upstream => 5, worker => 0,
	generation => 1, listener => '127.0.0.1:' . $daemon->port,
);
is($line->{$_}, $want{$_}, "audit line: $_") for sort keys %want;
ok(!$line->{resumed}, 'audit line: not resumed');
for my $time (qw(hello_ms handshake_ms connect_ms total_ms)) {
	ok(($line->{$time} // -1) >= 0, "audit line: $time");
}
like($line->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
	'audit line: time');

# No rule.
$client = Sniport::Client->new(port => $daemon->port,
	name => 'evil.example:22');
is($client->ended, 'alert access_denied', 'what no rule allows is refused');
$line = $daemon->wait_audit;
is($line->{reason}, 'no_rule', 'audit line: reason');
is($line->{decision}, 'deny', 'audit line: decision');
is($line->{target}, 'evil.example:22', 'audit line: target');
ok(!exists $line->{upstream}, 'audit line: no upstream');

# Not a name.
my $answer = Sniport::Hello::exchange($daemon->port, Sniport::Hello::records(
	Sniport::Hello::client_hello(name => "example.com:0$port")));
is($answer->{alert}, 'unrecognized_name', 'a bad name is refused');
$line = $daemon->wait_audit;
is($line->{reason}, 'sni_bad_port', 'audit line: reason');
ok(!exists $line->{target}, 'audit line: no target');

# An upstream that is not there.
my $closed = Sniport::Upstream->closed;
$daemon->reload(rules => sprintf '{ name = "closed"; action = "allow";
	destinations = [ "example.com:%d" ]; networks = [ "127.0.0.0/8" ]; }',
	$closed->port);
$client = Sniport::Client->new(port => $daemon->port,
	name => 'example.com:' . $closed->port);
ok($client->established, 'a sidecar is not told of an upstream\'s fault');
is($client->wait_end, 'reset', 'but the tunnel is reset');
$line = $daemon->wait_audit;
is($line->{reason}, 'connect_refused', 'audit line: reason');
is($line->{generation}, 2, 'audit line: generation');

ok($upstream->quiet, 'no other connection reached the upstream');
$daemon->stop_ok;

done_testing;
