#!/usr/bin/perl
# What becomes of connections while a worker is down, or when it stood still as
# its listener was removed, or after it was broken into and has done something to
# its sockets: they are served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Down qw(down ready served servers);
use Sniport::Test qw(build deadline poll slow temporary under_valgrind);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# A handshake takes valgrind its time, and others wait for theirs meanwhile.
my $patient = 'client_hello = "10m"; handshake = "10m";';

# Connections that may wait, to the listener of that name.
sub waiting {
	my ($daemon, $n, $listener) = @_;

	return Sniport::Down::waiting($daemon, $n, $name, $listener);
}

subtest 'a worker in its back-off' => sub {
	plan skip_all => 'SKIPPED: valgrind is slower than the back-off'
	    if under_valgrind();
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 3;');
	# The first one, so that its place in the kernel's list is not the last.
	my @queued = down($daemon, 0, 4, sub { waiting($daemon, 30) });
	my $ready = ready($daemon, 0);
	ok($daemon->wait_log(qr/ info master\[\d+\]: worker 0: others serve what waits for it$/m),
		'the log says who serves in its place');
	my @new = waiting($daemon, 30);
	# All are theirs now, whenever they go on.
	is(ready($daemon, 0), $ready, 'all come before it is there again');
	ok($daemon->wait_notify(qr/^STATUS=Serving: 2 of 3 workers, 1 listener, 1 rule, generation 1$/m),
		'the status says how many serve');
	is(served(@new), 30, 'all that come are served');
	is(served(@queued), 30, 'and all that wait on its socket');
	is(servers($daemon, @queued, @new), '1 2', 'by the others');
	ok(poll(sub { ready($daemon, 0) > $ready }), 'it is there again');
	ok($daemon->wait_notify(qr/^STATUS=Serving: 3 workers, 1 listener, /m),
		'and the status says so');
	my @later = waiting($daemon, 60);
	is(served(@later), 60, 'then all are served');
	# The one that has served in its place does so for a while longer.
	ok(poll(sub {
		my @more = waiting($daemon, 10);
		return served(@more) == 10 && servers($daemon, @more) =~ /0/;
	}), 'by that one, too');

	# The one that serves in its place goes down, too.
	@queued = down($daemon, 2, 2, sub { waiting($daemon, 30) });
	$daemon->wait_log(qr/worker 2: others serve what waits for it/);
	@new = waiting($daemon, 10);
	is(served(@new, @queued), 40, 'another one: all are served');
	$daemon->stop_ok;
};

subtest 'a reload meanwhile' => sub {
	plan skip_all => 'SKIPPED: valgrind is slower than the back-off'
	    if under_valgrind();
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;');
	my @queued = down($daemon, 0, 4, sub { waiting($daemon, 20) });
	like($daemon->reload, qr/^Serving: 2 workers, /, 'brings all back');
	my @new = waiting($daemon, 30);
	is(served(@queued, @new), 50, 'all are served');
	is(servers($daemon, @new), '0 1', 'by all workers');
	down($daemon, 1, 2, sub { });
	$daemon->reload(top => 'workers = 2; user = "nobody-at-all";') =~
	    /^Reload failed, generation 2 goes on with 1 of 2 workers: / or
	    diag('it was replaced meanwhile');
	is(served(waiting($daemon, 20)), 20, 'a reload that fails changes nothing');
	$daemon->stop_ok;
};

# Two listeners, of which a reload removes the second.
my $both = '{ address = "127.0.0.1:%PORT%"; }, { address = "127.0.0.1:%PORT_b%"; }';
my $one = '{ address = "127.0.0.1:%PORT%"; }';
my $watchdog = under_valgrind() ? '20s' : '600ms';

for my $workers (1, 2) {
	subtest "a listener is removed while its worker stands still ($workers)" => sub {
		my $daemon = Sniport::Daemon->new(@hosts, listeners => $both,
			top => "workers = $workers;",
			timeouts => "$patient watchdog = \"$watchdog\";");
		my @pids = map { $daemon->worker($_) } 0 .. $workers - 1;
		kill 'STOP', @pids;
		my @queued = waiting($daemon, 10, 'b');
		my @kept = waiting($daemon, 10);
		like($daemon->reload(listeners => $one), qr/^Serving: .* 1 listener, /,
			'a reload');
		is(served(@queued), 10, 'what waited there is served');
		is(served(@kept), 10, 'and what waited on the other one');
		like($daemon->log, qr/ info master\[\d+\]: worker 0\[\d+\] of generation 1: serves what waits on its removed listeners$/m,
			'by one that is started for it');
		ok(poll(sub { (Sniport::Client->open(
			port => $daemon->port('b'))->ended // '') eq 'refused' }),
			'then it is closed');
		ok($daemon->wait_log(qr/generation 1: gone/), 'the old generation goes');
		$daemon->stop_ok;
	};
}

subtest 'a listener is removed while its worker is down' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, listeners => $both,
		timeouts => $patient);
	my @queued = down($daemon, 0, 4, sub { waiting($daemon, 10, 'b') });
	like($daemon->reload(listeners => $one), qr/^Serving: /, 'a reload');
	is(served(@queued), 10, 'what waited there is served');
	$daemon->stop_ok;
};

subtest 'the worker stands still when all is stopped' => sub {
	my $daemon = Sniport::Daemon->new(@hosts,
		timeouts => "$patient drain = \"60s\"; watchdog = \"$watchdog\";");
	kill 'STOP', $daemon->worker(0);
	my @queued = waiting($daemon, 10);
	$daemon->signal('TERM');
	is(served(@queued), 10, 'what waited is served');
	is($daemon->wait_end, 0, 'sniport exits');
	$daemon->stop_ok;
};

subtest 'a listener that is removed under load' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, listeners => $both,
		top => 'workers = 2;', timeouts => $patient);
	my @clients = waiting($daemon, 40, 'b');
	like($daemon->reload(listeners => $one), qr/^Serving: /, 'a reload');
	is(served(@clients), 40, 'loses nobody');
	$daemon->stop_ok;
};

