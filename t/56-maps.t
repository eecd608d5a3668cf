#!/usr/bin/perl
# A worker that was broken into turns on the memory that it shares with others:
# nobody but it suffers. It can lie of itself, and no more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(build deadline poll slow timeout);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'a sanitizer and valgrind have no sandbox to be tried'
    if slow();

# Of limits of 64 three quarters are what one worker may have.
my ($LIMIT, $MOST) = (64, 48);
my $WATCHDOG = 2;

my $upstream = Sniport::Upstream->new('echo');
my $daemon;

sub start {
	my (%option) = @_;

	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		top => 'workers = 2;', timeouts => "watchdog = \"${WATCHDOG}s\";",
		limits => "tunnels = $LIMIT; tunnels_per_client = $LIMIT;",
		log => 'level = "info"; access_connect = true;',
		environment => { LD_PRELOAD => build() . '/preload/maps.so',
			%option });
	return;
}

# The process that has this client's tunnel.
sub worker_of {
	my ($client) = @_;
	my $port = $client->local_port;
	my $line = poll(sub { return (grep { ($_->{client_port} // 0) == $port &&
		$_->{event} eq 'connect' } $daemon->audit)[0] }) or return 0;

	return $daemon->worker($line->{worker});
}

# A tunnel on this worker: as many are tried as it takes. Others are ended.
sub tunnel_on {
	my ($worker) = @_;

	return poll(sub {
		my $client = tunnel_open($daemon, $upstream);
		return $client if works($client) && worker_of($client) == $worker;
		finish($client);
		return 0;
	});
}

# Has a worker do it; returns its process id.
sub attack {
	my ($word) = @_;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "$word.maps.test:443");

	return poll(sub { $daemon->log =~ /^maps $word\[(\d+)\] begins$/m && $1 })
	    || 0;
}

# What it came to; undef: nothing came back.
sub outcome {
	my ($word) = @_;

	return poll(sub { $daemon->log =~ /^maps $word: (.*)$/m && [ $1 ] })->[0];
}

# One test: no total of the second is below that of the first.
sub not_back_ok {
	my ($before, $after, $title) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ grep { ($after->{$_} // 0) < $before->{$_} } sort keys %$before ],
		[], "$title: no total goes back");
	return;
}

# All that others can suffer from an attack in which the attacker stays alive,
# or is ended.
sub unharmed_ok {
	my ($word, $begin) = @_;
	my %kept = map { ($_ => tunnel_on($_)) } $daemon->workers;
	my $before = $daemon->count;
	my $attacker = attack($word);
	my ($other) = grep { $_ != $attacker } keys %kept;
	my $since = clock_gettime(CLOCK_MONOTONIC);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($kept{$attacker}, "$word: a worker attacks");
	$begin->($attacker) if $begin;
	ok(works($kept{$other}), "$word: tunnels of the other go on");
	my @more = map { tunnel_on($other) } 1 .. 3;
	is(scalar(grep { works($_) } @more), 3, "$word: it takes new ones");
	my $after = $daemon->count;
	not_back_ok($before, $after, $word);
	# As long as it takes to find that somebody stands still.
	while ($word =~ /^(?:lie|ones|wipe)$/ &&
	    clock_gettime(CLOCK_MONOTONIC) - $since < 2 * $WATCHDOG) {
		works($kept{$other});
		select undef, undef, undef, 0.1;
	}
	ok((grep { $_ == $other } $daemon->workers) &&
		$daemon->log !~ /\[$other\][^\n]*: killed/,
		"$word: the other is not killed");
	like($daemon->reload, qr/^Serving: 2 workers/, "$word: new workers start");
	is(scalar(grep { works($_) } @more, $kept{$other}), 4,
		"$word: nor does a reload end a tunnel");
	kill 'KILL', $attacker;
	ok(poll(sub { !grep { $_ == $attacker } $daemon->workers }),
		"$word: the attacker is gone");
	not_back_ok($after, $daemon->count, "$word, without it");
	finish($_) for @more, $kept{$other};
	return;
}

# Everything that it may write is full of high counts, of ones, or of zeros.
for my $word (qw(lie ones wipe)) {
	start();
	unharmed_ok($word, sub {
		cmp_ok(outcome($word), '>=', 2, "$word: it writes its own memory");
	});
	$daemon->stop_ok(name => "$word: sniport stops");
}

# What it may not write it cannot.
for my $word (qw(protect descriptors grow drop)) {
	start();
	unharmed_ok($word, sub {
		is(outcome($word), 0, "$word: nothing comes of it");
	});
	$daemon->stop_ok(name => "$word: sniport stops");
}

# By its descriptor for the memory it can do nothing at all.
start();
is(attack('put') && outcome('put'), 'EBADF', 'put: nothing is written');
$daemon->stop_ok(name => 'put: sniport stops');
for my $word (qw(shrink punch reopen seal rights)) {
	start();
	unharmed_ok($word, sub {
		my ($attacker) = @_;
		ok($daemon->wait_log(
			qr/worker \d\[$attacker\] of generation 1: died: signal \d+ \(Bad system call\)/),
			"$word: the kernel ends the attacker");
	});
	$daemon->stop_ok(name => "$word: sniport stops");
}

# Without a filter the kernel refuses them all the same. Who owns the memory
# could give himself rights to it, which is why this is for root.
start(NO_FILTER => 1);
my %want = (protect => 0, descriptors => 0, drop => 0, put => 'EBADF',
	shrink => 'EINVAL', punch => 'EBADF', seal => 'EPERM', reopen => 'EACCES');
$want{rights} = 'EPERM' if $> == 0;
for my $word (sort keys %want) {
	is(attack($word) && outcome($word), $want{$word},
		"$word: refused without a filter too");
}
$daemon->stop_ok;

# A worker that says that all is taken leaves to others what one worker cannot
# have, of tunnels in all and of those of one client.
for my $limit (qw(tunnels tunnels_per_client)) {
	$daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		top => 'workers = 2;',
		limits => ($limit eq 'tunnels' ? 'tunnels_per_client = 0; ' : '') .
		    "$limit = $LIMIT;",
		log => 'access_connect = true; level = "info";',
		environment => { LD_PRELOAD => build() . '/preload/maps.so' });
	# A tunnel on each, so that the client is known to both.
	my %first = map { ($_ => tunnel_on($_)) } $daemon->workers;
	my $attacker = attack('lie');
	is(outcome('lie') > 0, 1, "$limit: a worker lies");
	my ($other) = grep { $_ != $attacker } $daemon->workers;
	my (@open, $refused);
	poll(sub {
		my $client = tunnel_open($daemon, $upstream);
		my $port = $client->local_port;
		my $line = poll(sub { return (grep {
			($_->{client_port} // 0) == $port } $daemon->audit)[0] });
		return 0 if $daemon->worker($line->{worker}) != $other;
		return $refused = $line->{reason} if $line->{event} eq 'end';
		push @open, $client;
		return 0;
	}, deadline(6 * timeout()));
	is(@open + 1, $LIMIT - $MOST, "$limit: the other has its quarter");
	like($refused, qr/^limit_/, "$limit: and no more");
	is(scalar(grep { works($_) } @open), scalar @open, "$limit: which work");
	finish($_) for @open, values %first;
	$daemon->stop_ok(name => "$limit: sniport stops");
}

done_testing;
