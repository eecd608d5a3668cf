#!/usr/bin/perl
# A strict list is introduced without an outage: what would be denied passes,
# and is told. And sniport -q says beforehand what the daemon will do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Sniport::Alone qw(alone);
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Dialled qw(dial ended_ok line_of);
use Sniport::Network;
use Sniport::Test qw(temporary under_valgrind);
use Sniport::Tunnel qw(finish works);
use Sniport::Upstream;

my $FAR = '1.2.3.4';
my $OPEN = 'networks = [ "127.0.0.0/8" ];';
my $upstream = Sniport::Upstream->new('echo');
my $port = $upstream->port;
my $daemon;

sub rule {
	my ($name, $action, $target, $more) = @_;

	return qq({ name = "$name"; action = "$action";
		destinations = [ "$target" ]; @{[ $more // '' ]} });
}

# Denials before and behind what is reported.
sub rules {
	my ($action) = @_;

	return join ', ', rule('early', 'allow', "first.test:$port", $OPEN),
	    rule('never', 'deny', "never.test:$port"),
	    rule('watch', $action, "*.test:$port",
		$action eq 'deny' ? '' : $OPEN),
	    rule('late', 'deny', "late.test:$port"),
	    rule('closed', 'report', "closed.example:$port"),
	    rule('one', 'report', "one.example:$port",
		"$OPEN max_tunnels = 1;");
}

# One test: the handshake is refused, and the line says by what.
sub refused_ok {
	my ($name, $title, %want) = @_;
	my $client = Sniport::Client->new(port => $daemon->port,
		name => "$name:$port");
	my $line = line_of($daemon, $client) // {};

	%want = (decision => 'deny', would_deny => undef, tried => undef,
		upstream => undef, %want);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_deeply({ end => $client->ended, map { $_ => $line->{$_} }
		keys %want }, { end => 'alert access_denied', %want }, $title)
	    or diag(explain($line));
	return;
}

# A reload that fails would leave all as it was.
sub reload {
	my $status = $daemon->reload(@_);

	die "$status\n" . $daemon->log if $status =~ /fail|error/i;
	return;
}

sub names {
	return join '', map { "127.0.0.1 $_\n" } @_;
}

$daemon = Sniport::Daemon->new(rules => rules('report'),
	hosts => names(qw(first.test never.test a.test late.test
		closed.example one.example nobody.example)) .
	    "$FAR far.example\n");

# A rule.
my @reported = (decision => 'report', would_deny => 'rule_deny');
my @done = (reason => 'done', upstream => "127.0.0.1:$port");
ended_ok($daemon, "a.test:$port", 'reported', @reported, @done,
	rule => 'watch');
ended_ok($daemon, "first.test:$port", 'allowed before', @done,
	rule => 'early', would_deny => undef);
refused_ok('never.test', 'denied before', rule => 'never',
	reason => 'rule_deny');
ended_ok($daemon, "late.test:$port", 'denied behind: the first rule decides',
	@reported, @done, rule => 'watch');
ended_ok($daemon, "closed.example:$port", 'the guard holds for it',
	@reported, reason => 'guard', rule => 'closed',
	tried => ["127.0.0.1:$port guard"]);
my $one = dial($daemon, "one.example:$port");
ok(works($one), 'as many as the rule lets have');
refused_ok('one.example', 'its limit holds', @reported, rule => 'one',
	reason => 'limit_rule');
ok(finish($one), 'it goes on');
refused_ok('nobody.example', 'no rule', rule => undef, reason => 'no_rule');

# From report to deny: the same is refused, and what is there goes on.
my $old = dial($daemon, "a.test:$port");
ok(works($old), 'open before the list is strict');
reload(rules => rules('deny'));
refused_ok('a.test', 'denied from now on', rule => 'watch',
	reason => 'rule_deny');
ended_ok($daemon, "first.test:$port", 'what is allowed goes on', @done,
	rule => 'early', would_deny => undef);
ok(works($old) && finish($old), 'what is there goes on');
is(line_of($daemon, $old)->{decision}, 'report', 'and is told as it was');

# No rule.
my @no_rule = (decision => 'report', would_deny => 'no_rule', rule => undef);
reload(top => "workers = 1;\ndefault_action = \"report\";");
ended_ok($daemon, "nobody.example:$port",
	'no rule: the guard holds', @no_rule, reason => 'guard',
	tried => ["127.0.0.1:$port guard"]);
refused_ok('a.test', 'a rule denies as before', rule => 'watch',
	reason => 'rule_deny');
SKIP: {
	my $why = Sniport::Network::impossible();
	skip "SKIPPED LOUDLY: no address that the guard lets pass: $why", 6
	    if $why;
	my $there = Sniport::Network->new;
	Sniport::Network->here->line('out0', $there, 'up');
	for ([ Sniport::Network->here, 'out0', 1 ], [ $there, 'up', 2 ]) {
		my ($network, $device, $n) = @$_;
		$network->ip("address add 10.66.0.$n/24 dev $device");
	}
	$there->ip("address add $FAR/32 dev up");
	Sniport::Network->here->ip("route add $FAR/32 dev out0");
	my $far = $there->within(sub { Sniport::Upstream->new('echo', undef,
		host => $FAR, port => $port) });
	my @far = (reason => 'done', upstream => "$FAR:$port");

	ended_ok($daemon, "far.example:$port", 'no rule: passes', @no_rule,
		@far);
	is($far->report->{peer} =~ s/:.*//r, '10.66.0.1',
		'the far side has seen it');
	ended_ok($daemon, "$FAR:$port", 'no rule: passes, an address',
		@no_rule, @far);
	$far->report;
	reload(top => 'workers = 1;');
	refused_ok('far.example', 'denied from now on', rule => undef,
		reason => 'no_rule');
	refused_ok($FAR, 'denied from now on, an address', rule => undef,
		reason => 'no_rule');
	ok($far->quiet, 'the far side has seen nothing of it');
}
$daemon->stop_ok;

# What is asked beforehand. Both answers for each target and client.
my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my $BILLING = 'spiffe://cluster.local/ns/billing/sa/web';
my $OTHER = 'spiffe://cluster.local/ns/other/sa/web';
my %key = (
	$BILLING => [ $mesh->issue('web', "URI:$BILLING") ],
	$OTHER => [ $mesh->issue('other', "URI:$OTHER") ],
	'client.example.com' => [ $mesh->issue('dns',
		'DNS:client.example.com') ],
);
my @targets = map { "$_:$port" } qw(id.test mixed.test watch.test first.test
	nobody.example 127.0.0.1 [::1] 10.0.0.1 fixed.example fixed-open.example);
my @clients = ([ '127.0.0.2' ], [ '127.0.0.3' ], [ '127.0.0.4' ],
	map { [ '127.0.0.2', $_ ] } sort keys %key);
push @clients, [ '127.0.0.3', $BILLING ], [ '127.0.0.4', $OTHER ];
@clients = @clients[0, 1, 3] if under_valgrind();

my $rules = join ', ',
    rule('early', 'allow', "first.test:$port", $OPEN),
    rule('id-report', 'report', "id.test:$port", "$OPEN clients =
	[ \"spiffe://cluster.local/ns/billing/*\" ];"),
    rule('net-deny', 'deny', "*.test:$port", 'clients = [ "127.0.0.3" ];'),
    rule('id-deny', 'deny', "watch.test:$port",
	"clients = [ \"$OTHER\" ];"),
    rule('mixed', 'allow', "mixed.test:$port",
	"$OPEN clients = [ \"127.0.0.4/32\", \"client.example.com\" ];"),
    rule('watch', 'report', "watch.test:$port", $OPEN),
    rule('block', 'report', "127.0.0.0/8:$port", $OPEN),
    rule('shut', 'allow', "[::1]:$port"),
    rule('fixed', 'report', "fixed.example:$port",
	"connect_to = \"127.0.0.1:$port\";"),
    rule('fixed-open', 'report', "fixed-open.example:$port",
	"connect_to = \"127.0.0.1:$port\"; max_tunnels = 9;");
my $optional = 'client_auth = "optional"; client_ca = "' . $mesh->file . '";';

# sniport -q: its status and what it says, once for the configuration.
sub query {
	my ($target, @more) = @_;

	return $daemon->once('-q', $target, @more);
}

sub said {
	my ($target, @client) = @_;
	my ($status, $text) = query($target, map { ('-s', $_) } @client);
	my %said = (status => $status, text => $text);

	($said{decision}) = $text =~ /^\Q$target\E: (allow \(report\)|allow|deny)/m;
	($said{rule}) = $text =~ /^\Q$target\E: .*rule "(.*)"$/m;
	$said{guard} = $text =~ /^guard: .* is refused/m ? 1 : 0;
	return \%said;
}

# The same of the daemon. All names are in the hosts file.
sub done {
	my ($target, $address, $identity) = @_;
	my @key = $identity ? (certificate => $key{$identity}[0],
		key => $key{$identity}[1]) : ();
	my $client = Sniport::Client->new(port => $daemon->port,
		name => $target, source => $address, @key);
	finish($client) if works($client);
	# A port may be one that another address of ours had before.
	my $local = $client->local_port;
	my $line = $daemon->wait_audit(sub { $_->{client_port} == $local });
	my %decision = (report => 'allow (report)');
	my $decision = $line->{decision} // '';
	my $refused = $line->{reason} eq 'guard';

	return { status => $decision eq 'deny' || $refused ? 1 : 0,
		decision => $decision{$decision} // $decision,
		rule => $line->{rule}, guard => $refused ? 1 : 0 };
}

$daemon = Sniport::Daemon->new(rules => $rules, tls => $optional,
	hosts => names(qw(id.test mixed.test watch.test first.test
		nobody.example)));
my %seen;
for my $default ('deny', 'report') {
	reload(top => "workers = 1;\ndefault_action = \"$default\";")
	    if $default ne 'deny';
	for my $target (@targets) {
		my (%said, %done);
		for my $client (@clients) {
			my $said = said($target, @$client);
			delete $said->{text};
			$said{"@$client"} = $said;
			$done{"@$client"} = done($target, @$client);
			$seen{ $said->{decision} // '' }++;
		}
		is_deeply(\%said, \%done, "default $default: $target: " .
			'what -q says is what is done');
	}
}
is_deeply([ sort keys %seen ], [ 'allow', 'allow (report)', 'deny' ],
	'all decisions were among them');

# The text, and what it does not know. The default action is "report" here.
my $UNKNOWN = 'the client\'s address is unknown: rule "net-deny", for clients ' .
    "with certain addresses, is passed over; give one with -s\n";
sub identity_hint {
	my ($rule) = @_;

	return "rule \"$rule\" is for clients with an identity; give one " .
	    "with -s\n";
}
my $PERMITTED = "guard: 127.0.0.1:$port may be dialled\n";
my $LOOPBACK = "guard: 127.0.0.1:$port is refused: Loopback\n";
sub reported {
	my ($target, $why) = @_;

	return "$target:$port: allow (report): would be denied: $why\n";
}
for (
	[ 'a report rule', 'watch.test', [], 0, $UNKNOWN .
	    identity_hint('id-deny') . reported('watch.test', 'rule "watch"') .
	    $PERMITTED ],
	[ 'an identity that is reported', 'id.test', [$BILLING], 0,
	    reported('id.test', 'rule "id-report"') . $PERMITTED ],
	[ 'an identity that is denied', 'watch.test', [$OTHER], 1, $UNKNOWN .
	    "watch.test:$port: deny by rule \"id-deny\"\n" ],
	[ 'an address that is denied', 'mixed.test', ['127.0.0.3'], 1,
	    "mixed.test:$port: deny by rule \"net-deny\"\n" ],
	[ 'an address that is allowed', 'mixed.test', ['127.0.0.4'], 0,
	    "mixed.test:$port: allow by rule \"mixed\"\n$PERMITTED" ],
	[ 'a DNS name', 'mixed.test', ['127.0.0.2', 'CLIENT.example.com'], 0,
	    "mixed.test:$port: allow by rule \"mixed\"\n$PERMITTED" ],
	[ 'the default action', 'nobody.example', ['127.0.0.2'], 1,
	    reported('nobody.example', 'no rule allows this target to this client') . $LOOPBACK ],
	[ 'the default action and the guard', '10.0.0.1', ['127.0.0.2'], 1,
	    reported('10.0.0.1', 'no rule allows this target to this client') . "guard: 10.0.0.1:$port " .
	    "is refused: Private-Use\n" ],
	[ 'the default action and a public address', $FAR, ['127.0.0.2'], 0,
	    reported($FAR, 'no rule allows this target to this client') .
	    "guard: $FAR:$port may be dialled\n" ],
	[ 'an explanation', 'mixed.test', ['127.0.0.2', $OTHER, '--explain'], 1,
	    "rule \"early\": no match: no destination has the name\n" .
	    "rule \"id-report\": no match: no destination has the name\n" .
	    "rule \"net-deny\": no match: the client's address is not in " .
	    "clients\n" .
	    "rule \"id-deny\": no match: no destination has the name\n" .
	    "rule \"mixed\": no match: neither the client's address nor any " .
	    "of its identities is in clients\n" .
	    "rule \"watch\": no match: no destination has the name\n" .
	    "rule \"block\": no match: no destination has the name\n" .
	    join('', map { "rule \"$_\": no match: no destination has the " .
	    "name\n" } 'shut', 'fixed', 'fixed-open') .
	    reported('mixed.test', 'no rule allows this target to this client') . $LOOPBACK ],
	[ 'an explanation for an identity', 'id.test',
	    ['127.0.0.3', $BILLING, '--explain'], 0,
	    "rule \"early\": no match: no destination has the name\n" .
	    "rule \"id-report\": matches\n" .
	    reported('id.test', 'rule "id-report"') . $PERMITTED ],
	[ 'two addresses', 'id.test', ['127.0.0.3', '127.0.0.4'], 2,
	    "sniport: -s 127.0.0.4: a client has only one address\n" ],
	[ 'no client', 'id.test', ['a b'], 2, "sniport: -s a b: neither an " .
	    "IP address nor an identity (SPIFFE id or DNS name)\n" ],
) {
	my ($title, $target, $words, $want, $text) = @$_;
	my @words = map { /^--/ ? $_ : ('-s', $_) } @$words;
	my ($status, $said) = query("$target:$port", @words);

	is($status, $want, "-q, $title: status");
	is($said, $text, "-q, $title: text");
}
is((query('id.test', '-s', '127.0.0.2'))[0], 2, '-q, no port');
$daemon->stop_ok;
done_testing;
