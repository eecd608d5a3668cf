#!/usr/bin/perl
# What /metrics and /status tell of rules, of how long things take, of name
# servers and of certificates: it is so, and no counter ever goes back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::Local qw(timegm);

use Sniport::Admin qw(ask metrics);
use Sniport::Authority;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Test qw(poll run slow sniport temporary);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $BYTES = 1000;

my $dir = temporary();
my $ca = Sniport::Authority->new($dir, 'ca');
my $end = time + 90 * 86400 - time % 60;
my ($chain, $key) = $ca->issue('server', 'DNS:sniport.test',
	end => strftime('%y%m%d%H%M%SZ', gmtime $end));
my $mute = Sniport::DNS->new;
$mute->all('drop');
my $good = Sniport::DNS->new(zone => { '*.zone.test' => { A => ['127.0.0.1'] } });
my @servers = map { $_->server } $mute, $good;
my $upstream = Sniport::Upstream->new('echo');
my $networks = 'networks = [ "127.0.0.0/8" ];';
my $allowed = qq({ name = "allowed"; action = "allow";
	destinations = [ "peer.test:*", "*.zone.test:*" ]; $networks });
my $denied = '{ name = "denied"; action = "deny"; destinations = [ "denied.test:*" ]; }';
my $unused = '{ name = "unused"; action = "deny"; destinations = [ "unused.test:*" ]; }';
my $odd = qq({ name = "re\\"port\\\\\xc3\xa9"; action = "report";
	destinations = [ "other.test:*" ]; $networks });
my $daemon = Sniport::Daemon->new(top => 'workers = 2;', log => 'level = "info";',
	hosts => "127.0.0.1 peer.test denied.test other.test unused.test\n",
	tls => qq(certificates = ( { chain = "$chain"; key = "$key"; } );
		client_auth = "optional"; client_ca = "@{[ $ca->file ]}";),
	dns => sprintf('servers = [ %s ]; timeout = "%s"; family = "ipv4";
		cache_size = 0; negative_ttl = "0"; stale = "0";',
		join(', ', map { qq("$_") } @servers), slow() ? '4s' : '300ms'),
	rules => "$allowed, $denied, $unused, $odd");

