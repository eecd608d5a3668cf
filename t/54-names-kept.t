#!/usr/bin/perl
# A reload, or a worker's death, forgets no name: the next generation, and a
# replacement, begin with what their predecessors knew, as far as the new
# configuration would have it so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Test qw(poll);

my $upstream = listen_on('127.0.0.2')->{'127.0.0.2'};
my $port = $upstream->port;
my $good = { A => ['127.0.0.2'] };
my @done = (reason => 'done', tried => ["127.0.0.2:$port ok"]);
my @failed = (reason => 'dns_failed', tried => undef);
my $dns = Sniport::DNS->new;
my $daemon;

sub name { return "$_[0].test:$port"; }

# The section dns, with these settings. Servers that fail do so at once.
sub dns {
	my (%setting) = @_;

	%setting = (servers => '[ "' . $dns->server . '" ]', min_ttl => '"0"',
		family => '"ipv4"', timeout => '"5s"', negative_ttl => '"0"',
		tries => 1, %setting);
	return (dns => join ' ', map { "$_ = $setting{$_};" } sort keys %setting);
}

# How many of twenty clients, one after the other, are served.
sub served {
	my ($name) = @_;

	return scalar grep { echoes(dial($daemon, name($name))) eq 'echo' }
	    1 .. 20;
}

