#!/usr/bin/perl
# How the egress lines are, as operators, check scripts and monitoring see it:
# whether this host has their addresses and devices, and at once when that
# changes. The test is in a network of its own, with one beside it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use JSON::PP;

use Sniport::Admin qw(ask metrics pid_of);
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Test qw(poll);

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

my $here = Sniport::Network->here;
my $there = Sniport::Network->new;
$_->set('ipv6.conf.all.disable_ipv6', 0) for $here, $there;
$here->line('out0', $there, 'up0');
$here->ip('address add 10.72.0.1/24 dev out0');

my %lines = (
	dev => 'device = "out0";',
	dual => 'source = [ "10.72.0.1", "fd72::9" ];',
	late => 'device = "late0";',
	pair => 'source = [ "10.72.0.1", "10.72.0.9" ];',
	plain => '',
	vip => 'source = [ "10.72.0.9" ];',
);

sub egress {
	return join ', ', map { qq({ name = "$_"; $lines{$_} }) } @_;
}

my @names = sort keys %lines;
my $daemon = Sniport::Daemon->new(egress => egress(@names));

sub ready {
	return (ask($daemon, "/readyz?line=$_[0]"))[0];
}

# The command, by which no service is asked: exit status and what it prints.
sub line {
	return $daemon->once('line', @_);
}

# What the service says of that line.
sub told {
	my $body = (ask($daemon, "/readyz?line=$_[0]"))[1] // '';

	return $body eq "ok\n" ? 'up' : $body =~ /^egress line (\w+)$/ ? $1 : $body;
}

sub listed {
	my ($status, $text) = $daemon->once('status', '--json');

	return { text => $text } if $status;
	return { map { ($_->{line} => $_) } @{ decode_json($text)->{egress} } };
}

sub sampled {
	return metrics((ask($daemon, '/metrics'))[1], []);
}

# One test for each line that is named: all who tell of it agree.
sub lines_ok {
	my ($title, %want) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $name (sort keys %want) {
		my ($state, $exit) = split ' ', $want{$name};
		my $code = $state eq 'down' ? 503 : 200;
		poll(sub { told($name) eq $state });
		my ($status, $text) = line($name);
		is_deeply([ told($name), ready($name), $status,
			$text =~ /^\Q$name\E: (\w+)/, listed()->{$name}{state},
			sampled()->{"sniport_egress_up{line=\"$name\"}"} ],
			[ $state, $code, $exit // 0, $state, $state,
				$state eq 'down' ? 0 : 1 ],
			"$title: $name is $state") or diag($text);
	}
	return;
}

subtest 'at the start' => sub {
	lines_ok('at the start', dev => 'up', dual => 'down 1', late => 'down 3',
		pair => 'degraded', plain => 'up', vip => 'down 1');
	is(ready('none'), 404, 'a line that is not there');
	is(ready('%'), 400, 'a query that is malformed');
	is((ask($daemon, '/readyz'))[0], 200, 'none of them is asked for');
	like((ask($daemon, '/readyz?line=vip'))[1], qr/^egress line down$/,
		'a line that is down, in words');

	my (undef, $text) = $daemon->once('status');
	is_deeply([ $text =~ /^egress:     (.*)\n/mg ], [ 'dev: up',
		'dual: down; fd72::9 is missing',
		'late: down; the device late0 is missing',
		'pair: degraded; 10.72.0.9 is missing',
		'plain: up',
		'vip: down; 10.72.0.9 is missing' ],
		'in status, in words') or diag($text);
	my $sample = sampled();
	is($sample->{'sniport_egress_sources{line="pair",state="here"}'}, 1,
		'in metrics: sources that are here');
	is($sample->{'sniport_egress_sources{line="pair",state="missing"}'}, 1,
		'and those that are not');
	unlike($daemon->log, qr/ egress line /, 'the log has told it once, at its setting');
};

