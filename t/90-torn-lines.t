#!/usr/bin/perl
# A full disk takes the beginning of an audit line; whoever opens the file then,
# and why ever, finishes that line where it is the same file, and begins it anew
# where it is another one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP ();

use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(poll run);

my $LONG = "\xff" x 255;
my $N = 40;

my @mount = (qw(unshare -m sh -c),
	'mount -t tmpfs -o size=64k,mode=755 tmpfs "$0" && exec "$@"');
my ($status, $text) = run(@mount, '/mnt', 'true');
plan skip_all => "SKIPPED LOUDLY: no tmpfs of its own: $text" if $status;

sub file {
	my ($path) = @_;

	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

sub broken {
	return grep { !eval { JSON::PP::decode_json($_) } } split /\n/, $_[0];
}

# A daemon whose audit log is on a disk that holds some of so many lines; the
# disk, as the daemon sees it.
sub full {
	my @wrapper = (@mount, '');
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		wrapper => \@wrapper, log => 'access = "%DIR%/small/audit.log";',
		before => sub {
			my ($daemon) = @_;

			$wrapper[-1] = $daemon->dir . '/small';
			mkdir $wrapper[-1] or die "mkdir: $!";
		});
	my $disk = '/proc/' . $daemon->pid . "/root$wrapper[-1]";

	open my $ballast, '>', "$disk/ballast" or die "ballast: $!";
	# All but five pages, and less than a whole one of these.
	print $ballast 'x' x (44 * 1024);
	close $ballast or die "ballast: $!";
	Sniport::Hello::exchange($daemon->port, Sniport::Hello::records(
		Sniport::Hello::client_hello(name => $LONG))) for 1 .. $N;
	$daemon->wait_log(qr/ cannot be written: No space left on device/) or
	    die "the disk is not full:\n" . $daemon->log;
	file("$disk/audit.log") =~ /[^\n]\z/ or die "no line is torn\n";
	return ($daemon, $disk);
}

sub whole_ok {
	my ($daemon, $disk, $of) = @_;
	my $lines = sub { return file("$disk/audit.log") =~ tr/\n//; };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlink "$disk/ballast" or die "ballast: $!";
	ok(poll(sub { $lines->() >= $of }), 'all lines come when there is room');
	is_deeply([ broken(file("$disk/audit.log")) ], [], 'each is whole');
	is($lines->(), $of, 'and comes once');
	$daemon->stop_ok;
	return;
}

subtest 'USR1' => sub {
	my ($daemon, $disk) = full();
	$daemon->reopen;
	whole_ok($daemon, $disk, $N);
};

subtest 'HUP' => sub {
	my ($daemon, $disk) = full();
	$daemon->reload;
	whole_ok($daemon, $disk, $N);
};

subtest 'both, twice' => sub {
	my ($daemon, $disk) = full();
	for (1 .. 2) {
		$daemon->reopen;
		$daemon->reload;
	}
	whole_ok($daemon, $disk, $N);
};

subtest 'who writes it is killed' => sub {
	my ($daemon, $disk) = full();
	my %old = map { ($_ => 1) } $daemon->writers;
	kill 'KILL', keys %old;
	ok(poll(sub { grep { !$old{$_} } $daemon->writers }), 'another one writes');
	whole_ok($daemon, $disk, $N);
};

for my $how ('USR1', 'who writes it is killed') {
	subtest "a new file: $how" => sub {
		my ($daemon, $disk) = full();
		my %old = map { ($_ => 1) } $daemon->writers;
		rename "$disk/audit.log", "$disk/old.log" or die "rename: $!";
		if ($how eq 'USR1') {
			$daemon->reopen;
		} else {
			kill 'KILL', keys %old;
			ok(poll(sub { -e "$disk/audit.log" }), 'another one writes');
		}
		# The one that is torn stands in both.
		whole_ok($daemon, $disk, $N - (file("$disk/old.log") =~ tr/\n//));
	};
}

done_testing;
