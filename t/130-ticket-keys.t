#!/usr/bin/perl
# The keys of session tickets: kept when workers die and over reloads, renewed
# while workers run, kept from workers whose generation is over, and shared by
# nodes that have a file of them.

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Net::SSLeay ();
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline poll run slow temporary);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my @VERSIONS = ('1.2', '1.3');
my $upstream = Sniport::Upstream->new('echo');
my $dir = temporary();
my @hosts = (hosts => "127.0.0.1 peer.test\n", log => 'level = "info";');

sub client {
	my ($daemon, $version, $session) = @_;

	return Sniport::Client->new(port => $daemon->port, version => $version,
		name => 'peer.test:' . $upstream->port, session => $session);
}

# A client that is served; its sessions.
sub sessions {
	my ($daemon, $version, $session) = @_;
	my $client = client($daemon, $version, $session);

	$client->put('ping');
	die 'not served: ' . ($client->ended // 'time') . "\n" . $daemon->log
	    if $client->get(4) ne 'ping';
	$client->end;
	$client->wait_end;
	return ($client->resumed, @{ $client->{sessions} });
}

# One session of each version.
sub begin {
	my ($daemon) = @_;

	return map { ($_ => (sessions($daemon, $_))[-1]) } @VERSIONS;
}

# Each is resumed at that node, or served in a full handshake; one test.
sub resumed_ok {
	my ($title, $daemon, $want, %session) = @_;
	my %got = map { ($_ => (sessions($daemon, $_, $session{$_}))[0]) }
	    @VERSIONS;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply(\%got, { map { ($_ => $want) } @VERSIONS }, $title);
	return;
}

# Bytes of keys: number $i of this test.
my %keys;
sub key {
	my ($i) = @_;

	return $keys{$i} //= do {
		open my $random, '<:raw', '/dev/urandom' or die $!;
		read $random, my $bytes, 80;
		$bytes;
	};
}

# Puts a file in the place of the one before.
sub write_keys {
	my ($file, $bytes, $mode) = @_;

	open my $out, '>:raw', "$file.new" or die "$file.new: $!";
	print $out $bytes;
	close $out;
	chmod $mode // 0600, "$file.new";
	rename "$file.new", $file or die "rename: $!";
	return;
}

# All memory of a process; undef: it cannot be read. Only: of mappings so named.
sub memory {
	my ($pid, $only) = @_;
	my $all = '';

	open my $maps, '<', "/proc/$pid/maps" or return undef;
	open my $mem, '<:raw', "/proc/$pid/mem" or return undef;
	while (<$maps>) {
		my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) r..[ps]/ or next;
		next if /\[v/ || ($only && !/\Q$only\E/) ||
		    (!$only && /sniport-(?:workers|table|store)/);
		sysseek $mem, hex $from, 0 or next;
		my $left = hex($to) - hex $from;
		while ($left > 0) {
			my $n = sysread $mem, my $part, $left > 1 << 20 ? 1 << 20 : $left;
			last if !$n;
			$all .= $part;
			$left -= $n;
		}
	}
	return $all;
}

my $daemon = Sniport::Daemon->new(@hosts);
my %session = begin($daemon);
resumed_ok('a client resumes', $daemon, 1, %session);
%session = begin($daemon);
my $pid = $daemon->worker(0);
kill 'KILL', $pid;
ok(poll(sub { $daemon->worker(0) != $pid }), 'a worker dies');
resumed_ok('... and its successor has the keys', $daemon, 1, %session);
%session = begin($daemon);
like($daemon->reload, qr/^Serving: /, 'a reload');
resumed_ok('... takes the keys along', $daemon, 1, %session);
%session = begin($daemon);
like($daemon->reload(top => 'workers = 1; user = "nobody-at-all";'),
	qr/^Reload failed/, 'a reload that fails');
resumed_ok('... loses no keys', $daemon, 1, %session);
%session = begin($daemon);
$daemon->reload(top => 'workers = 2;', tls => 'ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";');
resumed_ok('a reload with other ciphers: full handshakes', $daemon, 0, %session);
$daemon->stop_ok;

