#!/usr/bin/perl
# sniport top: who moves most, now; on a terminal, and as lines for programs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;

use Sniport::Admin qw(ask);
use Sniport::Daemon;
use Sniport::Terminal;
use Sniport::Test qw(deadline readable run sniport);
use Sniport::Tunnel qw(finish name_of tunnel_open works);
use Sniport::Upstream;

my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 busy.test idle.test\n",
	rules => '{ name = "a\\\\b"; action = "allow"; destinations = [ "*:*" ];
		networks = [ "127.0.0.0/8" ]; }');
my @top = (sniport(), '-c', $daemon->dir . '/sniport.conf', 'top');
my ($busy, $idle) = map { tunnel_open($daemon, $upstream,
	name => name_of($upstream, $_)) } qw(busy.test idle.test);
ok(works($idle) && works($busy, 50_000), 'tunnels');

my ($status, $rows, $field) = ask($daemon, '/tunnels?format=tsv&host=busy.test');
is($status, 200, 'rows');
is($field->{'content-type'}, 'text/tab-separated-values; charset=utf-8',
	'their type');
my ($id) = $rows =~ /^(\d+-\d+-\d+)\t127\.0\.0\.1:\d+\t\tbusy\.test:\d+\ta\\x5cb\t5\d{4}\t5\d{4}\t\d+\n\z/;
ok(defined $id, 'one for each tunnel that is asked for') or diag($rows);

# What a command prints while bytes go through one of the tunnels.
sub while_busy {
	my (@command) = @_;

	open my $out, '-|', @command or die "@command: $!";
	works($busy, 10_000) while !readable($out, deadline(0.05));
	my $text = do { local $/; <$out> };
	close $out;
	return ($? >> 8, $text);
}

($status, my $text) = while_busy(@top);
is($status, 0, 'as lines');
my @lines = split /\n/, $text;
like($lines[0], qr{^2 tunnels, [\d.]+K?/s up, [\d.]+K?/s down; sorted by rate$},
	'what all of them move');
like($lines[2], qr/^ +[1-9][\d.]*K? +[1-9][\d.]*K? +[\d.]+[KM] +\d+s  \Q$id\E +127\.0\.0\.1:\d+ -> busy\.test:\d+ \(a\\x5cb\)$/,
	'the busy one is the first');
like($lines[3], qr/^ +0 +0 .* -> idle\.test/, 'and the idle one follows');

($status, $text) = while_busy(@top, '--json', 'host=busy.test');
is($status, 0, 'as JSON');
my $tunnel = decode_json($text);
is($tunnel->{tunnel}, $id, 'with a filter');
cmp_ok($tunnel->{$_}, '>', 0, $_) for qw(rate_from_client rate_from_upstream);

($status, $text) = run(@top, 'sort=colour');
is($status, 2, 'an order that is not there');
like($text, qr/sort is rate, total or age/, 'is told');
($status, $text) = run(@top, 'colour=red');
is($status, 2, 'a filter that is not there');
like($text, qr/answered 400: "colour" is not a filter/, 'is told');

my $terminal = Sniport::Terminal->new([ @top, 'sort=age' ], 24, 120);
ok($terminal->shows(qr/2 tunnels, .*sorted by age.*q quit.*busy\.test.*idle\.test/s),
	'on a terminal');
like($terminal->{text}, qr/\A\e\[\?1049h/, 'it has a screen of its own');
ok($terminal->shows(qr/\e\[H2 tunnels/), 'which is drawn again');
$terminal->type('t');
ok($terminal->shows(qr/sorted by total/), 'a key changes the order');
$terminal->resize(5, 30);
ok($terminal->shows(qr/\e\[H2 tunnels[^\r]{21}\e\[K\r\n.{0,30}\e\[K\r\n.{0,30}\e\[K\r\n[^\r]{30}\e\[K\r\n\e\[J/),
	'it follows when the terminal gets smaller');
$terminal->type('q');
is($terminal->end, 0, 'q ends it');
like($terminal->{text}, qr/\e\[\?25h\e\[\?1049l\z/, 'and the screen is as before');

$terminal = Sniport::Terminal->new(\@top, 24, 200);
ok($terminal->shows(qr/2 tunnels/), 'once more');
ok(finish($busy) && finish($idle), 'the tunnels end');
ok($terminal->shows(qr/\e\[H0 tunnels/), 'which is shown');
$daemon->stop_ok;
ok($terminal->shows(qr/control\.sock: .*is sniport running\?/),
	'that the service is gone is shown');
$terminal->type("\cC");
is($terminal->end, 0, 'an interrupt ends it');

($status, $text) = run(@top);
is($status, 2, 'a service that is not there');
like($text, qr/^sniport: \S+control\.sock: .*; is sniport running\?$/, 'is told so');

done_testing;
