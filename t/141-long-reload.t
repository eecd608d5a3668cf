#!/usr/bin/perl
# While the master reads a long configuration, the service manager is told that
# it is alive.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;

my $RULES = 20_000;
my @rules = map { qq({ name = "rule-$_"; action = "allow";
	destinations = [ "host-$_.department.example.com:443" ]; }) } 1 .. $RULES;

# It fails late, so that between its beginning and its end there is nothing but
# reading.
my $daemon = Sniport::Daemon->new(environment => { WATCHDOG_USEC => 20_000 });
$daemon->configure(rules => join(",\n", @rules), tls => 'certificates = (
	{ chain = "%DIR%/none"; key = "%DIR%/none"; } );');
$daemon->signal('HUP');
ok($daemon->wait_notify(qr/^RELOADING=1$/m), 'a reload has begun');
my ($fed, $extended, $end) = (0, 0);
while (!$end) {
	my $text = $daemon->wait_notify(qr/./) // last;
	$fed++ if $text =~ /^WATCHDOG=1$/m;
	$extended++ if $text =~ /^EXTEND_TIMEOUT_USEC=\d+$/m;
	$end = $text =~ /^READY=1\nSTATUS=Reload failed, /m;
}
ok($end, 'and fails');
cmp_ok($fed, '>', 0, 'meanwhile the watchdog was fed');
cmp_ok($extended, '>', 0, 'and whoever waits was asked for time');
$daemon->configure(rules => $rules[0], tls => '');
$daemon->reload;
my @later = map { $daemon->wait_notify(qr/^WATCHDOG=1$/m) // 'none' } 1 .. 3;
is_deeply(\@later, [ ("WATCHDOG=1\n") x 3 ],
	'when it is done, no more time is asked for');
$daemon->stop_ok;

done_testing;
