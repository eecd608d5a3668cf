# HAProxy (mode tcp) as a benchmark puts it beside sniport.
package Sniport::Bench::Haproxy;

use strict;
use warnings;

use parent 'Sniport::Bench::Served';

use Sniport::Bench::Machine qw(room);
use Sniport::Test qw(slurp write_file);

sub start {
	my ($class, %option) = @_;
	my ($dir, $upstream) = @option{qw(dir upstream)};
	my ($user, $group) = $class->user;
	my $global = defined $user ? "user $user\n\tgroup $group" : '';

	write_file("$dir/haproxy.pem", slurp("$dir/tls.pem") . slurp("$dir/tls.key"));
	return $class->SUPER::start(name => 'haproxy', dir => $dir,
		command => [ 'haproxy', '-db', '-f' ],
		config => sub {
			return text($_[0], $dir, $upstream, $global);
		});
}

# nbthread 1: all have one.
# tune.bufsize 32768: of 16, 32 and 64 KiB it needed least per byte up, and all of
# them the same down. Idle tunnels have no buffers.
# tune.ssl.cachesize 0: tickets resume sessions, and no memory is needed.
# tune.ssl.maxrecord 0, the default: records are as large as can be.
# option splice-auto is not there: what is sealed here cannot be spliced.
# option dontlognull: that somebody connected and left needs no line.
# ssl-max-ver and curves: the others do not offer more either.
# backlog: as many as the others have.
sub text {
	my ($port, $dir, $upstream, $global) = @_;
	my $room = room();

	return <<"END";
global
	nbthread 1
	maxconn $room
	tune.bufsize 32768
	tune.ssl.cachesize 0
	log stdout format raw local0
	$global
defaults
	mode tcp
	log global
	option dontlognull
	timeout connect 10s
	timeout client 1h
	timeout server 1h
	log-format "[%t] %ci:%cp %fi:%fp %[ssl_fc_sni,json] %bi:%bp %si:%sp %ts %sslv %sslc %[ssl_fc_is_resumed] %U %B %Tc %Tt"
frontend in
	bind 127.0.0.1:$port backlog 4096 ssl crt $dir/haproxy.pem ssl-min-ver TLSv1.3 curves X25519
	default_backend out
backend out
	server upstream 127.0.0.1:$upstream
END
}

1;
