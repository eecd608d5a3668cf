#!/usr/bin/perl
# sniport reload: waits, prints all that was found, and its exit status says
# whether that very reload took.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use IO::Socket::INET;
use JSON::PP;

use Sniport::Admin qw(ask pid_of);
use Sniport::Daemon;
use Sniport::Test qw(poll run slow sniport);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	top => 'workers = 2;', log => 'level = "info";',
	admin => 'address = "127.0.0.1:%PORT_http%";');
my $dir = $daemon->dir;
my $socket = "$dir/control.sock";
my @reload = (sniport(), '-c', "$dir/sniport.conf", 'reload');
my $generation = 1;

# Begins a reload; end() waits for it.
sub begin {
	my (@command) = @_ ? @_ : @reload;

	my $pid = open(my $out, '-|') // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		exec @command;
		die "$command[0]: $!";
	}
	return $out;
}

sub end {
	my ($out) = @_;

	local $/;
	my $text = <$out> // '';
	close $out;
	return ($? >> 8, $text);
}

sub took_ok {
	my ($name, $status, $text) = @_;

	$generation++;
	is($status, 0, "$name: it took") or diag($text, $daemon->log);
	like($text, qr/^sniport: reload: done in \d+ ms, 2 workers, 1 listener, 1 rule, generation $generation$/m,
		'which is said');
	my $s = decode_json((ask($daemon, '/status'))[1]);
	is($s->{generation}, $generation, 'the service has it at once');
	ok(!$s->{reload_failed}, 'and says that it took');
	return;
}

sub failed_ok {
	my ($name, $status, $text, @finding) = @_;

	is($status, 1, "$name: it failed");
	like($text, qr/^sniport: \Q$dir\E\/sniport\.conf:\d+: $_/m, "with $_")
	    for @finding;
	like($text, qr/^sniport: reload: failed after \d+ ms: generation $generation goes on$/m,
		'which is said');
	return;
}

subtest 'whether it took' => sub {
	my $client = tunnel_open($daemon, $upstream);
	$daemon->configure(timeouts => 'connect = "9s";');
	took_ok('a good one', run(@reload));
	$daemon->configure(timeouts => 'conect = "9s";', limits => 'tunnels = "a";');
	failed_ok('a file that is wrong', run(@reload),
		'timeouts\.conect: ', 'limits\.tunnels: ');
	$daemon->configure(timeouts => '', limits => '');

	# What is only seen when it is too late for a check of the file.
	my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
		Proto => 'tcp') or die $!;
	my $listeners = $daemon->{option}{listeners};
	$daemon->configure(listeners => $listeners .
		', { address = "127.0.0.1:' . $taken->sockport . '"; }');
	failed_ok('an address that is taken', run(@reload), 'listeners\.address: ');
	$daemon->configure(listeners => $listeners);

	my ($status, $text) = run(@reload, '--json');
	my $report = decode_json($text);
	$generation++;
	is($status, 0, 'as JSON');
	is($report->{result}, 'done', 'it took');
	is($report->{generation}, $generation, 'the generation');
	like($report->{ended}, qr/^20\S+Z$/, 'when');
	is_deeply($report->{errors}, [], 'no errors');
	$daemon->configure(timeouts => 'conect = "9s";');
	($status, $text) = run(@reload, '--json');
	$report = decode_json($text);
	is($status, 1, 'one that fails, as JSON');
	is($report->{result}, 'failed', 'its result');
	is($report->{generation}, $generation, 'the generation that goes on');
	like("@{ $report->{errors} }", qr/timeouts\.conect: /, 'and why');
	is((ask($daemon, '/reload'))[1] =~ s/"total_ms":[\d.]+//r,
		$text =~ s/"total_ms":[\d.]+//r, 'the last report is the same');
	$daemon->configure(timeouts => '');
	ok(works($client) && finish($client), 'a tunnel goes on through all of it');
};

