# TCP servers on free loopback ports that behave well or badly, as told:
#
#     my $upstream = Sniport::Upstream->new('echo');
#     my $upstream = Sniport::Upstream->new(reset_after => 1000);
#
#     echo              sends back what comes; ends its stream after the peer's
#     sink              reads to the end, then ends its stream
#     source => N       sends N bytes (those of content(N)), ends its stream,
#                       and reads to the end
#     speak_first       sends "220 hello\r\n", then as echo
#     half_close_first  sends "bye\n", ends its stream, reads to the end
#     reset_after => N  reads N bytes, then resets
#     close_after => N  reads N bytes, then closes
#     stop_after => N   reads N bytes, then neither reads nor writes
#     held              reads nothing, with a small buffer, until go(); then
#                       as sink
#     http              answers one HTTP request with "hello\n"
#     code => sub       sub ($socket, $upstream) does what it likes; what it
#                       returns, a list of pairs, joins the report
#
# Each connection has a process of its own and ends with one report, a hash:
# peer ("address:port"), bytes, sha256 (of what came), end ("fin", "reset",
# "time" or "" where it was not awaited).
package Sniport::Upstream;

use strict;
use warnings;

use Digest::SHA ();
use IO::Socket::IP;
use JSON::PP ();
use POSIX ();
use Socket qw(:DEFAULT SO_LINGER SO_RCVBUF TCP_NODELAY IPPROTO_TCP);

use Sniport::Test qw(deadline group_kill group_start left readable timeout
	writable);

my $CHUNK = 65536;
my $F_SETPIPE_SZ = 1031; # linux/fcntl.h

sub new {
	my ($class, $kind, $argument, %option) = @_;

	%option = (host => '127.0.0.1', %option);
	my $listen = IO::Socket::IP->new(LocalHost => $option{host},
		LocalPort => $option{port} // 0, Listen => 128, Type => SOCK_STREAM,
		ReuseAddr => 1)
	    or die "listen on $option{host}: $@";
	setsockopt($listen, SOL_SOCKET, SO_RCVBUF, 4096) if $kind eq 'held';
	pipe(my $reports, my $report) or die "pipe: $!";
	# Who waits for room in it reports long after its connection has ended.
	fcntl($report, $F_SETPIPE_SZ, 1 << 20) or die "pipe: $!";
	pipe(my $go, my $going) or die "pipe: $!";
	my $self = bless {
		host => $option{host}, port => $listen->sockport, kind => $kind,
		argument => $argument, reports => $reports, going => $going,
		buffer => '',
	}, $class;
	my $method = $class->can("serve_$kind") // die "no upstream '$kind'";
	$self->{pid} = group_start(sub {
		close $reports;
		close $going;
		@$self{qw(report go)} = ($report, $go);
		$SIG{CHLD} = 'IGNORE';
		$SIG{PIPE} = 'IGNORE';
		while (1) {
			my $socket = $listen->accept or next;
			my $child = fork() // die "fork: $!";
			if ($child == 0) {
				close $listen;
				$self->serve($socket, $method);
				POSIX::_exit(0);
			}
			close $socket;
		}
	});
	return $self;
}

# A port of the address at which nothing listens, held until the object goes.
sub closed {
	my ($class, %option) = @_;
	my $host = $option{host} // '127.0.0.1';
	my $socket = IO::Socket::IP->new(LocalHost => $host, LocalPort => 0,
		Type => SOCK_STREAM) or die "bind to $host: $@";

	return bless { host => $host, port => $socket->sockport,
		socket => $socket }, $class;
}

