#!/usr/bin/perl
# What sniport -t warns of about rules, egress lines and ciphers, each where it
# is true and not where it is not; and that a warning is no error: the configuration is
# valid, and it is served with the same words in the log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Client;
use Sniport::Daemon;
use Sniport::Test qw(certificate run slow tls_library);

my $daemon = Sniport::Daemon->new;
my $own = $daemon->port;

# What is warned of, but for what comes from running the test as root and from
# its limit on files; each without its file, and with its line where `lines`.
sub warnings_of {
	my (%option) = @_;

	$daemon->configure(rules => '', egress => '', top => 'workers = 1;',
		%option);
	my ($status, $text) = $daemon->once('-t');
	my $file = quotemeta $daemon->dir . '/sniport.conf';
	my @warnings = map { s/^$file:(\d+): //r }
	    grep { !/\b(?:user|limits\.tunnels): / }
	    $text =~ /^sniport: warning: (.*)$/mg;
	return ($status, @warnings);
}

# One test: that, and nothing else, is warned of.
sub warns_ok {
	my ($title, $option, @want) = @_;
	my ($status, @got) = warnings_of(%$option);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply([ $status, @got ], [ 0, @want ], $title);
	return;
}

# Rules with the name r1, r2, ...: each is an action and what else it has,
# with destinations of their own where there are none.
sub rules {
	my $n = 0;

	return (rules => join ",\n", map {
		my ($action, $more) = /^(\w+) ?(.*)$/s;
		$n++;
		$more = qq(destinations = [ "d$n.test:1" ]; $more)
		    if $more !~ /destinations/;
		qq({ name = "r$n"; action = "$action"; $more });
	} @_);
}

sub to { return 'destinations = [ ' . join(', ', map { qq("$_") } @_) . ' ];'; }
sub from { return 'clients = [ ' . join(', ', map { qq("$_") } @_) . ' ];'; }
sub never {
	my ($rule, $by) = @_;

	return qq(rules: "$rule" never decides: ) . ($by ? qq(rule "$by" ) .
		'above takes all that it names' :
		'the rules above take all that it names');
}

# No rules.
my %allow = rules('allow');
warns_ok('a rule', \%allow);
warns_ok('no rules', {}, 'there are no rules: every target is denied');
warns_ok('no rules: report', { top => 'default_action = "report";' },
	'default_action: there are no rules: every target is let through and ' .
	'reported');
warns_ok('rules: report', { top => 'default_action = "report";', %allow });

# The warning is true.
for (['deny', 'deny', 'no_rule'], ['report', 'report', 'dns_failed']) {
	my ($default, $decision, $reason) = @$_;
	$daemon->reload(top => qq(workers = 1; default_action = "$default";),
		rules => '');
	my $client = Sniport::Client->new(port => $own, name => 'a.test:1');
	$client->wait_end;
	my $line = $daemon->wait_audit;
	is_deeply([ @$line{qw(decision reason)} ], [ $decision, $reason ],
		"no rules: $default: that is so");
}
like($daemon->log, qr/ warning .*default_action: there are no rules: every /,
	'the log has it');

# Rules that never decide, and some that do.
my $all = 'deny ' . to('*:*');
for (
	[ 'all names', [ $all, 'allow ' . to('a.test:1') ], never('r2', 'r1') ],
	[ 'all names, for some clients',
	    [ "$all " . from('10.0.0.0/8'), 'allow ' . to('a.test:1') ] ],
	[ 'all names, for those clients', [ "$all " . from('10.0.0.0/8'),
	    'allow ' . to('a.test:1') . from('10.1.0.0/16', '10.2.0.1') ],
	    never('r2', 'r1') ],
	[ 'one of two clients', [ "$all " . from('10.0.0.0/8'),
	    'allow ' . to('a.test:1') . from('10.1.0.0/16', '11.0.0.1') ] ],
	[ 'one of two names', [ 'deny ' . to('*.test:*'),
	    'allow ' . to('a.test:1', 'a.example:1') ] ],
	[ 'two rules for two names', [ 'deny ' . to('*.test:*'),
	    'allow ' . to('*.example:1-9'),
	    'allow ' . to('a.test:1', 'a.example:9') ], never('r3') ],
	[ 'a port more', [ 'deny ' . to('a.test:1-99'),
	    'allow ' . to('a.test:1-100') ] ],
	[ 'the same once more', [ 'allow ' . to('a.test:1'),
	    'allow ' . to('b.test:1'), 'allow ' . to('a.test:1') ],
	    never('r3', 'r1') ],
	[ 'addresses are no names', [ $all, 'allow ' . to('10.0.0.1:1') ] ],
	[ 'a block', [ 'deny ' . to('198.41.0.0/16:*'),
	    'allow ' . to('[64:ff9b::198.41.0.4]:443') ], never('r2', 'r1') ],
	[ 'report takes, too', [ 'report ' . to('*:*'),
	    'deny ' . to('a.test:1') ], never('r2', 'r1') ],
	[ 'many', [ $all, map { 'allow ' . to("n$_.test:1") } 2 .. 14 ],
	    (map { never("r$_", 'r1') } 2 .. 11),
	    'rules: 3 more never decide, since rules above take all that ' .
	    'they name' ],
) {
	my ($title, $rules, @want) = @$_;
	warns_ok("a rule that never decides: $title", { rules(@$rules) }, @want);
}
# The number of the line of the configuration that has the text.
sub line_with {
	my ($text) = @_;
	my $before = (split /\Q$text\E/, $daemon->slurp('sniport.conf'), 2)[0];

	return 1 + ($before =~ tr/\n//);
}

$daemon->configure(rules('allow', $all, 'allow ' . to('x.test:1')));
my $third = line_with('"r3"');
like(($daemon->once('-t'))[1],
	qr/^sniport: warning: \S+\/sniport\.conf:$third: rules: "r3" never /m,
	'its line is told');

# Networks.
sub opens_nothing {
	my ($rule, $network) = @_;

	return qq(rules: "$rule": networks: $network opens nothing: the network ) .
	    'guard permits all of it without being told';
}
for (
	[ 'private', '10.0.0.0/8' ], [ 'all', '0.0.0.0/0' ],
	[ 'loopback', '127.0.0.1' ], [ 'NAT64 of all', '64:ff9b::/96' ],
	[ 'a public one', '8.8.8.0/24', '8.8.8.0/24' ],
	[ 'a public one, IPv6', '2606:4700::/32', '2606:4700::/32' ],
	[ 'a public one in NAT64', '64:ff9b::808:0/112', '64:ff9b::808:0/112' ],
) {
	my ($title, $network, $nothing) = @$_;
	warns_ok("networks: $title", { rules("allow networks = [ \"$network\" ];") },
		$nothing ? opens_nothing('r1', $nothing) : ());
}
warns_ok('networks: one of two', { rules(
	'allow networks = [ "10.0.0.0/8", "9.9.9.9" ];',
	'allow networks = [ "10.0.0.0/8" ];') },
	opens_nothing('r1', '9.9.9.9/32'));

# connect_to.
warns_ok('connect_to', { rules('allow connect_to = "127.0.0.1:1";') });
warns_ok('connect_to sniport itself', { rules(
	qq(allow connect_to = "127.0.0.1:$own";)) },
	"rules: \"r1\": connect_to: 127.0.0.1:$own is an address of this host " .
	'with a port that sniport listens on: every tunnel fails');
my $line = 'source = [ "127.0.0.1" ];';
warns_ok('connect_to by a line', { egress => qq({ name = "a"; $line }),
	rules('allow egress = "a"; connect_to = "127.0.0.1:1";') });
warns_ok('connect_to by a line without its family',
	{ egress => qq({ name = "a"; $line }),
	    rules('allow egress = "a"; connect_to = "[::1]:1";') },
	'rules: "r1": connect_to: egress line "a" has no source address to ' .
	'reach [::1]:1 from: every tunnel fails');
{
	my ($status, $text) = do {
		$daemon->configure(rules('allow networks = [ "10.0.0.0/8" ];
			connect_to = "127.0.0.1:1";'), egress => '');
		$daemon->once('-t');
	};
	is($status, 1, 'connect_to with networks: an error');
	my $at = line_with('networks =');
	like($text, qr/:$at: rules\.networks: means nothing beside connect_to, /,
		'with its line');
}

# Egress lines.
warns_ok('egress lines that no rule names', { egress => join(', ',
	map { qq({ name = "$_"; $line }) } qw(a b c)),
	rules('allow egress = "b";') },
	map { qq(egress.name: no rule names the line "$_": nothing leaves by it) }
	qw(a c));
warns_ok('egress lines that rules name', { egress => join(', ',
	map { qq({ name = "$_"; $line }) } qw(a b)),
	rules('allow egress = "b";', 'report egress = "a";') });

my $bare = 'the line "a" changes nothing: it has neither source, device, ' .
    'mark nor proxy_protocol';
my %by_a = rules('allow egress = "a";');
warns_ok('an egress line with a name and nothing else',
	{ egress => '{ name = "a"; }', %by_a }, "egress.name: $bare");
warns_ok('an egress line with a PROXY header alone',
	{ egress => '{ name = "a"; proxy_protocol = 2; }', %by_a });
sub unreachable {
	my ($family) = @_;

	return qq(rules: "r1": egress line "a" has no $family source address, and ) .
	    'dns.family is "' . lc($family) . '": every tunnel to a name fails';
}
for (
	[ 'ipv4', '::1', '', unreachable('IPv4') ],
	[ 'ipv6', '127.0.0.1', '', unreachable('IPv6') ],
	[ 'ipv4', '127.0.0.1', '' ], [ 'ipv6', '::1', '' ],
	[ 'prefer-ipv4', '::1', '' ],
	[ 'ipv4', '::1', to('[2606:4700::1]:1') ],
	[ 'ipv4', '::1', 'connect_to = "[::1]:1";' ],
) {
	my ($family, $source, $more, @want) = @$_;
	warns_ok("an egress line from $source, dns.family $family $more",
		{ dns => qq(family = "$family";), egress =>
		    qq({ name = "a"; source = [ "$source" ]; }),
		    rules(qq(allow egress = "a"; $more)) }, @want);
}

# Words for everybody that are DNS names.
for ('all', 'any') {
	warns_ok("clients: $_", { tls => "client_auth = \"optional\"; client_ca = \"" .
		$daemon->dir . '/tls.pem";', rules('allow ' . from($_)) },
	    qq(rules: "r1": clients: "$_" is a DNS name that a client's certificate ) .
	    'must have; for every client, leave clients out');
}
$daemon->configure(tls => '', dns => '', egress => '');

# Name servers that cannot be asked.
my $interface = 'this host does not have this interface: while that is so, it ' .
    'cannot be asked';
for (
	[ '127.0.0.1' ], [ '::1' ], [ 'fe80::1%lo' ],
	[ 'fe80::1%nope', $interface ], [ 'fe80::1%0', $interface ],
	[ '224.0.0.251', 'a multicast address cannot be asked' ],
	[ 'ff05::2', 'a multicast address cannot be asked' ],
	[ '255.255.255.255', 'a broadcast address cannot be asked' ],
	[ '127.255.255.255', 'a broadcast address cannot be asked' ],
    ) {
	my ($server, $fault) = @$_;
	warns_ok("name server $server", { rules('allow'),
	    dns => qq(servers = [ "$server" ];) },
	    $fault ? "dns.servers: $server: $fault" : ());
}
$daemon->configure(dns => '');

# Settings that do nothing because of another one.
my $no_cache = 'means nothing where dns.cache_size is 0';
for (
	[ 'a cache', { dns => 'stale = "1m"; min_ttl = "2s";' } ],
	[ 'no cache', { dns => 'cache_size = 0;' } ],
	[ 'no cache, but times', { dns => 'cache_size = 0; stale = "1m";
	    min_ttl = "2s"; max_ttl = "1h"; negative_ttl = "1s";' },
	    map { "dns.$_: $no_cache" } qw(min_ttl negative_ttl stale) ],
	[ 'limits', { limits => 'tunnels = 10; tunnels_per_client = 10;',
	    rules('allow max_tunnels = 10;') } ],
	[ 'a limit of a client', { limits => 'tunnels = 10;
	    tunnels_per_client = 11;' }, 'limits.tunnels_per_client: means ' .
	    'nothing where limits.tunnels is 10' ],
	[ 'a limit of a rule', { limits => 'tunnels = 10;',
	    rules('allow max_tunnels = 11;') }, 'rules: "r1": max_tunnels ' .
	    'means nothing where limits.tunnels is 10' ],
	[ 'a half-close', { timeouts => 'half_close = "2m"; idle = "2m";' } ],
	[ 'a half-close with a shorter idle', { timeouts =>
	    'half_close = "2m"; idle = "119s";' },
	    'timeouts.half_close: means nothing where timeouts.idle is shorter' ],
	[ 'a half-close without a limit on idle', { timeouts =>
	    'half_close = "2m"; idle = "0";' } ],
	[ 'a half-close that one rule needs', { timeouts =>
	    'half_close = "2m"; idle = "1m";',
	    rules('allow idle_timeout = "1h";') } ],
	[ 'a half-close that no rule needs', { timeouts =>
	    'half_close = "2m"; idle = "1m";',
	    rules('allow idle_timeout = "30s";') },
	    'timeouts.half_close: means nothing where timeouts.idle is shorter' ],
	[ 'authentication', { tls => 'authentication_lifetime = "1h";' },
	    'tls.authentication_lifetime: means nothing where ' .
	    'tls.client_auth is "none"' ],
	[ 'authentication, as always', { tls =>
	    'authentication_lifetime = "12h";' } ],
) {
	my ($title, $option, @want) = @$_;
	warns_ok("nothing is done: $title", { limits => '', dns => '',
		tls => '', timeouts => '', %allow, %$option }, @want);
}
$daemon->configure(limits => '', dns => '', tls => '', timeouts => '');

# Ciphers of TLS 1.2.
my $dir = $daemon->dir;
certificate($dir, 'rsa', key => 'rsa');
my %certificates = (ec => ['tls'], rsa => ['rsa'], both => [ 'tls', 'rsa' ]);

sub tls {
	my ($certificates, $more) = @_;

	return (tls => 'certificates = ( ' . join(', ', map {
		qq({ chain = "$dir/$_.pem"; key = "$dir/$_.key"; })
	} @{ $certificates{$certificates} }) . " ); $more", %allow);
}

my ($EC, $RSA) = map { "ECDHE-$_-AES128-GCM-SHA256" } qw(ECDSA RSA);
my $NONE = 'tls.ciphers: none of them can be used with the certificates ' .
    'that there are: clients that do not speak TLS 1.3 are refused';
my $CANNOT = 'cannot be used with the certificates that there are';
sub nothing_for {
	return qq(tls.ciphers: "$_[0]" stands for no cipher of TLS 1.2 that ) .
	    tls_library() . ' has: it is passed over';
}
my $NEVER = 'would not protect anybody and %s never used; add ' .
    '":!eNULL:!aNULL"';
# AWS-LC has none of these kinds, and knows no levels; what it would not heed, a
# client's wish, it says.
my $AWSLC = tls_library() eq 'AWS-LC';
my @WISH = $AWSLC ? 'tls.ciphers: AWS-LC goes by the order of the list, also ' .
    'for a client that would rather have ChaCha20' : ();
for (
	[ 'ec', $EC ], [ 'rsa', $RSA ], [ 'both', "$EC:$RSA" ],
	[ 'ec', "ECDHE-ECDSA-CHACHA20-POLY1305:$EC", @WISH ],
	[ 'ec', 'ECDHE+AESGCM' ], [ 'rsa', 'HIGH:!aNULL' ],
	[ 'ec', $RSA, $NONE ], [ 'rsa', $EC, $NONE ], [ 'ec', 'kRSA:!eNULL', $NONE ],
	[ 'ec', 'PSK:!eNULL', $NONE ],
	$AWSLC ? () : [ 'rsa', 'DHE-RSA-AES128-GCM-SHA256', $NONE ],
	[ 'ec', "$EC:$RSA", "tls.ciphers: $RSA $CANNOT" ],
	[ 'ec', "$RSA,$EC AES128-GCM-SHA256",
	    "tls.ciphers: $RSA and 1 more $CANNOT" ],
	[ 'ec', "$EC:ECDHE-ECDSA-AES256-GCM-SHA383", nothing_for(
	    'ECDHE-ECDSA-AES256-GCM-SHA383') ],
	[ 'ec', "HIGHT,!aNUL $EC:!RC4:!MD5:ECDHE+AESGMC:-EXP:" .
	    ($AWSLC ? '' : '@SECLEVEL=1:') . '+SHA:' .
	    'TLS_AES_128_GCM_SHA256', map { nothing_for($_) }
	    # AWS-LC takes any word that begins so.
	    ($AWSLC ? () : 'HIGHT'), '!aNUL',
	    'ECDHE+AESGMC', 'TLS_AES_128_GCM_SHA256' ],
	[ 'ec', "ECDHE+AESGCM:DEFAULT:!eNULL:!aNULL:!DES:\@STRENGTH" ],
	[ 'ec', "$EC:NULL-SHA256", $AWSLC ? nothing_for('NULL-SHA256')
	    : 'tls.ciphers: NULL-SHA256 ' . sprintf $NEVER, 'is' ],
) {
	my ($certificates, $ciphers, @want) = @$_;
	warns_ok("tls.ciphers: $certificates: $ciphers",
		{ tls($certificates, qq(ciphers = "$ciphers";)) }, @want);
}
warns_ok('tls.ciphers: TLS 1.3 alone', { tls('ec',
	qq(min_version = "1.3"; ciphers = "$EC";)) },
	'tls.ciphers: means nothing where tls.min_version is "1.3"');
warns_ok('tls.min_version without ciphers', { tls('ec',
	'min_version = "1.3";') });
for (
	[ 'eNULL', qr/\S*NULL\S* does not encrypt/ ],
	[ "$EC:eNULL", qr/\S*NULL\S* does not encrypt/ ],
	[ 'aNULL', qr/\S+ does not show who the server is/ ],
) {
	my ($ciphers, $says) = @$_;
	$daemon->configure(tls('ec', qq(ciphers = "$ciphers:\@SECLEVEL=0";)));
	my ($status, $text) = $daemon->once('-t');
	is($status, 1, "tls.ciphers: $ciphers: an error");
	like($text, $AWSLC
		? qr/^sniport: \S+:\d+: tls\.ciphers: .*: invalid command$/m
		: qr/^sniport: \S+:\d+: tls\.ciphers: $says; add ":!eNULL:!aNULL"$/m,
		'that says why');
}
warns_ok('a ClientHello that the library refuses', { tls('ec', ''),
	limits => 'client_hello = "32KiB";' }, $AWSLC ? 'limits.client_hello: ' .
	'AWS-LC refuses a ClientHello of more than 16384 bytes here' : ());
for (
	# Which OpenSSL has.
	$AWSLC ? [ 'X25519:X448', '"X448" is not a group that AWS-LC knows' ] : (),
	[ 'X25519:P-265', '"P-265" is not a group that ' . tls_library() . ' knows' ],
	[ 'prime256v2', '"prime256v2" is not a group that ' . tls_library() . ' knows' ],
) {
	my ($groups, $says) = @$_;
	$daemon->configure(tls('ec', qq(groups = "$groups";)));
	my ($status, $text) = $daemon->once('-t');
	is($status, 1, "tls.groups: $groups: an error");
	like($text, qr/^sniport: \S+:\d+: tls\.groups: \Q$says\E$/m,
		'that names the group');
}
# What is printed brings no warnings of its own.
$daemon->configure(tls('ec', 'min_version = "1.3";'));
$daemon->write('sniport.conf', ($daemon->once('-T'))[1] =~ s/^sniport: .*\n//mgr);
unlike(($daemon->once('-t'))[1], qr/ciphers/, 'nothing is said of what -T prints');

# It is true: one cipher of each kind, alone.
my %kind;
for ((run(qw(openssl ciphers -v), 'ALL:eNULL:@SECLEVEL=0'))[1] =~ /^(.+)$/mg) {
	my ($name, $version, @rest) = split;
	my $enc = $rest[2] =~ /None/ ? 'plain' : 'encrypted';
	$kind{"@rest[0, 1] $enc"} //= $name unless $version eq 'TLSv1.3';
}
cmp_ok(scalar(keys %kind), '>', 10, 'ciphers of many kinds');
for my $certificates (slow() ? 'both' : sort keys %certificates) {
	my (%told, %done);
	for my $cipher (map { $kind{$_} } sort keys %kind) {
		my ($status, @got) = warnings_of(tls($certificates,
			qq(ciphers = "$cipher";)));
		# The library has not even heard of it.
		next if $status && $AWSLC;
		$told{$cipher} = grep({ $_ eq $NONE } @got) ? 0 : 1;
		$daemon->reload;
		my $client = Sniport::Client->new(port => $own, version => '1.2',
			name => 'd1.test:1', ciphers => "$cipher:\@SECLEVEL=0");
		$done{$cipher} = $client->established ? 1 : 0;
	}
	is_deeply(\%told, \%done,
		"tls.ciphers: $certificates: what -t says is what clients find");
	ok(scalar(grep { $_ } values %done), 'some can be used');
}

$daemon->stop_ok;
done_testing;
