#!/usr/bin/perl
# While a long configuration is read, the master goes on with all else: workers
# and the admin process are replaced, signals are taken, and a stop ends the
# reading.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Admin qw(ask pid_of);
use Sniport::Daemon;
use Sniport::Test qw(build poll slow status);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

plan skip_all => 'SKIPPED: a sanitizer comes before what is preloaded' if slow();

my $upstream = Sniport::Upstream->new('echo');
my $RULES = 5_000;
my $rules = join ",\n", '{ name = "test"; action = "allow"; destinations = [ "*:*" ];
	networks = [ "127.0.0.0/8" ]; }', map {
	qq({ name = "rule-$_"; action = "deny"; destinations = [ "host-$_.example.com:443" ]; })
} 1 .. $RULES;

# What reading is slowed down by: "1" while it looks at settings, "2" while it
# parses, "0" not at all. It lasts longer than any wait here then.
my ($file, $first);
sub slowness {
	my ($what) = @_;

	open my $out, -e $file ? '+<' : '>', $file or die "$file: $!";
	print $out $what;
	close $out;
	return;
}

# It begins with the slowness $first.
sub start {
	my (%option) = @_;

	$first = 0;
	return Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		log => 'level = "info";', before => sub {
			my ($self) = @_;
			$file = $self->dir . '/slow';
			slowness($first);
			$self->{option}{environment} = { SLOW_FILE => $file,
				LD_PRELOAD => build() . '/preload/slow.so' };
		}, %option);
}

# Begins a reload that does not end before slowness(0).
sub begin_reload {
	my ($daemon, $slowness) = @_;

	slowness($slowness);
	$daemon->signal('HUP');
	$daemon->wait_notify(qr/^RELOADING=1$/m) // die 'no reload';
	return;
}

# How often has a reload been done?
sub reloads {
	my ($daemon) = @_;

	return scalar(() = $daemon->log =~ / reload: done in /g);
}

for ([ 1, 'looked at' ], [ 2, 'parsed' ]) {
	my ($slowness, $what) = @$_;
	subtest "while settings are $what" => sub {
		my $daemon = start();
		my $old = tunnel_open($daemon, $upstream);
		my ($worker) = $daemon->workers;
		my $admin = pid_of($daemon);
		$daemon->configure(rules => $rules);
		begin_reload($daemon, $slowness);
		kill 'KILL', $worker;
		my $client = tunnel_open($daemon, $upstream);
		ok(works($client), 'a worker that died is replaced: a new client is served');
		kill 'KILL', $admin;
		ok(poll(sub { ((ask($daemon, '/healthz'))[0] // 0) == 200 }),
			'so is the admin process');
		$daemon->signal('HUP');
		$daemon->reopen;
		pass('logs are reopened');
		is(reloads($daemon), 0, 'and all that within the reload');
		slowness(0);
		ok(poll(sub { reloads($daemon) == 2 }),
			'it is done, and so is another that was asked for meanwhile');
		ok(works($client) && finish($client), 'the client of before lives');
		my $new = tunnel_open($daemon, $upstream);
		ok(works($new) && finish($new), 'the new generation serves');
		$daemon->stop_ok;
	};

	subtest "a stop while settings are $what" => sub {
		my $daemon = start();
		my $client = tunnel_open($daemon, $upstream);
		$daemon->configure(rules => $rules);
		begin_reload($daemon, $slowness);
		$daemon->signal('TERM');
		ok($daemon->wait_log(qr/ stop: draining 1 tunnel /), 'it is heeded');
		like($daemon->log, qr/ reload: given up: sniport is stopping$/m,
			'it says what becomes of the reload');
		ok(works($client) && finish($client), 'a tunnel ends as it likes');
		is($daemon->wait_end, 0, 'then it ends');
		is(reloads($daemon), 0, 'without a reload');
		is(join("\n", $daemon->complaints), '', 'and nothing is left');
	};
}

subtest 'a stop with a grace' => sub {
	my $daemon = start(timeouts => 'grace = "1s";');
	$daemon->configure(rules => $rules);
	begin_reload($daemon, 1);
	$daemon->signal('TERM');
	ok($daemon->wait_log(qr/ stop: accepting for another 1s/), 'is heeded, too');
	my $client = tunnel_open($daemon, $upstream);
	ok(works($client) && finish($client), 'meanwhile clients are served');
	is($daemon->wait_end, 0, 'it ends');
	is(reloads($daemon), 0, 'without a reload');
};

subtest 'a stop while it starts' => sub {
	my $daemon = start();
	$daemon->stop_ok;
	$first = 1;
	$daemon->{option}{rules} = $rules;
	$daemon->start;
	# It takes the signal, and does nothing before it reads.
	poll(sub { hex(status($daemon->pid, 'SigBlk') || 0) & 1 << 14 })
	    or die 'it does not start';
	$daemon->signal('TERM');
	is($daemon->wait_end, 0, 'it ends');
};

done_testing;
