#!/usr/bin/perl
# A worker has the keys of its own generation in its memory, and none of any
# other: neither private keys, as numbers or as the text they were read from, nor
# those of tickets. Those who write the logs have none, in registers neither.

use strict;
use warnings;
no warnings 'portable';

use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64;
use POSIX ();
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(certificate poll run slow temporary);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED LOUDLY: only root can look into a worker' if $>;
plan skip_all => 'SKIPPED: a sanitizer and valgrind keep what is freed' if slow();

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");
my $dir = temporary();

# All that a process has in its memory that it may write to, and the keys of
# tickets; undef: it cannot be read.
sub memory {
	my ($pid) = @_;
	my $all = '';

	open my $maps, '<', "/proc/$pid/maps" or return undef;
	open my $mem, '<:raw', "/proc/$pid/mem" or return undef;
	while (<$maps>) {
		my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) (?:rw.p|.*sniport-tickets)/
		    or next;
		my $at = hex $from;
		while ($at < hex $to) {
			sysseek $mem, $at, 0 or last;
			sysread($mem, my $part, hex($to) - $at) or last;
			$all .= $part;
			$at += length $part;
		}
	}
	return $all;
}

# What tells a private key: its secret numbers as they are written and as they
# lie in memory, and lines of its file.
sub signs {
	my ($file) = @_;
	my ($status, $text) = run(qw(openssl pkey -noout -text -in), $file);
	my %signs;

	die "openssl: $text" if $status;
	while ($text =~ /^(priv|privateExponent|prime1|prime2|exponent1|exponent2|coefficient):\n((?:    .*\n)+)/mg) {
		my ($name, $hex) = ($1, $2);
		my $number = pack 'H*', $hex =~ s/[\s:]//gr;
		$number =~ s/^\0//;
		$signs{$name} = substr $number, 0, 24;
		$signs{"$name, reversed"} = substr reverse($number), 0, 24;
	}
	open my $pem, '<', $file or die "$file: $!";
	my @lines = grep { !/^-/ } <$pem>;
	chomp @lines;
	# The first says little more than what kind of key it is.
	$signs{text} = $lines[1];
	$signs{'what the text stands for'} = substr decode_base64($lines[1]), 0, 24;
	return %signs;
}

# Makes a file with a key of tickets, and what tells that.
sub ticket_key {
	my ($file) = @_;

	open my $random, '<:raw', '/dev/urandom' or die $!;
	read $random, my $key, 80;
	open my $out, '>:raw', $file or die "$file: $!";
	print $out $key;
	close $out;
	chmod 0600, $file;
	return { name => substr($key, 0, 16), key => substr $key, 16, 24 };
}

# The names of those signs that are in the memory.
sub found {
	my ($memory, %signs) = @_;

	return grep { index($memory, $signs{$_}) >= 0 } sort keys %signs;
}

# What a process has in its vector registers; undef: it cannot be seen.
sub registers {
	my $pid = 0 + $_[0]; # syscall() passes a string by its address
	my ($ptrace, $seize, $interrupt, $detach, $get, $xstate) =
	    (101, 0x4206, 0x4207, 17, 0x4204, 0x202);
	my $text = "\0" x 16384;
	my $where = pack 'PQ', $text, length $text;

	return undef if syscall($ptrace, $seize, $pid, 0, 0) != 0;
	syscall $ptrace, $interrupt, $pid, 0, 0;
	waitpid $pid, 0x40000000;
	my $result = syscall $ptrace, $get, $pid, $xstate, $where;
	syscall $ptrace, $detach, $pid, 0, 0;
	return $result == 0 ? substr($text, 0, unpack 'x8Q', $where) : undef;
}

# All pieces of sixteen bytes of what PEM files say.
sub pieces {
	my %pieces;

	for my $path (@_) {
		open my $pem, '<', $path or die "$path: $!";
		my $bytes = decode_base64(join '', grep { !/^-/ } <$pem>);
		$pieces{ substr $bytes, $_, 16 } = 1 for 0 .. length($bytes) - 16;
	}
	return keys %pieces;
}

sub replaced {
	my ($daemon, @before) = @_;
	my @now;

	kill 'KILL', @before;
	poll(sub { @now = grep { my $pid = $_; !grep { $_ == $pid } @before }
		$daemon->writers; @now == @before });
	return @now;
}