# A listener whose queue is full: who connects hears nothing.
sub full {
	my ($class, %option) = @_;
	my $host = $option{host} // '127.0.0.1';
	my $listen = IO::Socket::IP->new(LocalHost => $host,
		LocalPort => $option{port} // 0, Type => SOCK_STREAM)
	    or die "bind to $host: $@";
	# A queue of 0 holds one (Linux 6.18).
	listen($listen, 0) or die "listen on $host: $!";
	my $first = IO::Socket::IP->new(PeerHost => $host,
		PeerPort => $listen->sockport, Type => SOCK_STREAM)
	    or die "connect to $host: $@";

	return bless { host => $host, port => $listen->sockport,
		socket => $listen, queued => $first }, $class;
}

sub host { return $_[0]{host}; }
sub port { return $_[0]{port}; }

# Lets one connection of a "held" upstream read.
sub go {
	syswrite($_[0]{going}, 'g') == 1 or die "pipe: $!";
	return;
}

# The report of the next connection that has ended; dies when none comes.
sub report {
	my ($self, $deadline) = @_;

	$deadline //= deadline();
	my $end;
	while (($end = index $self->{buffer}, "\n") < 0) {
		readable($self->{reports}, $deadline) or die "no report";
		sysread($self->{reports}, $self->{buffer}, $CHUNK,
			length $self->{buffer}) or die "the upstream has ended";
	}
	return JSON::PP::decode_json(substr $self->{buffer}, 0, $end + 1, '');
}

# True if no connection has ended since the last report.
sub quiet {
	my ($self) = @_;

	return $self->{buffer} eq '' && !readable($self->{reports}, deadline(0));
}

sub stop {
	my ($self) = @_;

	group_kill(delete $self->{pid}) if $self->{pid};
	return;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	$self->stop;
	return;
}

# The first $size bytes of a text without short repetitions.
sub content {
	my ($size) = @_;
	my $text = '';

	for (my $i = 0; length $text < $size; $i += 64) {
		$text .= join '', map { sprintf "%08x", $_ } $i .. $i + 63;
	}
	return substr $text, 0, $size;
}

# What follows runs in the process of one connection.

# No test waits that long: a tunnel without traffic is not to end here while the
# test does something else, and all are killed when it ends.
sub patience { return 10 * timeout(); }

sub serve {
	my ($self, $socket, $method) = @_;
	my %report = (bytes => 0, end => '');

	$self->{digest} = Digest::SHA->new(256);
	$self->{result} = \%report;
	# A peer that has reset already has no address any more.
	$report{peer} = join ':', map { $_ // '' } $socket->peerhost,
	    $socket->peerport;
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	my %more = $self->$method($socket);
	$report{sha256} = $self->{digest}->hexdigest;
	close $socket;
	# Shorter than PIPE_BUF, so that reports never mingle.
	syswrite $self->{report}, JSON::PP::encode_json({ %report, %more }) . "\n";
	return;
}

# The next bytes, at most $max; undef at the end, which {result} knows then.
sub get {
	my ($self, $socket, $max) = @_;
	my $result = $self->{result};

	if (!readable($socket, deadline(patience()))) {
		$result->{end} = 'time';
		return undef;
	}
	my $n = sysread($socket, my $data, $max // $CHUNK);
	if (!$n) {
		$result->{end} = defined $n ? 'fin' : 'reset';
		return undef;
	}
	$result->{bytes} += $n;
	$self->{digest}->add($data);
	return $data;
}

# Sends all; false if the peer has reset.
sub put {
	my ($self, $socket, $data) = @_;
	my $at = 0;

	$socket->blocking(0);
	while ($at < length $data) {
		last unless writable($socket, deadline(patience()));
		my $n = syswrite($socket, $data, length($data) - $at, $at);
		next if !defined $n && $!{EAGAIN};
		last unless $n;
		$at += $n;
	}
	$socket->blocking(1);
	return $at == length $data;
}

sub read_some {
	my ($self, $socket, $n) = @_;

	while ($self->{result}{bytes} < $n) {
		defined $self->get($socket, $n - $self->{result}{bytes}) or last;
	}
	return;
}

sub read_all {
	my ($self, $socket) = @_;

	1 while defined $self->get($socket);
	return;
}

sub serve_echo {
	my ($self, $socket) = @_;

	while (defined(my $data = $self->get($socket))) {
		$self->put($socket, $data) or return (end => 'reset');
	}
	return;
}

sub serve_sink {
	my ($self, $socket) = @_;

	$self->read_all($socket);
	return;
}

sub serve_source {
	my ($self, $socket) = @_;

	$self->put($socket, content($self->{argument}))
	    or return (end => 'reset');
	shutdown($socket, 1);
	$self->read_all($socket);
	return;
}

sub serve_speak_first {
	my ($self, $socket) = @_;

	$self->put($socket, "220 hello\r\n");
	return $self->serve_echo($socket);
}

sub serve_half_close_first {
	my ($self, $socket) = @_;

	$self->put($socket, "bye\n");
	shutdown($socket, 1);
	$self->read_all($socket);
	return;
}

sub serve_reset_after {
	my ($self, $socket) = @_;

	$self->read_some($socket, $self->{argument});
	setsockopt($socket, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0);
	return;
}

sub serve_close_after {
	my ($self, $socket) = @_;

	$self->read_some($socket, $self->{argument});
	return;
}

# Lives until the group is killed.
sub serve_stop_after {
	my ($self, $socket) = @_;

	$self->read_some($socket, $self->{argument});
	select undef, undef, undef, patience();
	return (end => 'time');
}

sub serve_held {
	my ($self, $socket) = @_;

	readable($self->{go}, deadline(patience())) or return (end => 'time');
	sysread($self->{go}, my $byte, 1);
	$self->read_all($socket);
	return;
}

sub serve_http {
	my ($self, $socket) = @_;
	my $request = '';

	while ($request !~ /\r?\n\r?\n/) {
		my $data = $self->get($socket) // return;
		$request .= $data;
	}
	$self->put($socket, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n" .
		"Content-Length: 6\r\n\r\nhello\n");
	return (request => $request);
}

sub serve_code {
	my ($self, $socket) = @_;

	return $self->{argument}->($socket, $self);
}

1;
