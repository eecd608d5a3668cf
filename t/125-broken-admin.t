#!/usr/bin/perl
# An admin process that was broken into, and what it tells the master: what does
# not make sense ends it, and that it never stops talking keeps the master from
# nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(ask connect_admin pid_of);
use Sniport::Daemon;
use Sniport::Test qw(build poll slow);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'what is preloaded is not for a sanitizer or valgrind'
    if slow();

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	top => 'workers = 2;', log => 'level = "info";',
	environment => { LD_PRELOAD => build() . '/preload/violate.so' });
my $client = tunnel_open($daemon, $upstream);

# Has the admin process do what t/preload/violate.c has under that word; its
# process id.
sub violate {
	my ($word) = @_;
	my $pid = pid_of($daemon);
	my $socket = connect_admin($daemon);

	syswrite $socket, "GET / HTTP/1.1\r\nHost: $word.violate.test\r\n\r\n";
	return ($pid, $socket);
}

for my $word (qw(reload-none close-none close-many)) {
	my ($pid) = violate($word);
	ok($daemon->wait_log(
		qr/ admin\[$pid\]: killed: it sent something that is not a message/),
		"$word: ends it") or diag($daemon->log);
	# Its successor comes later each time, but not after a reload.
	$daemon->reload;
	is((ask($daemon, '/readyz'))[0], 200, "$word: another one answers");
}

my ($pid, $socket) = violate('close-flood');
ok($daemon->wait_log(qr/violate close-flood: begins/), 'it talks for ever');
my $worker = $daemon->worker(1);
kill 'KILL', $worker;
ok(poll(sub { $daemon->worker(1) != $worker }), 'a worker is replaced');
like($daemon->reload, qr/^Serving: /, 'a reload takes');
is((ask($daemon, '/readyz'))[0], 200, 'and brings one that answers');
isnt(pid_of($daemon), $pid, 'which is another one');
my $new = tunnel_open($daemon, $upstream);
ok(works($new) && finish($new), 'clients are served');
ok(works($client) && finish($client), 'a tunnel went on all the time');
$daemon->stop_ok;

done_testing;
