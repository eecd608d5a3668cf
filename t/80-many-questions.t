#!/usr/bin/perl
# However many questions one client has asked, and whatever their answers are
# like, the names of others are looked up, and what is known of them is kept.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(dial echoes ended_ok listen_on);
use Sniport::Test qw(poll slow under_valgrind);

my $upstream = listen_on('127.0.0.2')->{'127.0.0.2'};
my $port = $upstream->port;
my $good = { A => ['127.0.0.2'] };
my @done = (reason => 'done', tried => ["127.0.0.2:$port ok"]);
my $dns = Sniport::DNS->new;
my $daemon;

sub name { return "$_[0].test:$port"; }

# The section dns, with these settings.
sub dns {
	my (%setting) = @_;

	%setting = (servers => '[ "' . $dns->server . '" ]', min_ttl => '"0"',
		family => '"ipv4"', timeout => slow() ? '"4s"' : '"2s"',
		%setting);
	return (dns => join(' ', map { "$_ = $setting{$_};" } sort keys %setting),
		top => 'workers = 1;');
}

# One client has all places for questions by TCP, and its other questions wait
# for one. Names that need TCP wait for their turn, and have it.
subtest 'no client takes the places for TCP away from others' => sub {
	my $places = 128;
	my %tcp = (truncate => 1, tcp => 'drop');
	$dns->zone({ '*.evil.test' => { A => [], %tcp },
		'*.long.test' => { %$good, truncate => 1 } });
	$daemon = Sniport::Daemon->new(dns(negative_ttl => '"1h"', tries => 1),
		limits => 'lookups_per_client = 0;');
	my @evil = map { dial($daemon, "n$_.evil.test:$port",
		source => '127.0.0.66') } 1 .. $places + 32;
	ok(poll(sub { $dns->questions('tcp') >= $places }),
		'a client has all the places');
	my @long = map { dial($daemon, name("n$_.long")) } 1 .. 10;
	is(scalar(grep { echoes($_) eq 'echo' } @long), 10,
		'the names of another are looked up');
	ended_ok($daemon, name("n$_.long"), "and known: $_", @done) for 1, 10;
	undef @evil;
	$daemon->stop_ok;
};

# Its turn is over as well when theirs is, and it is the oldest.
subtest 'who has one place does not make room for who has many' => sub {
	my %tcp = (truncate => 1, tcp => 'drop');
	$dns->clear;
	$dns->zone({ '*.evil.test' => { A => [], %tcp },
		'slow.test' => [ { A => [], truncate => 1 },
		{ %$good, delay => 'release' } ] });
	$daemon = Sniport::Daemon->new(dns(timeout => slow() ? '"8s"' : '"3s"',
		tries => 1), limits => 'lookups_per_client = 0;',
		timeouts => 'connect = "10m";');
	my $slow = dial($daemon, name('slow'));
	ok(poll(sub { $dns->questions('tcp') }), 'a slow name is asked by TCP');
	my @evil = map { dial($daemon, name("n$_.evil"),
		source => '127.0.0.66') } 1 .. 160;
	ok(poll(sub { $dns->questions('tcp') >= 1 + 127 + 10 }),
		'those of a client with many make room for others of its own');
	$dns->release;
	ended_ok($daemon, $slow, 'the slow one has its answer', @done);
	undef @evil;
	$daemon->stop_ok(signal => 'QUIT');
};

# The turn of none of theirs is over, and their time is not, while this runs.
subtest 'nor do eight clients together' => sub {
	my %tcp = (truncate => 1, tcp => 'drop');
	$dns->clear;
	$dns->zone({ '*.evil.test' => { A => [], %tcp },
		'*.long.test' => { %$good, truncate => 1 } });
	$daemon = Sniport::Daemon->new(dns(timeout => '"60s"', tries => 1),
		timeouts => 'connect = "10m";');
	my @evil;
	for my $name (1 .. 20) {
		push @evil, map { dial($daemon, name("n$name-$_.evil"),
			source => "127.0.1.$_") } 1 .. 8;
	}
	ok(poll(sub { $dns->questions('tcp') >= 128 }),
		'eight clients have all the places, and names that wait');
	is(scalar(grep { echoes(dial($daemon, name("n$_.long"))) eq 'echo' }
	    1 .. 10), 10, 'ten names of another are looked up');
	my @crowd = map { dial($daemon, name("n$_.long"),
		source => "127.0.2.$_") } 11 .. 30;
	is(scalar(grep { echoes($_) eq 'echo' } @crowd), 20,
		'and those of twenty more');
	# They wait for each other's names, to have shares in common as well.
	for my $name (1 .. 3) {
		push @evil, map { dial($daemon, name("n$name-$_.evil"),
			source => '127.0.1.' . (9 - $_)) } 1 .. 8;
	}
	push @evil, dial($daemon, name('both.long'), source => '127.0.1.1');
	ok(poll(sub { grep { /both/ } $dns->questions }), 'one more of theirs');
	ended_ok($daemon, name('both.long'), 'and one that one of the eight wants',
		@done);
	is(scalar(grep { $_->{host} =~ /evil/ } $daemon->audit), 0,
		'which costs the eight no name');
	$daemon->stop_ok(signal => 'QUIT');
	undef @evil;
};

