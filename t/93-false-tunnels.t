#!/usr/bin/perl
# A worker that was broken into says what it likes of its tunnels, alive and
# when it dies: it is believed no further than it can be true, and its lines take
# nothing that others need.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use POSIX qw(mkfifo);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(build deadline poll readable slow);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'a sanitizer and valgrind have no sandbox to be tried'
    if slow();

# A worker that has others beside it may have three quarters of the limit.
my ($LIMIT, $MOST) = (64, 48);

my $upstream = Sniport::Upstream->new('echo');
my $daemon;

sub start {
	my (%option) = @_;

	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		limits => "tunnels = $LIMIT;", log => 'level = "info";',
		environment => { LD_PRELOAD => build() . '/preload/maps.so' },
		%option);
	return;
}

# Has a worker do it; returns its process id.
sub attack {
	my ($word) = @_;
	my $before = () = $daemon->log =~ /^maps $word\[\d+\] begins$/mg;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "$word.maps.test:443");

	return poll(sub {
		my @pids = $daemon->log =~ /^maps $word\[(\d+)\] begins$/mg;
		return @pids > $before ? $pids[-1] : 0;
	}) || 0;
}

# "S" asleep, "T" stopped; empty: gone.
sub process_state {
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return '';
	return (<$stat> // '') =~ /.*\) (\S)/s ? $1 : '';
}

# Those of this number, of the worker's tunnels.
sub lines_of {
	my ($number) = @_;

	return grep { ($_->{tunnel} // '') =~ /-$number\z/ } $daemon->audit;
}

# What it says that it has open.
start(top => 'workers = 2;');
my $liar = attack('lie');
ok($liar && $daemon->wait_log(qr/^maps lie: /m),
	'alive: a worker lies of all its counts');
# It lies again before it sleeps, and says nothing else once it is stopped.
ok(poll(sub { process_state($liar) eq 'S' }), 'alive: it waits');
kill 'STOP', $liar if $liar > 1;
ok(poll(sub { process_state($liar) eq 'T' }), 'alive: and stays like that');
$daemon->signal('TERM');
ok($daemon->wait_log(qr/stop: draining \d+ tunnels? for/), 'alive: sniport stops');
my ($draining) = $daemon->log =~ /stop: draining (\d+) tunnel/;
cmp_ok($draining, '<=', $LIMIT, 'alive: it has no more than its share');
cmp_ok($draining, '>=', $MOST, 'alive: which it says that it has');
kill 'KILL', $liar if $liar > 1;
$daemon->stop_ok(name => 'alive: sniport has stopped');

# What it leaves when it dies.
start(top => 'workers = 2;');
my $forger = attack('forge');
ok($daemon->wait_log(qr/worker \d\[$forger\]: audit log: \d+ lines? dropped: /),
	'dead: a line that cannot be true is left out, and counted');
my ($told) = $daemon->log =~ /worker (\d)\[$forger\]: audit log:/;
is_deeply([ map { $_->{reason} } lines_of(7000) ], ['done'],
	'dead: one that has ended as it says');
for (7000 .. 7004) {
	is_deeply([ map { $_->{tunnel} } lines_of($_) ], ["1-$told-$_"],
		"dead: $_ has one line, of the worker that it is of");
}
is_deeply([ map { $_->{reason} } map { lines_of($_) } 7001, 7002, 7004 ],
	[ ('worker_died') x 3 ],
	'dead: one without a reason that there is died with it');
my $count = $daemon->count;
is($count->{audit_dropped}, 1, 'dead: one is missing');
# The one that had it forge the others.
is($count->{worker_died}, 1,
	'dead: what was accepted is counted, whatever the lines say');
my $next = tunnel_open($daemon, $upstream);
ok(works($next) && finish($next), 'dead: others serve');
$daemon->stop_ok(name => 'dead: sniport stops');

# While the audit log takes nothing, what waits is bounded.
my $fifo;

sub start_stalled {
	start(before => sub {
		my ($self) = @_;
		my $path = $self->dir . '/audit.fifo';
		mkfifo($path, 0666) && chmod(0666, $path) or die "mkfifo: $!";
		open $fifo, '+<', $path or die "$path: $!";
	}, @_);
	return;
}

# Reads what comes, for as long as the condition does not hold.
sub read_until {
	my ($condition) = @_;
	my $text = '';

	poll(sub {
		while (readable($fifo, deadline(0))) {
			sysread $fifo, $text, 65536, length $text or last;
		}
		return $condition->($text);
	});
	return $text;
}

sub scribes {
	my %child = $daemon->children;

	return scalar grep { $_ eq 'sniport-scribe' } values %child;
}

start_stalled(top => 'workers = 6;',
	log => 'level = "info"; access = "%DIR%/audit.fifo";');
{
	# The pipe and its writer take some lines: these are more.
	attack('flood') for 1 .. 2;
	my @open = map { tunnel_open($daemon, $upstream) } 1 .. 12;
	my %open = map { ($_->local_port => 1) } @open;
	my @killed = $daemon->workers;
	kill 'KILL', @killed;
	ok((poll(sub { my $log = $daemon->log;
		!grep { $log !~ /\[$_\] of generation 1: died: / } @killed })),
		'stalled: all workers have died');
	ok(poll(sub { scribes() == 2 }), 'stalled: two scribes wait');
	is(scribes(), 2, 'stalled: and no more');
	my $text = read_until(sub {
		my ($got) = @_;
		return !grep { $got !~ /"client_port":$_\b/ } keys %open;
	});
	my $served = tunnel_open($daemon, $upstream);
	ok(works($served) && finish($served), 'stalled: others serve');
	my %ports = map { ($_ => 1) } $text =~ /"client_port":(\d+)/g;
	ok((grep { $ports{$_} } keys %open) == keys %open,
		'stalled: when it is read, all lines come') or
	    diag($daemon->log);
	$daemon->signal('TERM');
	read_until(sub { $daemon->ended });
	$daemon->stop_ok(name => 'stalled: sniport stops');
}

start_stalled(top => 'workers = 1;',
	log => 'level = "info"; access = "%DIR%/audit.fifo";');
attack('flood');
ok($daemon->wait_log(qr/worker 0.*died: /), 'piled: a worker dies');
attack('flood');
ok($daemon->wait_log(
	qr/warning .*worker 0: is replaced when less of what it left waits/),
	'piled: the third waits for what the first two have left') or
    diag($daemon->log);
is(scalar($daemon->workers), 0, 'piled: it is not there yet');
my $written = read_until(sub { (() = $_[0] =~ /"worker_died"/g) > 2 * 4000 });
cmp_ok(scalar(() = $written =~ /"worker_died"/g), '>', 2 * 4000,
	'piled: all lines come');
$next = tunnel_open($daemon, $upstream);
ok(works($next) && finish($next), 'piled: then it serves');
$daemon->signal('TERM');
read_until(sub { $daemon->ended });
$daemon->stop_ok(name => 'piled: sniport stops');

done_testing;
