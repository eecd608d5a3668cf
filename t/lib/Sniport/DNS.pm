# A name server, UDP and TCP on one free loopback port, that says what it is
# told to, true or not:
#
#     my $dns = Sniport::DNS->new(zone => {
#         'a.test'     => { A => ['192.0.2.1'], AAAA => ['2001:db8::1'], ttl => 5 },
#         'alias.test' => { CNAME => 'a.test' },
#         'slow.test'  => { A => ['192.0.2.1'], AAAA => 'drop', delay => 0.5 },
#         'late.test'  => { A => ['192.0.2.1'], delay => { AAAA => 2 } },
#         'held.test'  => { A => ['192.0.2.1'], delay => 'release' },
#         'big.test'   => { A => ['192.0.2.1'], truncate => 1 },
#         'turn.test'  => [ { A => ['192.0.2.1'], ttl => 0 }, { A => ['127.0.0.1'] } ],
#         'lost.test'  => [ 'drop', { A => ['192.0.2.1'] } ],
#         '*.wild.test' => { A => ['192.0.2.7'] },
#         'gone.test'  => 'NXDOMAIN',
#     });
#
# A script is a hash or a word. Words: NODATA, NXDOMAIN, SERVFAIL, REFUSED,
# FORMERR, NOTIMP, BADVERS; drop (no answer), garbage (a record that is not there),
# noise (bytes that are no message), wrong_id, wrong_name (another question is
# answered). In a hash, A and AAAA are lists of addresses or a word for that
# type alone; CNAME is a name, which is looked up in the zone; ttl is that of
# the records (60), cname_ttl that of the CNAME; delay is in seconds, or
# "release" (until release() is called), for all or by type; truncate: TC over
# UDP, all over TCP (a number above 1: with so many of the records); raw: bytes to
# append as they are with the number of records, [count, bytes]; tcp: what is
# done instead of an answer over TCP: "close", "reset", "drop", or "begin" (it
# is begun, and never ended), "truncate" (TC and no record); edns: what is said
# to a question with EDNS: FORMERR, NOTIMP, BADVERS, "bare" (FORMERR without the
# question), "echo" (FORMERR with the OPT record); times: how often an answer
# by UDP is sent. A list of scripts is used up one per question of a type; its
# last stays. A type that a hash has not is NODATA, a name that the zone has not
# is NXDOMAIN.
#
# Answers beyond 512 bytes, or what the question's EDNS says, are truncated over
# UDP. With close => 1 the server ends each TCP connection behind an answer.
# What is changed, with zone(), set() or all(), holds from the next question on.
package Sniport::DNS;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR);
use IO::Socket::IP;
use JSON::PP ();
use POSIX ();
use Socket qw(AF_INET AF_INET6 AF_UNIX PF_UNSPEC SOCK_DGRAM SOCK_STREAM inet_pton);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Sniport::Test qw(deadline group_kill group_start readable);

my %RCODE = (NODATA => 0, FORMERR => 1, SERVFAIL => 2, NXDOMAIN => 3,
	NOTIMP => 4, REFUSED => 5);
my %TYPE = (A => 1, NS => 2, CNAME => 5, SOA => 6, PTR => 12, MX => 15,
	TXT => 16, AAAA => 28, SRV => 33, HTTPS => 65);
my %TYPE_NAME = reverse %TYPE;
my $UDP_MAX = 512;
my $CNAMES_MAX = 16;

