# A real TLS client that knows exactly how its connection ended.
#
#     my $client = Sniport::Client->new(port => $p, name => 'example.com:9443');
#     $client->put("hello"); $client->get(5); $client->end;
#     $client->ended eq 'close_notify'
#
# Options: host, port; source (our own address); name (the server name, any
# bytes; undef: none); version ('1.2' or '1.3'); session (of another client's
# session()); receive_buffer; certificate and key (files); ciphers (TLS 1.2);
# ciphersuites (TLS 1.3); groups (a list of OpenSSL's; the first gives the key
# share); alpn (array of names); secrets (1: keep the lines of a key log, see
# secret()).
package Sniport::Client;

use strict;
use warnings;

use IO::Socket::IP;
use Net::SSLeay ();
use POSIX ();
use Socket qw(:DEFAULT SO_ERROR SO_LINGER SO_RCVBUF TCP_NODELAY IPPROTO_TCP);
use Time::HiRes qw(gettimeofday);

use Sniport::Test qw(deadline left poll readable writable);

Net::SSLeay::initialize();

my %VERSION = ('1.2' => 0x0303, '1.3' => 0x0304);

# RFC 8446 6, those that a test may name.
my %ALERT = (
	10 => 'unexpected_message', 20 => 'bad_record_mac',
	22 => 'record_overflow', 40 => 'handshake_failure',
	42 => 'bad_certificate', 44 => 'certificate_revoked',
	45 => 'certificate_expired', 46 => 'certificate_unknown', 47 => 'illegal_parameter', 48 => 'unknown_ca',
	49 => 'access_denied', 50 => 'decode_error', 51 => 'decrypt_error',
	70 => 'protocol_version', 71 => 'insufficient_security',
	80 => 'internal_error', 86 => 'inappropriate_fallback',
	90 => 'user_canceled', 109 => 'missing_extension',
	110 => 'unsupported_extension', 112 => 'unrecognized_name',
	116 => 'certificate_required', 120 => 'no_application_protocol',
);

# The name of an alert's number.
sub alert_name { return $ALERT{ $_[0] } // "alert_$_[0]"; }

# Connects; the handshake has ended, one way or the other, when this returns.
sub new {
	my ($class, %option) = @_;
	my $self = $class->open(%option);

	$self->handshake;
	return $self;
}

# Connects TCP alone; start_tls or begin, and handshake follow.
sub open {
	my ($class, %option) = @_;
	my $self = bless { option => {%option}, in => '', sessions => [] }, $class;
	my ($seconds, $microseconds) = gettimeofday();

	$self->{opened} = sprintf '%s.%03dZ', POSIX::strftime(
		'%Y-%m-%dT%H:%M:%S', gmtime $seconds), $microseconds / 1000;

	# A receive buffer takes effect on the window only before connect().
	my $socket = IO::Socket::IP->new(PeerHost => $option{host} // '127.0.0.1',
		PeerPort => $option{port}, Type => SOCK_STREAM,
		$option{source} ? (LocalHost => $option{source}) : (),
		Sockopts => [ $option{receive_buffer} ?
		    [ SOL_SOCKET, SO_RCVBUF, $option{receive_buffer} ] : () ]);
	if (!$socket) {
		$self->{ended} = $!{ECONNREFUSED} ? 'refused' : "$!";
		return $self;
	}
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	$socket->blocking(0);
	$self->{socket} = $socket;
	$self->{local_port} = $socket->sockport;
	return $self;
}

sub start_tls {
	my ($self) = @_;
	my $option = $self->{option};

	my $ctx = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_method())
	    or die 'SSL_CTX_new';
	$self->{ctx} = $ctx;
	if (my $version = $option->{version}) {
		my $number = $VERSION{$version} // die "no TLS $version";
		Net::SSLeay::CTX_set_min_proto_version($ctx, $number);
		Net::SSLeay::CTX_set_max_proto_version($ctx, $number);
	}
	Net::SSLeay::CTX_set_cipher_list($ctx, $option->{ciphers})
	    if $option->{ciphers};
	Net::SSLeay::CTX_set_ciphersuites($ctx, $option->{ciphersuites})
	    if $option->{ciphersuites};
	Net::SSLeay::CTX_set1_groups_list($ctx, $option->{groups})
	    if $option->{groups};
	my $secrets = $self->{secrets} = [];
	Net::SSLeay::CTX_set_keylog_callback($ctx, sub {
		push @$secrets, $_[1];
	}) if $option->{secrets};
	Net::SSLeay::CTX_set_alpn_protos($ctx, $option->{alpn})
	    if $option->{alpn};
	if ($option->{certificate}) {
		Net::SSLeay::CTX_use_certificate_chain_file($ctx,
			$option->{certificate}) == 1 or die 'client certificate';
		Net::SSLeay::CTX_use_PrivateKey_file($ctx, $option->{key},
			Net::SSLeay::FILETYPE_PEM()) == 1 or die 'client key';
	}
	# SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
	Net::SSLeay::CTX_set_session_cache_mode($ctx, 0x0001 | 0x0300);
	my $sessions = $self->{sessions};
	Net::SSLeay::CTX_sess_set_new_cb($ctx, sub {
		push @$sessions, $_[1];
		return 1;
	});
	my $ssl = $self->{ssl} = Net::SSLeay::new($ctx);
	Net::SSLeay::set_fd($ssl, fileno $self->{socket});
	Net::SSLeay::set_tlsext_host_name($ssl, $option->{name})
	    if defined $option->{name};
	Net::SSLeay::set_session($ssl, $option->{session}) if $option->{session};
	return;
}

