#!/usr/bin/perl
# Workers that die, stand still or lose their master, and every way to stop.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Peer;
use Sniport::Test qw(group_gone poll slow under_valgrind);
use Sniport::Tunnel qw(arrivals_more arrivals_start arrivals_stop broken_peers
	finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my @hosts = (hosts => "127.0.0.1 peer.test\n");

sub now { return clock_gettime(CLOCK_MONOTONIC); }

# The audit line of an established tunnel, of that event.
sub line_of {
	my ($daemon, $client, $event) = @_;
	my $port = $client->local_port;

	return poll(sub {
		return (grep { ($_->{client_port} // 0) == $port &&
			$_->{event} eq ($event // 'end') } $daemon->audit)[-1];
	}) // {};
}

# The reports of the upstream by the ports of their peers, until it has those
# of all these. A port may be used again: each subtest has an upstream of its
# own.
my %reports;
sub fresh {
	%reports = ();
	$upstream = Sniport::Upstream->new('echo');
	$name = name_of($upstream);
	return;
}

sub report_of {
	my ($port) = @_;

	until ($reports{$port}) {
		my $report = $upstream->report;
		$reports{ $report->{peer} =~ s/.*://r } = $report;
	}
	return delete $reports{$port};
}

# Both sides of a tunnel have seen a reset.
sub reset_ok {
	my ($daemon, $client, $title) = @_;

	# The connect line, since a worker that was killed writes no other.
	my $egress = line_of($daemon, $client, 'connect')->{egress} =~ s/.*://r;
	is_deeply([ $client->wait_end, report_of($egress)->{end} ],
		[ 'reset', 'reset' ], $title);
	return;
}

# A worker other than that of that number.
sub wait_worker {
	my ($daemon, $number, $old) = @_;

	return poll(sub {
		my $pid = $daemon->worker($number);
		return $pid != $old && $pid;
	});
}

sub refused_ok {
	my ($daemon, $title) = @_;

	ok(poll(sub { (Sniport::Client->open(port => $daemon->port)->ended // '')
		eq 'refused' }), $title);
	return;
}

my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
	log => 'access_connect = true;');

subtest 'a worker dies under load' => sub {
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 24;
	works($_) for @tunnels;
	my @of = ([], []);
	push @{ $of[line_of($daemon, $_, 'connect')->{worker}] }, $_
	    for @tunnels;
	ok(@{ $of[0] } && @{ $of[1] }, 'both workers have tunnels');
	my $other = $daemon->worker(0);
	my $bytes = 4_000_000;
	my $peer = Sniport::Peer->new(port => $daemon->port, tunnels => 20,
		client => $bytes, upstream => $bytes);
	my $died = $daemon->worker(1);
	poll(sub { 44 == grep { $_->{event} eq 'connect' } $daemon->audit });
	kill 'KILL', $died;

	reset_ok($daemon, $_, 'a tunnel of the dead worker is reset on both sides')
	    for @{ $of[1] };
	is(scalar(grep { works($_) } @{ $of[0] }), scalar @{ $of[0] },
		'those of the other live on');
	ok(wait_worker($daemon, 1, $died), 'it is replaced');
	ok($daemon->wait_log(
		qr/ error master\[\d+\]: worker 1\[$died\] of generation 1: died: signal 9 /),
		'the error log says it');
	is($daemon->worker(0), $other, 'the other was left alone');

	my @reports = $peer->reports;
	my %seen;
	my %worker = map { $_->{event} eq 'connect' ?
		($_->{client} => $_->{worker}) : () } $daemon->audit;
	push @{ $seen{$worker{ $_->{client} }} }, $_ for @reports;
	is_deeply([ broken_peers(@{ $seen{0} }) ], [],
		'not a byte of the other worker\'s tunnels is wrong');
	# One stream, or both, may have come to its end before.
	is_deeply([ grep {
		($_->{client_got} < $bytes && $_->{client_saw} ne 'reset') ||
		($_->{upstream_got} < $bytes && $_->{upstream_saw} ne 'reset')
	} @{ $seen{1} } ], [], 'what the dead worker has cut looks cut');
	is_deeply([ grep { /bytes differ|more came/ } broken_peers(@reports) ], [],
		'and what came is what was sent');
	finish($_) for @{ $of[0] };
};

subtest 'what waits for a worker is served by the next' => sub {
	my @pids = map { $daemon->worker($_) } 0, 1;
	kill 'STOP', @pids;
	my @waiting = map { Sniport::Client->open(port => $daemon->port,
		name => $name) } 1 .. 30;
	kill 'KILL', @pids;
	is(scalar(grep { $_->handshake && works($_) && finish($_) } @waiting), 30,
		'all of them');
	ok(wait_worker($daemon, $_, $pids[$_]), "worker $_ is a new one")
	    for 0, 1;
};
$daemon->stop_ok;

subtest 'backoff' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my ($last, @took) = $daemon->worker(0);
	for (1 .. 2) {
		my $from = now();
		kill 'KILL', $last;
		my $waits = Sniport::Client->open(port => $daemon->port,
			name => $name);
		$last = wait_worker($daemon, 0, $last);
		push @took, now() - $from;
		ok($waits->handshake && works($waits) && finish($waits),
			'what came meanwhile is served');
	}
	cmp_ok($took[1], '>=', 0.9, "the second time after a second ($took[1])");
	ok($daemon->wait_log(qr/ warning master.*: worker 0: died again: replaced in 1 s$/m),
		'which the error log says');
	is(scalar(() = $daemon->log =~ /: replaced in /g), 1,
		'the first time at once');
	kill 'KILL', $last;
	ok($daemon->wait_log(qr/: worker 0: died again: replaced in 2 s$/m),
		'then it is two');
	# A reload does not wait for it.
	$daemon->reload;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a reload ends the wait');
	$daemon->stop_ok;
};

subtest 'the watchdog' => sub {
	fresh();
	# So long that a busy machine does not take it for one.
	my $seconds = under_valgrind() ? 12 : slow() ? 4 : 2;
	my $daemon = Sniport::Daemon->new(@hosts, log => 'access_connect = true;',
		timeouts => qq(watchdog = "${seconds}s";));
	my $client = tunnel_open($daemon, $upstream);
	works($client);
	my $pid = $daemon->worker(0);
	kill 'STOP', $pid;
	my $waits = Sniport::Client->open(port => $daemon->port, name => $name);
	ok($daemon->wait_log(qr/ warning master.*: worker 0\[$pid\] of generation 1: killed: its heartbeat stood still for timeouts\.watchdog$/m),
		'a worker that stands still is killed');
	reset_ok($daemon, $client, 'its tunnels are reset');
	ok($waits->handshake && works($waits) && finish($waits),
		'what waited is served by its replacement');

	# A machine that was paused, be it short or long: nobody is to blame.
	for my $pause (1.3 * $seconds, 3 * $seconds) {
		my $tunnel = tunnel_open($daemon, $upstream);
		ok(works($tunnel), 'a tunnel');
		$pid = $daemon->worker(0);
		kill 'STOP', -$daemon->pid;
		select undef, undef, undef, $pause;
		kill 'CONT', -$daemon->pid;
		ok(works($tunnel), "a pause of $pause s harms nobody") or
			diag($daemon->log);
		is($daemon->worker(0), $pid, 'the worker is still the same');
		finish($tunnel);
	}
	$daemon->stop_ok;
};

subtest 'the master is killed' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 10;
	works($_) for @tunnels;
	my @workers = $daemon->workers;
	# What waits then has nobody else to wait for.
	kill 'STOP', @workers;
	my @waiting = map { Sniport::Client->open(port => $daemon->port,
		name => $name) } 1 .. 10;
	$daemon->signal('KILL');
	is($daemon->wait_end, 128 + 9, 'it is dead');
	kill 'CONT', @workers;
	is(scalar(grep { $_->handshake && works($_) } @waiting), 10,
		'what waited is served');
	refused_ok($daemon, 'then nobody listens any more');
	is(scalar(grep { works($_, 100_000) } @tunnels), 10, 'open tunnels go on');
	ok(poll(sub { 2 == (() = $daemon->log =~
		/ error worker \d\[\d+\]: the master is gone$/mg) }),
		'the error log says it');
	is(scalar(grep { kill 0, $_ } @workers), 2, 'the workers are there');
	is(scalar(grep { finish($_) } @tunnels, @waiting), 20,
		'and the tunnels end well');
	ok(poll(sub { group_gone($daemon->pid) }),
		'the workers go with the last tunnel');
	$daemon->stop_ok(status => 128 + 9);
	is(scalar(grep { $_->{reason} eq 'done' } $daemon->audit), 20,
		'each has its audit line');
};

subtest 'TERM: drains' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 10;
	works($_) for @tunnels;
	# One of an old generation.
	$daemon->reload;
	push @tunnels, tunnel_open($daemon, $upstream);
	my @workers = $daemon->workers;
	kill 'STOP', @workers;
	my @waiting = map { Sniport::Client->open(port => $daemon->port,
		name => $name) } 1 .. 10;
	$daemon->signal('TERM');
	ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'the service manager is told');
	kill 'CONT', @workers;
	is(scalar(grep { $_->handshake && works($_) } @waiting), 10,
		'what waited is served');
	refused_ok($daemon, 'then nobody listens any more');
	ok($daemon->wait_notify(qr/^EXTEND_TIMEOUT_USEC=\d+$/m),
		'more time is asked for');
	my $last = pop @tunnels;
	is(scalar(grep { works($_) && finish($_) } @tunnels, @waiting), 20,
		'open tunnels end well');
	ok(works($last), 'sniport waits for the last one');
	ok(!$daemon->ended, 'and runs meanwhile');
	ok(finish($last), 'which ends well');
	is($daemon->wait_end, 0, 'then it exits');
	is(scalar(grep { $_->{reason} eq 'done' } $daemon->audit), 21,
		'each has its audit line');
	$daemon->stop_ok;
};

subtest 'timeouts.drain' => sub {
	fresh();
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => 'drain = "400ms";', log => 'access_connect = true;');
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 4;
	$daemon->reload;
	push @tunnels, map { tunnel_open($daemon, $upstream) } 1 .. 4;
	works($_) for @tunnels;
	my $from = now();
	$daemon->signal('TERM');
	reset_ok($daemon, $_, 'a tunnel is reset on both sides') for @tunnels;
	cmp_ok(now() - $from, '>=', 0.4, 'not too soon');
	is($daemon->wait_end, 0, 'then sniport exits');
	my @ends = grep { $_->{event} eq 'end' } $daemon->audit;
	is(scalar @ends, 8, 'each has its audit line');
	is_deeply([ grep { $_->{reason} ne 'drain_deadline' ||
		$_->{closed_first} ne 'sniport' } @ends ], [], 'which says why');
	$daemon->stop_ok;
};

for my $way ([ 'a second TERM', 'TERM', 'TERM' ], [ 'INT, then TERM', 'INT',
	'TERM' ], [ 'QUIT', 'QUIT' ], [ 'QUIT while it drains', 'TERM', 'QUIT' ]) {
	my ($title, @signals) = @$way;

	subtest "$title: exits at once" => sub {
		fresh();
		my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
			timeouts => 'drain = "1h";',
			log => 'access_connect = true;');
		my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 4;
		$daemon->reload;
		push @tunnels, tunnel_open($daemon, $upstream);
		works($_) for @tunnels;
		for (@signals) {
			$daemon->signal($_);
			$daemon->wait_notify(qr/^STOPPING=1$/m) or die 'no STOPPING=1';
		}
		reset_ok($daemon, $_, 'a tunnel is reset on both sides') for @tunnels;
		is($daemon->wait_end, 0, 'sniport exits');
		my @ends = grep { $_->{event} eq 'end' } $daemon->audit;
		is(scalar @ends, 5, 'each tunnel has its audit line');
		is_deeply([ grep { $_->{reason} ne 'stopped' } @ends ], [],
			'which says why');
		$daemon->stop_ok;
	};
}