subtest 'the command' => sub {
	my ($status, $text) = line();
	is($status, 3, 'all lines: the worst');
	is($text, <<'END', 'all lines: one line each');
dev: up
dual: down: this host does not have fd72::9
late: down: this host does not have the device late0
pair: degraded: this host does not have 10.72.0.9
plain: up
vip: down: this host does not have 10.72.0.9
END
	($status, $text) = line('dual', '--json');
	is($status, 1, 'JSON');
	is_deeply(decode_json($text), { line => 'dual', state => 'down',
		sources => 2, sources_here => 1, missing => ['fd72::9'] },
		'what is missing');
	is_deeply(decode_json($text), listed()->{dual}, 'as in status');
	($status, $text) = line('dev', '--json');
	is($status, 0, 'JSON of another');
	is_deeply(decode_json($text), { line => 'dev', state => 'up',
		sources => 0, sources_here => 0, missing => [],
		device => 'out0', device_state => 'up' }, 'which has a device');
	is_deeply(decode_json($text), listed()->{dev}, 'as in status');
	($status, $text) = line('none');
	is($status, 2, 'a line that is not there');
	like($text, qr/^sniport: line: \S+ has no egress line "none"$/, 'is told');
	($status, $text) = Sniport::Test::run($daemon->command('-c', '/nonexistent', 'line'));
	is($status, 2, 'a file that is not there');
	like($text, qr/^sniport: .*No such file/, 'is told');
};

subtest 'an address comes and goes' => sub {
	for my $time (1, 2) {
		$here->ip('address add 10.72.0.9/32 dev out0');
		$here->ip('address add fd72::9/128 dev out0 nodad');
		lines_ok("it comes, time $time", vip => 'up', pair => 'up', dual => 'up');
		ok($daemon->wait_log(qr/ notice master\[\d+\]: egress line "vip": up$/m),
			'the log says so');
		last if $time == 2;
		$here->ip('address del 10.72.0.9/32 dev out0');
		$here->ip('address del fd72::9/128 dev out0');
		lines_ok('it goes', vip => 'down 1', pair => 'degraded', dual => 'down 1');
		ok($daemon->wait_log(qr/ warning master\[\d+\]: egress line "vip": down: this host does not have 10\.72\.0\.9: tunnels that need it fail$/m),
			'the log says so');
	}
};

subtest 'a device' => sub {
	$there->ip('link set dev up0 down');
	lines_ok('its far end is down', dev => 'down 3', vip => 'up');
	$there->ip('link set dev up0 up');
	lines_ok('and up', dev => 'up');
	$here->line('late0', $there, 'up1');
	lines_ok('one comes', late => 'up');
	$here->ip('link del dev late0');
	lines_ok('and goes', late => 'down 3');
	ok($daemon->wait_log(qr/ warning master\[\d+\]: egress line "late": down: this host does not have the device late0: /),
		'the log says so');
};

subtest 'a reload' => sub {
	$daemon->reload(egress => egress(reverse grep { $_ ne 'dev' } @names));
	lines_ok('another order', dual => 'up', late => 'down 3', pair => 'up',
		plain => 'up', vip => 'up');
	is(ready('dev'), 404, 'one is gone');
	$here->ip('address del 10.72.0.9/32 dev out0');
	lines_ok('changes are seen', vip => 'down 1', pair => 'degraded', dual => 'up');
	# The one that tells of it dies.
	my $pid = pid_of($daemon);
	kill 'KILL', $pid;
	lines_ok('by the next admin process as well', vip => 'down 1', dual => 'up');
	like($daemon->reload(log => 'level = "loud";'), qr/failed/, 'one that fails');
	$here->ip('address add 10.72.0.9/32 dev out0');
	$daemon->configure(log => '');
	lines_ok('changes nothing', vip => 'up', pair => 'up');
};

# Changes without end, of what is not ours: each costs a look, and no more.
subtest 'many changes' => sub {
	my $batch = join '', map { "address add 10.73.0.$_/32 dev lo\naddress del 10.73.0.$_/32 dev lo\n" } 1 .. 200;
	$daemon->write('batch', $batch);
	my ($status, $text) = Sniport::Test::run('ip', '-batch', $daemon->dir . '/batch');
	is($status, 0, 'four hundred at once') or diag($text);
	$here->ip('address del 10.72.0.9/32 dev out0');
	lines_ok('the last one is seen', vip => 'down 1');
	is((ask($daemon, '/readyz'))[0], 200, 'and it serves');
};

$daemon->stop_ok;

# A service without lines has none to tell of.
$daemon = Sniport::Daemon->new;
my ($status, $text) = line();
is_deeply([ $status, $text ], [ 0, '' ], 'no line');
unlike((ask($daemon, '/metrics'))[1], qr/sniport_egress/, 'nor samples of any');
unlike(($daemon->once('status'))[1], qr/^egress/m, 'nor words');
is_deeply(listed(), {}, 'an empty list');
$daemon->stop_ok;

done_testing;
