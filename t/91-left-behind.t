#!/usr/bin/perl
# What a dead worker has left, and a stop, while a log is gone or stands still:
# lines wait for a log that comes back, and what is lost is counted in full; a
# log that is well has its last lines.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Fcntl qw(F_SETPIPE_SZ);
use IO::Socket::INET;
use JSON::PP ();

use Sniport::Daemon;
use Sniport::Syslog qw(no_syslog syslog syslog_leave syslog_next syslog_return);
use Sniport::Test qw(deadline poll readable);

my $N = 60;
my @options = (hosts => "127.0.0.1 peer.test\n");
my $patient = 'client_hello = "10m"; handshake = "10m";';
my $no_syslog = no_syslog();

# So many connections that say nothing.
sub connected {
	my ($daemon) = @_;

	return map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $daemon->port) // die "connect: $!" } 1 .. $N;
}

# All accepted.
sub silent {
	my ($daemon) = @_;
	my @clients = connected($daemon);

	poll(sub { $daemon->count->{accepted} == $N }) or die $daemon->log;
	return @clients;
}

sub kill_worker {
	my ($daemon) = @_;
	my $pid = $daemon->worker(0);

	kill 'KILL', $pid;
	$daemon->wait_log(qr/worker 0\[$pid\] of generation 1: died/) or
	    die $daemon->log;
	return;
}

# The scribe, when it waits for its log; undef: there is none in time.
sub scribe {
	my ($daemon, @but) = @_;
	my %but = map { ($_ => 1) } @but;

	return poll(sub {
		for my $pid (grep { !$but{$_} } $daemon->scribes) {
			return $pid if (Sniport::Daemon::waiting($pid))[1] eq 'S';
		}
		return undef;
	});
}

# A pipe that holds little; its ends.
sub narrow {
	pipe(my $r, my $w) or die "pipe: $!";
	fcntl($w, F_SETPIPE_SZ, 4096) or die "F_SETPIPE_SZ: $!";
	return ($r, $w);
}

sub stalled {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@options, stdout => $w,
		timeouts => "$patient drain = \"1s\";",
		log => 'level = "info"; access = "stdout";');

	close $w;
	return ($daemon, $r);
}

# The lines to the end of a stream.
sub lines {
	my ($r) = @_;
	my $text = '';
	my $deadline = deadline();

	while (readable($r, $deadline)) {
		sysread $r, $text, 65536, length $text or last;
	}
	return map { JSON::PP::decode_json($_) } split /\n/, $text;
}

# Each connection has a line, or is counted among those that have none.
sub complete_ok {
	my ($daemon, @lines) = @_;
	my @ends = grep { $_->{event} eq 'end' } @lines;
	my %count = %{ ($daemon->counters)[-1] };
	my $told = 0;
	$told += $_ for $daemon->log =~ /: audit log: (\d+) lines? dropped/g;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($count{accepted}, $N, 'all were accepted');
	is($count{worker_died}, $N, 'each has a reason in the counters');
	is($count{audit_dropped} // 0, $N - @ends,
		'each that has no line is counted');
	is($told, $N - @ends, 'and the error log tells of it');
	return scalar @ends;
}

subtest 'syslog is gone when a worker dies' => sub {
	plan skip_all => "SKIPPED LOUDLY: $no_syslog" if $no_syslog;
	my $daemon = Sniport::Daemon->new(@options, syslog(),
		timeouts => $patient, log => 'level = "info"; access = "syslog";');
	my @clients = silent($daemon);
	syslog_leave($daemon);
	kill_worker($daemon);
	ok(scribe($daemon), 'who writes its lines waits');
	syslog_return($daemon);
	my %seen;
	for (1 .. $N) {
		my $text = syslog_next($daemon, qr/"worker_died"/);
		$seen{$1} = 1 if $text =~ /"client":"([^"]+)"/;
	}
	is(scalar(keys %seen), $N, 'all come when it is back');
	ok($daemon->wait_log(qr/$N lines that it left are passed on/),
		'as the error log says');
	unlike($daemon->log, qr/the scribe/, 'nobody died of it');
	is($daemon->count->{worker_died}, $N, 'all are counted');
	is($daemon->count->{audit_dropped} // 0, 0, 'and none as lost');
	$daemon->stop_ok;
};

