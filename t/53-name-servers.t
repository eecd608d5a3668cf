#!/usr/bin/perl
# Name servers that are silent, dead or of no use: no name waits for one longer
# than it must, and the log and the audit line say which it was, and how.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone bind_file);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use Socket qw(SOCK_DGRAM);
use Test::More;

use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Dialled qw(asked dial echoes ended_ok line_of listen_on);
use Sniport::Network;
use Sniport::Test qw(deadline group_start poll run slow temporary);

my $upstream = listen_on('127.0.0.2')->{'127.0.0.2'};
my $port = $upstream->port;
my $good = { A => ['127.0.0.2'] };
my @done = (reason => 'done', tried => ["127.0.0.2:$port ok"]);
my $timeout = slow() ? '4s' : '300ms';
my $names = 0;
my $daemon;

# Each name is a new one.
sub name { return sprintf '%s%d.test:%d', $_[0] // 'n', ++$names, $port; }

# The section dns, with these servers and settings; one family, nothing kept.
sub dns {
	my ($servers, %setting) = @_;

	%setting = (family => '"ipv4"', negative_ttl => '"0"', stale => '"0"',
		cache_size => 0, timeout => qq("$timeout"), %setting,
		servers => '[ ' . join(', ', map {
		'"' . (ref $_ ? $_->server : $_) . '"' } @$servers) . ' ]');
	return (dns => join ' ', map { "$_ = $setting{$_};" } sort keys %setting);
}

subtest 'a first server that is silent is remembered, and tried again' => sub {
	my $mute = Sniport::DNS->new;
	my $other = Sniport::DNS->new(zone => { '*.test' => $good });
	$mute->all('drop');
	$daemon = Sniport::Daemon->new(dns([ $mute, $other ]));
	ended_ok($daemon, name(), "name $_ waits for it", @done) for 1 .. 2;
	ok($daemon->wait_log(qr/name server \Q@{[ $mute->server ]}\E does not answer/),
		'the log says so');
	my $before = $mute->questions;
	my @clients = map { dial($daemon, name()) } 1 .. 20;
	is(scalar(grep { echoes($_) eq 'echo' } @clients), 20,
		'twenty names after that');
	cmp_ok($mute->questions - $before, '<=', 1,
		'do not wait for it, but one may put it to the test');
	$mute->zone({ '*.test' => $good });
	$mute->all(undef);
	ok(poll(sub {
		die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
		return $daemon->log =~ /name server \S+ answers again/;
	}), 'it is found out that it answers');
	ended_ok($daemon, name(), 'a name', @done);
	# On a busy machine it may be late, for one of them.
	ok(poll(sub {
		$before = $other->questions;
		die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
		return $other->questions == $before;
	}), 'is asked of the first again');
	$daemon->stop_ok;
};

# Its answers come while the other server is asked, or are too late for that.
subtest 'a first server that answers late is no better than a silent one' => sub {
	my $late = Sniport::DNS->new(zone => { '*.test' =>
		{ %$good, delay => slow() ? 6 : 0.45 } });
	my $other = Sniport::DNS->new(zone => { '*.test' => 'drop' });
	$daemon = Sniport::Daemon->new(dns([ $late, $other ]));
	ended_ok($daemon, name(), "name $_ waits for it", @done) for 1 .. 2;
	ok($daemon->wait_log(qr/name server \Q@{[ $late->server ]}\E does not answer in time; the others are asked first$/m),
		'the log says so');
	$other->zone({ '*.test' => $good });
	my $before = $late->questions;
	my @clients = map { dial($daemon, name()) } 1 .. 20;
	is(scalar(grep { echoes($_) eq 'echo' } @clients), 20,
		'twenty names after that');
	cmp_ok($late->questions - $before, '<=', 1,
		'do not wait for it, but one may put it to the test');
	unlike($daemon->log, qr/answers again/, 'which it has not passed');
	$daemon->stop_ok;
};

subtest 'a first server that is silent to questions of one family' => sub {
	my $half = Sniport::DNS->new(
		zone => { '*.test' => { A => 'drop', AAAA => 'NODATA' } });
	my $other = Sniport::DNS->new(zone => { '*.test' => $good });
	$daemon = Sniport::Daemon->new(dns([ $half, $other ],
		family => '"any"'));
	ended_ok($daemon, name(), "name $_ waits for it", @done) for 1 .. 2;
	ok($daemon->wait_log(qr/name server \Q@{[ $half->server ]}\E does not answer questions for IPv4 addresses \(A\) in time; these go to the others first$/m),
		'the log says so');
	my $before = grep { / A$/ } $half->questions;
	my @clients = map { dial($daemon, name()) } 1 .. 20;
	is(scalar(grep { echoes($_) eq 'echo' } @clients), 20,
		'twenty names after that');
	cmp_ok(scalar(grep { / A$/ } $half->questions) - $before, '<=', 1,
		'do not wait for it, but one may put it to the test');
	$half->zone({ '*.test' => $good });
	ok(poll(sub {
		die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
		return $daemon->log =~ /name server \S+ answers questions for IPv4 addresses \(A\) again$/m;
	}), 'it is found out that it answers');
	$daemon->stop_ok;
};

# Its answers for IPv4 addresses serve all names meanwhile.
subtest 'the log says to which questions a server is silent' => sub {
	my $half = Sniport::DNS->new(
		zone => { '*.test' => { %$good, AAAA => 'drop' } });
	my $at = $half->server;
	my $says = sub {
		my ($words, $title) = @_;
		ok(poll(sub {
			die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
			return $daemon->log =~ /name server \Q$at\E \Q$words\E$/m;
		}), $title) or diag($daemon->log);
	};
	# Many names are asked for before the first AAAA question has had its time.
	my $start = sub {
		$daemon = Sniport::Daemon->new(limits => 'lookups_per_client = 0;',
			dns([$half], family => '"prefer-ipv4"'));
	};
	$start->();
	$says->('does not answer questions for IPv6 addresses (AAAA) in time; ' .
		'it is asked by new sockets', 'to those of one family');
	$half->set('*.test' => { %$good, AAAA => 'NODATA' });
	$says->('answers questions for IPv6 addresses (AAAA) again',
		'which it answers again');
	is(scalar(() = $daemon->log =~ / does not answer/g), 1, 'said once');
	# Anew: of former questions some may not be over.
	$daemon->stop_ok;
	$start->();
	ended_ok($daemon, name(), 'it answers all', @done);
	$half->all('drop');
	ended_ok($daemon, name(), 'then it dies', reason => 'dns_timeout',
		tried => undef);
	ok($daemon->wait_log(qr/name server \Q$at\E does not answer in time; it is asked by new sockets$/m),
		'to all');
	$half->all(undef);
	$says->('answers again', 'and it is back');
	is(scalar(() = $daemon->log =~ / does not answer/g), 1, 'said once');
	$daemon->stop_ok;
};

# Two questions for a name, by one socket; a time-out would be too late. Between
# names all is quiet, so that no old refusal is told to a new question.
subtest 'a first server whose port is closed' => sub {
	my $closed = Sniport::DNS->new;
	my $other = Sniport::DNS->new(zone => { '*.test' => $good });
	my ($at, $number) = ($closed->server, $closed->port);
	my %late = (family => '"any"', timeout => '"30s"');
	$closed->stop;
	$daemon = Sniport::Daemon->new(dns([ $at, $other ], %late));
	ended_ok($daemon, name(), "name $_ does not wait for it", @done)
	    for 1 .. 6;
	like($daemon->log, qr/name server \Q$at\E is not there \(Connection refused\); the others are asked first$/m,
		'the log says so');
	unlike($daemon->log, qr/answers again/, 'and not that it answers');
	$closed = Sniport::DNS->new(port => $number, zone => { '*.test' => $good });
	ok(poll(sub {
		die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
		return $daemon->log =~ /name server \Q$at\E answers again/;
	}), 'until it does');
	my $before = $other->questions;
	ended_ok($daemon, name(), 'a name', @done);
	is($other->questions - $before, 0, 'is asked of the first again');
	$closed->stop;
	$daemon->reload(dns([$at], %late));
	for (1 .. 3) {
		my $line = ended_ok($daemon, name(), 'it is the only one',
			reason => 'dns_failed', tried => undef);
		is($line->{detail}, "$at: nobody listens there (Connection refused)",
			'it is named once');
	}
	$daemon->stop_ok;
};

# A time-out would be too late.
subtest 'a server that does not like EDNS' => sub {
	my $server = Sniport::DNS->new;
	my $at = $server->server;
	my %late = (timeout => '"30s"');
	$daemon = Sniport::Daemon->new(dns([$server], %late));
	for my $how (qw(FORMERR bare echo NOTIMP BADVERS)) {
		$server->zone({ '*.test' => { %$good, edns => $how } });
		$server->clear;
		$daemon->reload(dns([$server], %late));
		ended_ok($daemon, name(), "$how: is asked without", @done);
		is(scalar($server->questions), 2, "$how: at once");
		ended_ok($daemon, name(), "$how: and from then on", @done);
		is(scalar($server->questions), 3, "$how: as it is remembered");
	}
	is(scalar(() = $daemon->log =~
		/name server \Q$at\E does not accept EDNS; it is asked without$/mg),
		5, 'the log says so, once each time');
	$server->zone({ '*.test' => { %$good, edns => 'REFUSED' } });
	$daemon->reload(dns([$server], %late, tries => 1));
	my $line = ended_ok($daemon, name(), 'REFUSED', reason => 'dns_failed',
		tried => undef);
	is($line->{detail}, "$at: REFUSED", 'REFUSED: says nothing of EDNS');
	$daemon->stop_ok;
};

subtest 'what tells nothing of the name is a failure' => sub {
	my $server = Sniport::DNS->new;
	my $at = $server->server;
	my $name = name();
	my %old = (cache_size => 10, stale => '"1h"', max_ttl => '"0"',
		min_ttl => '"0"');
	$daemon = Sniport::Daemon->new(dns([$server], tries => 1));
	my $truncated = { A => [], AAAA => [], truncate => 1, tcp => 'truncate' };
	for ([ $truncated, 'truncated answer without an address' ],
		[ 'BADVERS', 'BADVERS' ]) {
		my ($script, $word) = @$_;
		$server->all($script);
		$daemon->reload(dns([$server], tries => 1));
		my $line = ended_ok($daemon, name(), $word,
			reason => 'dns_failed', tried => undef);
		is($line->{detail}, "$at: $word", "$word: the audit line");
		$server->all({ %$good, ttl => 0 });
		$daemon->reload(dns([$server], tries => 1, %old));
		ended_ok($daemon, $name, "$word: before", @done);
		$server->all($script);
		ended_ok($daemon, $name, "$word: an old answer is used", @done);
	}
	$daemon->stop_ok;
};

subtest 'more servers failed than there is room for' => sub {
	my @servers = map { Sniport::DNS->new } 1 .. 9;
	$_->all('REFUSED') for @servers;
	$daemon = Sniport::Daemon->new(dns(\@servers));
	my $line = ended_ok($daemon, name(), 'nine', reason => 'dns_failed',
		tried => undef);
	my @named = $line->{detail} =~ /([\d.:]+): REFUSED/g;
	is_deeply(\@named, [ map { $_->server } @servers[ 0 .. $#named ] ],
		'the first ones are named, each once');
	like($line->{detail}, qr/; and @{[ 9 - @named ]} more$/,
		'and how many more there are');
	$daemon->stop_ok;
};

# A front such as kube-proxy: what comes from a source port goes where the
# first packet from it went: to the first server until it is told otherwise.
sub front {
	my @behind = map { $_->port } @_;

	my $socket = IO::Socket::INET->new(Proto => 'udp',
		LocalAddr => '127.0.0.1', LocalPort => 0) or die "bind: $!";
	pipe(my $told, my $tell) or die "pipe: $!";
	group_start(sub {
		my $select = IO::Select->new($socket, $told);
		my (%flow, %client, $at);
		$at = 0;
		for (;;) {
			for my $ready ($select->can_read) {
				if ($ready == $told) {
					sysread($told, $at, 1) or exit 0;
				} elsif ($ready == $socket) {
					my $from = recv $socket, my $query, 4096, 0;
					my $flow = $flow{$from} //=
					    IO::Socket::INET->new(Proto => 'udp',
						PeerAddr => '127.0.0.1',
						PeerPort => $behind[$at]);
					$client{ fileno $flow } = $from;
					$select->add($flow);
					send $flow, $query, 0;
				} else {
					recv($ready, my $answer, 4096, 0) // next;
					send $socket, $answer, 0,
					    $client{ fileno $ready };
				}
			}
		}
	});
	return ('127.0.0.1:' . $socket->sockport, $tell);
}

# tries = 1: only new sockets for new names can help.
for my $tries (1, 2) {
	subtest "a dead backend behind one address, tries = $tries" => sub {
		my @behind = map { Sniport::DNS->new(zone => {
			'*.test' => $good }) } 0, 1;
		my ($address, $tell) = front(@behind);
		$daemon = Sniport::Daemon->new(dns([$address], tries => $tries));
		ended_ok($daemon, name(), 'while it lives', @done);
		$behind[0]->all('drop');
		$behind[0]->clear;
		# There is always a question under way, as in a busy network.
		my @clients = map { dial($daemon, name()) } 1 .. 3;
		ok(poll(sub { $behind[0]->questions == 3 }), 'then it dies');
		syswrite $tell, '1';
		ok(poll(sub {
			push @clients, dial($daemon, name());
			$clients[-1]->end;
			return grep { $_->{reason} eq 'done' }
			    map { line_of($daemon, $_, deadline(0)) // () }
			    @clients;
		}), 'a new name is asked of the other') or diag($daemon->log);
		ended_ok($daemon, name(), 'and all that follow', @done);
		$daemon->stop_ok(signal => 'QUIT');
	};
}

# The former question is still open for an answer that comes late.
subtest 'what swallows a question does not swallow the next one' => sub {
	my @behind = map { Sniport::DNS->new(zone => { '*.test' => $good }) } 0, 1;
	my ($address, $tell) = front(@behind);
	my $name = name();
	$behind[0]->all('drop');
	$daemon = Sniport::Daemon->new(dns([$address], tries => 1,
		timeout => slow() ? '"5s"' : '"800ms"'));
	my $client = dial($daemon, $name);
	ok(poll(sub { $behind[0]->questions == 1 }), 'a dead backend is asked');
	syswrite $tell, '1';
	ended_ok($daemon, $client, 'who asked is not served',
		reason => 'dns_timeout', tried => undef);
	ended_ok($daemon, $name, 'the next one is', @done);
	is(scalar($behind[0]->questions), 1, 'as another is asked');
	$daemon->stop_ok;
};

subtest 'the server and what it said are named' => sub {
	my $server = Sniport::DNS->new;
	my $closed = Sniport::DNS->new;
	my $mute = Sniport::DNS->new;
	my @at = map { $_->server } $server, $closed, $mute;
	$closed->stop;
	$mute->all('drop');
	my $case = sub {
		my ($title, $servers, $reason, $want) = @_;
		$daemon->reload(dns($servers, tries => 1));
		my $line = ended_ok($daemon, name(), $title,
			reason => $reason, tried => undef);
		is($line->{detail}, $want, "$title: the audit line");
		ok($daemon->wait_log(qr/resolver: n$names\.test \(A\): .*: \Q$want\E$/m),
			"$title: the log");
	};
	$daemon = Sniport::Daemon->new(dns([$server]));
	for my $word (qw(REFUSED SERVFAIL NOTIMP FORMERR)) {
		$server->all($word);
		$case->($word, [$server], 'dns_failed', "$at[0]: $word");
	}
	$server->all('garbage');
	$case->('garbage', [$server], 'dns_failed', "$at[0]: malformed answer");
	$server->all('REFUSED');
	my $refused = "$at[1]: nobody listens there (Connection refused)";
	$case->('a closed port', [ $at[1] ], 'dns_failed', $refused);
	$case->('silence', [$mute], 'dns_timeout', "$at[2]: no answer");
	$case->('three of them', \@at, 'dns_failed',
		"$at[0]: REFUSED; $refused; $at[2]: no answer");
	$daemon->reload(dns([$server], negative_ttl => '"1h"',
		cache_size => 10));
	my $name = name();
	for my $title ('asked', 'remembered') {
		my $line = ended_ok($daemon, $name, "a failure, $title",
			reason => 'dns_failed', tried => undef);
		is($line->{detail}, "$at[0]: REFUSED", "$title: the audit line");
	}
	is(asked($server, "n$names.test A"), 2, 'is asked for once');
	$daemon->stop_ok;
};

# The addresses are those of an upstream that would serve.
subtest 'what is not an address of the name is not used' => sub {
	my $wrong = Sniport::DNS->new;
	my $other = Sniport::DNS->new(zone => { '*.test' => $good });
	my $record = sub {
		my ($owner, $class, $data) = @_;
		return $owner . pack 'nnN n/a*', 1, $class, 60, $data;
	};
	my ($own, $address) = ("\xc0\x0c", "\x7f\0\0\2");
	$daemon = Sniport::Daemon->new(dns([ $wrong, $other ]));
	for ([ 'of another name', $record->("\4evil\4test\0", 1, $address) ],
		[ 'of a name that is none', $record->("\xff\xff", 1, $address) ],
		[ 'of another class', $record->($own, 3, $address) ],
		[ 'of three bytes', $record->($own, 1, "\x7f\0\0") ]) {
		my ($title, $bytes) = @$_;
		$wrong->all({ A => [], raw => [ 1, $bytes ] });
		$daemon->reload(dns([ $wrong, $other ], tries => 1));
		$other->clear;
		ended_ok($daemon, name(), "$title: another server", @done);
		is(scalar($other->questions), 1, "$title: is asked");
		$daemon->reload(dns([$wrong], tries => 1));
		my $line = ended_ok($daemon, name(), "$title: there is none",
			reason => 'dns_failed', tried => undef);
		is($line->{detail}, $wrong->server . ': malformed answer',
			"$title: the audit line");
	}
	$daemon->stop_ok;
};

subtest 'an empty list is refused' => sub {
	$daemon = Sniport::Daemon->new;
	$daemon->configure(dns([]));
	my ($status, $text) = $daemon->once('-t');
	isnt($status, 0, 'by -t');
	like($text, qr/dns\.servers: is empty; write a list of 1 to 16/, 'in words');
	$daemon->configure(dns(['fe80::53']));
	($status, $text) = $daemon->once('-t');
	isnt($status, 0, 'so is a link-local address alone');
	like($text, qr/is a link-local address; write the interface with it/,
		'in words');
	$daemon->stop_ok;
};

SKIP: {
	my $why = Sniport::Network::impossible();
	skip $why, 1 if $why;
	my $dir = temporary();
	my $here = Sniport::Network->here;
	$here->ip('address add fe80::53/64 dev lo nodad');
	my $local = Sniport::DNS->new(host => 'fe80::53%lo',
		zone => { '*.test' => $good, 'tcp.test' =>
		{ %$good, truncate => 1 } });
	my $file = sub {
		open my $out, '>', "$dir/resolv.conf" or die $!;
		print $out @_;
		close $out or die $!;
	};
	my $zone = '[fe80::53%lo]:' . $local->port;

	subtest 'a link-local name server' => sub {
		$daemon = Sniport::Daemon->new(dns([$zone]));
		ended_ok($daemon, name(), 'of dns.servers', @done);
		ended_ok($daemon, "tcp.test:$port", 'by TCP', @done);
		my ($status, $text) = $daemon->once('-T');
		like($text, qr/servers = \[ "\Q$zone\E" \]/, '-T prints it');
		$daemon->reload(dns(['fe80::53%none0'], tries => 1));
		my $line = ended_ok($daemon, name(), 'no such interface',
			reason => 'dns_failed', tried => undef);
		is($line->{detail}, 'fe80::53%none0: No such device', 'is named');
		$daemon->stop_ok;
	};

	my $well_known = Sniport::DNS->new(host => 'fe80::53%lo', port => 53,
		zone => { '*.test' => $good });
	subtest 'and what resolv.conf says' => sub {
		$file->("nameserver fe80::53%lo\n");
		bind_file("$dir/resolv.conf", '/etc/resolv.conf');
		my @own = (dns => 'timeout = "' . $timeout .
			'"; family = "ipv4"; /* servers: */');
		$daemon = Sniport::Daemon->new(@own);
		ended_ok($daemon, name(), 'is used', @done);
		like($daemon->log, qr/resolv\.conf: name servers are fe80::53%lo$/m,
			'the log says so');
		$file->("nameserver fe80::53\nnameserver fe80::53%lo\n");
		$daemon->reload;
		ended_ok($daemon, name(), 'one without interface', @done);
		like($daemon->log, qr/resolv\.conf:1: is ignored: a link-local address without its interface/,
			'is left out, and the log says so');
		$file->("search test\nnameserver fe80::");
		ok(poll(sub {
			die 'no echo' if echoes(dial($daemon, name())) ne 'echo';
			return $daemon->log =~ /resolv\.conf: No name server in it; its former name servers stay in use$/m;
		}), 'one that is cut names nobody: the former stay in use');
		ended_ok($daemon, name(), 'and are asked', @done);
		$file->("# nameserver 127.0.0.1\nsearch test\n");
		$daemon->reload;
		ok($daemon->wait_log(qr/resolv\.conf names no name server; 127\.0\.0\.1 is asked/),
			'an empty one is told of');
		my $line = ended_ok($daemon, name(), 'and 127.0.0.1 is asked',
			reason => 'dns_failed');
		is($line->{detail}, '127.0.0.1: nobody listens there ' .
			'(Connection refused)', 'who is named');
		$daemon->stop_ok;
	};
}

done_testing();