# Sends the ClientHello, whatever the answer, and leaves the rest to
# handshake().
sub begin {
	my ($self) = @_;

	$self->start_tls;
	my ($in, $out) = map { Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()) }
	    1 .. 2;
	Net::SSLeay::set_bio($self->{ssl}, $in, $out);
	Net::SSLeay::connect($self->{ssl});
	local $SIG{PIPE} = 'IGNORE';
	syswrite $self->{socket}, Net::SSLeay::BIO_read($out);
	Net::SSLeay::set_fd($self->{ssl}, fileno $self->{socket});
	return;
}

# True if the handshake succeeded.
sub handshake {
	my ($self) = @_;

	return 0 if $self->{ended};
	$self->start_tls unless $self->{ssl};
	return $self->{established} = defined $self->operate(
		sub { Net::SSLeay::connect($_[0]) }) ? 1 : 0;
}

# Runs one operation of OpenSSL until it is done; its value, or undef when the
# connection has ended or the deadline has come.
sub operate {
	my ($self, $code, $deadline) = @_;

	$deadline //= deadline();
	local $SIG{PIPE} = 'IGNORE';
	for (;;) {
		Net::SSLeay::ERR_clear_error();
		$! = 0;
		my ($value, $n) = $code->($self->{ssl});
		$n //= $value;
		return $value if defined $n && $n > 0;
		my $errno = $! + 0;
		my $error = Net::SSLeay::get_error($self->{ssl}, $n // -1);
		if ($error == Net::SSLeay::ERROR_WANT_READ()) {
			readable($self->{socket}, $deadline) and next;
			return undef;
		}
		if ($error == Net::SSLeay::ERROR_WANT_WRITE()) {
			writable($self->{socket}, $deadline) and next;
			return undef;
		}
		$self->{ended} //= $self->classify($error, $errno);
		return undef;
	}
}

sub classify {
	my ($self, $error, $errno) = @_;

	return 'close_notify' if $error == Net::SSLeay::ERROR_ZERO_RETURN();
	my $code = Net::SSLeay::ERR_get_error();
	# From 3.2 on OpenSSL's socket BIO puts errno into the queue too, as an
	# error with ERR_SYSTEM_FLAG.
	if ($code & 0x80000000) {
		$errno = $code & 0x7fffffff;
	} elsif ($code) {
		my $reason = $code & 0xfff;
		$self->{error} = Net::SSLeay::ERR_error_string($code);
		return 'fin' if $reason == 294; # SSL_R_UNEXPECTED_EOF_WHILE_READING
		# SSL_AD_REASON_OFFSET
		return 'alert ' . alert_name($reason - 1000)
		    if $reason >= 1000 && $reason < 1256;
		return $self->{error};
	}
	local $! = $errno;
	return 'fin' if $errno == 0;
	return 'reset' if $!{ECONNRESET} || $!{EPIPE};
	return "$!";
}

sub established { return $_[0]{established}; }
sub socket { return $_[0]{socket}; }
sub local_port { return $_[0]{local_port}; }

# When it was opened, in the form of the audit log.
sub opened { return $_[0]{opened}; }
sub version { return Net::SSLeay::get_version($_[0]{ssl}); }
sub cipher { return Net::SSLeay::get_cipher($_[0]{ssl}); }
sub resumed { return Net::SSLeay::session_reused($_[0]{ssl}) ? 1 : 0; }

# The serial number of the server's certificate, in hexadecimal.
sub serial {
	my ($self) = @_;
	my $certificate = Net::SSLeay::get_peer_certificate($self->{ssl});

	my $serial = Net::SSLeay::P_ASN1_INTEGER_get_hex(
		Net::SSLeay::X509_get_serialNumber($certificate));
	Net::SSLeay::X509_free($certificate);
	return $serial;
}

# The protocol that the server has selected by ALPN, undef where it has none.
sub alpn { return Net::SSLeay::P_alpn_selected($_[0]{ssl}); }

# A secret of the session by its label in the key log (CLIENT_RANDOM is TLS
# 1.2's master secret), with the client's random.
sub secret {
	my ($self, $label) = @_;

	for (@{ $self->{secrets} }) {
		return (pack('H*', $2), pack 'H*', $1)
		    if /^\Q$label\E ([0-9a-f]+) ([0-9a-f]+)$/i;
	}
	die "no secret '$label'";
}

# How the connection has ended, as far as was read: undef (it has not),
# "close_notify", "fin" (without close_notify), "reset", "alert NAME",
# "refused", or an error text.
sub ended { return $_[0]{ended}; }

# Writes all, and reads what comes meanwhile so that two full pipes do not
# wait for each other. False: the connection ended.
sub put {
	my ($self, $data) = @_;

	while (length $data) {
		my $piece = substr $data, 0, 16384;
		my $n = $self->operate(sub { Net::SSLeay::write($_[0], $piece) })
		    // return 0;
		substr $data, 0, $n, '';
	}
	return 1;
}

# One read into the buffer; false at the end or at the deadline.
sub fill {
	my ($self, $deadline) = @_;

	return 0 if $self->{ended};
	my $data = $self->operate(sub {
		my ($got, $n) = Net::SSLeay::read($_[0], 65536);
		return ($got, $n);
	}, $deadline) // return 0;
	$self->{in} .= $data;
	return 1;
}

# Exactly $n bytes, or fewer when the stream ends first.
sub get {
	my ($self, $n) = @_;
	my $deadline = deadline();

	while (length $self->{in} < $n) {
		$self->fill($deadline) or last;
	}
	return substr $self->{in}, 0, $n, '';
}

# All bytes up to the end of the stream.
sub get_all {
	my ($self) = @_;

	1 while $self->fill;
	return substr $self->{in}, 0, length $self->{in}, '';
}

# What has come so far, without waiting.
sub get_now {
	my ($self) = @_;

	1 while $self->fill(deadline(0));
	return substr $self->{in}, 0, length $self->{in}, '';
}

# Reads to the end and says how it ended; "time" when it did not.
sub wait_end {
	my ($self) = @_;

	1 while $self->fill;
	return $self->{ended} // 'time';
}

# Waits for a reset of the connection, also after the end of the stream has
# been read, which hides it from reads. False: the deadline came first.
sub wait_reset {
	my ($self, $deadline) = @_;

	return poll(sub {
		unpack 'i', getsockopt($self->{socket}, SOL_SOCKET, SO_ERROR);
	}, $deadline);
}

# Ends our stream with close_notify; reading goes on.
sub end {
	my ($self) = @_;

	$self->operate(sub {
		# 0: ours is sent, the peer's has not come.
		my $n = Net::SSLeay::shutdown($_[0]);
		return $n >= 0 ? 1 : $n;
	});
	return;
}

# Ends our stream with a TCP FIN and no close_notify; reading goes on.
sub fin {
	CORE::shutdown($_[0]{socket}, 1);
	return;
}

# Closes with a reset.
sub reset {
	my ($self) = @_;

	setsockopt($self->{socket}, SOL_SOCKET, SO_LINGER, pack 'i2', 1, 0);
	$self->close;
	return;
}

# Closes TCP as it is.
sub close {
	my ($self) = @_;

	CORE::close(delete $self->{socket}) if $self->{socket};
	return;
}

# A session for the option of another client. In TLS 1.3 it comes with the
# upstream's first bytes: if none came yet the upstream must echo one.
sub session {
	my ($self) = @_;
	my $deadline = deadline();

	$self->fill(deadline(0));
	if (!@{ $self->{sessions} } && $self->put('?')) {
		substr $self->{in}, 0, 1, '' if $self->fill($deadline);
	}
	return $self->{sessions}[-1];
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	Net::SSLeay::free($self->{ssl}) if $self->{ssl};
	Net::SSLeay::CTX_free($self->{ctx}) if $self->{ctx};
	return;
}

1;
