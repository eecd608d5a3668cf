#!/usr/bin/perl
# Every allocation and every system call of a whole tunnel fails once: the
# worker lives on, leaks nothing, and the tunnel ends with a reason.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Test qw(build poll temporary sanitized under_valgrind);
use Sniport::Upstream;

plan(skip_all => 'SKIPPED: faults are injected by a preloaded library, '
    . 'which does not go with a sanitizer or valgrind')
    if sanitized() || under_valgrind();

# More than a tunnel needs: it must end before.
my $MOST = $ENV{MOST} // 4000;
my ($ALLOCATION, $CALL) = (1, 2);

my $dir = temporary();
my $file = "$dir/fault";
open my $control, '+>:raw', $file or die "$file: $!";
syswrite $control, pack('L4', 0, 0, 0, 0);

# Arms the fault; the kind goes last.
sub arm {
	my ($kind, $n) = @_;

	sysseek $control, 4, 0;
	syswrite $control, pack('L2', $n, 0);
	sysseek $control, 0, 0;
	syswrite $control, pack('L', $kind);
	return;
}

# Disarms it. (fired, live allocations)
sub disarm {
	sysseek $control, 0, 0;
	syswrite $control, pack('L', 0);
	sysseek $control, 8, 0;
	sysread $control, my $bytes, 8;
	return unpack 'Ll', $bytes;
}

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 known.test\n",
	dns => 'servers = [ "' . $dns->server . '" ]; family = "ipv4"; '
	    . 'cache_size = 0; timeout = "200ms"; tries = 1;',
	timeouts => 'connect = "2s";',
	environment => { LD_PRELOAD => build() . '/preload/fault.so',
		FAULT_FILE => $file });
my ($worker) = $daemon->workers;

# What was added to a file of the daemon since the last call: there will be
# thousands of lines.
my %read;
sub added {
	my ($name) = @_;

	$read{$name} //= do { open my $f, '<', $daemon->dir . "/$name"; $f };
	seek $read{$name}, 0, 1;
	local $/;
	return readline($read{$name}) // '';
}

# Runs a tunnel that may fail; says how it ended, once sniport has told.
sub tunnel {
	my ($name) = @_;
	my $client = Sniport::Client->open(port => $daemon->port,
		name => "$name.test:$port");
	my $told = '';

	$client->start_tls;
	$client->handshake;
	$client->get(4) if $client->established && $client->put('ping');
	$client->end;
	$client->wait_end;
	return poll(sub {
		$told .= added('audit.log') . added('error.log');
		return $1 if $told =~ /^\{.*"reason":"(\w+)".*\}\n/m;
		return $told =~ /accept: out of memory/ ? 'no_memory' : undef;
	}) // 'no line';
}

for my $case ([ 'allocation', $ALLOCATION, 'known' ],
	[ 'system call', $CALL, 'known' ],
	[ 'allocation', $ALLOCATION, 'asked' ],
	[ 'system call', $CALL, 'asked' ]) {
	my ($what, $kind, $name) = @$case;
	my (%reasons, $n, $fired, $live, $first);

	tunnel($name) for 1 .. 3;
	for ($n = 1; $n < $MOST; $n++) {
		arm($kind, $n);
		$reasons{ tunnel($name) }++;
		($fired, $live) = disarm();
		$first //= $live;
		last if !$fired;
	}
	note(explain(\%reasons));
	my $title = "each $what of a tunnel to $name.test";
	cmp_ok($n, '>', 10, "$title: there are some");
	cmp_ok($n, '<', $MOST, "$title: all have failed once");
	ok(!$reasons{'no line'}, "$title: every tunnel has its reason");
	ok(!$reasons{internal} || $kind == $CALL, "$title: a reason that says why");
	ok($reasons{done}, "$title: the last tunnel is whole");
	is_deeply([ $daemon->workers ], [$worker], "$title: the worker lives");
	cmp_ok($live - $first, '<', $n / 10 + 50, "$title: nothing leaks");
}
is(tunnel('known'), 'done', 'all is well afterwards');
$daemon->stop_ok;
done_testing;
