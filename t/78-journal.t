#!/usr/bin/perl
# Where a log is the journal, its lines bear their priorities.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Socket;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(deadline readable);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my @hosts = (hosts => "127.0.0.1 peer.test\n");

# A stream like those that journald hands out.
sub journal {
	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0)
	    or die "socketpair: $!";
	my @stat = stat $theirs;
	return ($ours, $theirs, "$stat[0]:$stat[1]");
}

# Lines of the stream until one matches; undef at its end.
sub lines_until {
	my ($socket, $match) = @_;
	my ($text, @lines) = ('');
	my $deadline = deadline();

	for (;;) {
		while ($text =~ s/^(.*)\n//) {
			push @lines, $1;
			return @lines if $1 =~ $match;
		}
		readable($socket, $deadline) or return @lines;
		sysread $socket, $text, 65536, length $text or return @lines;
	}
}

my %PRIORITY = (error => 3, warning => 4, notice => 5, info => 6, debug => 7);

subtest 'both logs in the journal' => sub {
	my ($ours, $theirs, $stream) = journal();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $theirs,
		stderr => $theirs, environment => { JOURNAL_STREAM => $stream },
		log => 'error = "stderr"; access = "stdout"; level = "debug";');
	close $theirs;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	$daemon->configure(top => 'no_such_setting = 1;');
	$daemon->signal('HUP');
	$daemon->wait_notify(qr/^STATUS=Reload failed/m);
	$daemon->stop_ok;
	my @lines = lines_until($ours, qr/stop: done/);
	my (%seen, @wrong);
	for (@lines) {
		my $want = /^<\d>\S+Z (\w+) (?:master|worker|admin)/ ? $PRIORITY{$1} :
		    /^<\d>\{"time":.*\}$/ ? 6 : -1;
		push @wrong, $_ if !/^<$want>/;
		$seen{$want}++;
	}
	is_deeply(\@wrong, [], 'each line bears its priority');
	is_deeply([ sort keys %seen ], [ 3 .. 7 ], 'of all levels') if !$>;
};

subtest 'a start that fails' => sub {
	my ($ours, $theirs, $stream) = journal();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $theirs,
		stderr => $theirs, environment => { JOURNAL_STREAM => $stream },
		top => 'no_such_setting = 1;', may_fail => 1);
	close $theirs;
	is($daemon->wait_end, 1, 'it ends');
	like(join("\n", lines_until($ours, qr/no_such_setting/)),
		qr/^<3>sniport: \S+:1: no_such_setting: /m, 'as an error');
};

subtest 'one log in a file' => sub {
	my ($ours, $theirs, $stream) = journal();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $theirs,
		environment => { JOURNAL_STREAM => $stream },
		log => 'error = "%DIR%/errors"; access = "stdout";');
	close $theirs;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	like((lines_until($ours, qr/"event"/))[-1], qr/^<6>\{/,
		'the journal has priorities');
	$daemon->stop_ok;
	like($daemon->slurp('errors'), qr/^\d{4}-/, 'the file has not');
	unlike($daemon->slurp('errors'), qr/^</m, 'on any line');
};

subtest 'a stream that is not the journal' => sub {
	my ($ours, $theirs) = journal();
	# Another than the one that the service was given.
	my (undef, undef, $stream) = my @other = journal();
	my $daemon = Sniport::Daemon->new(@hosts, stdout => $theirs,
		environment => { JOURNAL_STREAM => $stream },
		log => 'access = "stdout";');
	close $theirs;
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'a tunnel');
	like((lines_until($ours, qr/"event"/))[-1], qr/^\{/,
		'has lines without priorities');
	$daemon->stop_ok;
	unlike($daemon->log, qr/^</m, 'neither has standard error');
};

done_testing;
