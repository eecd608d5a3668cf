#!/usr/bin/perl
# What waits for a worker that is down is handed to others as connections: in
# turn, each as if it had been accepted there. None of them gets a listening
# socket of another, and what one that was broken into does to a connection cannot
# make the master wait for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Socket;
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Down qw(audited down served waiting);
use Sniport::Test qw(build poll run slow status temporary under_valgrind write_file);
use Sniport::Tunnel qw(name_of works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: valgrind is slower than the back-off'
    if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my $name = name_of($upstream);
my @hosts = (hosts => "127.0.0.1 peer.test\n");
# Each waits its turn, and on a busy host that takes its time.
my $patient = 'client_hello = "10m"; handshake = "10m"; watchdog = "60s";';

# How many listening sockets a process has; undef: nobody tells.
sub listeners {
	my ($pid) = @_;
	my %listens;

	for my $table (qw(tcp tcp6)) {
		open my $file, '<', "/proc/$pid/net/$table" or next;
		while (my $line = <$file>) {
			my @field = split ' ', $line;
			$listens{ $field[9] } = 1 if $field[3] eq '0A';
		}
	}
	opendir my $dir, "/proc/$pid/fd" or return undef;
	return scalar grep { (readlink("/proc/$pid/fd/$_") // '') =~ /^socket:\[(\d+)\]$/ &&
		$listens{$1} } readdir $dir;
}

# Clients that say nothing and read nothing, into small buffers.
sub idle {
	my ($daemon, $n) = @_;
	my $to = pack_sockaddr_in($daemon->port, inet_aton('127.0.0.1'));
	my @clients;

	for (1 .. $n) {
		socket my $client, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
		setsockopt $client, SOL_SOCKET, SO_RCVBUF, 4096;
		connect $client, $to or die "connect: $!";
		push @clients, $client;
	}
	return @clients;
}

subtest 'in turn, as if they were accepted there' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 3;',
		timeouts => $patient,
		listeners => '{ address = "127.0.0.1:%PORT%"; }, { address = "127.0.0.1:%PORT_b%"; }');
	my %before = map { $_ => listeners($daemon->worker($_)) } 1, 2;
	my (@a, @b);
	down($daemon, 0, 4, sub {
		@a = waiting($daemon, 60, $name);
		@b = waiting($daemon, 60, $name, 'b');
	});
	is(served(@a, @b), 120, 'all are served');
	for my $worker (1, 2) {
		is(listeners($daemon->worker($worker)), $before{$worker},
			"worker $worker has its own listening sockets, and no other")
		    if defined $before{$worker};
	}
	for (['the first listener', undef, @a], ['the second one', 'b', @b]) {
		my ($title, $listener, @clients) = @$_;
		my @lines = audited($daemon, @clients);
		my $address = '127.0.0.1:' . $daemon->port($listener);
		# A client may use a port twice, to two listeners.
		is(scalar(grep { $_->{listener} eq $address &&
			$_->{client_address} eq '127.0.0.1' } @lines), 60,
			"$title: the audit lines name it, and the clients");
	}
	# Each gets a third by itself, and half of what waited for the other.
	my %n;
	$n{ $_->{worker} }++ for audited($daemon, @a, @b);
	is(join(' ', sort keys %n), '1 2', 'two workers have served them');
	cmp_ok($n{$_}, '>=', 30, "worker $_ its share") for 1, 2;
	$daemon->stop_ok;
};

subtest 'limits hold' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => $patient, limits => 'tunnels = 5;');
	my @queued = down($daemon, 0, 4, sub { waiting($daemon, 20, $name) });
	$_->handshake for @queued;
	my @refused = grep { !works($_) } @queued;
	my @reasons = map { $_->{reason} } audited($daemon, @refused);
	is(scalar(@reasons), 15, 'all beyond the limit end at once');
	is_deeply([ grep { $_ ne 'limit_tunnels' } @reasons ], [], 'by the limit');
	$_->reset for @queued;
	$daemon->stop_ok;
};

# How many connections wait in each listening socket of the port.
sub queues {
	my ($port) = @_;
	my $local = sprintf '0100007F:%04X', $port;

	open my $file, '<', '/proc/net/tcp' or die "tcp: $!";
	return map { hex } map { / \Q$local\E \S+ 0A \w+:(\w+) / ? $1 : () } <$file>;
}

# Worker 0 is down, worker 1 stands still, and connections are on their way to
# it, which are lost with it unless somebody takes them back.
sub stuck {
	my ($daemon) = @_;
	my $pid = $daemon->worker(1);
	my @queued = down($daemon, 0, 8, sub {
		kill 'STOP', $pid;
		return waiting($daemon, 40, $name);
	});
	ok(poll(sub { grep { $_ == 0 } queues($daemon->port) }),
		'some are on their way to the other worker');
	return ($pid, @queued);
}

