#!/usr/bin/perl
# A limit on open files under which nobody could be served: sniport does not
# start, and says how many files it needs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(run under_valgrind);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: valgrind keeps files for itself' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");
my $refused = qr/^sniport: .*: workers: too few open files: (\d+) workers? and (\d+) listeners? need (\d+) in the master and at least (\d+) in each worker, RLIMIT_NOFILE is (\d+): raise it with ulimit -n, or with LimitNOFILE in the unit$/m;

sub serves {
	my ($daemon) = @_;
	my $client = tunnel_open($daemon, $upstream);

	return works($client) && finish($client);
}

# Does not start; returns the numbers that it gives.
sub refused_ok {
	my ($files, %option) = @_;
	my $daemon = Sniport::Daemon->new(@hosts, %option, files => $files,
		may_fail => 1);

	is($daemon->wait_end, 1, "$files open files: no start");
	my @numbers = $daemon->log =~ $refused;
	is($numbers[4], $files, 'the numbers are told')
	    or diag($daemon->log);
	unlike($daemon->log, qr/: started, /, 'nobody says that it has started');
	$daemon->stop_ok(status => 1);
	return @numbers;
}

# Too few to read a configuration.
for my $files (4 .. 20, 31) {
	my $daemon = Sniport::Daemon->new(@hosts, files => $files,
		may_fail => 1);

	is($daemon->wait_end, 1, "$files open files: no start");
	is($daemon->log, "sniport: too few open files: 1 worker and 1 listener need 259, RLIMIT_NOFILE is $files: raise it with ulimit -n, or with LimitNOFILE in the unit\n",
		'what is wrong is told');
	$daemon->stop_ok(status => 1);
}
refused_ok(32);
refused_ok(64);
my ($workers, $listeners, $master, $worker) = refused_ok(40);
is_deeply([ $workers, $listeners ], [ 1, 1 ], 'for one worker and listener');
refused_ok($worker - 1);

# What is said to be enough is enough.
my $daemon = Sniport::Daemon->new(@hosts, files => $worker);
ok(serves($daemon), 'as many as it asks for: it serves');
like($daemon->log, qr/ warning .*limits\.tunnels: 100000 over 1 worker need \d+ open files each, RLIMIT_NOFILE is $worker: raise it with ulimit -n, or with LimitNOFILE in the unit$/m,
	'and warns that its tunnels need more');
# One listener more has no room.
my $more = '{ address = "127.0.0.1:%PORT%"; }, { address = "127.0.0.2:%PORT%"; }';
like($daemon->reload(listeners => $more),
	qr/^Reload failed, generation 1 goes on: .*too few open files: 1 worker and 2 listeners need /,
	'a reload that needs more fails');
ok(serves($daemon), 'the old generation serves');
$daemon->stop_ok;
$daemon = Sniport::Daemon->new(@hosts, listeners => $more,
	files => $worker + 1);
ok(serves($daemon), 'one file more is enough for that');
$daemon->stop_ok;

# -t judges by its own limit, or by that of the unit.
sub checked_with {
	my ($files, $limit) = @_;
	my $bin = $daemon->dir . '/bin';

	mkdir $bin;
	open my $file, '>', "$bin/systemctl" or die "systemctl: $!";
	print $file "#!/bin/sh\n",
	    $limit ? "echo User=\necho LimitNOFILE=$limit\n" : "exit 1\n";
	close $file;
	chmod 0755, "$bin/systemctl" or die "systemctl: $!";
	my ($status, $text) = run('sh', '-c', 'ulimit -n $0 && exec "$@"',
		$files, 'env', "PATH=$bin:$ENV{PATH}",
		$daemon->command('-t', '-c', $daemon->dir . '/sniport.conf'));
	return "$status $text";
}
$daemon->configure(top => 'workers = 1;');
like(checked_with(32), qr/\A1 .*: workers: too few open files: .* RLIMIT_NOFILE is 32: raise it /,
	'-t: too few is an error');
like(checked_with(1000), qr/^0 (?:.*\n)*sniport: warning: \S*limits\.tunnels: 100000 over 1 worker need \d+ open files each, RLIMIT_NOFILE is 1000: /m,
	'-t: fewer than the tunnels need is a warning');
SKIP: {
	skip 'only root asks of the unit', 3 if $>;
	like(checked_with(1000, 40), qr/^1 (?:.*\n)*.* RLIMIT_NOFILE is 40: /m,
		'-t: the unit has less than its own');
	for ('infinity', 300000) {
		unlike(checked_with(1000, $_), qr/RLIMIT_NOFILE/,
			"-t: the unit has enough: $_");
	}
}

# What it says that so many tunnels need is enough for them, and not one less.
my @few = (@hosts, limits => 'tunnels = 20;');
$daemon = Sniport::Daemon->new(@few, files => $worker);
like($daemon->log, qr/20 over 1 worker need \d+ open files each/,
	'too few for 20 tunnels');
my ($need) = $daemon->log =~ /20 over 1 worker need (\d+)/;
$daemon->stop_ok;
$daemon = Sniport::Daemon->new(@few, files => $need - 1);
like($daemon->log, qr/20 over 1 worker need $need /, 'one less');
$daemon->stop_ok;
$daemon = Sniport::Daemon->new(@few, files => $need);
unlike($daemon->log, qr/open files/, 'enough: no warning');
my @tunnels = map { tunnel_open($daemon, $upstream) } 1 .. 20;
is(scalar(grep { works($_) } @tunnels), 20, 'and all are served at once');
finish($_) for @tunnels;
$daemon->stop_ok;

# The master holds the listening sockets of all workers.
my @many = (top => 'workers = 36;');
($workers, $listeners, $master, $worker) = refused_ok(90, @many);
cmp_ok($master, '>', $worker, 'with many workers it is the master that needs more');
$daemon = Sniport::Daemon->new(@hosts, @many, files => $master);
ok(serves($daemon), 'as many as it asks for: it serves');
like($daemon->reload, qr/^Serving: 36 workers, /, 'and it reloads');
$daemon->stop_ok;

done_testing;
