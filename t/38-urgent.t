#!/usr/bin/perl
# TCP's urgent bytes keep their place in the stream, and nothing behind them
# stays behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket qw(MSG_OOB);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline readable);
use Sniport::Tunnel qw(finish);
use Sniport::Upstream;

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n");
my ($worker) = $daemon->workers;
my $upstream = Sniport::Upstream->new(code => sub {
	my ($socket, $self) = @_;
	while (defined $self->get($socket)) {
		syswrite $self->{report}, "{}\n";
		readable($self->{go}, deadline()) && sysread $self->{go}, my $go, 1;
		for (['abc', 0], ['!', MSG_OOB], ['def', 0], ['?', MSG_OOB]) {
			send $socket, $_->[0], $_->[1];
		}
		syswrite $self->{report}, "{}\n";
	}
	return;
});

for my $version ('1.2', '1.3') {
	my $client = Sniport::Client->new(port => $daemon->port,
		name => 'example.com:' . $upstream->port, version => $version);
	for my $signal ('CONT', 'STOP', 'STOP') {
		$client->put('x');
		$upstream->report;
		# Stopped, the worker finds all of it there.
		kill $signal, $worker;
		$upstream->go;
		$upstream->report;
		kill 'CONT', $worker;
		is($client->get(8), 'abc!def?',
			"TLS $version, $signal: one after the other");
	}
	ok(finish($client), 'and the end is clean');
	$upstream->report;
}
$daemon->stop_ok;

done_testing;
