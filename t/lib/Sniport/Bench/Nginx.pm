# nginx (stream) as a benchmark puts it beside sniport.
package Sniport::Bench::Nginx;

use strict;
use warnings;

use parent 'Sniport::Bench::Served';

use Sniport::Bench::Machine qw(processes room);
use Sniport::Test qw(run);

sub start {
	my ($class, %option) = @_;
	my ($dir, $upstream) = @option{qw(dir upstream)};
	my ($user, $group) = $class->user;
	my $main = defined $user ? "user $user $group;" : '';
	my ($modules) = (run(qw(nginx -V)))[1] =~ /--modules-path=(\S+)/;

	$main .= " load_module $modules/ngx_stream_module.so;"
	    if defined $modules && -e "$modules/ngx_stream_module.so";
	return $class->SUPER::start(name => 'nginx', dir => $dir,
		command => [ 'nginx', '-p', $dir, '-e', 'stderr', '-c' ],
		config => sub {
			return text($_[0], $dir, $upstream, $main);
		});
}

# worker_processes 1: all have one.
# multi_accept: one turn takes all that wait, which saves epoll_wait calls.
# reuseport would do nothing for a single worker.
# access_log buffer: lines go out in blocks, as sniport's and Envoy's do.
# ssl_session_tickets, cache none: resumption needs no memory on this side.
# NumTickets 1: OpenSSL's two would cost the second one's sealing.
# ssl_ecdh_curve: the others do not offer more groups either.
# proxy_buffer_size 32k: of 16k, 32k and 64k it needed least per byte up, and all
# of them the same down.
# ssl_buffer_size is of the http module alone, and so is sendfile with kTLS.
# backlog: as many as the others have.
sub text {
	my ($port, $dir, $upstream, $main) = @_;
	my $files = 2 * room();

	return <<"END";
daemon off; worker_processes 1; $main
pid $dir/nginx.pid; error_log $dir/nginx.err warn;
events { worker_connections $files; multi_accept on; }
stream {
	log_format bench '\$time_iso8601 \$remote_addr:\$remote_port '
		'\$server_addr:\$server_port "\$ssl_server_name" '
		'\$upstream_addr \$status \$ssl_protocol \$ssl_cipher '
		'\$ssl_session_reused \$bytes_received \$bytes_sent '
		'\$upstream_connect_time \$session_time';
	access_log $dir/nginx.log bench buffer=64k flush=1s;
	ssl_certificate $dir/tls.pem; ssl_certificate_key $dir/tls.key;
	ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;
	ssl_session_cache none; ssl_session_tickets on;
	ssl_conf_command NumTickets 1;
	proxy_timeout 1h; proxy_buffer_size 32k;
	server {
		listen 127.0.0.1:$port ssl backlog=4096;
		proxy_pass 127.0.0.1:$upstream;
	}
}
END
}

# The first process only watches over the one that serves.
sub workers {
	my ($self) = @_;

	return (processes($self->{pid}))[1];
}

1;