for my $what ('a reload', 'a reload with a listener less', 'a stop') {
	subtest "$what, and the helper dies" => sub {
		my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
			timeouts => "$patient drain = \"10m\";",
			listeners => '{ address = "127.0.0.1:%PORT_b%"; },
				{ address = "127.0.0.1:%PORT%"; }');
		my ($pid, @queued) = stuck($daemon);
		if ($what eq 'a reload') {
			$daemon->reload(
				listeners => '{ address = "127.0.0.1:%PORT%"; }');
		} elsif ($what eq 'a stop') {
			$daemon->signal('TERM');
			$daemon->wait_log(qr/: stop: /);
		} else {
			$daemon->reload(
				listeners => '{ address = "127.0.0.1:%PORT_b%"; }');
		}
		kill 'KILL', $pid;
		ok($daemon->wait_log(qr/ worker 1\[$pid\] of generation 1: died/),
			'the helper dies');
		my $served = served(@queued);
		is($served, 40, 'all are served') if $what eq 'a reload';
		$daemon->settle;
		my ($lost) = $daemon->log =~ /worker 1 of generation 1: (\d+) connections? that w/;
		my @died = grep { $_->{reason} eq 'worker_died' } $daemon->audit;
		is(scalar(@died), $lost // 0, 'who is lost has an audit line');
		is(scalar(grep { $_->{listener} ne '127.0.0.1:' . $daemon->port } @died),
			0, 'which names the listener');
		is($served + @died, 40, 'and nobody is without');
		$what eq 'a stop' ? is($daemon->wait_end, 0, 'it stops') :
		    $daemon->stop_ok;
	};
}

# From now on a process has no descriptor to spare; returns what undoes it. Limits
# may be changed by whoever has all the same ids.
sub without_descriptors {
	my ($pid) = @_;
	my %used = map { m!(\d+)$! ? ($1 => 1) : () } glob "/proc/$pid/fd/*";
	my ($uid, $gid) = map { (split ' ', status($pid, $_))[0] } qw(Uid Gid);
	my @as = $> == $uid ? () : ('setpriv', "--reuid=$uid", "--regid=$gid",
		'--clear-groups');
	my $limit = sub {
		my ($status, $text) = run(@as, 'prlimit', "--pid=$pid", @_);
		die "prlimit: $text" if $status;
		return $text;
	};
	my ($hard) = $limit->(qw(--nofile --output=HARD --noheadings)) =~ /(\w+)/;
	my $lowest = 0;

	$lowest++ while $used{$lowest};
	$limit->("--nofile=$lowest:$hard");
	return sub { $limit->("--nofile=$hard:$hard") };
}

subtest 'a helper that lives takes nothing, and another could' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 3;',
		timeouts => 'client_hello = "10m"; handshake = "10m"; watchdog = "4s";');
	my $pid = $daemon->worker(1);
	my $undo;
	my @queued = down($daemon, 0, 8, sub {
		$undo = without_descriptors($pid);
		return waiting($daemon, 60, $name);
	});
	ok($daemon->wait_log(qr/ warning master\[\d+\]: worker 1\[$pid\]: it took none of \d+ connections? for timeouts\.watchdog: others get (?:it|them)$/m),
		'what it was handed is taken back');
	# What came to its own sockets waits for it.
	$undo->();
	is(served(@queued), 60, 'all are served');
	is(scalar(audited($daemon, @queued)), 60, 'each once');
	is($daemon->worker(1), $pid, 'the worker goes on');
	$daemon->stop_ok;
};

subtest 'the master has no descriptors when the helper dies' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => $patient);
	my ($pid, @queued) = stuck($daemon);
	my $undo = without_descriptors($daemon->pid);
	kill 'KILL', $pid;
	ok($daemon->wait_log(qr/ worker 1\[$pid\] of generation 1: died/),
		'it dies');
	$undo->();
	is(served(@queued), 40, 'nobody is lost');
	is(scalar(audited($daemon, @queued)), 40, 'and each is served once');
	$daemon->stop_ok;
};

