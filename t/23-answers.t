#!/usr/bin/perl
# Records that carry no data, of every kind and in any number, from clients that
# read and from clients that do not: whatever they are, the worker goes on
# serving others, its watchdog is not needed, and the tunnel has its audit line.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Open2 qw(open2);
use Test::More;

use Sniport::Alone qw(alone not_alone);
use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::Daemon;
use Sniport::Peer;
use Sniport::Test qw(deadline readable slow tls_library writable);
use Sniport::Upstream;

# The kernel takes many answers before any wait in the worker: some 4 MB, or as
# little as can be said in a network of the test's own. So many questions are
# too many for one who does not read. Nor may it take all of them while the
# worker is slow: the client would be gone before they are read. HELD: there,
# more than it holds of the answers to renegotiations, 23 bytes each.
my ($MANY, $HELD) = (300_000, 4_000);
if (alone) {
	my %most = (tcp_wmem => '4096 16384 65536',
		tcp_rmem => '4096 131072 1048576');
	for my $name (sort keys %most) {
		open my $file, '>', "/proc/sys/net/ipv4/$name"
		    or die "$name: $!";
		print $file $most{$name};
		close $file or die "$name: $!";
	}
	$MANY = 30_000;
} else {
	diag('this takes long: ' . not_alone());
}

my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 example.com\n",
	timeouts => 'watchdog = "' . (slow() ? 30 : 3) . 's";');
my ($worker) = $daemon->workers;
my $echo = Sniport::Upstream->new('echo');
my %upstream = (
	silent => Sniport::Upstream->new('sink'),
	# Sends more than any client takes, and reads meanwhile.
	sending => Sniport::Upstream->new(code => sub {
		my ($socket, $self) = @_;
		my $child = fork() // die "fork: $!";
		if ($child == 0) {
			1 while $self->put($socket, 'u' x 65536);
			POSIX::_exit(0);
		}
		$self->read_all($socket);
		kill 'KILL', $child;
		return;
	}),
);

my $bystander = Sniport::Client->new(port => $daemon->port,
	name => 'example.com:' . $echo->port);

# How many times another tunnel of the same worker is served meanwhile. Each
# must come back within the deadline.
sub served {
	my ($pid, $out) = @_;
	my $count = 0;

	until (readable($out, deadline(0))) {
		$bystander->put('still there?');
		$bystander->get(12) eq 'still there?' or return 'no more';
		$count++;
	}
	return $count;
}

# Runs such a client to its end: a hash of what it saw, what the audit line
# says, and whether the worker has got through it.
sub client {
	my ($kind, %option) = @_;
	my $upstream = $upstream{ $option{upstream} // 'silent' };

	my @command = (Sniport::Peer::program() =~ s/peer$/raw/r, '-k', $kind,
		'-p', $daemon->port, '-s', 'example.com:' . $upstream->port,
		'-v', $option{version}, '-n', $option{count} // $MANY,
		'-d', $option{data} // 0, $option{reads} ? '-r' : ());
	my $pid = open2(my $out, my $in, @command);
	my $served = served($pid, $out);
	my ($port, $sent, $saw) = split ' ', <$out> // '';
	waitpid $pid, 0;
	my $line = defined $port ? { lines_of($daemon, $port) }->{$port} : {};
	$upstream->report;
	return { saw => $saw, sent => $sent, served => $served,
		map { $_ => $line->{$_} } qw(reason closed_first bytes_from_client) };
}

# One test: the tunnel ended for this reason (a pattern), others were served.
sub ends_ok {
	my ($reason, $kind, %option) = @_;
	my $title = join ', ', "TLS $option{version}", $kind,
	    ($option{data} // 0) . ' bytes behind each',
	    $option{reads} ? 'reads' : 'never reads',
	    "the upstream is " . ($option{upstream} // 'silent');
	my $got = client($kind, %option);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(($got->{reason} // '') =~ /^(?:$reason)$/ &&
		$got->{served} ne 'no more' &&
		($daemon->workers)[0] == $worker, "$title: $reason")
	    or diag(explain($got));
	return $got;
}

# AWS-LC owes a client one answer at a time, however often it asks, and ends a
# session whose client wants to renegotiate.
my $AWSLC = tls_library() eq 'AWS-LC';
for my $reads (0, 1) {
	for my $upstream ('silent', 'sending') {
		my @u = (reads => $reads, upstream => $upstream, data => 1024);
		my $end = $upstream eq 'sending' && !$reads ? 'client_reset' : 'done';
		my $owing = $reads ? $end : 'tls_answers';

		# Who reads, but asks far more often than anybody honest while
		# much is on its way to it, may be told so.
		$owing = 'done|tls_answers' if $upstream eq 'sending' && $reads;
		$owing = $end if $AWSLC;
		ends_ok($owing, 'ask', version => '1.3', @u);
		ends_ok($owing, 'split', version => '1.3', @u, data => 8192,
			count => $MANY / 3) if alone || $upstream eq 'sending';
		my $got = ends_ok($AWSLC ? 'client_tls' : $owing,
			'renegotiate', version => '1.2', @u);
		# OpenSSL goes on behind an answer that it could not send.
		cmp_ok($got->{bytes_from_client} / 1024, '<=', $HELD,
			'nothing was taken behind the limit') if alone && !$reads;
		# Nobody is owed an answer to these.
		push @u, count => 3000;
		ends_ok($end, 'update', version => '1.3', @u);
		for my $version ('1.2', '1.3') {
			# Behind a warning the client's end is one, too.
			ends_ok($end, $_, version => $version, @u)
			    for qw(empty data warning);
		}
	}
	# With no data between them there are too many of them soon.
	for my $upstream ('silent', 'sending') {
		my @u = (reads => $reads, upstream => $upstream, count => 5000);
		my $answers = $upstream eq 'sending' ? '|tls_answers' : '';
		ends_ok('tls_records', 'update', version => '1.3', @u);
		ends_ok("tls_records$answers", $_, version => '1.3', @u)
		    for qw(ask split);
		ends_ok($AWSLC ? 'client_tls' : "tls_records$answers",
			'renegotiate', version => '1.2', @u);
		for my $version ('1.2', '1.3') {
			ends_ok('tls_records', $_, version => $version, @u)
			    for qw(empty warning);
			ends_ok('client_tls', $_, version => $version, @u)
			    for qw(ccs ticket);
		}
	}
	ends_ok('client_tls', 'renegotiate', version => '1.3',
		reads => $reads, data => 1024);
}

is_deeply([ $daemon->workers ], [ $worker ], 'it is the same worker still');
unlike($daemon->log, qr/watchdog|killed|died|signal/, 'nothing was amiss');
$bystander->end;
is($bystander->wait_end, 'close_notify', 'the bystander ends as it likes');
$daemon->stop_ok;

done_testing;