# Each quarter of a ticket's life has a key. It takes as long as it takes to see
# the next one, but the ticket must still be good then.
subtest 'a key is renewed while workers run' => sub {
	my $life = slow() ? 80 : 4;
	my $daemon = Sniport::Daemon->new(@hosts,
		tls => "ticket_lifetime = \"${life}s\";");
	my $drawn = sub { scalar(() = $daemon->log =~ /tickets: a new key seals/g) };
	my $done;

	for my $try (1 .. 5) {
		my $since = clock_gettime(CLOCK_MONOTONIC);
		my $before = $drawn->();
		my %session = begin($daemon);
		poll(sub { $drawn->() > $before }, deadline($life)) or last;
		my %got = map { ($_ => (sessions($daemon, $_, $session{$_}))[0]) }
		    @VERSIONS;
		# The machine stood still.
		next if clock_gettime(CLOCK_MONOTONIC) - $since > $life - 1;
		$done = \%got;
		last;
	}
	is_deeply($done, { map { ($_ => 1) } @VERSIONS },
		'a ticket of the key before is good');
	my $tunnel = tunnel_open($daemon, $upstream);
	my $old = $daemon->worker(0);
	like($daemon->reload, qr/^Serving: .*generation 2$/, 'a reload');
	my $new = $daemon->worker(0);
	isnt($new, $old, 'other workers');
	my $before = $drawn->();
	ok(poll(sub { $drawn->() > $before + 1 }, deadline(3 * $life)),
		'keys are drawn after it');
	SKIP: {
		my ($of_old, $of_new) = map { memory($_, 'sniport-tickets') }
		    $old, $new;
		skip 'SKIPPED LOUDLY: this user cannot look into workers', 2
		    if ($of_new // '') eq '';
		# As common/shm/ticket_keys.h has them: the first of the list
		# that counts.
		my $list = unpack('x16Q', $of_new) % 2;
		my $secret = substr $of_new, 24 + $list * (8 + 16 * 80) + 8 + 16, 64;
		isnt($secret, "\0" x 64, 'a worker has them');
		is(index($of_old, $secret), -1,
			'and one of the generation before has not');
	}
	ok(works($tunnel) && finish($tunnel), 'its tunnel goes on');
	$daemon->stop_ok;
};

# Two nodes.
my $file = "$dir/tickets";
my @node = map {
	write_keys("$file$_", key(1));
	Sniport::Daemon->new(@hosts, tls => "ticket_keys = \"$file$_\";");
} 0, 1;
for my $from (0, 1) {
	my %session = begin($node[$from]);
	resumed_ok("from node $from to the other", $node[1 - $from], 1, %session);
}
like($node[0]->log, qr/tls\.ticket_keys: \Q${file}0\E: 1 key; .* begins with @{[
	unpack 'H8', key(1) ]}$/m, 'the log says which key it is');

# The next key: behind the current one on all nodes, then in front.
my %old = begin($node[1]);
write_keys("${file}$_", key(1) . key(2)) for 0, 1;
$_->reload for @node;
resumed_ok('behind a new one', $node[0], 1, %old);
%old = begin($node[0]);
write_keys("${file}0", key(2) . key(3) . key(1));
$node[0]->reload;
my %new = begin($node[0]);
resumed_ok('one node seals with the next key, the other takes it', $node[1], 1,
	%new);
resumed_ok('and the other way round', $node[0], 1, %old);

# A new key in front on one node only.
%old = begin($node[1]);
write_keys("${file}0", key(4) . key(1));
$node[0]->reload;
%new = begin($node[0]);
resumed_ok('a key that the other does not have: a full handshake', $node[1], 0,
	%new);
resumed_ok('while the one that it has is taken', $node[0], 1, %old);
%old = begin($node[1]);
write_keys("${file}0", key(4));
$node[0]->reload;
resumed_ok('a key that has gone is not', $node[0], 0, %old);
resumed_ok('but the one that stays', $node[0], 1, begin($node[0]));
SKIP: {
	# And it has terabytes of its own.
	skip 'SKIPPED: a sanitizer and valgrind keep what is freed', 4 if slow();
	my $worker = memory($node[0]->worker(0));
	skip 'SKIPPED LOUDLY: this user cannot look into processes', 4
	    if ($worker // '') eq '';
	ok(index($worker, substr key(4), 16) >= 0, 'a worker has its key');
	my @others = map { substr key($_), 16, 24 } 1 .. 3;
	is(scalar(grep { index($worker, $_) >= 0 } @others), 0, 'and no other');
	my %children = $node[0]->children;
	my @writers = grep { $children{$_} =~ /^sniport-/ } keys %children;
	isnt(scalar @writers, 0, 'there are other processes');
	is(scalar(grep { my $memory = memory($_) // ''; grep {
		index($memory, substr key($_), 16, 24) >= 0 } 1 .. 4 } @writers), 0,
		'which have none');
}

# Over a restart.
%session = begin($node[0]);
$node[0]->signal('TERM');
$node[0]->wait_end;
$node[0]->start;
delete $node[0]{status};
$node[0]->wait_notify(qr/^READY=1$/m) or die $node[0]->log;
resumed_ok('a restart keeps what is in a file', $node[0], 1, %session);

# What is no file of keys. The one before goes on.
%session = begin($node[0]);
for (
	[ 'short', substr(key(1), 0, 79), 'has 79 bytes, which is not a multiple' ],
	[ 'one and a half', key(1) . substr(key(2), 0, 40), 'has 120 bytes' ],
	[ 'empty', '', 'has no key: it is empty' ],
	[ 'too many', join('', map { key($_) } 1 .. 17), 'has more than 16 keys' ],
	[ 'zeros', "\0" x 80, 'key 1 is not 80 random bytes' ],
	[ 'half drawn', key(1) . substr(key(2), 0, 48) . "\0" x 32,
	    'key 2 is not 80 random bytes' ],
	[ 'text', "0123456789abcde\n" x 5, 'key 1 is not 80 random bytes' ],
	[ 'one name twice', key(1) . substr(key(1), 0, 16) . substr(key(2), 16),
	    'key 2 has the name' ],
	[ 'read by all', key(1), 'its mode 0644 lets every user read it', 0644 ],
	[ 'written by all', key(1), 'its mode 0602 lets every user write it', 0602 ],
) {
	my ($title, $bytes, $want, $mode) = @$_;

	write_keys("${file}0", $bytes, $mode);
	my ($status, $text) = $node[0]->once('-t');
	ok($status != 0 && $text =~ /tls\.ticket_keys: \Q${file}0: $want\E/,
		"$title: refused") or diag($text);
}
like($node[0]->reload, qr/^Reload failed.*tls\.ticket_keys/, 'a reload fails');
unlink "${file}0";
like(($node[0]->once('-t'))[1], qr/cannot be read: No such file/, 'no file');
mkdir "${file}0";
like(($node[0]->once('-t'))[1], qr/Is a directory/, 'a folder');
like($node[0]->reload, qr/^Reload failed.*tls\.ticket_keys/, 'a reload fails');
resumed_ok('and the keys from before go on', $node[0], 1, %session);

# From a file to none.
%session = begin($node[0]);
$node[0]->reload(tls => '');
resumed_ok('no file any more: other keys', $node[0], 0, %session);

# Several tickets.
$node[0]->reload(tls => 'tickets = 3;');
my (undef, @three) = sessions($node[0], '1.3');
is(scalar @three, 3, 'three tickets');
my @next = map { [ sessions($node[0], '1.3', $_) ] } @three;
is_deeply([ map { $_->[0] } @next ], [ 1, 1, 1 ], 'each is good');
is_deeply([ map { $#$_ } @next ], [ 1, 1, 1 ], 'and brings another');
my (undef, @one) = sessions($node[0], '1.2');
is(scalar @one, 1, 'TLS 1.2 has one');

$_->stop_ok for @node;
done_testing;
