# sniport as a benchmark measures it: its defaults, and one worker. All clients
# have one address here, so no limits for one address.
package Sniport::Bench::Sniport;

use strict;
use warnings;

use parent 'Sniport::Bench::Served';

use Sniport::Bench::Machine qw(on_proxy);
use Sniport::Daemon;

# The destinations that are allowed: what the load generator asks for.
my $RULE = 'action = "allow"; networks = [ "127.0.0.0/8" ];';

# name, build (its build tree); workers, rules (how many come before the one
# that allows), names (port of a name server), limits, free (any CPU may be
# used).
sub start {
	my ($class, %option) = @_;
	my ($user, $group) = $class->user;
	my $top = sprintf 'workers = %d;', $option{workers} // 1;

	$top .= qq( user = "$user"; group = "$group";) if defined $user;
	local $ENV{SNIPORT} = "$option{build}/sniport";
	my $daemon = Sniport::Daemon->new(
		wrapper => [ $option{free} ? () : on_proxy() ],
		hosts => "127.0.0.1 example.com\n",
		top => $top,
		tls => 'min_version = "1.3"; groups = "X25519";',
		dns => $option{names} ? qq(servers = [ "127.0.0.1:$option{names}" ];
			family = "ipv4"; cache_size = 200000;) : '',
		limits => 'tunnels_per_client = 0; handshakes_per_client = 0;' .
		    ($option{limits} // ''),
		rules => rules($option{rules} // 1));
	return bless { name => $option{name}, daemon => $daemon,
		port => $daemon->port, pid => $daemon->pid }, $class;
}

# The last one is for whatever the load generator asks for by name, but for
# "denied".
sub rules {
	my ($count) = @_;
	my @rules = qq({ action = "deny"; destinations = [ "denied.example.com:*" ]; });

	push @rules, map { qq({ action = "allow"; destinations = [
		"host-$_.team-@{[ $_ % 500 ]}.example.org:443" ]; }) } 1 .. $count - 2
	    if $count > 2;
	push @rules, qq({ $RULE destinations = [ "example.com:*", "*.example.com:*" ]; });
	return join ",\n", @rules;
}

sub workers { return $_[0]{daemon}->workers; }

sub stop {
	my ($self) = @_;

	delete $self->{pid};
	delete $self->{daemon};
	return;
}

1;
