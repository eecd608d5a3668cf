#!/usr/bin/perl
# sniport-trouble(7): twelve faults are planted, and each is found from what the
# client sees by the commands of the page, as they are written there. No command
# of it is left out, but for those that need what a test has not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(strftime);
use Test::More;

use Sniport::Authority;
use Sniport::Client;
use Sniport::Daemon;
use Sniport::DNS;
use Sniport::Test qw(poll run slurp sniport temporary tls_library top
	write_file);
use Sniport::Tunnel qw(works);
use Sniport::Upstream;

# What is meant to be run: lines that begin with a prompt, with those that
# continue them.
sub commands {
	my ($page) = @_;
	my @found = $page =~ /^\.Dl [\$#] (.*)$/mg;

	push @found, $page =~ /^\.Bd [^\n]*\n[\$#] (.*?)\n\.Ed$/msg;
	return map { s{\\?e?\n +}{ }gr =~ s{ \\e }{ }r =~ s{  +}{ }gr } @found;
}

my %used = map { $_ => 0 } commands(slurp(top() . '/etc/man/sniport-trouble.7'));
cmp_ok(scalar(keys %used), '>', 25, 'the commands of the page were read');

# By hand alone: a service manager, name servers and networks.
$used{$_}++ for grep { /^(?:systemctl|dig|curl|tcpdump) / } keys %used;

my $echo = Sniport::Upstream->new('echo');
my $resets = Sniport::Upstream->new(reset_after => 0);
my $dns = Sniport::DNS->new(zone => {
	'gone.example.com' => 'NXDOMAIN', 'slow.example.com' => 'drop',
	'inner.example.com' => { A => ['10.9.8.7'] },
});

sub rule {
	my ($host, $more) = @_;

	return qq({ name = "$host"; action = "allow";
		destinations = [ "$host.example.com:*" ]; $more });
}

my ($to_echo, $to_resets) = map { 'connect_to = "127.0.0.1:' . $_->port . '";' }
    $echo, $resets;
my $daemon = Sniport::Daemon->new(
	log => 'level = "info";',
	dns => 'timeout = "300ms"; tries = 1; servers = [ "' . $dns->server . '" ];',
	egress => '{ name = "isp-a"; source = [ "203.0.113.7" ]; }',
	rules => join ', ', rule('db', $to_echo), rule('full', "$to_echo max_tunnels = 1;"),
		rule('line', "$to_echo egress = \"isp-a\";"), rule('reset', $to_resets),
		map { rule($_, '') } qw(gone slow inner));
my $port = $daemon->port;

# The names under which the page calls what is under test. The journal has both
# logs.
my ($bin, $dir) = (temporary(), $daemon->dir);
write_file("$bin/sniport", <<"END");
#!/bin/sh
case \$1 in
status|tunnels|top|reload|close) set -- --control $dir/control.sock "\$@" ;;
esac
case \$1 in
why) exec @{[sniport()]} "\$@" ;;
esac
exec @{[sniport()]} -c $dir/sniport.conf "\$@"
END
write_file("$bin/journalctl", <<"END");
#!/bin/sh
case " \$* " in
*" -p warning "*) grep -hE '^[^ ]*Z (warning|error) ' $dir/error.log ;;
*" -n "*) tail -n 1 $dir/audit.log ;;
*) cat $dir/error.log $dir/audit.log ;;
esac
END
chmod 0755, "$bin/sniport", "$bin/journalctl" or die;
$ENV{PATH} = "$bin:$ENV{PATH}";

# The one command of the page that begins so, for this destination: its status,
# and what it prints.
sub page {
	my ($begin, $name) = @_;
	my ($command, @others) = grep { $_ eq $begin } keys %used;
	($command, @others) = grep { index($_, $begin) == 0 } keys %used if !defined $command;
	my ($host, $number) = split /:/, $name // 'db.example.com:5432';

	die "not one command: $begin" if !defined $command || @others;
	$used{$command}++;
	$command =~ s/db\.example\.com/$host/g;
	$number //= '';
	$command =~ s/$host:5432/$number eq '' ? $host : "$host:$number"/ge;
	$command =~ s/10\.1\.2\.3|10\.0\.0\.1/127.0.0.1/g;
	$command =~ s/\b8443\b/$port/g;
	$daemon->settle;
	return run('sh', '-c', $command);
}