# Kills a worker, and waits for the one in its place.
sub replace {
	my ($number) = @_;
	my $pid = $daemon->worker($number // 0);

	kill 'KILL', $pid or die "kill: $!";
	ok(poll(sub { $daemon->worker($number // 0) != $pid }),
		'a worker is killed, and replaced');
	return;
}

subtest 'stale answers outlive reloads and workers' => sub {
	$dns->zone({ 'old.test' => { %$good, ttl => 0 } });
	$daemon = Sniport::Daemon->new(dns());
	is(served('old'), 20, 'while the name server answers');
	$dns->all('SERVFAIL');
	is(served('old'), 20, 'it fails, and the time is over: 20 of 20');
	for (1 .. 3) {
		$daemon->reload;
		is(served('old'), 20, "reload $_: 20 of 20");
	}
	for (1 .. 2) {
		replace();
		is(served('old'), 20, "replacement $_: 20 of 20");
	}
	$daemon->reload;
	is(served('old'), 20, 'and a reload after that: 20 of 20');
	$dns->all(undef);
	$dns->set('old.test' => { A => ['127.0.1.1'], ttl => 0 });
	ended_ok($daemon, name('old'), 'it answers again, otherwise',
		reason => 'connect_refused',
		tried => ["127.0.1.1:$port connect_refused"]);
	$daemon->stop_ok;
};

subtest 'a name that is gone does not come back' => sub {
	$dns->zone({ 'die.test' => [ { %$good, ttl => 0 }, 'NXDOMAIN' ] });
	$daemon = Sniport::Daemon->new(dns());
	ended_ok($daemon, name('die'), 'it is there', @done);
	ended_ok($daemon, name('die'), 'and gone', reason => 'dns_not_found',
		tried => undef);
	$dns->all('SERVFAIL');
	$daemon->reload;
	ended_ok($daemon, name('die'), 'it has no stale addresses', @failed);
	$dns->all(undef);
	$daemon->stop_ok;
};

subtest 'no negative_ttl stands between a server that is back and a name' => sub {
	$dns->zone({ 'old.test' => { %$good, ttl => 0 },
		'new.test' => $good });
	$daemon = Sniport::Daemon->new(dns(negative_ttl => '"1h"'));
	is(served('old'), 20, 'while the name server answers');
	$dns->all('SERVFAIL');
	$daemon->reload;
	is(served('old'), 20, 'it fails, and after a reload: 20 of 20');
	ended_ok($daemon, name('new'), 'a name that is not known', @failed);
	$dns->all(undef);
	is(served('old'), 20, 'it is back: 20 of 20');
	ended_ok($daemon, name('new'), 'the failure is remembered', @failed);
	$daemon->reload;
	ended_ok($daemon, name('new'), 'but not left to others', @done);
	$daemon->stop_ok;
};

subtest 'what is known is not asked for again' => sub {
	$dns->zone({ (map { ("n$_.test" => { %$good, ttl => 3600 }) } 1 .. 50),
		'gone.test' => 'NXDOMAIN', 'nodata.test' => 'NODATA' });
	my @long = (max_ttl => '"1h"', negative_ttl => '"1h"');
	$daemon = Sniport::Daemon->new(dns(@long), top => 'workers = 1;');
	ended_ok($daemon, name("n$_"), "n$_", @done) for 1 .. 50;
	my @gone = ([ gone => 'dns_not_found' ], [ nodata => 'dns_no_address' ]);
	my $all_known = sub {
		my ($title) = @_;
		$dns->clear;
		my $n = grep { echoes(dial($daemon, name("n$_"))) eq 'echo' }
		    1 .. 50;
		is($n, 50, "$title: all names");
		ended_ok($daemon, name($_->[0]), "$title: $_->[0]",
			reason => $_->[1], tried => undef) for @gone;
		return;
	};
	$all_known->('at first');
	for my $workers (1, 3, 2, 1) {
		$daemon->reload(top => "workers = $workers;");
		$all_known->("$workers workers");
		# Connections go to one worker or another, which knows a share.
		is(scalar $dns->questions, 0, 'and no question')
		    if $workers == 1;
	}
	replace();
	$all_known->('a replacement');
	is(scalar $dns->questions, 0, 'and no question');
	$daemon->stop_ok;
};

# So that one that was broken into cannot answer for all others.
subtest 'what one worker knows is left to the worker of its number alone' => sub {
	$dns->zone({ 'one.test' => $good });
	$daemon = Sniport::Daemon->new(dns(max_ttl => '"1h"'),
		top => 'workers = 2;');
	my $first = ended_ok($daemon, name('one'), 'one asks', @done);
	$dns->all('SERVFAIL');
	for my $title ('before', 'after a reload', 'and another') {
		my %reasons;
		ok(poll(sub {
			my $client = dial($daemon, name('one'));
			echoes($client);
			my $line = line_of($daemon, $client);
			$reasons{ $line->{worker} }{ $line->{reason} } = 1;
			return keys %reasons == 2;
		}), "$title: both workers have been asked");
		is_deeply(\%reasons, { $first->{worker} => { done => 1 },
			1 - $first->{worker} => { dns_failed => 1 } },
			"$title: it is known to the one");
		$daemon->reload;
	}
	$dns->all(undef);
	$daemon->stop_ok;
};

subtest 'the new configuration has its way' => sub {
	my $zone = { 'a.test' => { %$good, ttl => 3600 },
		'zero.test' => { %$good, ttl => 0 }, 'gone.test' => 'NXDOMAIN' };
	my $other = Sniport::DNS->new(zone => { 'a.test' => 'NXDOMAIN' });
	my $fresh = sub {
		$daemon->stop_ok if $daemon;
		$dns->zone($zone);
		$daemon = Sniport::Daemon->new(dns(negative_ttl => '"1h"'));
		ended_ok($daemon, name($_), "$_ is known", @done)
		    for qw(a zero);
		ended_ok($daemon, name('gone'), 'as is gone',
			reason => 'dns_not_found', tried => undef);
		$dns->clear;
	};

	undef $daemon;
	$fresh->();
	$daemon->reload(dns(servers => '[ "' . $other->server . '" ]'));
	ended_ok($daemon, name('a'), 'other servers say otherwise',
		reason => 'dns_not_found', tried => undef);
	$daemon->reload(dns());
	ended_ok($daemon, name('a'), 'and the first ones again', @done);
	is(asked($dns, 'a.test A'), 1, 'are asked');

	$fresh->();
	$daemon->reload(dns(max_ttl => '"0"'));
	ended_ok($daemon, name('a'), 'a lower max_ttl', @done);
	is(asked($dns, 'a.test A'), 1, 'holds for what is known, too');
	$dns->zone({ 'gone.test' => $good });
	ended_ok($daemon, name('gone'), 'as does a lower negative_ttl', @done);

	$fresh->();
	$dns->all('SERVFAIL');
	$daemon->reload(dns(stale => '"0"'));
	ended_ok($daemon, name('zero'), 'no stale answers', @failed);
	ended_ok($daemon, name('a'), 'but good ones', @done);
	$dns->all(undef);

	$fresh->();
	$daemon->reload(hosts => "127.0.1.1 a.test\n");
	ended_ok($daemon, name('a'), 'the hosts file comes first',
		reason => 'connect_refused',
		tried => ["127.0.1.1:$port connect_refused"]);

	$fresh->();
	$daemon->reload(dns(cache_size => 0));
	ended_ok($daemon, name('a'), 'no cache', @done);
	is(asked($dns, 'a.test A'), 1, 'keeps nothing');
	$daemon->reload(dns());
	ended_ok($daemon, name('a'), 'and leaves nothing', @done);
	is(asked($dns, 'a.test A'), 2, 'to others');
	$daemon->stop_ok;
};

subtest 'more names than the cache has room for' => sub {
	$dns->zone({ '*.test' => $good });
	$daemon = Sniport::Daemon->new(dns(cache_size => 3));
	ended_ok($daemon, name("n$_"), "n$_", @done) for 1 .. 5;
	$daemon->reload;
	$dns->clear;
	ended_ok($daemon, name("n$_"), "n$_ again", @done) for 3 .. 5;
	is(scalar $dns->questions, 0, 'the last three are known');
	$daemon->stop_ok;
};

done_testing();
