#!/usr/bin/perl
# What sniport -q says beforehand is what the running service does: for many
# configurations made at random, the same decision, the same rule and the same
# word of the network guard. SNIPORT_TEST_SEED repeats a run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Network;
use Sniport::Proxy qw(v1);
use Sniport::Test qw(slow);

my $why = Sniport::Network::impossible();
plan skip_all => "SKIPPED LOUDLY: $why" if $why;

$SIG{PIPE} = 'IGNORE';

my $seed = $ENV{SNIPORT_TEST_SEED} // 20261126;
srand $seed;
my $CONFIGURATIONS = slow() ? 2 : 8;

# There is no way out, so that what may be dialled fails at once; two public
# addresses are this host's.
my $here = Sniport::Network->here;
$here->set('ipv6.conf.all.disable_ipv6', 0);
$here->ip('address add 198.41.1.1/32 dev lo');
$here->ip('-6 address add 2606:4700::1/128 dev lo nodad');

my @names = qw(a.test b.a.test c.b.a.test six.test mix.test own.test far.test);
my $hosts = <<'EOT';
127.0.0.2 a.test b.a.test mix.test
10.0.0.1 a.test c.b.a.test mix.test
198.41.9.9 far.test mix.test
2606:4700::9 far.test six.test
198.41.1.1 own.test
2606:4700::1 own.test
fd00::1 b.a.test six.test
EOT
my @hosts = (@names, qw(localhost x.localhost nowhere.test 10.0.0.1 127.0.0.2
	198.41.1.1 198.41.9.9 203.0.113.1 [2606:4700::1] [2606:4700::9]
	[fd00::1] [64:ff9b::10.0.0.1] [64:ff9b::198.41.1.1]
	[64:ff9b::198.41.9.9] [::ffff:10.0.0.1] [::1] 0.0.0.0));
my @clients = ('10.1.2.3', '10.2.0.1', '::ffff:10.1.2.3', '64:ff9b::a01:203',
	'2001:db8::1', '127.0.0.1');
my @patterns = (@names, qw(*.a.test *.test * *.localhost 10.0.0.0/8 0.0.0.0/0
	[::/0] [64:ff9b::/96] 198.41.0.0/16 127.0.0.2 [2606:4700::/32]));
my @networks = qw(10.0.0.0/8 127.0.0.0/8 198.41.1.1 2606:4700::/32 ::/0
	0.0.0.0/0 64:ff9b::/96 fd00::/8);

sub one { return $_[rand @_]; }
sub some { return map { one(@_) } 1 .. 1 + rand 3; }
sub list { return '[ ' . join(', ', map { qq("$_") } @_) . ' ]'; }

