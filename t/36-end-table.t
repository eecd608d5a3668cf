#!/usr/bin/perl
# Every kind of end, with bytes on their way or none, and the other side
# reading or not: that side sees what it would see on a direct connection, and
# the audit line says what happened. The network is the test's own, since
# somebody vanishes in it, and its buffers are small, so that there is always
# something that waits within sniport.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use IPC::Open2 qw(open2);
use JSON::PP ();
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Peer;
use Sniport::Test qw(deadline poll readable run slow timeout);

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

my $CLEAN = qr/^(?:fin|close_notify)$/;

# What the other side sees, reason, closed_first (undef: either), and what the
# one that ended its stream sees, if that is no end.
my %KINDS = (
	'client close_notify and FIN' => [ 'end', 'done', 'client' ],
	'client close_notify alone' => [ 'end', 'done', 'client' ],
	'client FIN without close_notify' =>
	    [ 'end', 'client_truncated', 'client' ],
	'client RST' => [ 'cut', 'client_reset', 'client' ],
	'client vanishes' => [ 'cut', 'client_lost', 'client' ],
	'client closes with unread data' => [ 'cut', 'client_reset', 'client' ],
	'upstream FIN' => [ 'end', 'done', 'upstream' ],
	'upstream RST' => [ 'cut', 'upstream_reset', 'upstream' ],
	'upstream vanishes' => [ 'cut', 'upstream_lost', 'upstream' ],
	'upstream closes with unread data' =>
	    [ 'cut', 'upstream_reset', 'upstream' ],
	'upstream FIN, the client writes on' => [ 'end', 'done', 'upstream' ],
	'client half-closes, the upstream writes on' =>
	    [ 'end', 'done', 'client' ],
	'upstream FIN, then client RST' =>
	    [ 'end', 'client_reset', 'upstream', 'reset' ],
	'client half-closes, then upstream RST' =>
	    [ 'end', 'upstream_reset', 'client', 'reset' ],
	'upstream FIN, then the client vanishes' =>
	    [ 'end', 'client_lost', 'upstream', 'reset' ],
	'client half-closes, then the upstream vanishes' =>
	    [ 'end', 'upstream_lost', 'client', 'reset' ],
	'both half-close' => [ 'end', 'done', undef ],
	'fatal alert from the client' => [ 'cut', 'client_tls', 'client' ],
	'a broken record' => [ 'cut', 'client_tls', 'client' ],
);

my $here = Sniport::Network->here;
$here->set('ipv4.tcp_rmem', '4096 32768 65536');
$here->set('ipv4.tcp_wmem', '4096 16384 65536');
# Before the table that knows loopback.
$here->ip('rule add pref 20 lookup local');
$here->ip('rule del pref 0');
$here->ip('rule add pref 10 fwmark 99 blackhole');

sub daemon {
	my ($timeouts) = @_;

	return Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		timeouts => $timeouts, files => 20000);
}

# Starts the program t/peer/ends.c.
sub start {
	my ($daemon, @arguments) = @_;
	my $program = Sniport::Peer::program() =~ s/peer$/ends/r;

	my $pid = open2(my $out, my $in, $program, '-p', $daemon->port, '-t',
		timeout(), @arguments);
	return { pid => $pid, out => $out, in => $in };
}

# Its reports.
sub finish {
	my ($peer) = @_;
	my $out = $peer->{out};

	my @reports = map { JSON::PP::decode_json($_) } <$out>;
	waitpid $peer->{pid}, 0;
	is($?, 0, 'the peer has done its work');
	return @reports;
}

# A hash of audit lines, by the ports of client and upstream, once all are there:
# one of them alone may be used again.
sub lines {
	my ($daemon, $n) = @_;

	poll(sub { $daemon->audit >= $n });
	return map { ("$_->{client_port} $_->{port}" => $_) } $daemon->audit;
}

