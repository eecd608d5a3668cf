#!/usr/bin/perl
# A program that has passed its trial, and fails when it is to take over or
# before a generation of its own serves: the one before it is run again, and
# nothing is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Socket;
use Test::More;

use Sniport::Daemon;
use Sniport::Program qw(running);
use Sniport::Test qw(build deadline poll sanitized status under_valgrind write_file);
use Sniport::Tunnel qw(arrivals_more arrivals_start arrivals_stop finish
	name_of tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: valgrind is the program then' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my $program = Sniport::Program->new;
my $dir = $program->dir;
my $first = $program->inode;
my $daemon = Sniport::Daemon->new(program => $program->path,
	top => 'workers = 2;', hosts => "127.0.0.1 peer.test\n",
	log => 'level = "info";', environment => {
		LD_PRELOAD => build() . '/preload/takeover.so',
		TAKEOVER_FAILS => "$dir/fails",
		sanitized() ? (ASAN_OPTIONS => join ':',
			$ENV{ASAN_OPTIONS} // (), 'verify_asan_link_order=0') : () });
my $tunnel = tunnel_open($daemon, $upstream);
my $arrivals = arrivals_start($daemon->port, name_of($upstream));

# All that the service manager was told so far is of no interest.
sub hear {
	1 while defined $daemon->wait_notify(qr/./, deadline(0));
	return;
}

# The upgrade leads back, with that in the log.
sub undone_ok {
	my ($title, $why) = @_;

	my $other = $program->install;
	my $before = () = $daemon->log =~ /upgrade: failed:/g;
	# The program before gets a generation of its own by a reload.
	$daemon->signal('USR2');
	subtest $title => sub {
		ok(poll(sub { $before < (() = $daemon->log =~
			/upgrade: failed:/g) }), 'it fails');
		like($daemon->log, $why, 'and says why');
		ok(poll(sub { $daemon->log =~
			/upgrade: failed:(?!.*upgrade: failed:).*upgrade: sniport \S+ serves again/s }),
			'the program before serves');
		is(running($daemon), $first, '... which it is');
		is(status($daemon->pid, 'Name'), 'sniport', 'by its name, too');
		hear();
		ok(works($tunnel), 'a tunnel goes on');
		arrivals_more($arrivals, 3);
		ok(poll(sub { $daemon->workers <= 3 }),
			'workers that were started meanwhile are gone');
	};
	return;
}

write_file("$dir/fails", 'error');
undone_ok('it does not come to take over',
	qr/upgrade: failed: epoll_ctl: sniport \S+ goes on$/m);
write_file("$dir/fails", 'crash');
undone_ok('it crashes as it takes over',
	qr/upgrade: failed: it crashed, or stood still, as it took over:/);

# Who listens there shares the port with nobody but its own user, which a trial
# takes for a sniport that runs.
my $taken = IO::Socket::INET->new(Proto => 'tcp', LocalAddr => '127.0.0.1',
	ReusePort => 1, Listen => 1) or die "listen: $!";
my $address = '127.0.0.1:' . $taken->sockport;
$daemon->configure(listeners => qq({ address = "127.0.0.1:%PORT%"; },
	{ address = "$address"; }));
my $inode = $program->install;
$daemon->signal('USR2');
subtest 'its first generation comes to nothing' => sub {
	ok($daemon->wait_log(qr/upgrade: failed: \S+ listeners\.address: \Q$address\E: bind: Address already in use/),
		'the program before is run again');
	ok($daemon->wait_log(qr/upgrade: until a reload succeeds no worker that dies is replaced$/m),
		'its own reload fails likewise, as it would have');
	is(running($daemon), $first, 'it goes on');
	ok(works($tunnel), 'a tunnel goes on');
	arrivals_more($arrivals, 3);
};

subtest 'when the configuration is right again' => sub {
	close $taken;
	hear();
	like($daemon->reload, qr/^Serving: 2 workers, 2 listeners/, 'a reload does');
	ok(works($tunnel), 'a tunnel goes on');
	my $other = $program->install;
	like($daemon->upgrade, qr/^Serving: 2 workers/, 'and an upgrade, too');
	is(running($daemon), $other, '... to the new program');
};

my $arrived = arrivals_stop($arrivals);
is_deeply($arrived->{wrong}, [], 'no tunnel was lost');
ok(works($tunnel) && finish($tunnel), 'the first one ends well');
$daemon->stop_ok;
done_testing;