subtest 'a failed reload leaves nothing in registers' => sub {
	plan skip_all => 'SKIPPED: only those of x86-64 are known here'
	    if (POSIX::uname())[4] ne 'x86_64';
	my @files = map { [ certificate($dir, "register$_", key => 'rsa') ] } 0, 1;
	my $tls = sub {
		return (tls => 'certificates = ( { chain = "' . $files[$_[0]][0] .
			'"; key = "' . $files[$_[0]][1] . '"; } );');
	};
	my $daemon = Sniport::Daemon->new(@hosts, $tls->(0));
	# What stays is of either, as it happens.
	my @pieces = pieces(@{ $files[1] });
	for my $round (1 .. 3) {
		# It fails when the key was read.
		like($daemon->reload($tls->(1),
			listeners => '{ address = "127.0.0.1:%PORT%"; }, { address = "192.0.2.1:%PORT_b%"; }'),
			qr/^Reload failed/, "reload $round fails");
		for my $pid ($daemon->pid, replaced($daemon, $daemon->writers)) {
			my $registers = registers($pid);
			SKIP: {
				skip 'SKIPPED LOUDLY: registers cannot be seen', 1
				    if !defined $registers;
				is(scalar(grep { index($registers, $_) >= 0 } @pieces),
					0, 'a process has nothing of its key and certificate');
			}
		}
	}
	$daemon->stop_ok;
};

for my $type ('ec', 'rsa') {
	my @files = map { [ certificate($dir, "$type$_", key => $type) ] } 0 .. 2;
	my @signs = map { { signs($_->[1]) } } @files;
	my @tickets = map { ticket_key("$dir/tickets$_") } 0 .. 2;
	my $tls = sub {
		return (tls => 'certificates = ( { chain = "' . $files[$_[0]][0] .
			'"; key = "' . $files[$_[0]][1] . '"; } );' .
			"ticket_keys = \"$dir/tickets$_[0]\";");
	};
	my $daemon = Sniport::Daemon->new(@hosts, $tls->(0),
		log => 'level = "info";', top => 'workers = 2;');
	my $memory = memory($daemon->worker(0));
	if (!defined $memory || $memory eq '') {
		$daemon->stop_ok;
		plan skip_all => 'SKIPPED LOUDLY: this root cannot look into a worker';
	}
	ok(scalar found($memory, %{ $signs[0] }), "$type: a worker has its key");
	is_deeply([ found($memory, %{ $tickets[0] }) ], [ 'key', 'name' ],
		"$type: and the key of its tickets");

	my $writers_ok = sub {
		my ($title) = @_;
		my @writers = $daemon->writers;
		cmp_ok(scalar(@writers), '>', 1, "$type, $title: logs have writers");
		is_deeply([ map { my $all = memory($_);
			length $all ? map { found($all, %$_) } @signs, @tickets : 'unread' }
			@writers ], [], "$type, $title: which have no key");
	};
	$writers_ok->('start');

	# A tunnel keeps the first generation alive.
	my $tunnel = tunnel_open($daemon, $upstream);
	for my $generation (2, 3) {
		my $new = $generation - 1;
		like($daemon->reload($tls->($new)), qr/^Serving: .*generation $generation$/,
			"$type: a reload");
		for my $worker (0, 1) {
			my $pid = $daemon->worker($worker);
			$memory = memory($pid);
			ok(scalar found($memory, %{ $signs[$new] }),
				"$type: worker $worker has the new key");
			for my $old (0 .. $new - 1) {
				is_deeply([ found($memory, %{ $signs[$old] },
					%{ $tickets[$old] }) ], [],
					"$type: and none of key " . ($old + 1));
			}
		}
	}
	$writers_ok->('reload');
	my @before = $daemon->writers;
	kill 'KILL', @before;
	ok(poll(sub { my @now = grep { my $pid = $_; !grep { $_ == $pid } @before }
		$daemon->writers; @now == @before }), "$type: they are replaced");
	$writers_ok->('replaced');
	# One that is started later, and one while another generation is loaded.
	my $pids = () = $daemon->log =~ /worker 0\[\d+\]: ready/g;
	kill 'KILL', $daemon->worker(0);
	ok(poll(sub { $pids < (() = $daemon->log =~ /worker 0\[\d+\]: ready/g) }),
		"$type: a worker is replaced");
	$memory = memory($daemon->worker(0));
	ok(scalar found($memory, %{ $signs[2] }), "$type: it has the key");
	is_deeply([ map { found($memory, %{ $signs[$_] }, %{ $tickets[$_] }) } 0, 1 ],
		[], "$type: and no other");
	$memory = memory($daemon->pid);
	# Keys of tickets are there as long as a handshake may need them.
	is_deeply([ map { found($memory, %{ $signs[$_] }) } 0, 1 ], [],
		"$type: nor has the master");
	# A reload that fails leaves nothing of its key behind.
	like($daemon->reload($tls->(0), top => 'workers = 2; user = "nobody-at-all";'),
		qr/^Reload failed/, "$type: a reload fails");
	$memory = memory($daemon->pid);
	is_deeply([ found($memory, %{ $signs[0] }) ],
		[], "$type: the master has forgotten its key");
	ok(works($tunnel) && finish($tunnel), "$type: the tunnel goes on");
	$daemon->stop_ok;
}

done_testing;
