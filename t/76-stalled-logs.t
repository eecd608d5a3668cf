#!/usr/bin/perl
# Who leaves while a log takes its lines slowly, or not at all: lines are waited
# for while they are taken, and what is lost is counted and told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Fcntl qw(F_SETPIPE_SZ);
use JSON::PP ();
use Time::HiRes qw(sleep);

use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(deadline readable);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");
my $LONG = "\xff" x 255;

# One connection that is refused, whose line is long.
sub refuse {
	my ($port) = @_;

	Sniport::Hello::exchange($port, Sniport::Hello::records(
		Sniport::Hello::client_hello(name => $LONG)));
	return;
}

# A pipe that holds little; its ends.
sub narrow {
	pipe(my $r, my $w) or die "pipe: $!";
	fcntl($w, F_SETPIPE_SZ, 4096) or die "F_SETPIPE_SZ: $!";
	return ($r, $w);
}

# Reads to the end of a stream; pause: so many seconds after each part of so
# many bytes. The lines as hashes.
sub read_all {
	my ($r, %option) = @_;
	my $text = '';
	my $deadline = deadline();

	while (readable($r, $deadline)) {
		sysread $r, $text, $option{bytes} // 65536, length $text or last;
		sleep $option{pause} if $option{pause};
	}
	return map { eval { JSON::PP::decode_json($_) } // { broken => $_ } }
	    split /\n/, $text;
}

sub sum {
	my $sum = 0;

	$sum += $_ for @_;
	return $sum;
}

# Lines that were lost, as the error log has it, and its last counters.
sub dropped {
	my ($daemon) = @_;

	return (sum($daemon->log =~ /: audit log: (\d+) lines? dropped/g),
		($daemon->counters)[-1]{audit_dropped} // 0);
}

# Whole lines, one for each of so many connections, or told to be missing.
sub complete_ok {
	my ($daemon, $n, @lines) = @_;
	my @ends = grep { ($_->{event} // '') eq 'end' } @lines;
	my %tunnel = map { ("$_->{client} $_->{time}" => 1) } @ends;
	my $gaps = sum(map { ($_->{event} // '') eq 'dropped' ? $_->{count} : () }
		@lines);
	my ($told, $counted) = dropped($daemon);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ map { $_->{broken} // () } @lines ], [], 'all lines are whole');
	is(scalar(keys %tunnel), scalar(@ends), 'none comes twice');
	is(@ends + $told, $n, 'each line came, or the error log says it is lost');
	is($counted, $told, 'the counter says the same');
	return ($told, $gaps);
}

subtest 'a slow reader gets all lines of a worker that leaves' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";', timeouts => 'drain = "20s";');
	close $w;
	my $n = 120;
	refuse($daemon->port) for 1 .. $n;
	$daemon->signal('TERM');
	# That takes longer than a worker used to wait.
	my @lines = read_all($r, bytes => 4096, pause => 0.03);
	my ($told) = complete_ok($daemon, $n, @lines);
	is($told, 0, 'none is lost');
	$daemon->stop_ok;
};

subtest 'also those of a generation that a reload replaced' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";');
	close $w;
	my $n = 100;
	refuse($daemon->port) for 1 .. $n;
	$daemon->reload;
	$daemon->signal('TERM');
	my @lines = read_all($r, bytes => 4096, pause => 0.02);
	my ($told) = complete_ok($daemon, $n, @lines);
	is($told, 0, 'none is lost');
	$daemon->stop_ok;
};

subtest 'a reader that stands still for a while' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";', timeouts => 'drain = "20s";');
	close $w;
	my $n = 50;
	refuse($daemon->port) for 1 .. $n;
	$daemon->signal('TERM');
	sleep 2;
	my ($told) = complete_ok($daemon, $n, read_all($r));
	is($told, 0, 'gets all lines as well');
	$daemon->stop_ok;
};

subtest 'a reader that reads no more' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";', timeouts => 'drain = "1s";');
	close $w;
	my $n = 50;
	refuse($daemon->port) for 1 .. $n;
	$daemon->stop_ok(name => 'sniport stops when its time is over');
	my ($told) = complete_ok($daemon, $n, read_all($r));
	cmp_ok($told, '>', 30, 'the lost lines are told');
	like($daemon->log, qr/ error master\S+ worker 0\[\d+\]: audit log: $told lines dropped: the worker ended before they could be written$/m,
		'for their worker');
};

subtest 'a worker that is killed while its lines wait' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";');
	close $w;
	my $n = 50;
	refuse($daemon->port) for 1 .. $n;
	my $pid = $daemon->worker(0);
	kill 'KILL', $pid;
	ok($daemon->wait_log(qr/ error master\S+ worker 0\[$pid\] of generation 1: died/),
		'it dies');
	refuse($daemon->port);
	$daemon->signal('TERM');
	my ($told) = complete_ok($daemon, $n + 1, read_all($r));
	is($told, 0, 'they are written for it, when the audit log is read again');
	like($daemon->log, qr/ worker 0\[$pid\]: audit log: \d+ lines that it left are passed on$/m,
		'as the error log says');
	$daemon->stop_ok;
};

subtest 'the second signal does not wait' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $w,
		log => 'access = "stdout";', timeouts => 'drain = "100s";');
	close $w;
	refuse($daemon->port) for 1 .. 50;
	my $tunnel = tunnel_open($daemon, $upstream);
	ok(works($tunnel), 'a tunnel is open');
	$daemon->signal('TERM');
	$daemon->wait_notify(qr/^STOPPING=1$/m);
	$daemon->stop_ok(name => 'sniport stops');
	like($daemon->log, qr/ stop: at once$/m, 'at once');
	my ($told) = complete_ok($daemon, 51, read_all($r));
	cmp_ok($told, '>', 30, 'the lost lines are told');
};

subtest 'the error log is waited for like the other' => sub {
	my ($r, $w) = narrow();
	my $daemon = Sniport::Daemon->new(@hosts, stderr => $w,
		log => 'level = "debug";', timeouts => 'drain = "20s";');
	close $w;
	refuse($daemon->port) for 1 .. 60;
	$daemon->signal('TERM');
	my $text = '';
	while (readable($r, deadline())) {
		sysread $r, $text, 4096, length $text or last;
		sleep 0.1;
	}
	is($daemon->wait_end, 0, 'sniport stops');
	like($text, qr/^\S+ notice master\S+ stop: done\n\z/m, 'its last line comes');
	unlike($text, qr/lines lost/, 'none is lost');
};

done_testing;