sub sample {
	my ($status, $text) = ask($daemon, '/metrics');
	my $sample = metrics($text // '', \my @wrong);

	is(join("\n", @wrong), '', 'all is as Prometheus wants it') if @wrong;
	return $sample;
}

# Waits until the samples are so, since an end is counted after its audit line.
sub are {
	my ($name, %want) = @_;
	my $got;

	poll(sub {
		$got = sample();
		return !grep { ($got->{$_} // '') ne $want{$_} } keys %want;
	});
	return is_deeply({ map { $_ => $got->{$_} } keys %want }, \%want, $name);
}

sub tunnel {
	my ($host) = @_;
	my $client = tunnel_open($daemon, $upstream,
		name => name_of($upstream, $host));

	return ok(works($client, $BYTES) && finish($client), "a tunnel to $host");
}

my $began = time;
tunnel('peer.test') for 1 .. 3;
tunnel('other.test');
tunnel_open($daemon, $upstream, name => name_of($upstream, $_))->ended
    for qw(denied.test denied.test nobody.test);

my @rule = map { "sniport_rule_$_" } qw(tunnels_total bytes_from_client_total
	bytes_from_upstream_total last_used_timestamp_seconds);
my $odd_name = 're\"port\\\\\\\\xc3\\\\xa9';

subtest 'rules' => sub {
	are('decisions', qq($rule[0]\{rule="allowed",decision="allow"}) => 3,
		qq($rule[0]\{rule="denied",decision="deny"}) => 2,
		qq($rule[0]\{rule="unused",decision="deny"}) => 0,
		qq($rule[0]\{rule="$odd_name",decision="report"}) => 1,
		qq($rule[0]\{rule="",decision="deny"}) => 1);
	my $got = sample();
	my ($total) = grep { /^\d+$/ } $got->{sniport_bytes_from_client_total};
	my @bytes = map { $got->{qq($rule[1]\{rule="$_"})} } 'allowed', $odd_name;
	cmp_ok($bytes[0], '>=', 3 * $BYTES, 'bytes of one rule');
	is($bytes[0] + $bytes[1], $total, 'and of all');
	is($got->{qq($rule[2]\{rule="allowed"})}, $bytes[0], 'the other way');
	ok(!exists $got->{qq($rule[1]\{rule="denied"})},
		'one that denies has none');
	my $last = $got->{qq($rule[3]\{rule="denied"})};
	ok($last >= $began - 1 && $last <= time + 1, 'when it was used last');
	ok(!exists $got->{qq($rule[3]\{rule="unused"})}, 'one that never was');
};

subtest 'how long things take' => sub {
	are('how often', sniport_tunnel_duration_seconds_count => 4,
		sniport_connect_duration_seconds_count => 4);
	my $got = sample();
	is($got->{sniport_handshake_duration_seconds_count},
		$got->{sniport_handshakes_total}, 'each handshake');
	for (map { "sniport_${_}_duration_seconds" } qw(handshake connect tunnel)) {
		cmp_ok($got->{"${_}_sum"}, '>', 0, "$_: in all");
		cmp_ok($got->{"${_}_sum"}, '<', 100, "$_: in seconds");
	}
	is($got->{'sniport_tunnel_duration_seconds_bucket{le="604800"}'}, 4,
		'none took longer than a week');
	ok(exists $got->{'sniport_dns_duration_seconds_bucket{le="0.0025"}'},
		'bounds are in seconds');
};

sub workers_of {
	my ($server, $state) = @_;

	return qq(sniport_name_server_workers{server="$server",state="$state"});
}

subtest 'name servers' => sub {
	are('they are there', workers_of($servers[1], 'answers') => 2,
		workers_of($servers[1], 'silent') => 0);
	my $n = 0;
	ok(poll(sub {
		tunnel('n' . $n++ . '.zone.test');
		return sample()->{ workers_of($servers[0], 'answers') } < 2;
	}), 'that one is silent is seen');
	my $got = sample();
	my $bad = 0;
	$bad += $got->{ workers_of($servers[0], $_) } for qw(silent silent_to_ipv4);
	cmp_ok($bad, '>', 0, 'it is told so');
	my ($code, $text) = run(sniport(), '--control',
		$daemon->dir . '/control.sock', 'status', '--json');
	my ($first, $second) = @{ decode_json($text)->{name_servers} };
	is($first->{server}, $servers[0], 'status has them in their order');
	like($first->{state}, qr/^silent/, 'the state of one');
	is($second->{state}, 'answers', 'and of the other');
	cmp_ok($first->{unanswered}, '>', 0, 'what was not answered');
	cmp_ok($second->{asked}, '>', 0, 'what was asked');
	is($second->{unanswered}, 0, 'of which all was answered');
	($code, $text) = run(sniport(), '--control',
		$daemon->dir . '/control.sock', 'status');
	like($text, qr/^dns:        \Q$servers[0]\E does not answer.*; \d+ questions, [1-9]\d* of them unanswered$/m,
		'and for people');
};

subtest 'certificates' => sub {
	my $got = sample();
	my $name = 'sniport_certificate_expiry_timestamp_seconds';
	is($got->{qq($name\{file="$chain",kind="certificate"})}, $end,
		'when a certificate ends');
	my (undef, $text) = run(qw(openssl x509 -noout -enddate -dateopt iso_8601 -in),
		$ca->file);
	my ($y, $m, $d, $H, $M, $S) =
	    $text =~ /(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)Z/ or die $text;
	is($got->{qq($name\{file="@{[ $ca->file ]}",kind="client_ca"})},
		timegm($S, $M, $H, $d, $m - 1, $y), 'and an authority');
};

subtest 'nothing goes back' => sub {
	my $before = sample();
	my $worker = $daemon->worker(0);
	kill 'KILL', $worker;
	ok(poll(sub { $daemon->worker(0) != $worker }), 'a worker dies');
	$daemon->reload(rules => $allowed);
	ok(poll(sub { sample()->{sniport_generation} == 2 }), 'and a reload');
	tunnel('peer.test');
	are('counts go on', qq($rule[0]\{rule="allowed",decision="allow"}) =>
		1 + $before->{qq($rule[0]\{rule="allowed",decision="allow"})});
	my $after = sample();
	my @wrong = grep { ($after->{$_} // -1) < $before->{$_} }
	    grep { /_(?:total|bucket|sum|count)(?:\{|$)/ } sort keys %$before;
	is(join("\n", @wrong), '', 'of rules that are gone, too');
};

$daemon->stop_ok;
done_testing;