# Who guesses at the questions of others has no time for it.
subtest 'a slow name pins no source port' => sub {
	$dns->clear;
	$dns->zone({ 'held.test' => { %$good, delay => 'release' },
		'*.test' => $good });
	$daemon = Sniport::Daemon->new(dns(timeout => '"60s"'),
		timeouts => 'connect = "10m";');
	my $held = dial($daemon, name('held'));
	ok(poll(sub { $dns->questions }), 'a question is under way');
	ended_ok($daemon, name("n$_"), "name $_", @done) for 1 .. 200;
	my ($ports, %asked) = $dns->ports;
	$asked{$_}++ for map { @$_ } values %$ports;
	cmp_ok(scalar(keys %asked), '>', 3, '200 names go by several ports');
	is(scalar(grep { $_ > 65 } values %asked), 0,
		'and at most 64 or so by each');
	$dns->command(release => undef);
	ended_ok($daemon, $held, 'the slow one is answered still', @done);
	$daemon->stop_ok;
};

subtest 'answers that fit no question are told of' => sub {
	$dns->clear;
	$dns->zone({ 'held.test' => { %$good, delay => 'release' },
		'often.test' => { %$good, times => 150 }, '*.test' => $good });
	$daemon = Sniport::Daemon->new(dns(timeout => '"60s"'),
		timeouts => 'connect = "10m";');
	my $held = dial($daemon, name('held'));
	ok(poll(sub { $dns->questions }), 'a question is under way');
	ended_ok($daemon, name('n'), 'a name', @done);
	unlike($daemon->log, qr/fit no question/, 'one by one is nothing');
	ended_ok($daemon, name('often'), 'a name with 150 answers', @done);
	SKIP: {
		skip 'SKIPPED: under valgrind they do not come within 10 s', 1
		    if under_valgrind();
		ok($daemon->wait_log(qr/ warning .*: 100 answers came from name server \Q@{[
			$dns->server ]}\E within 10 s that fit no question: /),
			'the log says so');
	}
	$dns->command(release => undef);
	ended_ok($daemon, $held, 'the question is answered', @done);
	$daemon->stop_ok;
};

subtest 'dns.cache_size counts names, of both families' => sub {
	$dns->zone({ '*.test' => { %$good, ttl => 3600 } });
	$dns->clear;
	$daemon = Sniport::Daemon->new(dns(family => '"any"', cache_size => 20,
		negative_ttl => '"1h"'));
	ended_ok($daemon, name("n$_"), "name $_", @done) for 1 .. 20;
	# Dialling starts with the first answer.
	ok(poll(sub { $dns->questions == 40 }), 'two questions each');
	ended_ok($daemon, name("n$_"), "name $_ again", @done) for 1 .. 20;
	is(scalar $dns->questions, 40, 'all are known');
	$daemon->stop_ok;
};

# Names as long as can be, with as many addresses as are used.
subtest 'long answers of one client make no name be forgotten' => sub {
	my $count = 100;
	my $pad = join '.', map { $_ x 60 } 'a' .. 'c';
	my @many = map { "127.0.3.$_" } 1 .. 32;
	my @six = map { "2001:db8::$_" } 1 .. 32;
	$dns->zone({ (map { ("ok$_.test" => { %$good, ttl => 3600 }) } 1 .. 20),
		"*.$pad.test" => { A => \@many, AAAA => \@six, ttl => 3600 } });
	$daemon = Sniport::Daemon->new(dns(cache_size => $count + 20,
		stale => '"1h"', family => '"any"'));
	ended_ok($daemon, name("ok$_"), "name $_", @done) for 1 .. 20;
	my @fat = map { dial($daemon, name("n$_.$pad")) } 1 .. $count;
	$_->wait_end for @fat;
	$dns->all('SERVFAIL');
	for ('a reload', 'another') {
		$daemon->reload;
		is(scalar(grep { echoes(dial($daemon, name("ok$_"))) eq 'echo' }
		    1 .. 20), 20, "$_: all names are known");
	}
	ok($daemon->log =~ /of each answer, \d+ address(?:es are| is) left to later workers: there is no room for more/,
		'the log says that there is less of them') or diag($daemon->log);
	$daemon->stop_ok;
};

done_testing();
