#!/usr/bin/perl
# What a connection takes of its worker's memory, maps included: one on which
# nothing was sent, one that has stopped in its handshake, an idle tunnel.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Test qw(deadline poll readable run slow sniport tls_library);
use Sniport::Tunnel qw(tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: a sanitizer and valgrind have more' if slow();
plan skip_all => 'SKIPPED: the figures are those of jemalloc'
    if (run('ldd', sniport()))[1] !~ /jemalloc/;

my $COUNT = 500;
# KiB each. Of a handshake 22 are OpenSSL's buffer for messages; 3.5 takes more
# for all.
my ($version) = (run(sniport(), '-V'))[1] =~ /^OpenSSL (\d+\.\d+)/m;
my %MOST = tls_library() eq 'AWS-LC' ?
    (silent => 2, handshake => 24, idle => 6) :
    $version eq '3.0' ? (silent => 2, handshake => 44, idle => 17) :
    (silent => 2, handshake => 54, idle => 28);

my $upstream = Sniport::Upstream->new('echo');
my $hello = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => 'peer.test:1'));
my $hello12 = Sniport::Hello::records(Sniport::Hello::client_hello(
	name => 'peer.test:1', versions => undef, key_share => undef));

# In KiB, of maps that it shares its part.
sub memory {
	my ($pid) = @_;

	open my $file, '<', "/proc/$pid/smaps_rollup" or die "smaps: $!";
	while (<$file>) {
		return $1 if /^Pss:\s+(\d+) kB/;
	}
	die 'no Pss';
}

sub sockets {
	my ($pid) = @_;

	return scalar grep { (readlink // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";
}

# The worker is new, so that nothing of what was there before is used again.
sub small_ok {
	my ($title, $most, $open, %with) = @_;
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		files => 8000, %with, timeouts => 'client_hello = "60s";
		handshake = "60s"; watchdog = "2s"; shutdown = "1s";');
	my ($worker) = $daemon->workers;
	my @first = map { $open->($daemon) } 1 .. 64;
	my $before = memory($worker);
	my @more = map { $open->($daemon) } 1 .. $COUNT;
	my $each;

	# When it has been quiet for a while what is not needed goes back.
	ok(poll(sub {
		$each = (memory($worker) - $before) / $COUNT;
		return sockets($worker) >= @first + @more && $each <= $most;
	}), sprintf '%s: %d KiB at most', $title, $most)
	    or diag("$each KiB");
	note("$title: $each KiB");
	$_->reset for @first, @more;
	$daemon->stop_ok;
	return;
}

# The answer to the hello has come.
sub half {
	my ($daemon, $text) = @_;
	my $client = Sniport::Client->open(port => $daemon->port);

	syswrite $client->socket, $text;
	readable($client->socket, deadline()) or die 'no answer';
	return $client;
}

small_ok('nothing was sent', $MOST{silent}, sub {
	return Sniport::Client->open(port => $_[0]->port);
});
small_ok('in a handshake of TLS 1.3', $MOST{handshake},
	sub { return half($_[0], $hello); });
small_ok('in a handshake of TLS 1.2', $MOST{handshake},
	sub { return half($_[0], $hello12); });
small_ok('with a certificate asked for', $MOST{handshake},
	sub { return half($_[0], $hello); },
	tls => 'client_auth = "required"; client_ca = "%DIR%/tls.pem";');
small_ok('an idle tunnel', $MOST{idle}, sub {
	my $client = tunnel_open($_[0], $upstream);

	works($client) or die 'no tunnel';
	return $client;
});

done_testing;
