#!/usr/bin/perl
# What TLS allows and a tunnel must not be fooled by: resumption, early data,
# renegotiation, floods of records without data, streams that are cut.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;

use Sniport::Audit qw(lines_of);
use Sniport::Client;
use Sniport::DNS;
use Sniport::Daemon;
use Sniport::Hello;
use Sniport::Record;
use Sniport::Refused qw(refused_ok);
use Sniport::Test qw(certificate deadline group_kill group_start poll
	readable run temporary tls_library);
use Sniport::Upstream;

my %upstream = map { ($_ => Sniport::Upstream->new('echo')) } qw(a b);
my ($port_a, $port_b) = map { $upstream{$_}->port } qw(a b);
my $dns = Sniport::DNS->new(zone => {});
$dns->all({ A => ['127.0.0.1'] });

my @RULES = ('{ name = "denied"; action = "deny";
		destinations = [ "denied.test:*" ]; }', qq({ name = "allowed";
		action = "allow"; networks = [ "127.0.0.0/8" ];
		destinations = [ "a.test:$port_a", "b.test:$port_b" ]; }));
my $daemon = Sniport::Daemon->new(
	listeners => qq({ address = "127.0.0.1:%PORT%"; },
		{ address = "127.0.0.1:%PORT_both%"; default_port = $port_b;
		  default_destination = "b.test:$port_b"; }),
	dns => 'servers = [ "' . $dns->server . '" ];', rules => join ',', @RULES);

sub connected {
	my ($name, %option) = @_;
	my $listener = delete $option{listener};

	return Sniport::Client->new(name => $name,
		port => $daemon->port($listener), %option);
}

sub line_of {
	my ($client) = @_;

	return { lines_of($daemon, $client->local_port) }->{$client->local_port};
}

# Is this connection served by that upstream, and does the audit line say so?
sub served_ok {
	my ($title, $name, $letter, %option) = @_;
	my $resumed = delete $option{resumed} // 0;
	my $client = connected($name, %option);
	my $echo = $client->put('ping') ? $client->get(4) : $client->ended;

	$client->end;
	my $end = $client->wait_end;
	my $line = line_of($client);
	my $target = "$letter.test:" . $upstream{$letter}->port;
	is_deeply({ echo => $echo, end => $end, reason => $line->{reason},
		target => $line->{target}, name => $line->{server_name},
		upstream => $line->{upstream}, resumed => $line->{resumed} ? 1 : 0,
		client => $client->resumed, version => $line->{tls_version},
		bytes => $echo eq 'ping' ? $upstream{$letter}->report->{bytes} : 0 },
		{ echo => 'ping', end => 'close_notify', reason => 'done',
		target => $target, name => $name,
		upstream => '127.0.0.1:' . $upstream{$letter}->port,
		resumed => $resumed, client => $resumed, bytes => 4,
		version => "TLSv$option{version}" }, $title);
	return;
}