subtest 'a stop while what a worker left waits' => sub {
	my ($daemon, $r) = stalled();
	my @clients = silent($daemon);
	kill_worker($daemon);
	ok(scribe($daemon), 'its lines wait');
	$daemon->stop_ok;
	my $n = complete_ok($daemon, lines($r));
	like($daemon->log, qr/ audit log: $n lines that it left are passed on/,
		'no more are said to be written than the log took');
};

subtest 'whoever writes it is killed' => sub {
	my ($daemon, $r) = stalled();
	my @clients = silent($daemon);
	kill_worker($daemon);
	my $scribe = scribe($daemon);
	kill 'KILL', $scribe if $scribe;
	ok($daemon->wait_log(qr/ error master\S+ worker 0\[\d+\]: audit log: the scribe\[$scribe\] that writes what it left has died: signal 9 \(Killed\)$/m),
		'the error log says so, and of what');
	ok(scribe($daemon, $scribe), 'another one waits');
	$daemon->signal('TERM');
	my @lines = lines($r);
	is($daemon->wait_end, 0, 'the end');
	is(complete_ok($daemon, @lines), $N, 'all come when they are read');
	$daemon->stop_ok;
};

subtest 'again and again' => sub {
	my ($daemon, $r) = stalled();
	my @clients = silent($daemon);
	kill_worker($daemon);
	my @scribes;
	while ($daemon->log !~ /audit log: \d+ lines? dropped/) {
		my $scribe = scribe($daemon, @scribes) or last;
		kill 'KILL', $scribe;
		push @scribes, $scribe;
		$daemon->wait_log(qr/scribe\[$scribe\]/) or last;
	}
	cmp_ok(scalar(@scribes), '>', 10, 'many have died');
	$daemon->stop_ok;
	complete_ok($daemon, lines($r));
};

subtest 'syslog is gone at the stop' => sub {
	plan skip_all => "SKIPPED LOUDLY: $no_syslog" if $no_syslog;
	for my $drain (1, 60) {
		my $daemon = Sniport::Daemon->new(@options, syslog(),
			timeouts => "$patient drain = \"${drain}s\";",
			log => 'level = "info"; access = "syslog";');
		my @clients = silent($daemon);
		syslog_leave($daemon);
		close $_ for @clients;
		ok(poll(sub { ($daemon->count->{client_abandoned} // 0) == $N }),
			"drain ${drain}s: lines wait");
		my $begin = time;
		$daemon->stop_ok;
		like($daemon->log, qr/ counters: .*\n.* notice master\S+ stop: done\n\z/,
			'the error log has its last lines');
		like($daemon->log, qr/ audit log: $N lines dropped/,
			'and what is lost');
		unlike($daemon->log, qr/can be written again/,
			'nothing is said of syslog that is not so');
		cmp_ok(time - $begin, '<', 10, 'it is waited for once')
		    if $drain > 10;
	}
};

# What waits in the queue of a worker that stands still for a moment.
subtest 'QUIT, and who was not accepted yet' => sub {
	my $daemon = Sniport::Daemon->new(@options, timeouts => $patient);
	my $worker = $daemon->worker(0);
	kill 'STOP', $worker;
	my @clients = connected($daemon);
	$daemon->signal('QUIT');
	ok($daemon->wait_log(qr/ stop: at once$/m), 'it is to end at once');
	kill 'CONT', $worker;
	$daemon->stop_ok;
	my %reasons;
	$reasons{ $_->{reason} }++ for $daemon->audit;
	is_deeply(\%reasons, { stopped => $N }, 'each has a line');
	is(($daemon->counters)[-1]{stopped}, $N, 'and is counted');
};

done_testing;