sub rule {
	my $action = one(qw(allow allow allow report deny));
	my @ports = qw(* 443 80 1-1023 %PORT%);
	my $more = rand > 0.5 ? '' : 'clients = ' . list(some('10.1.0.0/16',
		'10.0.0.0/8', '2001:db8::/32', '64:ff9b::/96', '127.0.0.1')) . ';';

	if ($action ne 'deny' && rand > 0.8) {
		$more .= 'connect_to = "' . one('127.0.0.2:80',
			'198.41.9.9:443', '198.41.1.1:443', '10.0.0.1:443',
			'198.41.1.1:%PORT%', '[::1]:%PORT%') . '";';
	} elsif ($action ne 'deny' && rand > 0.4) {
		$more .= 'networks = ' . list(some(@networks)) . ';';
	}
	return qq({ action = "$action"; $more destinations = ) .
	    list(map { "$_:" . one(@ports) } some(@patterns)) . '; }';
}

sub configuration {
	return (rules => join(",\n", map { rule() } 1 .. 1 + rand 6),
		top => 'workers = 1; default_action = "' .
		    one(qw(deny report)) . '";',
		dns => 'tries = 1; timeout = "1s"; family = "' .
		    one(qw(any ipv4 ipv6 prefer-ipv4 prefer-ipv6)) . '";');
}

my $next_port = 10000;
my $daemon = Sniport::Daemon->new(hosts => $hosts, configuration(),
	listeners => '{ address = ":%PORT%"; trusted_proxies = [ "127.0.0.1" ];
	    }');

# What becomes of the target for that client of a load balancer.
sub done {
	my ($target, $address) = @_;
	my $port = ++$next_port;
	my $client = Sniport::Client->open(port => $daemon->port,
		name => $target);

	syswrite $client->socket, v1($address, $port, $address =~ /:/ ? '::1' :
		'127.0.0.1', 8443);
	$client->handshake;
	$client->wait_end;
	my $line = $daemon->wait_audit(sub { ($_->{client_port} // 0) == $port });
	my $deny = $line->{decision} eq 'deny';
	# One own listener among others is the reason that is told.
	my $closed = $line->{reason} =~
	    /^(?:guard|own_listener|dns_no_address)$/ &&
	    !grep { !/ (?:guard|own_listener)$/ } @{ $line->{tried} // [] };

	return { decision => $line->{decision}, rule => $line->{rule},
		status => $deny || $closed ? 1 : 0,
		guard => { map { /^(.*) (guard|own_listener)$/ ? ($1 => 1) : () }
			@{ $line->{tried} // [] } } };
}

# The same of sniport -q. The guard is not asked about addresses that were not
# reached since others had been connected, which none is here.
sub said {
	my ($target, $address) = @_;
	my ($status, $text) = $daemon->once('-q', $target, '-s', $address,
		'--explain');
	my @matches = $text =~ /^rule "(.*)": matches$/mg;
	my $last = ($text =~ /^rule "(.*)": (?:matches|no match)/mg)[-1];
	my ($decision) = $text =~ /: (allow \(report\)|allow|deny)[ :]/;
	my ($rule) = $text =~ / by rule "(.*)"$/m;

	($rule) = $text =~ /: would be denied: rule "(.*)"$/m if !$rule;
	# Of the rules one matches, and then nothing is said of others.
	$rule = "explained as @matches, $last" if "@matches" ne ($rule // '') ||
	    defined $rule && $last ne $rule;
	return { decision => $decision =~ /report/ ? 'report' : $decision,
		rule => $rule, status => $status, text => $text,
		guard => { map { ($_ => 1) }
			$text =~ /^guard: (\S+) is refused/mg } };
}

my %seen;
for my $n (1 .. $CONFIGURATIONS) {
	my %configuration = configuration();
	my @wrong;

	$daemon->reload(%configuration);
	for my $host (@hosts) {
		my $target = "$host:" . one(443, 443, 80, $daemon->port);
		my $address = one(@clients);
		my ($done, $said) = (done($target, $address),
			said($target, $address));
		my $text = delete $said->{text};
		$seen{"$done->{decision} $done->{status}"}++;
		$seen{guard}++ if %{ $done->{guard} };
		next if Test::More::eq_hash($done, $said);
		push @wrong, { target => $target, client => $address,
			done => $done, said => $said, text => $text };
	}
	is(scalar @wrong, 0, "configuration $n: what -q says is what is done")
	    or diag("seed $seed", explain(\@wrong), $daemon->config);
}
is_deeply([ grep { !$seen{$_} } 'allow 0', 'allow 1', 'report 0', 'report 1',
	'deny 1', 'guard' ], [], 'all kinds of answers were among them');

# A hosts file that cannot be read leaves it open what would be done.
$daemon->configure(dns => 'hosts_file = "%DIR%/none";');
my ($status, $text) = $daemon->once('-q', 'a.test:443');
is($status, 2, 'no hosts file: no answer');
like($text, qr/^sniport: \S+:\d+: dns\.hosts_file: .*\bnone\b/m,
	'but why');

# What -q is not told of the client, it says.
my $needs = "client: without a certificate it is refused: tls.client_auth is " .
    "\"required\"\n";
for (['optional', ''], ['required', $needs]) {
	my ($auth, $want) = @$_;
	$daemon->configure(dns => '', rules => '{ action = "allow";
		destinations = [ "far.test:*" ]; }', tls =>
		qq(client_ca = "/ca.pem"; client_auth = "$auth";));
	is((($daemon->once('-q', 'far.test:443', '-s', '10.1.2.3'))[1] =~
	    /^(client: .*\n)/m)[0] // '', $want, "client_auth: $auth");
	is((($daemon->once('-q', 'far.test:443', '-s', 'client.test'))[1] =~
	    /^(client: .*\n)/m)[0] // '', '', "client_auth: $auth, an identity");
}
$daemon->stop_ok;
done_testing;
