#!/usr/bin/perl
# One address has several spellings: IPv4, IPv4 mapped into IPv6, and what
# NAT64 carries. A rule means all of them, for targets and for clients, and
# sniport -q says the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Proxy qw(v1);
use Sniport::Tunnel qw(finish works);
use Sniport::Upstream;

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

# Load balancers of ours, as NAT64 shows them, and one that is not ours.
my $here = Sniport::Network->here;
$here->set('ipv6.conf.all.disable_ipv6', 0);
$here->ip("-6 address add $_/128 dev lo nodad") for
    '64:ff9b::c000:201', '64:ff9b::c000:2f1';

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(
	listeners => '{ address = ":%PORT%";
		trusted_proxies = [ "192.0.2.0/28", "127.0.0.1" ]; }',
	hosts => "127.0.0.1 peer.test\n",
	rules => '{ name = "closed"; action = "deny";
		    destinations = [ "198.41.0.0/16:*" ]; },
		{ name = "gateway"; action = "deny";
		    destinations = [ "[64:ff9b::198.43.0.0/112]:*" ]; },
		{ name = "clients"; action = "deny"; destinations = [ "*:*" ];
		    clients = [ "10.66.0.0/16" ]; },
		{ name = "many"; action = "deny"; destinations = [ "*:*" ];
		    clients = [ ' . join(', ', map { qq("10.77.$_.0/25") }
			1 .. 20) . ' ]; },
		{ name = "addresses"; action = "allow";
		    destinations = [ "0.0.0.0/0:*", "[::/0]:*" ]; },
		{ name = "names"; action = "allow"; destinations = [ "*:*" ];
		    networks = [ "127.0.0.0/8" ]; }');

# A client of that address, as a load balancer has it.
sub client {
	my ($address, $name, %option) = @_;
	my $to = $address =~ /:/ ? '2001:db8::8' : '10.9.0.1';
	my $client = Sniport::Client->open(host => '127.0.0.1',
		port => $daemon->port, name => $name, %option);

	syswrite $client->socket, v1($address, 4000, $to, 8443);
	$client->handshake;
	return $client;
}

# The rule that decides for the client and the target, and what it says.
sub decided_ok {
	my ($target, $address, $rule, $title) = @_;
	my $client = client($address, $target);

	$client->wait_end;
	my $line = $daemon->wait_audit(sub {
		($_->{server_name} // '') eq $target });
	my $allow = $rule =~ /^(?:addresses|names)$/;
	my ($status, $text) = $daemon->once('-q', $target, '-s', $address);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ rule => $line->{rule}, decision => $line->{decision},
		query => $text =~ /: (\w+) by rule "(.*?)"/ ? "$1 $2" : $text,
	}, { rule => $rule, decision => $allow ? 'allow' : 'deny',
		query => ($allow ? 'allow ' : 'deny ') . $rule,
	}, "$title: $target, $address") or diag(explain($line), $text);
	return;
}

my $anybody = '10.1.2.3';
for (
	[ '198.41.0.4', 'closed' ], [ '[::ffff:198.41.0.4]', 'closed' ],
	[ '[::ffff:c629:4]', 'closed' ],
	[ '[64:ff9b::198.41.0.4]', 'closed' ],
	[ '[64:ff9b::c629:4]', 'closed' ],
	[ '[0064:FF9B:0:0:0:0:C629:4]', 'closed' ],
	[ '198.42.0.4', 'addresses' ], [ '[64:ff9b::198.42.0.4]', 'addresses' ],
	[ '[64:ff9b::198.43.0.4]', 'gateway' ], [ '198.43.0.4', 'addresses' ],
	[ '[2001:4860::198.41.0.4]', 'addresses' ],
) {
	my ($host, $rule) = @$_;
	decided_ok("$host:443", $anybody, $rule, 'a target in NAT64');
}

my $name = 'none.test:443';
for (
	[ '10.66.1.2', 'clients' ], [ '::ffff:10.66.1.2', 'clients' ],
	[ '64:ff9b::a42:102', 'clients' ], [ '64:ff9b::a43:102', 'names' ],
	[ '10.77.20.127', 'many' ], [ '::ffff:10.77.20.127', 'many' ],
	[ '64:ff9b::a4d:147f', 'many' ], [ '64:ff9b::a4d:1480', 'names' ],
	[ '2001:db8::a42:102', 'names' ],
) {
	my ($address, $rule) = @$_;
	decided_ok($name, $address, $rule, 'a client in NAT64');
}

# A load balancer that reaches us by NAT64 is trusted as what it is; one that
# is not listed gets no farther than its header.
sub balancer_ok {
	my ($source, $trusted) = @_;
	my $client = client($anybody, 'peer.test:' . $upstream->port,
		host => '::1', source => $source);
	my $works = works($client) && finish($client);
	my $line = $daemon->wait_audit;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $works ? 1 : 0, $line->{client_address} ], $trusted ?
		[ 1, $anybody ] : [ 0, $source ],
		"a load balancer in NAT64: $source") or diag(explain($line));
	return;
}

balancer_ok('64:ff9b::c000:201', 1);
balancer_ok('64:ff9b::c000:2f1', 0);

$daemon->stop_ok;
done_testing;
