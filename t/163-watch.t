#!/usr/bin/perl
# tls.watch: a reload follows when the files that TLS is served with have
# changed, in whatever way they are exchanged, and half a pair is not loaded.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(certificate);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');

# Which certificate is served: its serial number.
sub served {
	my ($daemon) = @_;
	my $client = tunnel_open($daemon, $upstream);
	my $serial = $client->serial;

	die 'no tunnel' unless works($client) && finish($client);
	return $serial;
}

# Waits for the end of a reload that nobody asked for.
sub reloaded {
	my ($daemon, $title) = @_;
	my $text = $daemon->wait_notify(qr/^READY=1$/m) // '';

	return like($text, qr/^STATUS=Serving: /m, $title);
}

# A folder with a pair, tls.crt and tls.key.
sub pair {
	my ($dir) = @_;

	mkdir $dir or die "$dir: $!";
	chmod 0755, $dir;
	certificate($dir, 'tls');
	rename "$dir/tls.pem", "$dir/tls.crt" or die $!;
	return;
}

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	log => 'level = "info";', tls => 'watch = true;');
my $dir = $daemon->dir;

subtest 'two files that are renamed, with time between' => sub {
	my $old = tunnel_open($daemon, $upstream);
	my $before = served($daemon);
	certificate($dir, 'new');
	rename "$dir/new.pem", "$dir/tls.pem" or die $!;
	ok($daemon->wait_log(qr{ info .* tls\.certificates\.chain: \Q$dir\E/tls\.pem has changed, but what is there cannot be loaded: it has 10 s to become whole$}m),
		'half a pair is not loaded');
	is(served($daemon), $before, 'what was served is served');
	rename "$dir/new.key", "$dir/tls.key" or die $!;
	reloaded($daemon, 'the other half makes it whole: a reload follows');
	like($daemon->log, qr{ notice .* tls\.certificates\.chain: \Q$dir\E/tls\.pem has changed: tls\.watch has it loaded$}m,
		'the log says why');
	unlike($daemon->log, qr/reload: failed/, 'none has failed');
	isnt(served($daemon), $before, 'the new certificate is served');
	ok(works($old) && finish($old), 'a tunnel from before lives');
};

subtest 'a Secret of Kubernetes' => sub {
	mkdir "$dir/secret" or die $!;
	chmod 0755, "$dir/secret";
	pair("$dir/secret/..1");
	symlink '..1', "$dir/secret/..data" or die $!;
	symlink "..data/$_", "$dir/secret/$_" or die $! for 'tls.crt', 'tls.key';
	$daemon->reload(tls => 'watch = true; certificates = (
		{ chain = "%DIR%/secret/tls.crt"; key = "%DIR%/secret/tls.key"; } );');
	for my $n (2, 3) {
		my $before = served($daemon);
		pair("$dir/secret/..$n");
		symlink "..$n", "$dir/secret/..data_tmp" or die $!;
		rename "$dir/secret/..data_tmp", "$dir/secret/..data" or die $!;
		reloaded($daemon, "exchange $n: a reload follows");
		isnt(served($daemon), $before, "exchange $n: it is served");
	}
};

subtest 'keys of tickets, written in place' => sub {
	my $keys = sub {
		my ($step) = @_;
		return join '', map { chr(($_ * $step + 11) % 256) } 1 .. 80;
	};
	$daemon->write('tickets', $keys->(37));
	chmod 0600, "$dir/tickets";
	$daemon->reload(tls => 'watch = true; ticket_keys = "%DIR%/tickets";');
	open my $out, '+<:raw', "$dir/tickets" or die $!;
	print $out $keys->(41);
	close $out;
	reloaded($daemon, 'a reload follows');
	like($daemon->log, qr/ tls\.ticket_keys: \S+ has changed: /, 'the log says why');
};

# Nothing says that nothing happens: the descriptor tells that nobody looks.
subtest 'where it is off' => sub {
	my $watches = sub {
		return scalar grep { (readlink // '') eq 'anon_inode:inotify' }
		    glob '/proc/' . $daemon->pid . '/fd/*';
	};
	is($watches->(), 1, 'one descriptor is for it');
	$daemon->reload(tls => '');
	is($watches->(), 0, 'and none where it is off');
};

$daemon->stop_ok;
done_testing;