# zone => {...}, host => '127.0.0.1', port => a free one, close => 0
sub new {
	my ($class, %option) = @_;
	my $host = $option{host} // '127.0.0.1';
	my ($udp, $tcp) = bind_both($host, $option{port} // 0);

	socketpair(my $control, my $child, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	    or die "socketpair: $!";
	my $self = bless {
		host => $host, port => $udp->sockport, control => $control,
	}, $class;
	$self->{pid} = group_start(sub {
		close $control;
		$SIG{PIPE} = 'IGNORE';
		serve({
			udp => $udp, tcp => $tcp, control => $child, commands => '',
			close => $option{close},
			zone => lower($option{zone} // {}), all => undef, turns => {},
			questions => [], connections => {}, due => [], held => [],
		});
	});
	return $self;
}

sub host { return $_[0]{host}; }
sub port { return $_[0]{port}; }

# As it stands in dns.servers.
sub server {
	my ($self) = @_;

	return sprintf $self->{host} =~ /:/ ? '[%s]:%d' : '%s:%d',
	    $self->{host}, $self->{port};
}

# Another zone in place of the first.
sub zone {
	my ($self, $zone) = @_;

	$self->command(zone => $zone);
	return;
}

# Adds or replaces names.
sub set {
	my ($self, %names) = @_;

	$self->command(set => \%names);
	return;
}

# One script for every name, whatever the zone says; undef: the zone again.
sub all {
	my ($self, $script) = @_;

	$self->command(all => $script);
	return;
}

# All questions so far, "name type", the name as it was spelt; with 'udp' or
# 'tcp' those that came so.
sub questions {
	my ($self, $transport) = @_;

	return map { $_->[1] }
	    grep { !defined $transport || $_->[0] eq $transport }
	    @{ $self->command(questions => undef) };
}

# The source ports of all questions by UDP so far, by their questions.
sub ports {
	my ($self) = @_;
	my %ports;

	push @{ $ports{ $_->[1] } }, $_->[2]
	    for grep { $_->[0] eq 'udp' } @{ $self->command(questions => undef) };
	return \%ports;
}

# Forgets the questions.
sub clear {
	my ($self) = @_;

	$self->command(clear => undef);
	return;
}

# Sends the answers whose delay is "release" and whose questions are there.
sub release {
	my ($self) = @_;

	$self->command(release => undef);
	return;
}

# Ends the server; who asks from now on is refused.
sub stop {
	my ($self) = @_;

	group_kill(delete $self->{pid}) if $self->{pid};
	close delete $self->{control} if $self->{control};
	return;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	$self->stop;
	return;
}

# Has the server done it, returns its answer.
sub command {
	my ($self, $verb, $argument) = @_;
	my $json = JSON::PP->new->allow_nonref->ascii;
	my $line = '';

	die 'the name server is stopped' unless $self->{control};
	put_all($self->{control}, $json->encode([ $verb, $argument ]) . "\n");
	while ($line !~ /\n/) {
		readable($self->{control}, deadline())
		    or die "the name server does not answer";
		sysread($self->{control}, $line, 65536, length $line)
		    or die "the name server has ended";
	}
	return $json->decode($line)->[0];
}

sub put_all {
	my ($handle, $data) = @_;

	while (length $data) {
		my $n = syswrite($handle, $data) // die "write: $!";
		substr $data, 0, $n, '';
	}
	return;
}

# A free port may be taken for the other transport: try again.
sub bind_both {
	my ($host, $port) = @_;

	for (1 .. 100) {
		my $udp = IO::Socket::IP->new(LocalHost => $host, LocalPort => $port,
			Type => SOCK_DGRAM, Proto => 'udp')
		    or die "bind to $host: $@";
		my $tcp = IO::Socket::IP->new(LocalHost => $host,
			LocalPort => $udp->sockport, Type => SOCK_STREAM, Listen => 64)
		    or next;
		$_->blocking(0) for $udp, $tcp;
		return ($udp, $tcp);
	}
	die "no port of $host is free for UDP and TCP";
}

sub lower {
	my ($zone) = @_;

	return { map { lc($_) => $zone->{$_} } keys %$zone };
}

# What follows runs in the process of the server.

sub serve {
	my ($s) = @_;

	for (;;) {
		my $bits = '';
		vec($bits, fileno($_), 1) = 1
		    for $s->{udp}, $s->{tcp}, $s->{control},
		    map { $_->{socket} } values %{ $s->{connections} };
		my $n = select($bits, undef, undef, wait_time($s));
		send_due($s);
		next if $n <= 0;
		my $is = sub { return vec $bits, fileno($_[0]), 1; };
		obey($s) if $is->($s->{control});
		receive($s) if $is->($s->{udp});
		my @connections = grep { $is->($_->{socket}) }
		    values %{ $s->{connections} };
		stream($s, $_) for @connections;
		accept_all($s) if $is->($s->{tcp});
	}
}

sub now { return clock_gettime(CLOCK_MONOTONIC); }

sub wait_time {
	my ($s) = @_;

	return undef unless @{ $s->{due} };
	my $left = $s->{due}[0][0] - now();
	return $left > 0 ? $left : 0;
}

# Sends now, or when the delay is over.
sub send_later {
	my ($s, $delay, $code) = @_;

	if ($delay eq 'release') {
		push @{ $s->{held} }, $code;
		return;
	}
	if (!$delay) {
		$code->();
		return;
	}
	@{ $s->{due} } = sort { $a->[0] <=> $b->[0] } @{ $s->{due} },
	    [ now() + $delay, $code ];
	return;
}

sub send_due {
	my ($s) = @_;

	while (@{ $s->{due} } && $s->{due}[0][0] <= now()) {
		(shift @{ $s->{due} })->[1]->();
	}
	return;
}

# Commands of the test; without it the server has no reason to be.
sub obey {
	my ($s) = @_;
	my $json = JSON::PP->new->allow_nonref->ascii;

	sysread($s->{control}, $s->{commands}, 65536, length $s->{commands})
	    or POSIX::_exit(0);
	while ($s->{commands} =~ s/^(.*)\n//) {
		my ($verb, $argument) = @{ $json->decode($1) };
		my $result;
		if ($verb eq 'zone') {
			@$s{qw(zone turns)} = (lower($argument), {});
		} elsif ($verb eq 'set') {
			my $names = lower($argument);
			$s->{zone}{$_} = $names->{$_} for keys %$names;
			delete @{ $s->{turns} }{ keys %$names };
		} elsif ($verb eq 'all') {
			$s->{all} = $argument;
		} elsif ($verb eq 'questions') {
			$result = $s->{questions};
		} elsif ($verb eq 'clear') {
			$s->{questions} = [];
		} elsif ($verb eq 'release') {
			$_->() for splice @{ $s->{held} };
		}
		put_all($s->{control}, $json->encode([$result]) . "\n");
	}
	return;
}

sub receive {
	my ($s) = @_;

	while (defined(my $peer = recv($s->{udp}, my $query, 65536, 0))) {
		my ($port) = unpack 'x2n', $peer;
		my ($delay, $answer, $times) = answer($s, $query, 'udp', $port);
		next unless defined $answer;
		send_later($s, $delay, sub { send($s->{udp}, $answer, 0, $peer)
			for 1 .. $times // 1; });
	}
	return;
}

sub accept_all {
	my ($s) = @_;

	while (my $socket = $s->{tcp}->accept) {
		$socket->blocking(0);
		$s->{connections}{ fileno $socket } =
		    { socket => $socket, buffer => '' };
	}
	return;
}

sub stream {
	my ($s, $connection) = @_;
	my $socket = $connection->{socket};

	my $n = sysread($socket, $connection->{buffer}, 65536,
		length $connection->{buffer});
	return if !defined $n && ($! == EAGAIN || $! == EINTR);
	if (!$n) {
		delete $s->{connections}{ fileno $socket };
		close $socket;
		return;
	}
	while (length $connection->{buffer} >= 2) {
		my $length = unpack 'n', $connection->{buffer};
		last if length $connection->{buffer} < 2 + $length;
		my $query = substr $connection->{buffer}, 0, 2 + $length, '';
		my ($delay, $answer, $instead) =
		    answer($s, substr($query, 2), 'tcp');
		next unless defined $answer;
		# At most 64 KiB into an empty socket buffer: taken at once.
		send_later($s, $delay, sub {
			return unless defined fileno $socket;
			my $bytes = pack 'n/a*', $answer;
			$bytes = substr $bytes, 0, 5000
			    if ($instead // '') eq 'begin';
			syswrite($socket, $bytes)
			    if !$instead || $instead eq 'begin';
			hang_up($s, $socket, $instead)
			    if $s->{close} || $instead;
		});
	}
	return;
}

sub hang_up {
	my ($s, $socket, $how) = @_;

	return if ($how // '') =~ /^(?:drop|begin)$/;
	setsockopt($socket, Socket::SOL_SOCKET, Socket::SO_LINGER,
		pack('ii', 1, 0)) if ($how // '') eq 'reset';
	delete $s->{connections}{ fileno $socket };
	close $socket;
	return;
}

# Delay and message for a question, and what is done instead over TCP; no
# message: no answer.
sub answer {
	my ($s, $query, $transport, $port) = @_;

	return unless length $query >= 17;
	my ($id, $flags, $qdcount) = unpack 'nnn', $query;
	return if $flags & 0x8000 || $qdcount != 1;
	my ($name, $at) = decode_name($query, 12);
	return unless defined $name && length $query >= $at + 4;
	my $type = unpack "x$at n", $query;
	my $type_name = $TYPE_NAME{$type} // "TYPE$type";
	push @{ $s->{questions} }, [ $transport, "$name $type_name", $port ];

	my $script = script($s, lc $name, $type_name);
	my $delay = ref $script ? $script->{delay} // 0 : 0;
	$delay = $delay->{$type_name} // 0 if ref $delay;
	my $word = ref $script ? $script->{$type_name} : $script;
	$word = '' if !defined $word || ref $word;
	return if $word eq 'drop';
	return ($delay, join '', map { chr(($_ * 37) % 251) } 1 .. 40)
	    if $word eq 'noise';

	my $reply = {
		id => $word eq 'wrong_id' ? $id ^ 0x5555 : $id,
		flags => 0x8080 | $flags & 0x7900, rcode => 0, count => 0,
		question => substr($query, 12, $at + 4 - 12), records => '',
		name => lc $name,
	};
	$reply->{question} = encode_name("not-$name") . pack 'nn', $type, 1
	    if $word eq 'wrong_name';
	if ($word eq 'garbage') {
		@$reply{qw(count records)} = (1, "\xc0\x0c\0");
	} else {
		fill($s, $reply, $script, lc $name, $type_name);
	}
	# RFC 6891: an OPT record, whose class is the size, is all there may be.
	my ($max, $root, $opt) = ($UDP_MAX, 0, 0);
	($root, $opt, $max) = unpack "x$at x4 C n n", $query
	    if length $query >= $at + 4 + 11;
	my $dislike = $word eq 'BADVERS' ? $word :
	    ref $script && $opt ? $script->{edns} : undef;
	return ($delay, refuse_edns($reply, $dislike)) if $dislike;
	my $instead = ref $script ? $script->{tcp} : undef;
	return ($delay, shorten($reply, 1, 0))
	    if $transport eq 'tcp' && ($instead // '') eq 'truncate';
	return ($delay, encode($reply), $instead) if $transport eq 'tcp';
	my $truncate = ref $script ? $script->{truncate} : 0;
	return ($delay, shorten($reply, $truncate, $max),
		ref $script ? $script->{times} : undef);
}

# The script for this question; a list of them is used up.
sub script {
	my ($s, $name, $type) = @_;

	return $s->{all} if defined $s->{all};
	my $script = $s->{zone}{$name};
	my $above = $name;
	while (!defined $script && $above =~ s/^[^.]*\.//) {
		$script = $s->{zone}{"*.$above"};
	}
	return 'NXDOMAIN' unless defined $script;
	return $script unless ref $script eq 'ARRAY';
	my $turn = $s->{turns}{$name}{$type}++;
	return $script->[ $turn < @$script ? $turn : -1 ];
}

# Fills in rcode and records, along the CNAMEs.
sub fill {
	my ($s, $reply, $script, $name, $type) = @_;

	for (1 .. $CNAMES_MAX) {
		my $word = ref $script ? $script->{$type} // 'NODATA' : $script;
		$word = 'NODATA' if ref $script && defined $script->{CNAME};
		if (!ref $word) {
			$reply->{rcode} = $RCODE{$word} // 0;
		} else {
			add($reply, $name, $type, $script->{ttl} // 60,
				inet_pton($type eq 'A' ? AF_INET : AF_INET6, $_)
				    // die "$name: $type: $_") for @$word;
		}
		return unless ref $script;
		if (my $raw = $script->{raw}) {
			$reply->{count} += $raw->[0];
			$reply->{records} .= $raw->[1];
		}
		my $target = $script->{CNAME} // return;
		add($reply, $name, 'CNAME',
			$script->{cname_ttl} // $script->{ttl} // 60,
			encode_name($target));
		return if $type eq 'CNAME';
		$name = lc $target;
		$script = script($s, $name, $type);
	}
	return;
}

sub add {
	my ($reply, $name, $type, $ttl, $data) = @_;

	# The question's own name is at byte 12: a pointer, as servers do.
	$reply->{count}++;
	$reply->{records} .=
	    ($name eq $reply->{name} ? "\xc0\x0c" : encode_name($name)) .
	    pack('nnN n/a*', $TYPE{$type}, 1, $ttl, $data);
	return;
}

sub encode {
	my ($reply) = @_;

	return pack('n6', $reply->{id}, $reply->{flags} | $reply->{rcode}, 1,
		$reply->{count}, 0, 0) . $reply->{question} . $reply->{records};
}

# What those say that know nothing of EDNS, or of its version.
sub refuse_edns {
	my ($reply, $how) = @_;
	my $flags = $reply->{flags} | ($RCODE{$how} // 0);
	my $opt = sub { return pack 'C n n N n', 0, 41, 1232, $_[0], 0 };

	return pack 'n6', $reply->{id}, $flags | 1, 0, 0, 0, 0 if $how eq 'bare';
	return pack('n6', $reply->{id}, $flags | 1, 1, 0, 0, 1) .
	    $reply->{question} . $opt->(0) if $how eq 'echo';
	return pack('n6', $reply->{id}, $flags, 1, 0, 0, 1) .
	    $reply->{question} . $opt->(1 << 24) if $how eq 'BADVERS';
	return pack('n6', $reply->{id}, $flags, 1, 0, 0, 0) . $reply->{question};
}

# As much of it as may go by UDP: all, none, or so many records of one size.
sub shorten {
	my ($reply, $truncate, $max) = @_;
	my $message = encode($reply);

	return $message if !$truncate && length $message <= $max;
	my $keep = $truncate && $truncate > 1 ? $truncate : 0;
	my $size = $reply->{count} ?
	    length($reply->{records}) / $reply->{count} : 0;
	return encode({ %$reply, flags => $reply->{flags} | 0x0200,
		count => $keep, records =>
		    substr($reply->{records}, 0, $keep * $size) });
}

sub encode_name {
	my ($name) = @_;

	return join('', map { pack 'C/a*', $_ } split /\./, $name) . "\0";
}

# A name without pointers, and where it ends.
sub decode_name {
	my ($message, $at) = @_;
	my @labels;

	while ($at < length $message) {
		my $length = ord substr $message, $at++, 1;
		return (join('.', @labels), $at) if $length == 0;
		return if $length > 63 || $at + $length > length $message;
		push @labels, substr $message, $at, $length;
		$at += $length;
	}
	return;
}

1;
