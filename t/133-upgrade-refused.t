#!/usr/bin/perl
# A program that cannot take over changes nothing: one that is not there, does
# not run, refuses the configuration, knows no upgrade, or has other layouts.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Daemon;
use Sniport::Test qw(poll run slurp sniport temporary under_valgrind
	write_file);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: valgrind is the program then' if under_valgrind();

my $upstream = Sniport::Upstream->new('echo');
my $dir = temporary();
my $program = "$dir/sniport";

sub install {
	my ($text) = @_;

	unlink $program;
	write_file($program, $text);
	chmod 0755, $program or die $!;
	return;
}

my $bytes = slurp(sniport());
install($bytes);
my $daemon = Sniport::Daemon->new(program => $program,
	top => 'workers = 2;', hosts => "127.0.0.1 peer.test\n",
	log => 'level = "info";');
my @workers = $daemon->workers;
my $tunnel = tunnel_open($daemon, $upstream);
my $failures = 0;

# An upgrade to what lies there now fails, with that in the log, and all is as
# it was.
sub refused_ok {
	my ($title, $why) = @_;

	$failures++;
	$daemon->signal('USR2');
	subtest $title => sub {
		ok(poll(sub { $failures == (() = $daemon->log =~
			/upgrade: failed: .* goes on$/mg) }), 'it fails');
		my ($said) = $daemon->log =~
		    /.*upgrade: trying [^\n]*\n(.*upgrade: failed: [^\n]*)\n/s;
		like($said, $why, 'and says why');
		is_deeply([ $daemon->workers ], \@workers,
			'the workers are the same');
		ok(works($tunnel), 'a tunnel goes on');
		my $client = tunnel_open($daemon, $upstream);
		ok(works($client) && finish($client), 'another one comes');
	};
	return;
}

unlink $program;
refused_ok('there is none', qr/\Q$program\E: No such file or directory/);

install("\x7fELF" . "\0" x 200);
refused_ok('it is not a program', qr/it cannot be run: Exec format error/);

install($bytes);
chmod 0644, $program;
refused_ok('it may not be run', qr/it cannot be run: Permission denied/);

copy('/bin/false', $program) or die $!;
chmod 0755, $program;
refused_ok('it is another one', qr/cannot take over: exit status 1/);

install($bytes);
$daemon->configure(rules => '{ name = "broken"; action = "perhaps"; }');
refused_ok('it refuses the configuration', qr/rules\.action: .*cannot take over: exit status 1/s);
$daemon->configure(rules => '{ name = "test"; action = "allow";
	destinations = [ "*:*" ]; networks = [ "127.0.0.0/8" ]; }');

# One of the names by which layouts are compared.
my %layout = (
	'shared-memory' => 'shared memory has',
	'messages' => 'messages to workers have',
	'tunnels' => 'tables of tunnels have',
	'ticket-keys' => 'keys of tickets have',
	'log-process' => 'log processes have',
	'reports' => 'reports of loads have',
	'scribe' => 'scribes have',
);
for my $name (sort keys %layout) {
	my $other = $bytes;
	my $n = $other =~ s/\0layout \K\Q$name\E(?=\0)/ucfirst $name/e;
	SKIP: {
		skip "SKIPPED LOUDLY: the layout $name is not in the program", 1
		    if !$n;
		install($other);
		refused_ok("another layout: $name",
			qr/cannot take over: its $layout{$name} another layout/);
	}
}

# One of another version, which does not know the option.
(my $old = $bytes) =~ s/--take-over\0/--take-0ver\0/;
install($old);
refused_ok('it knows no upgrade', qr/unknown option --take-over.*exit status 2/s);

subtest 'after all that it can be done' => sub {
	install($bytes);
	like($daemon->upgrade, qr/^Serving: 2 workers.*generation 2$/,
		'an upgrade');
	ok(works($tunnel) && finish($tunnel), 'the tunnel goes on');
};

subtest 'a stop ends a trial' => sub {
	my $tried = () = $daemon->log =~ /upgrade: trying /g;
	$daemon->signal('USR2');
	ok(poll(sub { $tried < (() = $daemon->log =~ /upgrade: trying /g) }),
		'one begins');
	$daemon->stop_ok;
	my ($end) = $daemon->log =~ /.*has taken over[^\n]*\n(.*)/s;
	unlike($end, qr/cannot take over/, 'and nothing false is said');
};
done_testing;
