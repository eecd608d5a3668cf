#!/usr/bin/perl
# A limit on the size of files (RLIMIT_FSIZE): too small for sniport itself, and
# reached by a log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(limit_process poll);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my @hosts = (hosts => "127.0.0.1 peer.test\n");
my $upstream = Sniport::Upstream->new('echo');

for my $size (4096, 1 << 30) {
	my $daemon = Sniport::Daemon->new(@hosts,
		wrapper => [ 'prlimit', "--fsize=$size" ], may_fail => 1);

	is($daemon->wait_end, 1, "$size bytes: no start");
	is($daemon->log, "sniport: files may not be as large as the memory that processes share: RLIMIT_FSIZE is $size bytes: raise it with ulimit -f, or with LimitFSIZE in the unit\n",
		"$size bytes: what is wrong is told");
	$daemon->stop_ok(status => 1);
}

if ($> != 0) {
	note('SKIPPED LOUDLY: only root sees the open files of a log process');
	done_testing();
	exit;
}

# The process that writes the audit log meets the limit.
my $daemon = Sniport::Daemon->new(@hosts, log => 'level = "info";');
my $log = $daemon->dir . '/audit.log';
$daemon->configure(@hosts, log => qq(level = "info"; access = "$log";));
$daemon->signal('HUP');
ok($daemon->wait_log(qr/generation 2/), 'the audit log is a file');
my $writer;
poll(sub {
	($writer) = grep { my $pid = $_;
		grep { (readlink($_) // '') eq $log } glob "/proc/$pid/fd/*"
	} $daemon->writers;
	return $writer;
}) or die 'nobody writes it';
sub limit { return limit_process($writer, 'fsize', $_[0]); }

# The lines of the audit log.
sub audit {
	open my $file, '<', $log or die "$log: $!";
	my @lines = <$file>;
	return @lines;
}

sub tunnel_ok {
	my ($title) = @_;
	my $client = tunnel_open($daemon, $upstream);

	ok(works($client) && finish($client), $title);
	return;
}

tunnel_ok('a tunnel');
ok(poll(sub { audit() == 1 }), 'its line is there');
my $size = -s $log;
# Half a line more.
limit($size + 100);
tunnel_ok('another tunnel');
ok($daemon->wait_log(qr/File too large/), 'the error log tells of the limit');
is(-s $log, $size + 100, 'half of its line fits');
limit('unlimited');
ok(poll(sub { my @lines = audit(); @lines == 2 && $lines[1] =~ /\n\z/ }),
	'the other half comes when there is room');
tunnel_ok('a third');
ok(poll(sub { audit() == 3 }), 'has a line of its own');
is(scalar(grep { !/^\{.*\}$/ } audit()), 0, 'all lines are whole');
$daemon->stop_ok;

done_testing();