# The option of a client that resumes a session with a.test: a fresh one, since
# OpenSSL uses a ticket of TLS 1.3 once.
sub ticket {
	my ($version, $name, $listener) = @_;
	my $client = connected($name, version => $version, listener => $listener);
	my $session = $client->session;

	$client->end;
	$client->wait_end;
	$upstream{ defined $name ? 'a' : 'b' }->report;
	return (version => $version, session => $session // die 'no ticket');
}

sub denied_ok {
	my ($title, $name, $alert, $reason, $target, %option) = @_;
	my $client = connected($name, %option);
	my $line = line_of($client);

	is_deeply({ end => $client->ended, reason => $line->{reason},
		target => $line->{target}, name => $line->{server_name},
		resumed => $line->{resumed}, upstream => $line->{upstream} },
		{ end => "alert $alert", reason => $reason, target => $target,
		name => $name, resumed => undef, upstream => undef }, $title);
	return;
}

# Resumption: the name of this hello counts, and policy runs again.
for my $version ('1.2', '1.3') {
	my $a = "a.test:$port_a";
	my $b = "b.test:$port_b";

	served_ok("TLS $version: a new session", $a, 'a', version => $version);
	served_ok("TLS $version: resumed with the same name", $a, 'a',
		ticket($version, $a), resumed => 1);
	served_ok("TLS $version: resumed with another name", $b, 'b',
		ticket($version, $a), resumed => 1);
	served_ok("TLS $version: resumed without a name, by default", undef, 'b',
		ticket($version, $a), resumed => 1, listener => 'both');
	served_ok("TLS $version: resumed on another listener", $a, 'a',
		ticket($version, $a), resumed => 1, listener => 'both');
	served_ok("TLS $version: a session without a name, resumed with one", $a,
		'a', ticket($version, undef, 'both'), resumed => 1);

	my @denied = (
		[ 'a denied target', 'denied.test:443', 'access_denied',
			'rule_deny', 'denied.test:443' ],
		[ 'the same name and another port', "a.test:$port_b",
			'access_denied', 'no_rule', "a.test:$port_b" ],
		[ 'an address', "127.0.0.1:$port_a", 'access_denied', 'no_rule',
			"127.0.0.1:$port_a" ],
		[ 'no name', undef, 'unrecognized_name', 'sni_missing' ],
		[ 'a name without a port', 'a.test', 'unrecognized_name',
			'sni_no_port' ],
		[ 'a bad name', 'a..test:443', 'unrecognized_name', 'sni_bad_host' ],
	);
	for (@denied) {
		my ($title, $name, $alert, $reason, $target) = @$_;
		my %ticket = ticket($version, $a);
		$dns->clear;
		denied_ok("TLS $version: resumed towards $title", $name, $alert,
			$reason, $target, %ticket);
		is_deeply([ $dns->questions ], [], 'no name was asked for');
	}
	my %ticket = ticket($version, $a);
	$daemon->reload(rules => $RULES[1] =~ s/"a\.test:\d+", //r);
	denied_ok("TLS $version: resumed after the rule has gone", $a,
		'access_denied', 'no_rule', $a, %ticket);
	$daemon->reload(rules => join ',', @RULES);
}

# A program in the background; what it prints, and its process.
sub background {
	my ($stdin, @command) = @_;

	pipe(my $out, my $in) or die "pipe: $!";
	my $pid = group_start(sub {
		open STDIN, '<&', $stdin or die $!;
		open STDOUT, '>&', $in or die $!;
		open STDERR, '>', '/dev/null' or die $!;
		exec @command or die "$command[0]: $!";
	});
	return ($out, $pid);
}

# Early data is not taken, and does no harm. A client has reason to send it if
# its ticket is another server's.
{
	my $dir = temporary();
	my $web = Sniport::Upstream->new('http');
	my ($chain, $key) = certificate($dir, 'early');
	my $name = 'a.test:' . $web->port;
	my $request = "GET / HTTP/1.0\r\n\r\n";
	for ([ request => $request ], [ early => 'EARLY' ]) {
		open my $file, '>', "$dir/$_->[0]" or die $!;
		print $file $_->[1];
		close $file or die $!;
	}
	# Neither shall see an end of its standard input.
	pipe(my $nothing, my $hold) or die "pipe: $!";
	my ($out, $server) = background($nothing, qw(openssl s_server -tls1_3
		-early_data -accept 127.0.0.1:0), '-cert', $chain, '-key', $key);
	my $text = '';
	my $port;
	until (($port) = $text =~ /^ACCEPT .*:(\d+)$/m) {
		readable($out, deadline()) && sysread $out, $text, 4096, length $text
		    or die "openssl s_server: $text";
	}
	my @s_client = (qw(openssl s_client -tls1_3 -ign_eof -servername), $name,
		'-connect');
	($out, my $client) = background($nothing, @s_client, "127.0.0.1:$port",
		'-sess_out', "$dir/session");
	ok(poll(sub {
		open my $file, '<', "$dir/session" or return 0;
		return scalar grep { /^-----END/ } <$file>;
	}), 'another server gives a ticket');
	group_kill($_) for $client, $server;
	my ($failed, $session) = run(qw(openssl sess_id -noout -text -in),
		"$dir/session");
	like($session, qr/Max Early Data: [1-9]/, 'which invites early data');

	$daemon->reload(rules => qq({ name = "web"; action = "allow";
		destinations = [ "$name" ]; networks = [ "127.0.0.0/8" ]; }));
	(my $status, $text) = run('sh', '-c', 'in=$1; shift; exec "$@" <"$in"',
		'sh', "$dir/request", @s_client, '127.0.0.1:' . $daemon->port,
		'-sess_in', "$dir/session", '-early_data', "$dir/early", '-sess_out',
		"$dir/ours");
	like($text, qr/^Early data was rejected$/m, 'early data is rejected');
	like($text, qr/^hello$/m, 'and the connection goes on');
	my $line = $daemon->wait_audit(sub { ($_->{target} // '') eq $name });
	is($line->{reason}, 'done', 'to a good end');
	SKIP: {
		skip('it did not come about', 1) unless $line->{upstream};
		is($web->report->{request}, $request, 'without the early data');
	}
	($failed, $session) = run(qw(openssl sess_id -noout -text -in),
		"$dir/ours");
	like($session, qr/Max Early Data: 0/, 'our tickets do not invite it');
	$daemon->reload(rules => join ',', @RULES);
}

# What the test seals itself. A bystander on the same worker must notice
# nothing.
my $bystander = connected("b.test:$port_b", version => '1.3');

sub bystander_ok {
	$bystander->put('still there?');
	is($bystander->get(12), 'still there?', 'another tunnel does not notice');
	return;
}

# A client whose three first bytes have been relayed, and the sealer.
sub sealing {
	my ($version) = @_;
	my $client = connected("a.test:$port_a",
		Sniport::Record::suite($version));

	$client->established or die 'no handshake: ' . $client->ended;
	my $record = Sniport::Record->new($client);
	$record->send($record->data('abc'));
	$client->get(3) eq 'abc' or die 'no tunnel: ' . $client->ended;
	return ($client, $record);
}

# These records go through; what the upstream then gets, and the reason.
sub fine_ok {
	my ($title, $version, $code, $bytes, $reason) = @_;
	my ($client, $record) = sealing($version);

	$record->send($code->($record));
	is($client->get($bytes), 'x' x $bytes,
		"TLS $version: $title") if $bytes;
	$record->send($record->close_notify) unless $reason;
	is($client->wait_end, 'close_notify', 'to a clean end');
	my $report = $upstream{a}->report;
	my $line = line_of($client);
	is_deeply([ @$report{qw(bytes end)}, $line->{reason} ],
		[ 3 + $bytes, 'fin', $reason // 'done' ], 'and the line says so');
	return;
}

# These records end the tunnel, which must look whole to nobody. The number of
# bytes that still reach the upstream may be undef: whatever it is. Likewise the
# detail.
sub cut_ok {
	my ($title, $version, $code, $bytes, $reason, $detail) = @_;
	my ($client, $record) = sealing($version);

	$record->send($code->($record));
	bystander_ok();
	my $end = $client->wait_end;
	like($end, qr/^(?:reset|error:.*:no renegotiation)/,
		"TLS $version: $title");
	my $report = $upstream{a}->report;
	my $line = line_of($client);
	is_deeply([ @$report{qw(bytes end)}, @$line{qw(reason closed_first)} ],
		[ defined $bytes ? 3 + $bytes : $report->{bytes}, 'reset', $reason,
			'client' ],
		'the upstream sees a reset, and the line says why');
	is($line->{detail}, $detail, 'with words') if $detail;
	return;
}

# Renegotiation. AWS-LC ends the session, OpenSSL answers by a warning.
my $AWSLC = tls_library() eq 'AWS-LC';
{
	my $client = connected("a.test:$port_a", version => '1.2');
	$client->put('ping');
	$client->get(4);
	$client->operate(sub {
		Net::SSLeay::renegotiate($_[0]);
		return Net::SSLeay::do_handshake($_[0]);
	});
	$client->operate(sub { Net::SSLeay::do_handshake($_[0]) })
	    unless $client->ended;
	like($client->ended, $AWSLC ? qr/^reset$/ : qr/no renegotiation/,
		'renegotiation is refused');
	$client->close;
	$upstream{a}->report;
}
{
	my ($client, $record) = sealing('1.2');
	$record->send($record->handshake("\1\0\0\0"), $record->data('xx'),
		$record->close_notify);
	# The client object takes offence at the answer.
	like($client->wait_end, $AWSLC ? qr/^reset$/ : qr/no renegotiation/,
		'a warning is the answer');
	is_deeply([ @{ $upstream{a}->report }{qw(bytes end)},
		line_of($client)->{reason} ],
		$AWSLC ? [ 3, 'reset', 'client_tls' ] : [ 5, 'fin', 'done' ],
		'and the tunnel goes on');
}
cut_ok('a flood of renegotiations', '1.2', sub {
	my ($r) = @_;

	return map { $r->handshake("\1\0\0\0") } 1 .. 600;
}, 0, $AWSLC ? 'client_tls' : 'tls_records');
cut_ok('a renegotiation, long gone from TLS', '1.3', sub {
	return $_[0]->handshake(Sniport::Hello::client_hello(
		name => "b.test:$port_b"));
}, 0, 'client_tls');

# KeyUpdate.
fine_ok('KeyUpdates with data between', '1.3', sub {
	my ($r) = @_;

	return map { ($r->key_update($_ % 2), $r->data('x' x 1024)) } 1 .. 300;
}, 300 * 1024);
cut_ok('KeyUpdates with hardly any data between', '1.3', sub {
	my ($r) = @_;

	return map { ($r->key_update(0), $r->data('x')) } 1 .. 600;
}, undef, 'tls_records');
fine_ok('a few KeyUpdates in a row', '1.3', sub {
	my ($r) = @_;

	return ((map { $r->key_update(1) } 1 .. 20), $r->data('xx'));
}, 2);
cut_ok('a flood of KeyUpdates', '1.3', sub {
	my ($r) = @_;

	return ($r->data('x'), map { $r->key_update(0) } 1 .. 2000);
}, 1, 'tls_records');
cut_ok('a flood of KeyUpdates that ask for an answer', '1.3', sub {
	my ($r) = @_;

	return map { $r->key_update(1) } 1 .. 2000;
}, 0, 'tls_records');
cut_ok('a KeyUpdate that is none', '1.3', sub {
	return $_[0]->handshake("\x18\0\0\1\2");
}, 0, 'client_tls');

# Records without data.
for my $version ('1.2', '1.3') {
	fine_ok('empty records with data between', $version, sub {
		my ($r) = @_;

		return map { ($r->data(''), $r->data('x' x 1024)) } 1 .. 300;
	}, 300 * 1024);
	cut_ok('empty records with hardly any data between', $version, sub {
		my ($r) = @_;

		return map { ($r->data(''), $r->data('x')) } 1 .. 600;
	}, undef, 'tls_records');
	# OpenSSL itself takes no more than 32 in a row.
	cut_ok('a flood of empty records', $version, sub {
		my ($r) = @_;

		return ($r->data('xx'), map { $r->data('') } 1 .. 1000);
	}, 2, 'tls_records');
	cut_ok('bursts of empty records', $version, sub {
		my ($r) = @_;

		return map { ((map { $r->data('') } 1 .. 20), $r->data('x')) }
		    1 .. 60;
	}, undef, 'tls_records');
	cut_ok('a flood of warnings', $version, sub {
		my ($r) = @_;

		return map { $r->alert(1, 90) } 1 .. 600;
	}, 0, 'tls_records');
	cut_ok('a fatal alert', $version, sub { return $_[0]->alert(2, 80); }, 0,
		'client_tls');
	cut_ok('an alert that TLS does not know', $version, sub {
		return $_[0]->alert(2, 217);
	}, 0, 'client_tls', 'the client sent the fatal alert 217 (unknown)');
	cut_ok('a handshake message out of place', $version, sub {
		return $_[0]->handshake(pack 'C a3 a*', 20, "\0\0\x0c", 'x' x 12);
	}, 0, 'client_tls');
	cut_ok('a type that TLS has not', $version, sub {
		return $_[0]->seal(77, 'x');
	}, 0, 'client_tls');
	cut_ok('a tampered record', $version, sub {
		my ($r) = @_;

		return ($r->data('x'), $r->data('y') ^ "\0" x 8 . "\1");
	}, 1, 'client_tls');
	cut_ok('a record twice', $version, sub {
		return ($_[0]->data('x')) x 2;
	}, 1, 'client_tls');
	cut_ok('a record that is left out', $version, sub {
		my ($r) = @_;

		$r->data('lost');
		return $r->data('x');
	}, 0, 'client_tls');
	cut_ok('a close_notify that somebody else sends', $version, sub {
		return ($_[0]->data('x'), "\x15\3\3\0\2\1\0");
	}, 1, 'client_tls');
	cut_ok('plain text in mid-stream', $version, sub {
		return "GET / HTTP/1.0\r\n\r\n";
	}, 0, 'client_tls');
	cut_ok('a record too long', $version, sub {
		return "\x17\3\3\xff\xff" . 'x' x 100;
	}, 0, 'client_tls');
	fine_ok('what follows close_notify is not of the stream', $version, sub {
		my ($r) = @_;

		return ($r->data('x'), $r->close_notify, $r->data('y'));
	}, 1, 'done');
}
fine_ok('padded records', '1.3', sub {
	my ($r) = @_;

	return map { ($r->seal(23, 'x', 1000), $r->seal(23, '', 1000)) } 1 .. 20;
}, 20);
bystander_ok();

# TLS 1.3 has done away with the level of this alert.
cut_ok('a fatal close_notify', '1.2', sub { return $_[0]->alert(2, 0); }, 0,
	'client_tls', 'the client sent the fatal alert 0 (close notify)');

# A record, a part of another, and a FIN.
sub fin_within {
	my ($r) = @_;

	$r->send($r->data('x'), substr $r->data('lost'), 0, -1);
	$r->{client}->fin;
	return '';
}

# The stream that ends without close_notify.
for my $version ('1.2', '1.3') {
	my $client = connected("a.test:$port_a", version => $version);
	$client->put('abc');
	$client->fin;
	is($client->get(3), 'abc', "TLS $version: a FIN without close_notify");
	is($client->wait_end, 'close_notify', 'is passed on as an end');
	my $report = $upstream{a}->report;
	my $line = line_of($client);
	is_deeply([ @$report{qw(bytes end)},
		@$line{qw(reason client_truncated closed_first)} ],
		[ 3, 'fin', 'client_truncated', JSON::PP::true(), 'client' ],
		'and marked');

	cut_ok('a FIN within a record', $version, \&fin_within, 1, 'client_cut');
}

# ... which may be forbidden.
$bystander->end;
$bystander->wait_end;
$daemon->reload(tls => 'require_close_notify = true;');
$bystander = connected("b.test:$port_b", version => '1.3');
for my $version ('1.2', '1.3') {
	served_ok("TLS $version: close_notify is required, and comes",
		"a.test:$port_a", 'a', version => $version);
	cut_ok('a FIN without close_notify', $version, sub {
		my ($r) = @_;

		$r->send($r->data('xyz'));
		$r->{client}->fin;
		return '';
	}, 3, 'client_cut');
	cut_ok('a FIN within a record', $version, \&fin_within, 1, 'client_cut');
}

# tls.min_version.
$daemon->reload(tls => 'min_version = "1.3";');
served_ok('TLS 1.3 where it is the oldest', "a.test:$port_a", 'a',
	version => '1.3');
denied_ok('TLS 1.2 where it is too old', "a.test:$port_a",
	'protocol_version', 'tls_version', "a.test:$port_a", version => '1.2');
refused_ok($daemon, [ title => 'TLS 1.2 by the legacy field',
	name => "a.test:$port_a", hello => [ versions => undef ],
	sent => 'alert 2 70', reason => 'tls_version',
	line => { target => "a.test:$port_a", host => 'a.test', port => $port_a,
	rule => 'allowed', decision => 'allow' } ]);

$bystander->close;

# Alerts in the handshake, behind the hello.
$daemon->reload(tls => "");
for my $version ('1.2', '1.3') {
	for (
		[ 'close_notify', "\1\0",
		    'the client sent close_notify before its handshake was done' ],
		[ 'an alert that TLS does not know', "\2\xd9",
		    'the client sent the fatal alert 217 (unknown)' ],
		[ 'a fatal alert', "\2\x28", undef ],
	) {
		my ($title, $alert, $detail) = @$_;
		my $client = Sniport::Client->open(port => $daemon->port);
		my $answer = Sniport::Hello::exchange(undef,
			Sniport::Hello::records(Sniport::Hello::client_hello(
			name => "a.test:$port_a",
			$version eq '1.2' ? (versions => undef) : ())),
			socket => $client->socket);

		syswrite $client->socket, "\x15\3\3\0\2$alert";
		Sniport::Hello::read_rest($answer);
		# It takes nothing in plain text behind its answer.
		my $first = 'client';
		($detail, $first) = ('bad packet length', 'sniport')
		    if $AWSLC && $version eq '1.3';
		my $line = line_of($client);
		is_deeply([ @$line{qw(reason detail closed_first)} ],
			[ 'tls_handshake', $detail // $line->{detail}, $first ],
			"TLS $version: $title in the handshake: the line says so");
	}
}

$daemon->stop_ok;

done_testing;