# The complaints about one case. $direct: the report of the same on a direct
# connection, where there is one.
sub complaints {
	my ($r, $direct, $line) = @_;
	my ($sees, $reason, $first, $then) = @{ $KINDS{ $r->{kind} } };
	my $actor = $r->{actor};
	my $other = $actor eq 'client' ? 'upstream' : 'client';
	my $saw = $r->{"${other}_saw"};
	my @wrong;

	push @wrong, 'bytes differ' if $r->{differs};
	push @wrong, "more came than was sent"
	    if $r->{"${other}_got"} > $r->{"${actor}_sent"} ||
	    $r->{"${actor}_got"} > $r->{"${other}_sent"};
	my $want = $sees eq 'cut' ? 'reset' : $other eq 'client' &&
	    $r->{way} ne 'direct' ? 'close_notify' : 'fin';
	my $unseen = $r->{way} eq 'direct' && $r->{kind} =~ /vanishes/;
	$want = 'nothing' if $unseen && !$then;
	$then = 'nothing' if $unseen && $then;
	push @wrong, "the $other saw $saw, not $want" if $saw ne $want;
	push @wrong, "the $other got " . $r->{"${other}_got"} . ' of ' .
	    $r->{"${actor}_sent"} if ($sees eq 'end' || $r->{arrived}) &&
	    $r->{"${other}_got"} != $r->{"${actor}_sent"};
	push @wrong, "the $actor got " . $r->{"${actor}_got"} . ' of ' .
	    $r->{"${other}_sent"} . ' and saw ' . $r->{"${actor}_saw"}
	    if $sees eq 'end' && !$then && ($r->{"${actor}_saw"} !~ $CLEAN ||
		$r->{"${actor}_got"} != $r->{"${other}_sent"});
	push @wrong, "the $actor saw " . $r->{"${actor}_saw"} . ", not $then"
	    if $then && $r->{"${actor}_saw"} ne $then;
	push @wrong, "the $other got more on a direct connection" if $direct &&
	    $direct->{arrived} == $r->{arrived} &&
	    $direct->{"${other}_got"} > $r->{"${other}_got"};
	return @wrong if $r->{way} eq 'direct';

	return (@wrong, 'no audit line') unless $line;
	push @wrong, "reason $line->{reason}" if $line->{reason} ne $reason;
	push @wrong, "closed first: $line->{closed_first}"
	    if $first && $line->{closed_first} ne $first;
	push @wrong, 'client_truncated' if $line->{client_truncated} &&
	    $reason ne 'client_truncated';
	# All that was passed on to the other side was seen by it; one that is
	# gone may have left some of it to the kernel.
	push @wrong, "bytes from the $actor: " . $line->{"bytes_from_$actor"} .
	    ' of ' . $r->{"${other}_got"}
	    if $line->{"bytes_from_$actor"} != $r->{"${other}_got"};
	push @wrong, "bytes from the $other: " . $line->{"bytes_from_$other"} .
	    ' of ' . $r->{"${actor}_got"}
	    if $line->{"bytes_from_$other"} < $r->{"${actor}_got"} ||
	    ($sees eq 'end' && !$then &&
		$line->{"bytes_from_$other"} != $r->{"${actor}_got"});
	return @wrong;
}

sub name_of {
	my ($r) = @_;
	return "load from $r->{load}, the other side $r->{other}";
}

{
	my $daemon = daemon('lost = "2s";');
	my @reports = finish(start($daemon, '-j', slow() ? 50 : 100));
	my (%direct, %wrong, %cases);
	for (grep { $_->{way} eq 'direct' } @reports) {
		$direct{"$_->{kind} " . name_of($_)} = $_;
	}
	my %line = lines($daemon, @reports - keys %direct);
	for my $r (@reports) {
		my $test = "$r->{kind}: $r->{way}";
		my @wrong = complaints($r, $r->{way} eq 'direct' ? undef :
			$direct{"$r->{kind} " . name_of($r)}, $line{ $r->{ports} });
		$cases{$test}++;
		push @{ $wrong{$test} }, map { name_of($r) . ": $_" } @wrong;
	}
	for my $kind (sort keys %KINDS) {
		for my $way ('direct', '1.2', '1.3') {
			my $test = "$kind: $way";
			next if $way eq 'direct' && !$cases{$test} &&
			    $KINDS{$kind}[1] eq 'client_tls';
			ok($cases{$test} == 12 && !@{ $wrong{$test} }, $test)
			    or diag(join "\n", $cases{$test},
				sort @{ $wrong{$test} });
		}
	}
	$daemon->stop_ok;
}

# sniport ends, and has not told either side the end of a stream.
sub cut_ok {
	my ($title, $timeouts, $end, $check) = @_;
	my $daemon = daemon($timeouts);
	my $peer = start($daemon, '-w');

	readable($peer->{out}, deadline()) or die 'the peer is not ready';
	sysread $peer->{out}, my $ready, 6;
	is($ready, "ready\n", "$title: all tunnels are there");
	$end->($daemon);
	close $peer->{in};
	my @reports = finish($peer);
	my @wrong = map {
		my $r = $_;
		map { "TLS $r->{way}, " . name_of($r) . ": the $_ saw " .
		    $r->{"${_}_saw"} } grep { $r->{"${_}_saw"} ne 'reset' }
		    qw(client upstream);
	} @reports;
	ok(@reports == 24 && !@wrong, "$title: both sides of each are reset")
	    or diag(join "\n", scalar @reports, @wrong);
	$check->($daemon, @reports);
	return;
}

cut_ok('a worker is killed', '', sub {
	my ($daemon) = @_;
	my ($worker) = $daemon->workers;
	kill 'KILL', $worker;
	poll(sub { my ($new) = $daemon->workers; $new && $new != $worker });
}, sub { $_[0]->stop_ok });
cut_ok('the drain deadline', 'drain = "100ms";', sub {
	my ($daemon) = @_;
	is($daemon->signal('TERM') // $daemon->wait_end, 0, 'sniport has stopped');
}, sub {
	my ($daemon, @reports) = @_;
	my %line = lines($daemon, scalar @reports);
	is_deeply([ map { "@{ $line{ $_->{ports} } }{qw(reason closed_first)}" }
		@reports ], [ ('drain_deadline sniport') x @reports ],
		'the drain deadline: audit lines');
	is_deeply([ $daemon->complaints ], [], 'nothing is left');
});

done_testing;