# The answer to who asks by a token, once it is there. At first the master has
# not heard of it.
sub report {
	my ($token) = @_;
	my @answer;

	poll(sub {
		@answer = ask($daemon, "/reload?token=$token");
		return ($answer[0] // 202) !~ /^(?:202|404)$/;
	});
	return @answer;
}

subtest 'several at once' => sub {
	# Each waits for one that begins after it was asked for.
	my @under_way = map { begin() } 1 .. 4;
	for (@under_way) {
		my ($status, $text) = end($_);
		is($status, 0, 'it took') or diag($text);
	}
	$generation = decode_json((ask($daemon, '/status'))[1])->{generation};

	# The admin process takes them while the master cannot.
	kill 'STOP', $daemon->pid;
	my @tokens = map { decode_json((ask($daemon, '/reload', 'POST'))[1])->{token} }
	    1 .. 4;
	kill 'CONT', $daemon->pid;
	is((report($_))[0], 200, 'one of four that come at once took') for @tokens;
	is(decode_json((ask($daemon, '/status'))[1])->{generation},
		++$generation, 'and they are one');
};

subtest 'an admin process that stands still' => sub {
	my $pid = pid_of($daemon);
	kill 'STOP', $pid;
	my $waits = begin();
	# The next one finds the request in the socket's queue.
	$daemon->signal('HUP');
	$generation++;
	took_ok('one that waits for another', end($waits));
	kill 'KILL', $pid;
};

subtest 'an admin process that dies' => sub {
	my $pid = pid_of($daemon);
	kill 'STOP', $pid;
	my $waits = begin();
	kill 'KILL', $pid;
	took_ok('one that waits for its successor', end($waits));
};

subtest 'by HTTP' => sub {
	my ($status, $body) = ask($daemon, '/reload', 'POST');
	is($status, 202, 'it is asked for');
	my $token = decode_json($body)->{token};
	like($token, qr/^[0-9a-f]{16}$/, 'and has a token');
	$generation++;
	($status, $body) = report($token);
	is($status, 200, 'it took') or diag($body);
	# To ask again, for want of an answer, is to ask for the same.
	is((ask($daemon, "/reload?token=$token", 'POST'))[0], 202, 'again');
	is((ask($daemon, "/reload?token=$token"))[0], 200, 'it is the same');
	($status, $body) = ask($daemon, '/reload?format=text');
	is($status, 200, 'the last report');
	like($body, qr/^reload: done in .*, generation $generation$/m, 'as text');
	is((ask($daemon, "/reload?token=$_"))[0], 400, "token \"$_\"")
	    for '', 'x' x 16, '1', '0' x 16, 'A' x 16, '1' x 17;
	is((ask($daemon, '/reload?token=' . 'f' x 16))[0], 404,
		'one that nobody has');
	is((ask($daemon, '/reload?format=xml'))[0], 400, 'another format');
	my (undef, undef, $field) = ask($daemon, '/reload', 'PUT');
	is($field->{allow}, 'GET, HEAD, POST', 'what it takes');
	is((ask($daemon->port('http'), '/reload', $_))[0], 403,
		"$_ is not for the other socket") for qw(GET POST);
	unlike((ask($daemon->port('http'), '/status'))[1], qr/load_findings/,
		'nor is what was found');
};

subtest 'who may' => sub {
	plan skip_all => 'SKIPPED LOUDLY: only root can be somebody else' if $> != 0;
	chmod 0711, $dir;
	# Who is in the socket's group, and nobody else.
	my @other = (qw(setpriv --reuid 65534 --regid 0 --clear-groups), sniport(),
		'--control', $socket);
	my ($status, $text) = run(@other, 'status');
	is($status, 0, 'the group may ask how it is') or diag($text);
	($status, $text) = run(@other, 'reload');
	is($status, 2, 'but not have it reload');
	like($text, qr/POST \/reload is for root and user 0 alone/, 'it is told');
	my @nobody = map { s/^0$/65534/r } @other;
	($status, $text) = run(@nobody, 'reload');
	is($status, 2, 'and others may not ask');
	like($text, qr/Permission denied; its owner, its group and root may ask/,
		'which they are told');
	is(decode_json((ask($daemon, '/status'))[1])->{generation}, $generation,
		'nothing came of it');
};

subtest 'another socket' => sub {
	$daemon->configure(admin => 'address = "127.0.0.1:%PORT_http%";
		control = "%DIR%/other.sock";');
	my ($status, $text) = run(@reload);
	is($status, 2, 'one that is not there yet');
	like($text, qr/other\.sock: No such file .*; is sniport running\?/,
		'cannot be asked on');
	($status, $text) = run(@reload, '--control', $socket);
	is($status, 0, 'the old one can, and the new one tells that it took')
	    or diag($text);
	ok(!-e $socket && -S "$dir/other.sock", 'it has moved');
	($status, $text) = run(@reload);
	is($status, 0, 'now it can be asked') or diag($text);
};

subtest 'a stop' => sub {
	my $client = tunnel_open($daemon, $upstream);
	$daemon->signal('TERM');
	ok(poll(sub { (ask($daemon->port('http'), '/readyz'))[0] == 503 }),
		'it drains');
	my ($status, $text) = run(@reload);
	is($status, 1, 'there is no reload');
	is($text, "sniport: reload: sniport is stopping\n", 'which is said');
	($status, $text) = run(@reload, '--json');
	is($status, 1, 'as JSON');
	is(decode_json($text)->{result}, 'failed', 'it failed');
	ok(finish($client), 'the tunnel ends');
	$daemon->stop_ok;
	($status, $text) = run(@reload);
	is($status, 2, 'there is no service');
	like($text, qr/; is sniport running\?$/, 'which is said');
};

done_testing;
