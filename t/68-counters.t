#!/usr/bin/perl
# The counters in the error log: they say exactly what has happened, when logs
# are reopened, after a reload and at the end, and they never go back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(poll);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $closed = Sniport::Upstream->closed;
my $LENGTH = 5000;

my $daemon = Sniport::Daemon->new(top => 'workers = 2;',
	hosts => "127.0.0.1 peer.test denied.test other.test\n",
	limits => 'tunnels_per_client = 3;', rules => '
	{ name = "no"; action = "deny"; destinations = [ "denied.test:*" ]; },
	{ name = "some"; action = "allow"; destinations = [ "peer.test:*" ];
		networks = [ "127.0.0.0/8" ]; }');

# What the counters must be by now.
my %want;

sub more {
	my %more = @_;

	$want{$_} += $more{$_} for keys %more;
	return;
}

sub client { return tunnel_open($daemon, $upstream, @_); }

# So many bytes there and back.
sub echo {
	my ($client) = @_;
	my $text = 'x' x $LENGTH;

	return $client->established && $client->put($text) &&
	    $client->get($LENGTH) eq $text;
}

# The end of a tunnel is counted after its audit line is written and its client
# has seen it.
sub counted_ok {
	my ($title) = @_;
	my $got;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll(sub {
		$got = $daemon->count;
		return !grep { ($got->{$_} // 0) != ($want{$_} // 0) }
		    keys %want, keys %$got;
	});
	return is_deeply($got, \%want, $title);
}

counted_ok('nothing yet');
like($daemon->log, qr/: logs: reopened\n\S+ info master\[\d+\]: counters: none\n/,
	'which it says, after the logs were reopened');

my @bytes = (bytes_from_client => $LENGTH, bytes_from_upstream => $LENGTH);
my @whole = (accepted => 1, handshakes => 1, established => 1);
for (1 .. 4) {
	my $client = client();
	ok(echo($client) && finish($client), 'a tunnel');
	more(@whole, @bytes, done => 1);
}
counted_ok('four tunnels');

for ([ 'denied.test', 'rule_deny', 3 ], [ 'other.test', 'no_rule', 2 ]) {
	my ($host, $reason, $times) = @$_;

	client(name => name_of($upstream, $host))->wait_end for 1 .. $times;
	more(accepted => $times, $reason => $times);
}
client(name => 'peer.test')->wait_end;
more(accepted => 1, sni_no_port => 1);
client(name => name_of($closed))->wait_end;
more(accepted => 1, handshakes => 1, connect_refused => 1);
counted_ok('those that are refused');

my @open = map { client(source => '127.0.0.2') } 1 .. 3;
is(scalar(grep { echo($_) } @open), 3, 'as many as a client may have');
client(source => '127.0.0.2')->wait_end for 1 .. 5;
more(@whole, @bytes) for @open;
more(accepted => 5, limit_client => 5);
counted_ok('those beyond a limit');

# Nothing happens but the reload.
my $lines = () = $daemon->counters;
$daemon->reload(top => 'workers = 1;');
ok(poll(sub { $daemon->counters > $lines }), 'a reload has a line');
is_deeply(($daemon->counters)[-1], \%want, 'with the same totals');
# Workers may write what they like in between.
like(join("\n", grep { / master\[/ } split /\n/, $daemon->log),
	qr/: reload: done [^\n]*\n\S+ info master\[\d+\]: counters: /,
	'as its last');
ok(finish(shift @open), 'a tunnel of the old generation ends');
more(done => 1);
counted_ok('it is counted');

# What a worker had open is counted, its bytes and its end.
my $held = client();
ok(echo($held), 'a tunnel of the new generation');
more(@whole, @bytes);
counted_ok('its bytes are counted while it is open');
my $client = client();
ok(echo($client) && finish($client), 'and one that ends');
more(@whole, @bytes, done => 1);
counted_ok('both are counted');
my $worker = $daemon->worker(0);
kill 'KILL', $worker;
is($held->wait_end, 'reset', 'its worker is killed');
ok($daemon->wait_log(qr/: worker 0\[$worker\] of generation 2: died/),
	'which the master sees');
ok($daemon->wait_log(qr/: worker 0\[$worker\]: audit log: 1 line that it left is passed on$/m),
	'and has its line written');
more(worker_died => 1);
counted_ok('what it has counted stays');
$client = client();
ok(echo($client) && finish($client), 'a tunnel of its replacement');
more(@whole, @bytes, done => 1);
counted_ok('is added');

my $before = () = $daemon->counters;
$daemon->reload(log => 'level = "notice";');
$daemon->signal('USR1');
ok(poll(sub { $daemon->log =~ /generation 3\n(?:.*\n)*.*logs: reopened\n/ }),
	'a reload and another signal');
is(scalar(my @now = $daemon->counters), $before,
	'have no such line where log.level is "notice"');
$daemon->reload(log => 'level = "info";');
counted_ok('nothing was forgotten meanwhile');

# A log that is rotated.
$daemon->reload(log => 'error = "%DIR%/own.log";');
# What the reload has to say is on its way to the file that is there now.
ok(poll(sub { $daemon->slurp('own.log') =~ /: reload: done .*\n.*: counters: .*\n/ }),
	'a log of its own');
rename $daemon->dir . '/own.log', $daemon->dir . '/own.log.1' or die $!;
$daemon->signal('USR1');
ok(poll(sub { $daemon->slurp('own.log') =~ /counters: .*\n/ }),
	'a log is rotated');
# Older generations may end at any time.
like($daemon->slurp('own.log') =~
	s/^\S+ info master\S+ (?:worker \d+\S+ of generation \d+: ended: .*|generation \d+: gone)\n//gmr,
	qr/\A\S+ notice master\S+ logs: reopened\n\S+ info master\S+ counters: accepted $want{accepted}, /,
	'and the new file begins with the totals');
$daemon->reload(log => '');

ok(finish(shift @open), 'an old tunnel ends');
more(done => 1);
counted_ok('before the end');
# Who is open then is counted, too.
$daemon->stop_ok(signal => 'QUIT');
more(stopped => 1);
is_deeply(($daemon->counters)[-1], \%want, 'the last line has all');
# Under valgrind a worker takes so long to exit that it is killed.
like($daemon->log, qr/ (?:ended|died): [^\n]*\n(?:[^\n]*: generation \d+: gone\n)*\S+ info master\[\d+\]: counters: [^\n]*\n[^\n]*: stop: done\n\z/,
	'it comes after the last worker');

# Of all lines, over reloads and the crash.
my (%last, @back);
for my $line ($daemon->counters) {
	push @back, grep { ($line->{$_} // 0) < $last{$_} } keys %last;
	%last = %$line;
}
is_deeply(\@back, [], 'no counter has ever gone back');

# Each has one reason, the one that was lost with its worker too.
my $ends = 0;
$ends += $want{$_} for qw(done rule_deny no_rule sni_no_port connect_refused
	limit_client worker_died stopped);
is($ends, $want{accepted}, 'each tunnel is counted for its end, once');
is(scalar(grep { $_->{event} eq 'end' } $daemon->audit), $ends,
	'and has its audit line');
done_testing;
