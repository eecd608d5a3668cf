#!/usr/bin/perl
# Nobody takes the resolution of names away from others: not a client that asks
# for many names, nor one that asks for long answers, nor a name server that is
# silent, dead, or ends its connections.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Test qw(poll slow);

my $upstream = listen_on('127.0.0.2')->{'127.0.0.2'};
my $port = $upstream->port;
my $good = { A => ['127.0.0.2'] };
my @done = (reason => 'done', tried => ["127.0.0.2:$port ok"]);
my $daemon;

# Nothing here ends by a time-out, but where that is what is seen.
my @patient = (timeouts => 'connect = "10m"; handshake = "10m";');

sub name { return "$_[0].test:$port"; }

# A client of that address after its handshake.
sub from {
	my ($address, $name) = @_;

	return dial($daemon, name($name), source => $address);
}

# Why the client's tunnel ended; undef: it goes on.
sub over {
	my ($client) = @_;

	$client->wait_end;
	return (line_of($daemon, $client) // {})->{reason};
}

subtest 'a client that leaves is counted until its questions are over' => sub {
	my $dns = Sniport::DNS->new(zone => {
		'*.held.test' => { %$good, delay => 'release' },
		'*.free.test' => $good });
	$daemon = Sniport::Daemon->new(@patient,
		limits => 'lookups_per_client = 3;', dns => sprintf
		'servers = [ "%s" ]; timeout = "60s";', $dns->server);
	for (1 .. 3) {
		my $client = from('127.0.0.3', "n$_.held");
		my $local = $client->local_port;
		ok(poll(sub { $dns->questions == 2 * $_ }), 'a name is asked for');
		$client->reset;
		is(line_of($daemon, $local)->{reason}, 'client_abandoned',
			'and who asked leaves');
	}
	is(over(from('127.0.0.3', "n$_.held")), 'limit_lookups',
		'the next name is over the limit') for 4 .. 6;
	is(scalar $dns->questions, 6, 'and nobody is asked');
	ended_ok($daemon, from('127.0.0.4', 'a.free'), 'another client', @done);
	my $again = from('127.0.0.3', 'n1.held');
	is(scalar(grep { /n1/ } $dns->questions), 2,
		'one who wants a name that is asked for waits for the answer');
	$dns->release;
	is(echoes($again), 'echo', 'and has it');
	ended_ok($daemon, from('127.0.0.3', 'b.free'), 'there is room', @done);
	$daemon->stop_ok;
};

subtest 'one client cannot fill the places for questions' => sub {
	my $dns = Sniport::DNS->new(zone => {
		'*.held.test' => { %$good, delay => 'release' },
		'*.free.test' => $good });
	$daemon = Sniport::Daemon->new(@patient, dns => sprintf
		'servers = [ "%s" ]; timeout = "60s"; family = "ipv4";',
		$dns->server);
	my @waiting = map { from('127.0.0.3', "n$_.held") } 1 .. 64;
	ok(poll(sub { $dns->questions == 64 }), 'so many names by default');
	is(over(from('127.0.0.3', "n$_.held")), 'limit_lookups', 'no more')
	    for 65 .. 67;
	is(scalar $dns->questions, 64, 'are asked for');
	ended_ok($daemon, from('127.0.0.4', 'a.free'), 'another client', @done);
	$dns->release;
	is(scalar(grep { echoes($_) eq 'echo' } @waiting), 64, 'all are served');
	$daemon->stop_ok;
};

# The answer to the first try is held, and comes while the second one, which
# nobody answers, is under way: at the same server, or at another one.
subtest 'an answer that comes late is used' => sub {
	my $first = Sniport::DNS->new;
	my $second = Sniport::DNS->new(zone => { '*.test' => 'drop' });
	my $asked = 2;
	my $late = sub {
		my ($title, $timeout, $servers, $answer, @want) = @_;
		my $section = sprintf 'timeout = "%s"; tries = 2; ' .
		    'family = "ipv4"; negative_ttl = "0"; cache_size = 0; ' .
		    'servers = [ %s ];', $timeout,
		    join ', ', map { '"' . $_->server . '"' } @$servers;
		$first->zone({ 'late.test' =>
			[ { %$answer, delay => 'release' }, 'drop' ] });
		$_->clear for $first, $second;
		$daemon->reload(dns => $section);
		my $client = dial($daemon, name('late'));
		ok(poll(sub { (map { $_->questions } @$servers) == $asked }),
			"$title: there is a second try");
		$first->release;
		ended_ok($daemon, $client, $title, @want, host => 'late.test');
	};
	my $timeout = slow() ? '5s' : '2s';
	my @none = (tried => undef);
	$daemon = Sniport::Daemon->new(@patient);
	$late->('its only server', $timeout, [$first], $good, @done);
	$late->('the first of two', $timeout, [ $first, $second ], $good, @done);
	$late->('there is no address', $timeout, [ $first, $second ], { A => [] },
		reason => 'dns_no_address', @none);
	my $line = $late->('a failure', $timeout, [$first], { A => 'SERVFAIL' },
		reason => 'dns_failed', @none);
	is($line->{detail}, $first->server . ': SERVFAIL', 'is told');
	$late->('with another id', '300ms', [$first], { A => 'wrong_id' },
		reason => 'dns_timeout', @none);
	$late->('to another question', '300ms', [$first], { A => 'wrong_name' },
		reason => 'dns_timeout', @none);
	$second->all({ A => [], truncate => 1, tcp => 'drop' });
	$asked = 3;
	$late->('another server is asked by TCP', $timeout, [ $first, $second ],
		$good, @done);
	$daemon->stop_ok;
};

# One question for all who ask for a name at the same time: who comes when it
# was sent for the last time has it sent once more.
subtest 'a question that is lost is not lost for who joins it' => sub {
	my $dns = Sniport::DNS->new;
	my @lost = (reason => 'dns_timeout', tried => undef, host => 'lost.test');
	my @clients;
	my $come = sub {
		my ($questions, $title) = @_;
		push @clients, dial($daemon, name('lost'));
		ok(poll(sub { asked($dns, 'lost.test A') == $questions }), $title);
	};
	$daemon = Sniport::Daemon->new(@patient, dns => sprintf 'timeout = "%s"; ' .
		'tries = 1; family = "ipv4"; negative_ttl = "0"; cache_size = 0; ' .
		'servers = [ "%s" ];', slow() ? '5s' : '2s', $dns->server);
	$dns->zone({ 'lost.test' => [ 'drop', $good ] });
	$come->(1, 'it is sent');
	$come->(2, 'and once more for one who joins');
	ended_ok($daemon, $_, 'both are served', @done) for splice @clients;
	$dns->zone({ 'lost.test' => 'drop' });
	$dns->clear;
	$come->(1, 'it is sent to a silent server');
	$come->(2, 'and once more for one who joins');
	$come->(2, 'not for who joins after that');
	ended_ok($daemon, $_, 'it is over for all', @lost) for splice @clients;
	is(asked($dns, 'lost.test A'), 2, 'in time');
	$dns->zone({ 'lost.test' => [ 'drop', $good ] });
	$dns->clear;
	ended_ok($daemon, name('lost'), 'it is lost for one', @lost);
	ended_ok($daemon, name('lost'), 'the next one has its own', @done);
	is(asked($dns, 'lost.test A'), 2, 'which is sent');
	$daemon->stop_ok;
};

# Answers that are too long for UDP.

my %fixed = (timeout => '"60s"', family => '"ipv4"', negative_ttl => '"0"');

# The section dns, with these servers.
sub dns {
	my ($servers, %setting) = @_;

	%setting = (%fixed, %setting, servers => '[ ' . join(', ', map {
		'"' . (ref $_ ? $_->server : $_) . '"' } @$servers) . ' ]');
	return (dns => join ' ', map { "$_ = $setting{$_};" } sort keys %setting);
}

my $dns = Sniport::DNS->new(close => 1);
$daemon = Sniport::Daemon->new(@patient, dns([$dns]));

subtest 'answers of up to 1232 bytes come by UDP' => sub {
	$dns->zone({ 'sixty.test' =>
		{ A => [ '127.0.0.2', map { "127.9.9.$_" } 1 .. 59 ] } });
	ended_ok($daemon, name('sixty'), 'sixty addresses', reason => 'done');
	is(scalar $dns->questions('tcp'), 0, 'without TCP');
};

subtest 'a truncated answer that holds an address is used as it is' => sub {
	$dns->zone({ 'part.test' =>
		{ A => [('127.0.0.2') x 3], truncate => 2 } });
	ended_ok($daemon, name('part'), 'two of three records', @done);
	is(scalar $dns->questions('tcp'), 0, 'without TCP');
};

subtest 'a server that ends its TCP connections costs no other question' => sub {
	$dns->zone({
		(map { ("honest$_.test" => { %$good, delay => 'release' }) }
			1 .. 8),
		(map { ("long$_.test" => { %$good, truncate => 1,
			tcp => $_ % 3 ? 'close' : 'reset' }) } 1 .. 12),
		(map { ("whole$_.test" => { %$good, truncate => 1 }) } 1 .. 4),
	});
	$dns->clear;
	my @honest = map { dial($daemon, name("honest$_")) } 1 .. 8;
	ok(poll(sub { $dns->questions == 8 }), 'eight honest names');
	for my $n (1 .. 12) {
		ended_ok($daemon, name("long$n"), "long$n: no answer by TCP",
			reason => 'dns_failed', tried => undef);
		ended_ok($daemon, name("whole$_"), "whole$_: an answer by TCP",
			@done) for $n <= 4 ? $n : ();
	}
	is(asked($dns, "honest$_.test A"), 1, "honest$_ is asked for once")
	    for 1 .. 8;
	$dns->release;
	is(scalar(grep { echoes($_) eq 'echo' } @honest), 8,
		'all eight are served');
};

subtest 'nor do those that it ends cost another one by TCP' => sub {
	$dns->zone({
		(map { ("waits$_.test" => { %$good, truncate => 1,
			delay => 'release' }) } 1 .. 8),
		'long.test' => { %$good, truncate => 1, tcp => 'close' },
	});
	$dns->clear;
	my @honest = map { dial($daemon, name("waits$_")) } 1 .. 8;
	ok(poll(sub { $dns->questions == 8 }), 'eight honest names');
	$dns->release;
	ok(poll(sub { $dns->questions('tcp') == 8 }), 'are asked for by TCP');
	ended_ok($daemon, name('long'), 'another is not answered',
		reason => 'dns_failed', tried => undef);
	is(scalar(grep { /waits/ } $dns->questions('tcp')), 8,
		'the eight still wait for their answer');
	$dns->release;
	is(scalar(grep { echoes($_) eq 'echo' } @honest), 8, 'and get it');
};

subtest 'nor does an answer that is malformed, or none at all' => sub {
	$dns->zone({ (map { ("bears$_.test" => { %$good, delay => 'release' }) }
		1 .. 8), 'garbage.test' => 'garbage', 'noise.test' => 'noise',
		'name.test' => 'wrong_name', 'good.test' => $good });
	$dns->clear;
	my @honest = map { dial($daemon, name("bears$_")) } 1 .. 8;
	ok(poll(sub { $dns->questions == 8 }), 'eight honest names');
	my @others = map { dial($daemon, name($_)) } qw(noise name);
	ended_ok($daemon, name('garbage'), 'another has a malformed answer',
		reason => 'dns_failed', tried => undef);
	ok(poll(sub { asked($dns, "$_.test A") }), "$_ is asked for")
	    for qw(noise name);
	ended_ok($daemon, name('good'), 'beside them all is well', @done);
	is(asked($dns, "bears$_.test A"), 1, "bears$_ is asked for once")
	    for 1 .. 8;
	$dns->release;
	is(scalar(grep { echoes($_) eq 'echo' } @honest), 8,
		'all eight are served');
	$_->reset for @others;
};

# 4,000 records, of which the last have other addresses.
my $records = join '', map { pack 'n n n N n a4', 0xc00c, 1, 1, 60, 4,
	pack 'C4', 127, 3, $_ >> 8, $_ & 255 } 0 .. 3999;

subtest 'of an answer of 64 KiB no more is read than its beginning' => sub {
	$dns->zone({
		'huge.test' => { %$good, truncate => 1, raw => [4000, $records] },
		'begun.test' => { %$good, truncate => 1, raw => [4000, $records],
			tcp => 'begin' },
	});
	ended_ok($daemon, name($_), "$_: is resolved", reason => 'done')
	    for qw(huge begun);
};
$daemon->stop_ok;

done_testing();