for my $signal ('TERM', 'QUIT') {
	subtest "$signal while it reloads" => sub {
		my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
		my $tunnel = tunnel_open($daemon, $upstream);
		works($tunnel);
		$daemon->signal('HUP');
		$daemon->wait_notify(qr/^RELOADING=1$/m) or die 'no RELOADING=1';
		$daemon->signal($signal);
		ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'it is obeyed');
		ok($signal eq 'TERM' ? works($tunnel) && finish($tunnel) :
			$tunnel->wait_end eq 'reset', 'the tunnel ends as it should');
		is($daemon->wait_end, 0, 'sniport exits');
		$daemon->stop_ok;
	};
}

subtest 'a worker that stands still when all is stopped' => sub {
	my $daemon = Sniport::Daemon->new(@hosts);
	my $client = tunnel_open($daemon, $upstream);
	works($client);
	kill 'STOP', $daemon->worker(0);
	$daemon->signal('QUIT');
	is($daemon->wait_end, 0, 'sniport exits');
	is($client->wait_end, 'reset', 'the tunnel is reset');
	$daemon->stop_ok;
};

subtest 'USR1' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		log => 'error = "%DIR%/error2.log"; access = "%DIR%/audit.log";');
	my $dir = $daemon->dir;
	my $old = tunnel_open($daemon, $upstream);
	$daemon->reload;
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 10;
	rename "$dir/$_.log", "$dir/$_.1" or die $! for 'error2', 'audit';
	# Until it is told, all go on as before.
	my $first = pop @tunnels;
	works($first) && finish($first);
	my $port = $first->local_port;
	ok(poll(sub { $daemon->slurp('audit.1') =~ /"client_port":$port\b/ }),
		'what was renamed is still written to');
	ok(!-e "$dir/audit.log", 'and there is no new file');

	$daemon->signal('USR1');
	ok(poll(sub { $daemon->slurp('error2.log') =~
		/ notice master\[\d+\]: logs: reopened$/m }), 'the error log is anew');
	my $size = -s "$dir/audit.1";
	is(scalar(grep { works($_) && finish($_) } $old, @tunnels), 10,
		'tunnels, also of an old generation, live on');
	ok(poll(sub { $daemon->audit == 10 }), 'their lines are in the new file');
	is(-s "$dir/audit.1", $size, 'and not in the old one');
	ok(poll(sub { $daemon->slurp('error2.log') =~ /: generation 1: gone$/m }),
		'the master writes to the new error log');
	my $closed = Sniport::Upstream->closed;
	for (1 .. 10) {
		my $client = tunnel_open($daemon, $upstream,
			name => 'peer.test:' . $closed->port);
		$client->wait_end;
	}
	ok(poll(sub { $daemon->slurp('error2.log') =~
		/ worker \d\[\d+\]: tunnel .* connect_refused/ }),
		'the workers too');
	unlike($daemon->slurp('error2.1'), qr/connect_refused/, 'not to the old one');
	is((stat "$dir/audit.log")[2] & 0777, 0640, 'the mode of a new file');
	$daemon->stop_ok;
};

subtest 'signals to the whole process group' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
	my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 6;
	my $arrivals = arrivals_start($daemon->port, $name);
	for my $generation (2 .. 4) {
		kill 'HUP', -$daemon->pid;
		like($daemon->wait_notify(qr/^READY=1$/m) // '',
			qr/generation $generation$/m, 'HUP reloads');
		arrivals_more($arrivals, 2);
	}
	kill $_, -$daemon->pid for qw(USR1 USR2 PIPE);
	ok($daemon->wait_log(qr/logs: reopened/), 'USR1 reopens the logs');
	arrivals_more($arrivals, 2);
	is_deeply(arrivals_stop($arrivals)->{wrong}, [], 'no tunnel is lost');
	is(scalar(grep { works($_) } @tunnels), 6, 'old tunnels live on');
	kill 'INT', -$daemon->pid;
	ok($daemon->wait_notify(qr/^STOPPING=1$/m), 'INT stops');
	is(scalar(grep { works($_) && finish($_) } @tunnels), 6,
		'old tunnels come to their end');
	is($daemon->wait_end, 0, 'then sniport exits');
	$daemon->stop_ok;
};

done_testing;
