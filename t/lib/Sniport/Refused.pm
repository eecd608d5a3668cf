# Connections that must be refused: what each client saw, and what the audit
# line says of it.
#
#     refused_ok($daemon, [
#             title => 'no port', name => 'example.com',
#             sent => 'alert 2 112', reason => 'sni_no_port',
#     ], ...);
#
# What is sent: bytes, or a ClientHello with the options `hello` (an array, for
# Sniport::Hello::client_hello) and `name`, on the listener `port`, with the
# options `exchange` of Sniport::Hello::exchange. What must come of it: `sent`
# (as Sniport::Hello::sent says it; "alert 2 N" alone means that neither a
# ServerHello nor a certificate was sent), `end` ("fin"), `reason`, and further
# fields of the audit line in `line`. The line must have the name's bytes,
# escaped, as server_name, unless `line` says otherwise, and nothing of what
# there cannot be, except what `ignore` names.
package Sniport::Refused;

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

use Sniport::Audit qw(lines_of);
use Sniport::Hello ();

our @EXPORT_OK = qw(escaped refused_ok);

# What a line must not have unless the row says so: nothing was decided,
# resolved, dialled or agreed upon.
my @ABSENT = qw(target host port decision rule upstream egress tried dns_ms
	connect_ms handshake_ms tls_version tls_cipher resumed
	bytes_from_client bytes_from_upstream client_truncated cut);

# A peer's bytes as a value of the audit line (once JSON is decoded), at most
# 255 of them.
sub escaped {
	my ($bytes) = @_;

	return substr($bytes, 0, 255) =~
	    s/([^\x20-\x5b\x5d-\x7e])/sprintf '\\x%02x', ord $1/egr;
}

# Returns the audit lines, in the order of the rows.
sub refused_ok {
	my ($daemon, @rows) = @_;
	my @done;

	for my $row (@rows) {
		my %row = (end => 'fin', line => {}, exchange => [], ignore => [],
			@$row);
		my $bytes = $row{bytes} // Sniport::Hello::records(
			Sniport::Hello::client_hello(name => $row{name},
				@{ $row{hello} // [] }));
		my $answer = Sniport::Hello::exchange(
			$row{port} // $daemon->port, $bytes, @{ $row{exchange} });
		# The socket is kept, so that no port is used twice; but one that
		# was not refused would wait for us for long.
		push @done, [ \%row, $answer, $answer->{socket}->sockport ];
		close $answer->{socket} if $answer->{hello};
	}
	my %lines = lines_of($daemon, map { $_->[2] } @done);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for (@done) {
		my ($row, $answer, $port) = @$_;
		my $line = $lines{$port};
		my %want = ((map { ($_ => undef) } @ABSENT),
			server_name => defined $row->{name} ? escaped($row->{name}) :
			    undef,
			closed_first => 'sniport', %{ $row->{line} },
			reason => $row->{reason});
		delete @want{ @{ $row->{ignore} } };
		my %got = map { ($_ => $line->{$_}) } keys %want;
		Test::More::is_deeply({ sent => Sniport::Hello::sent($answer),
			end => $answer->{end}, %got },
			{ sent => $row->{sent}, end => $row->{end}, %want },
			$row->{title});
	}
	return map { $lines{ $_->[2] } } @done;
}

1;
