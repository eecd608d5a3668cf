#!/usr/bin/perl
# Every allocation and every system call of a whole tunnel fails once: the
# worker lives on, leaks nothing, and the tunnel ends with a reason, which its
# one audit line and one counter have.

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

# What is made once and kept takes fewer allocations than there are system calls
# to fail: the server certificate's extensions once they are decoded, a block of
# the worker's, the texts in OpenSSL's queue of errors, and with c-ares 1.34 a
# list for each of the 16 places of its table of questions.
my $KEPT = 30;

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

# Disarms it. (fired, live allocations) A tunnel has its line before its memory
# is freed (some 54 allocations with OpenSSL 3.5); all is done once the worker
# waits for events again.
sub disarm {
	poll(\&asleep) or diag('the worker does not sleep');
	sysseek $control, 0, 0;
	syswrite $control, pack('L', 0);
	sysseek $control, 8, 0;
	sysread $control, my $bytes, 8;
	return unpack 'Ll', $bytes;
}

my ($daemon, $worker);

sub asleep {
	open my $stat, '<', "/proc/$worker/stat" or return 1;
	return (<$stat> // '') =~ /\) S /;
}

my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });

sub start {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 known.test\n",
		dns => 'servers = [ "' . $dns->server . '" ]; family = "ipv4"; '
		    . 'cache_size = 0; timeout = "200ms"; tries = 1;',
		timeouts => 'connect = "2s";', environment => {
			LD_PRELOAD => build() . '/preload/fault.so',
			FAULT_FILE => $file }, @_);
	($worker) = $daemon->workers;
	return;
}

# The audit lines that were added since the last call, as they are: there will
# be thousands.
my ($audit, $half);
sub added {
	$audit //= do { open my $f, '<', $daemon->dir . '/audit.log'; $f };
	seek $audit, 0, 1;
	local $/;
	$half .= readline($audit) // '';
	return $half =~ s/\A(.*\n)//s ? split /\n/, $1 : ();
}

# How many connections were made, how often their lines have each reason, and
# the lines that are not of the one that was made last.
my ($made, %told, @astray);

sub fresh {
	($audit, $half, $made) = (undef, '', 0);
	%told = @astray = ();
	return;
}

# Why the last connection ended, once sniport has told.
sub reason_of {
	my ($client) = @_;
	my $port = $client->local_port;

	return poll(sub {
		my $reason;
		for (added()) {
			$reason = $1 if /"reason":"(\w+)"/;
			$told{ $reason // $_ }++;
			push @astray, $_ unless /"client_port":$port\b/;
		}
		return $reason;
	}) // 'no line';
}

# Runs a tunnel that may fail; says how it ended.
sub tunnel {
	my ($name) = @_;
	my $client = Sniport::Client->open(port => $daemon->port,
		name => "$name.test:$port");

	$made++;
	$client->start_tls;
	$client->handshake;
	$client->get(4) if $client->established && $client->put('ping');
	$client->end;
	$client->wait_end;
	return reason_of($client);
}

# Each connection has one line, and the counters say what the lines say.
sub accounted_ok {
	my $lines = 0;

	$lines += $_ for values %told;
	is($lines, $made, 'each connection has one audit line');
	is_deeply(\@astray, [], 'when it was its turn');
	my $count = ($daemon->counters)[-1];
	is($count->{accepted}, $made, 'each was counted when it came');
	is_deeply({ map { ($_ => $count->{$_}) } keys %told }, \%told,
		'and for the reason of its line');
	return;
}

fresh();
start();
for my $case ([ 'allocation', $ALLOCATION, 'known' ],
	[ 'system call', $CALL, 'known' ],
	[ 'allocation', $ALLOCATION, 'asked' ],
	[ 'system call', $CALL, 'asked' ]) {
	my ($what, $kind, $name) = @$case;
	my (%reasons, $n, $fired, $live, $first);
	my $again = 0;

	tunnel($name) for 1 .. 3;
	for ($n = 1; $n < $MOST; $n++) {
		arm($kind, $n);
		my $reason = tunnel($name);
		$reasons{$reason}++; diag("$what $name $n: $reason") if $kind == $CALL;
		($fired, $live) = disarm();
		is($reason, 'no_memory', "no memory for the tunnel itself")
		    if $kind == $ALLOCATION && $n == 1;
		$first //= $live;
		# Not reached for another reason, such as a name server that was
		# late: once more.
		if (!$fired && $reason ne 'done' && $again++ < 20) {
			$n--;
			next;
		}
		last if !$fired;
	}
	note(explain(\%reasons));
	my $title = "each $what of a tunnel to $name.test";
	cmp_ok($n, '>', 5, "$title: there are some");
	cmp_ok($n, '<', $MOST, "$title: all have failed once");
	ok(!$reasons{'no line'}, "$title: every tunnel has its reason");
	ok(!$reasons{internal} || $kind == $CALL, "$title: a reason that says why");
	ok($reasons{done}, "$title: the last tunnel is whole");
	is_deeply([ $daemon->workers ], [$worker], "$title: the worker lives");
	cmp_ok($live - $first, '<=', $KEPT, "$title: nothing leaks");
}
is(tunnel('known'), 'done', 'all is well afterwards');
$daemon->stop_ok;
accounted_ok();

# Those that are over the limit.
fresh();
start(limits => 'tunnels = 1;');
my $held = Sniport::Client->new(port => $daemon->port,
	name => "known.test:$port");
# It is not the server's handshake that fails: bytes have gone both ways.
ok($held->established && $held->put('ping') && $held->get(4) eq 'ping',
	'one tunnel, which is the limit');
$made++;
for (my ($n, $fired) = (1, 1); $fired; $n++) {
	arm($ALLOCATION, $n);
	my $client = Sniport::Client->open(port => $daemon->port);
	$made++;
	is(reason_of($client), 'limit_tunnels',
		"allocation $n of one more: refused for the limit");
	($fired) = disarm();
	cmp_ok($n, '>', 1, 'there are some') if !$fired;
}
$held->end;
is($held->wait_end, 'close_notify', 'the one goes on to its end');
is(reason_of($held), 'done', 'which is its own');
$daemon->stop_ok;
accounted_ok();
done_testing;
