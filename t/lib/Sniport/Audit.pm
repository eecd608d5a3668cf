# What the audit log says of clients.
#
#     my %lines = lines_of($daemon, @ports);
#     line_ok($daemon, $client, 'a reset', reason => 'client_reset',
#             upstream => undef);
#     fields_ok($line, 'another', reason => 'done');
package Sniport::Audit;

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

our @EXPORT_OK = qw(fields_ok line_ok lines_of);

# The audit lines of connections by their local ports, once all are there.
sub lines_of {
	my ($daemon, @ports) = @_;
	my (%lines, %want);

	@want{@ports} = ();

	while (%want) {
		my $line = $daemon->wait_audit(
			sub { exists $want{ $_->{client_port} // '' } });
		delete $want{ $line->{client_port} };
		$lines{ $line->{client_port} } = $line;
	}
	return %lines;
}

# One test: an audit line has these fields (undef: it has not).
sub fields_ok {
	my ($line, $title, %want) = @_;
	my %got = map { ($_ => $line->{$_}) } keys %want;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = Test::More::is_deeply(\%got, \%want, "$title: audit line");
	Test::More::diag(Test::More::explain($line)) if !$ok;
	return $ok;
}

# The same for the line of a client, or of its port when it is gone, once it is
# there; returns the line.
sub line_ok {
	my ($daemon, $client, $title, %want) = @_;
	my $port = ref $client ? $client->local_port : $client;
	my ($line) = values %{ { lines_of($daemon, $port) } };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fields_ok($line, $title, %want);
	return $line;
}

1;