# Not where a sanitizer runs: it comes before anything that is preloaded.
subtest 'a stop, and there is nobody to take them' => sub {
	plan skip_all => 'SKIPPED: a sanitizer comes before what is preloaded'
	    if slow();
	my $dir = temporary();
	my $file = "$dir/no-fork";
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => "$patient drain = \"10m\";",
		environment => { LD_PRELOAD => build() . '/preload/violate.so',
			NO_FILTER => 1, NO_FORK => $file });
	my ($dead, $helper) = map { $daemon->worker($_) } 0, 1;
	open my $handle, '>', $file or die "$file: $!";
	kill 'STOP', $dead, $helper;
	my @queued = waiting($daemon, 40, $name);
	kill 'KILL', $dead;
	ok(poll(sub { grep { $_ == 0 } queues($daemon->port) }),
		'some are on their way to the other worker');
	kill 'KILL', $helper;
	ok($daemon->wait_log(qr/worker 1\[$helper\] of generation 1: died/),
		'which dies');
	$daemon->signal('TERM');
	is($daemon->wait_end, 0, 'sniport stops');
	my $lost = 0;
	$lost += $_ for $daemon->log =~
	    /worker \d of generation 1: (\d+) connections? that w/g;
	is($lost, 40, 'the log says that they are lost, and those that waited');
	my @died = grep { $_->{reason} eq 'worker_died' } $daemon->audit;
	is(scalar(@died), $lost, 'and each has an audit line');
	my %ids = map { $_->{tunnel} => 1 } @died;
	is(scalar(keys %ids), $lost, 'with an id of its own');
};

subtest 'more than fit into one batch, and the helper is slow' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => $patient);
	my $pid = $daemon->worker(1);
	my @queued = down($daemon, 0, 4, sub {
		kill 'STOP', $pid;
		return waiting($daemon, 300, $name);
	});
	ok($daemon->wait_log(qr/worker 0: others serve what waits for it$/m),
		'the log says that others serve');
	kill 'CONT', $pid;
	is(served(@queued), 300, 'all are served');
	$daemon->stop_ok;
};

subtest 'the helper dies before it has taken them' => sub {
	my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
		timeouts => $patient);
	my $pid = $daemon->worker(1);
	my @queued = down($daemon, 0, 4, sub {
		kill 'STOP', $pid;
		return waiting($daemon, 30, $name);
	});
	my $others = qr/worker 0: others serve what waits for it$/m;
	ok($daemon->wait_log($others), 'the log says that others serve');
	kill 'KILL', $pid;
	is(served(@queued), 30, 'all are served by the next one');
	$daemon->stop_ok;
};

# Not where a sanitizer runs: it comes before anything that is preloaded.
if (!slow()) {
	subtest 'a worker that was broken into finds no listening socket of others' => sub {
		my $daemon = Sniport::Daemon->new(@hosts, top => 'workers = 2;',
			environment => { LD_PRELOAD => build() . '/preload/violate.so' });
		down($daemon, 0, 4, sub { waiting($daemon, 5, $name) });
		ok($daemon->wait_log(qr/worker 0: others serve what waits for it$/m),
			'one serves for another');
		Sniport::Client->new(port => $daemon->port,
			name => 'deafen-lent.violate.test:443') for 1 .. 3;
		ok($daemon->wait_log(qr/^violate deafen-lent: /m), 'it tries');
		unlike($daemon->log, qr/^violate deafen-lent: done/m, 'in vain');
		unlike($daemon->log, qr/no longer listened/, 'all listen');
		$daemon->stop_ok;
	};

	my $dir = temporary();
	write_file("$dir/spoil", '');

	# Has the other workers, without their filter, which forbids to peek, get
	# such connections; returns their process ids,
	# and the clients, which must stay.
	my $spoil = sub {
		my ($daemon) = @_;
		my (@idle, @spoilt);

		down($daemon, 0, 4, sub {
			@idle = idle($daemon, 4);
			return waiting($daemon, 60, $name);
		});
		poll(sub { (@spoilt = $daemon->log =~ /^spoil (\d+): done/mg) == 2 });
		return (\@spoilt, @idle);
	};
	my @spoils = (@hosts, top => 'workers = 3;', timeouts => $patient,
		environment => { SPOIL => "$dir/spoil", NO_FILTER => 1, LD_PRELOAD =>
			join ' ', map { build() . "/preload/$_.so" } qw(spoil violate) });

	# Whoever closes such a connection last waits for ten minutes.
	subtest 'a worker has the close of a connection wait' => sub {
		my $daemon = Sniport::Daemon->new(@spoils);
		my ($spoilt, @idle) = $spoil->($daemon);
		is(scalar(@$spoilt), 2, 'two do') or diag($daemon->log);
		$daemon->signal('HUP');
		ok($daemon->wait_log(qr/ reload: done in /), 'the master answers');
		close $_ for @idle;
		$daemon->stop_ok;
	};

	subtest 'it does so, and dies' => sub {
		my $daemon = Sniport::Daemon->new(@spoils);
		my ($spoilt, @idle) = $spoil->($daemon);
		unlink "$dir/spoil";
		kill 'KILL', @$spoilt;
		ok($daemon->wait_log(qr/worker \d\[$_\] of generation 1: died/),
			"the master sees that $_ is dead") for @$spoilt;
		is(served(waiting($daemon, 20, $name)), 20, 'others serve');
		$daemon->signal('HUP');
		ok($daemon->wait_log(qr/ reload: done in /), 'the master answers');
		close $_ for @idle;
		$daemon->stop_ok;
	};
}

done_testing;