my $J = 'journalctl -u sniport -o cat -S -1h';

sub tells {
	my ($begin, $says, $title, $name) = @_;
	my $text;

	# A reload starts the process anew that answers: the next one knows.
	poll(sub { (undef, $text) = page($begin, $name); $text =~ $says });
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like($text, $says, $title);
}

# What the client of a destination sees, the reason in its line, and what to do.
sub found_ok {
	my ($name, $sees, $reason, $line) = @_;
	my $host = $name =~ s/:.*//r;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	tells('openssl s_client', $sees, 'the client', $name);
	$daemon->wait_audit(sub { ($_->{server_name} // '') eq $name });
	tells("$J | grep '\"host\"", qr/"reason":"$reason".*$line/,
		'the audit line', $name) if $reason !~ /^sni_/;
	return;
}

my $ended = qr/CONNECTION ESTABLISHED/;

subtest 'no rule' => sub {
	found_ok('other.example.com:443', qr/access denied/, 'no_rule', qr/"decision":"deny"/);
	tells('sniport why', qr/^what to do: Add a rule/m, 'what to do');
	tells('sniport -q', qr/"db": no match: no destination has the name.*deny: no rule/s,
		'each rule', 'other.example.com:443');
};

subtest 'a name that does not exist' => sub {
	found_ok('gone.example.com:443', $ended, 'dns_not_found', qr/"rule":"gone"/);
};

subtest 'a name server that is sick' => sub {
	found_ok("slow.example.com:$_", $ended, 'dns_timeout', qr/"rule":"slow"/)
	    for 443 .. 446;
	ok(poll(sub { (page("sniport status | grep '^dns:'"))[1] =~ /does not answer/ }),
		'the status');
	tells("$J -p warning", qr/name server \S+ does not answer/, 'the error log');
};

subtest 'an address that the node does not have' => sub {
	found_ok('line.example.com:443', $ended, 'egress_missing',
		qr/"egress_line":"isp-a"/);
	tells('sniport line', qr/^isp-a: down: .*203\.0\.113\.7/, 'the line');
};

subtest 'a server name without its port' => sub {
	found_ok('db.example.com', qr/unrecognized name/, 'sni_no_port', qr//);
	tells("$J | grep '\"reason\":\"sni_", qr/"sni_no_port".*"server_name":"db\.example\.com"/,
		'the audit line');
};

subtest 'a private address' => sub {
	found_ok('inner.example.com:443', $ended, 'guard', qr/"detail":"Private-Use".*10\.9\.8\.7/);
};

subtest 'an upstream that resets' => sub {
	# Reset before sniport has looked, it has no address of its own.
	found_ok('reset.example.com:443', $ended, 'upstream_reset',
		qr/"upstream":"127\.0\.0\.1:\d+"/);
	tells("$J | grep -E", qr/"closed_first":"upstream"/, 'what was reset');
};

subtest 'a limit that is full' => sub {
	my $client = Sniport::Client->new(port => $port, name => 'full.example.com:443');
	ok(works($client), 'one tunnel');
	found_ok('full.example.com:443', qr/access denied/, 'limit_rule', qr/"rule":"full"/);
	tells('sniport tunnels host=', qr/ open .* -> full\.example\.com:443 /,
		'who has it', 'full.example.com:443');
	tells('sniport tunnels client=', qr/full\.example\.com/, 'by client');
	tells('sniport tunnels --json', qr/^\s*1 "target":"full\.example\.com:443"$/m,
		'how many are open, and to where');
	tells('sniport top', qr/ -> full\.example\.com:443 \(full\)$/m, 'what they move');
	tells('sniport tunnels', qr/ -> full\.example\.com:443 /, 'all tunnels');
	tells('sniport tunnels generation=', qr/ -> full\.example\.com:443 /, 'by generation');
	tells('sniport close generation=', qr/1 tunnel closed/, 'which are closed');
};

subtest 'what all of these have left' => sub {
	tells("$J | grep -o '\"reason\"", qr/^\s*4 "reason":"dns_timeout"$/m,
		'what fails most often');
	tells("$J | grep -o '\"dns_ms\"", qr/^"dns_ms":[\d.]+$/m, 'slow look-ups');
	tells("$J | grep '\"client_address\"", qr/"no_rule"(?s:.*)"guard"/, 'a client');
	tells('journalctl -u sniport -o cat -S yesterday', qr/"reason":"upstream_reset"/,
		'yesterday', 'reset.example.com:443');
	tells('journalctl -u sniport -o cat -n 20', qr/\S/, 'the last lines');
	tells('journalctl -u sniport -n 1', qr/\S/, 'the first one');
	tells('ss ', qr/LISTEN/, 'it listens');
};

my $ca = Sniport::Authority->new($dir, 'ca');

# Settings of a certificate that ends in so many seconds.
sub ends_in {
	my ($seconds) = @_;
	my ($chain, $key) = $ca->issue("c$seconds", undef,
		end => strftime('%y%m%d%H%M%SZ', gmtime(time + $seconds)));

	return qq(certificates = ( { chain = "$chain"; key = "$key"; } );
		allow_expired = true;);
}

subtest 'a certificate that has expired' => sub {
	$daemon->reload(tls => ends_in(-60));
	my $client = sub { run(qw(openssl s_client -brief -CAfile), $ca->file,
		qw(-purpose any -verify_return_error -servername db.example.com:5432),
		-connect => "127.0.0.1:$port") };
	like(($client->())[1], qr/certificate (?:has expired|verify failed)/, 'the client');
	$daemon->wait_audit(sub { $_->{reason} eq 'tls_handshake' });
	# OpenSSL sends this alert unencrypted, and AWS-LC opens no such record.
	my $detail = tls_library() eq 'AWS-LC' ? qr/bad packet length/ :
	    qr/certificate.expired/i;
	tells("$J | grep '\"reason\":\"tls_handshake\"", qr/"detail":"[^"]*$detail/,
		'the audit line');
	tells("sniport status | grep '^tls:'", qr/c-60\.pem: certificate 1 expired on /,
		'the status');
	$daemon->reload(tls => ends_in(2 * 86400 + 60));
	tells("sniport status | grep '^tls:'", qr/expires in \d+ days, on /,
		'one that is about to');
};

subtest 'a client without a certificate' => sub {
	$daemon->reload(tls => 'client_auth = "required"; client_ca = "' . $ca->file . '";');
	tells('openssl s_client', qr/ESTABLISHED|alert/, 'the client');
	$daemon->wait_audit(sub { $_->{reason} eq 'client_certificate' });
	tells("$J | grep '\"reason\":\"client_certificate\"", qr/"detail":"[^"]*certificate/i,
		'the audit line');
	$daemon->reload(tls => '');
};

subtest 'a reload that failed' => sub {
	my $good = $daemon->config;
	$daemon->write('sniport.conf', "$good\nrules = (\n");
	my ($status, $text) = page('sniport reload');
	is($status, 1, 'it fails');
	like($text, qr/sniport\.conf:\d+: /, 'and says why');
	tells('sniport status | grep -A 2', qr/ failed at \S+\n +error: \S+sniport\.conf:\d+: /,
		'so does the status');
	tells('sniport -t', qr/sniport\.conf:\d+: /, 'and a check');
	$daemon->write('sniport.conf', $good);
	is((page('sniport reload'))[0], 0, 'once it is mended it takes');
	tells('sniport status | grep -A 2', qr/^generation: \d+, loaded at \S+\n.*failed$/m,
		'as is said');
};

subtest 'a log whose disk is full' => sub {
	# The notes of reloads that were asked for otherwise have not been read.
	$daemon->configure(log => 'level = "info"; access = "/dev/full";');
	is((page('sniport reload'))[0], 0, 'it is named');
	my $client = Sniport::Client->new(port => $port, name => 'other.example.com:443');
	tells('sniport -T', qr/^\s+access = "\/dev\/full";/m, 'where the log is');
	ok(poll(sub { (page("$J -p warning | grep log"))[1] =~
		/log\.access: \S+ cannot be written: No space left on device: lines wait$/m }),
		'the error log');
};

subtest 'nothing runs' => sub {
	$daemon->signal('QUIT');
	$daemon->wait_end;
	tells('openssl s_client', qr/refused/i, 'the client');
	my ($status, $text) = page('sniport status');
	is($status, 2, 'no status');
	like($text, qr/is sniport running\?/, 'as is said');
};

$used{$_}++ for grep { /grep died$/ } keys %used;
is_deeply([ grep { !$used{$_} } sort keys %used ], [], 'all commands of the page were run');

done_testing;
