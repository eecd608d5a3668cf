#!/usr/bin/perl
# Certificates that end: the error log says so while they are served, and a
# reload puts none that is worse in the place of a good one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n");
my $ca = Sniport::Authority->new($daemon->dir, 'ca');
my $DAY = 86400;
my $n = 0;

# The settings that serve a certificate which ends in so many seconds.
sub ends_in {
	my ($from_now, $more) = @_;
	my ($chain, $key) = $ca->issue('c' . $n++, undef,
		end => strftime('%y%m%d%H%M%SZ', gmtime(time + $from_now)));

	return qq(certificates = ( { chain = "$chain"; key = "$key"; } ); )
	    . ($more // '');
}

subtest 'while it runs' => sub {
	for ([ '7 days', 7 * $DAY + 3 ], [ '24 hours', $DAY + 3 ]) {
		my ($left, $seconds) = @$_;
		$daemon->reload(tls => ends_in($seconds, 'allow_expired = true;'));
		ok($daemon->wait_log(qr/ warning master\S+ tls\.certificates\.chain: \S+: certificate 1 expires in $left, on \S+Z$/m),
			"$left are left");
	}
	$daemon->reload(tls => ends_in(3, 'allow_expired = true;'));
	ok($daemon->wait_log(qr/ error master\S+ tls\.certificates\.chain: \S+: certificate 1 expired on \S+Z$/m),
		'none is left');
};

subtest 'a reload' => sub {
	my $served = ends_in(90 * $DAY);
	like($daemon->reload(tls => $served), qr/^Serving: /,
		'an expired one is replaced');
	my $serial = tunnel_open($daemon, $upstream)->serial;
	for ([ 'expired on', -3600 ], [ 'expires in \d+ \w+, on', 12 * 3600 ]) {
		my ($words, $seconds) = @$_;
		my $bad = ends_in($seconds);
		like($daemon->reload(tls => $bad),
			qr/^Reload failed, generation \d+ goes on: \S+:\d+: tls\.certificates\.chain: \S+: certificate 1 $words \S+Z, and would replace one that is valid until \S+Z; to have it served, write tls\.allow_expired = true$/,
			"one that $words is refused");
		is(tunnel_open($daemon, $upstream)->serial, $serial,
			'the good one stays');
		next if $seconds > 0;
		like($daemon->reload(tls => "$bad allow_expired = true;"),
			qr/^Serving: /, 'unless it is permitted');
		like($daemon->reload(tls => $bad), qr/^Serving: /,
			'once it is served it is not in the way of reloads');
		$daemon->reload(tls => $served);
	}
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'it serves');
};

$daemon->stop_ok;
done_testing;
