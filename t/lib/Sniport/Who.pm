# Clients with and without certificates, and what became of each: on the wire,
# and in its audit line.
#
#     my $who = Sniport::Who->new(daemon => $daemon, port => $upstream->port,
#             key => { web => [ $pem, $key ] });
#     $who->served_ok('title', $who->client('web', 'billing'), rule => 'r');
#     $who->refused_ok('title', $who->client(undef, 'billing'),
#             reason => 'no_rule');
#     $who->unverified_ok('title', $who->client('old', 'billing'),
#             'certificate_expired', detail => '...');
package Sniport::Who;

use strict;
use warnings;

use Test::More;

use Sniport::Audit qw(fields_ok);
use Sniport::Client;

sub new {
	my ($class, %self) = @_;

	return bless \%self, $class;
}

# What a client is given: the certificate of that name (undef: none) and the
# server name HOST.test with the upstream's port.
sub options {
	my ($self, $who, $host, %option) = @_;
	my ($pem, $key) = $who ? @{ $self->{key}{$who} } : ();

	return (port => $self->{daemon}->port, name => "$host.test:$self->{port}",
		$who ? (certificate => $pem, key => $key) : (), %option);
}

sub client {
	my ($self, @arguments) = @_;

	return Sniport::Client->new($self->options(@arguments));
}

# The client's audit line.
sub line {
	my ($self, $client) = @_;
	my $local = $client->local_port;

	return $self->{daemon}->wait_audit(sub { $_->{client_port} == $local });
}

sub line_ok {
	my ($self, $title, $client, %want) = @_;

	fields_ok($self->line($client), $title, %want);
	return;
}

# The tunnel works, and ends well.
sub served_ok {
	my ($self, $title, $client, %want) = @_;

	ok($client->established && $client->put('ping')
		&& ($client->get(4) // '') eq 'ping', "$title: served")
	    or diag($client->ended);
	$client->end;
	$client->wait_end;
	$self->line_ok($title, $client, reason => 'done', decision => 'allow',
		%want);
	return;
}

# The tunnel is refused after the handshake: nobody was asked or dialled.
sub refused_ok {
	my ($self, $title, $client, %want) = @_;

	is($client->wait_end, 'reset', "$title: reset");
	# One that was not refused would wait for us.
	$client->close;
	$self->line_ok($title, $client, decision => 'deny', tried => undef,
		upstream => undef, %want);
	return;
}

# The handshake fails, and nobody was asked or dialled. A client of TLS 1.3
# takes its handshake for done, and sees no alert, but a reset alone.
sub unverified_ok {
	my ($self, $title, $client, $alert, %want) = @_;

	is($client->wait_end, $client->{option}{version} eq '1.3' ? 'reset' :
		"alert $alert", "$title: the end");
	$client->close;
	$self->line_ok($title, $client, reason => 'client_certificate',
		identity => undef, tried => undef, upstream => undef, %want);
	return;
}

1;