# What a worker does that was broken into, as if there were no filter.
sub corrupted {
	my (%option) = @_;

	return Sniport::Daemon->new(@hosts, %option, environment => {
		LD_PRELOAD => build() . '/preload/violate.so', NO_FILTER => 1,
		%{ $option{environment} // {} } });
}

sub bid {
	my ($daemon, $word) = @_;
	my $lines = () = $daemon->log =~ /^violate $word: done/mg;

	my $client = Sniport::Client->open(port => $daemon->port,
		name => "$word.violate.test:443");
	$client->socket->blocking(0);
	$client->start_tls;
	Net::SSLeay::connect($client->{ssl});
	poll(sub { $lines < (() = $daemon->log =~ /^violate $word: done/mg) })
	    or diag($daemon->log);
	return $client;
}

# Not where a sanitizer runs: it comes before anything that is preloaded.
if (!slow()) {
	for my $word ('deafen', 'disconnect') {
		for my $cure ('reload', 'death') {
			subtest "$word, $cure" => sub {
				my $daemon = corrupted();
				bid($daemon, $word);
				my $client = Sniport::Client->open(port => $daemon->port);
				is($client->ended, 'refused', 'nobody is served any more');
				my $pid = $daemon->worker(0);
				$cure eq 'reload' ? $daemon->reload : kill 'KILL', $pid;
				ok($daemon->wait_log(qr/ error master\[\d+\]: listener 127\.0\.0\.1:\d+: 1 socket no longer listened: opened anew; what waited there is lost$/m),
					'the log says what was found');
				ok(poll(sub { ready($daemon, 0) >= 2 }), 'a new worker');
				is(served(waiting($daemon, 20)), 20, 'then all are');
				$daemon->stop_ok;
			};
		}
	}

	subtest 'a worker that cannot be replaced' => sub {
		my $dir = temporary();
		my $file = "$dir/no-fork";
		my $daemon = corrupted(top => 'workers = 2;',
			environment => { NO_FORK => $file });
		open my $handle, '>', $file or die "$file: $!";
		my $pid = $daemon->worker(0);
		kill 'STOP', $pid;
		my @queued = waiting($daemon, 20);
		kill 'KILL', $pid;
		ok($daemon->wait_log(qr/ error master\[\d+\]: worker 0: replace: fork: /),
			'there is no process for it');
		is(served(@queued), 20, 'what waits for it is served');
		is(ready($daemon, 0), 1, 'by the other one');
		unlink $file;
		ok(poll(sub { ready($daemon, 0) == 2 }), 'then it is replaced');
		$daemon->stop_ok;
	};

	subtest 'one of two is deaf, and the other dies' => sub {
		my $daemon = corrupted(top => 'workers = 2;');
		my $client = bid($daemon, 'deafen');
		my $port = $client->local_port;
		$client->reset;
		my $deaf = $daemon->wait_audit(
			sub { $_->{client_port} == $port })->{worker};
		my $pid = $daemon->worker($deaf);
		kill 'KILL', $daemon->worker(1 - $deaf);
		ok($daemon->wait_log(qr/ warning master\[\d+\]: worker $deaf\[$pid\]: replaced, since it has a listener that was shut down$/m),
			'the deaf one is replaced') or diag($daemon->log);
		ok(poll(sub { ready($daemon, $deaf) == 2 && ready($daemon, 1 - $deaf) == 2 }),
			'both are new');
		my @clients = waiting($daemon, 40);
		is(served(@clients), 40, 'all are served');
		is(servers($daemon, @clients), '0 1', 'by both');
		$daemon->stop_ok;
	};

	for my $cure ('reload', 'death') {
		subtest "steer, $cure" => sub {
			my $daemon = corrupted(top => 'workers = 2;');
			bid($daemon, 'steer');
			my @clients = waiting($daemon, 20);
			served(@clients);
			is(servers($daemon, @clients), '0', 'one draws all to itself');
			my $pid = $daemon->worker(0);
			$cure eq 'reload' ? $daemon->reload : kill 'KILL', $pid;
			ok(poll(sub { ready($daemon, 0) >= 2 }), 'a new worker');
			@clients = waiting($daemon, 40);
			is(served(@clients), 40, 'then all are served');
			is(servers($daemon, @clients), '0 1', 'by both');
			$daemon->stop_ok;
		};
	}
}

done_testing;
