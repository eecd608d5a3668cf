#!/usr/bin/perl
# What etc/COMPATIBILITY promises is so, and nothing that others may rely on is
# missing there. Where this fails something was taken away that others use, or
# is new and has to be listed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;

use Sniport::Admin qw(ask metrics);
use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(run slurp sniport temporary top under_valgrind);
use Sniport::Tunnel qw(finish tunnel_open works);
use Sniport::Upstream;

chdir top() or die;
my $page = slurp('etc/COMPATIBILITY');
my %part = $page =~ /^(\d\. [^\n]+)\n-+\n(.*?)(?=^\d\. [^\n]+\n-|\z)/msg;

sub part {
	my ($title) = @_;
	my ($found) = grep { /^\d\. \Q$title\E/ } keys %part;

	return $part{ $found // die "$title?" };
}

# The lists of name and type behind a line.
sub fields {
	my ($title, $behind) = @_;
	my ($list) = part($title) =~ /^$behind[^\n]*:\n\n((?:    .*\n)+)/m;

	return { ($list // die "$behind?") =~ /(\w+)\s+(string|number|boolean|array)\b/g };
}

sub type_of {
	my ($value) = @_;

	return 'boolean' if JSON::PP::is_bool($value);
	return 'array' if ref $value eq 'ARRAY';
	return JSON::PP->new->allow_nonref->encode($value) =~ /^"/ ? 'string' : 'number';
}

# All that these objects have, by its type.
sub types {
	my %type;

	for my $object (@_) {
		$type{$_} = type_of($object->{$_}) for keys %$object;
	}
	return \%type;
}

my $dir = temporary();
my $ca = Sniport::Authority->new($dir, 'ca');
my @identity = $ca->issue('web', 'URI:spiffe://a/b');
my $upstream = Sniport::Upstream->new('echo');
my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
	tls => qq(client_auth = "optional"; client_ca = "@{[ $ca->file ]}";),
	log => 'access_connect = true;',
	egress => '{ name = "here"; source = [ "127.0.0.1" ]; },
		{ name = "missing"; source = [ "192.0.2.1" ]; },
		{ name = "device"; device = "none0"; }');
my @ask = (sniport(), '--control', $daemon->dir . '/control.sock');
my $client = tunnel_open($daemon, $upstream, certificate => $identity[0],
	key => $identity[1]);
ok(works($client), 'a tunnel');

subtest 'JSON of commands' => sub {
	my ($status, $text) = run(@ask, qw(status --json));
	is($status, 0, 'status');
	my $said = decode_json($text);
	is_deeply(types($said), fields('JSON', 'status --json'), 'its fields');
	is_deeply(types(@{ $said->{certificates} }),
		fields('JSON', 'An entry of certificates'), 'certificates');
	is_deeply(types(@{ $said->{name_servers} }),
		fields('JSON', 'An entry of name_servers'), 'name servers');
	is_deeply(types(@{ $said->{egress} }), fields('JSON', 'An entry of egress'),
		'egress lines');
	($status, $text) = run(sniport(), '-c', $daemon->dir . '/sniport.conf',
		qw(line --json));
	is_deeply(types(map { decode_json($_) } split /\n/, $text),
		fields('JSON', 'An entry of egress'), 'which the command has, too');
	($status, $text) = run(@ask, qw(top --json));
	is($status, 0, 'top');
	is_deeply(types(decode_json($text)), fields('JSON', 'A line of top'),
		'its fields');
	($status, $text) = run(@ask, qw(reload --json));
	is($status, 0, 'reload');
	is_deeply(types(decode_json($text)), fields('JSON', 'reload --json and upgrade --json'),
		'its fields');
	my $other = tunnel_open($daemon, $upstream);
	ok(works($other), 'another tunnel');
	($status, $text) = run(@ask, qw(close --json generation=2));
	is($status, 0, 'close');
	is_deeply(types(decode_json($text)), fields('JSON', 'close --json'),
		'its fields');
	($status, $text) = run(sniport(), qw(why --json));
	is($status, 0, 'why');
	is_deeply(types(map { decode_json($_) } split /\n/, $text),
		fields('JSON', 'A line of why'), 'its fields');
};

subtest 'requests' => sub {
	my %listed = part('Requests') =~ /^    ([A-Z]+ \/\w+) +(\d[\d ]*)$/mg;
	my @routes = map { "$_->[0] $_->[1]" } map { [ /"([A-Z]+)", "([^"]+)"/ ] }
	    slurp('worker/admin/router.c') =~ /^\t\{ ("[A-Z]+", "[^"]+")/mg;
	is_deeply([ sort @routes ], [ sort keys %listed ], 'are those that there are');
	for (grep { /^GET/ } sort keys %listed) {
		my ($path) = m{ (.*)};
		is((ask($daemon, $path))[0], 200, "$_ is answered");
	}
	my ($status, $text) = ask($daemon, '/tunnels?format=tsv');
	is(scalar(split /\t/, $text), 8, 'columns of tsv');
	for (qw(client=127.0.0.0/8 generation=1 host=peer.test identity=spiffe://a/b
		rule=test), 'id=1-0-0', 'target=peer.test:1') {
		is((ask($daemon, "/tunnels?$_"))[0], 200, "/tunnels takes $_");
	}
};

my $fields = fields('The audit log', 'Lines of JSON');

# Those of a line are listed, with their types.
sub listed_ok {
	my ($name, @lines) = @_;
	my $types = types(@lines);

	return is_deeply($types, { map { $_ => $fields->{$_} } keys %$types }, $name);
}

subtest 'the audit log' => sub {
	my (undef, $text) = ask($daemon, '/tunnels');
	listed_ok('a tunnel that is open', decode_json($text));
	ok(finish($client), 'it ends');
	my $end = $daemon->wait_audit(sub {
		$_->{event} eq 'end' && $_->{reason} eq 'done' });
	listed_ok('its lines', $end, grep { $_->{event} eq 'connect' } $daemon->audit);
	cmp_ok(scalar(keys %$end), '>', 25, 'which have most fields');
	# The others are seen in the code: t/unit/audit.c has their types.
	my $code = slurp('common/log/audit.c') =~ s{/\*.*?\*/}{}gsr;
	my %known = map { $_ => 1 } map { /"(\w+)"/g }
	    $code =~ /\b(?:put|record)_\w+\(\s*&?o,((?:\s*"\w+",)+)/g;
	delete $known{dropped};
	is_deeply([ sort keys %$fields ], [ sort keys %known ], 'all fields');
};

subtest 'metrics' => sub {
	my (undef, $text) = ask($daemon, '/metrics');
	my $sample = metrics($text, \my @wrong);
	my %type = $text =~ /^# TYPE (\w+) (\w+)$/mg;
	my %label;
	for (keys %$sample) {
		my ($name, $labels) = /^(\w+)(.*)$/;
		$name =~ s/_(?:bucket|sum|count)$// if !$type{$name};
		$label{$name}{$1} = 1 while $labels =~ /(\w+)="/g;
	}
	my %got = map { $_ => join ' ', $type{$_}, sort keys %{ $label{$_} } } keys %type;
	my %listed = part('Metrics') =~ /^    (sniport_\w+) +(\w.*)$/mg;
	s/ +/ /g for values %listed;
	is_deeply(\%got, \%listed, 'families, types and labels');
};

subtest 'exit statuses' => sub {
	my $other = tunnel_open($daemon, $upstream);
	ok(works($other), 'a tunnel');
	my %listed = part('Exit') =~ /^    (sniport[ a-z-]*?) +(\d[ \d]*\d|\d)  /mg;
	my @config = ('-c', $daemon->dir . '/sniport.conf');
	my %tried = (
		'sniport' => [ [ '-V' ], [ @config, '-c', "$dir/nothing" ], [ '-Z' ] ],
		'sniport -t' => [ [ @config, '-t' ], [ '-c', "$dir/nothing", '-t' ] ],
		'sniport -q' => [ [ @config, '-q', 'peer.test:1' ],
			[ @config, '-q', '10.0.0.1:1' ],
			[ '-c', "$dir/nothing", '-q', 'peer.test:1' ] ],
		'sniport line' => [ map { [ @config, 'line', $_ ] }
			qw(here missing nothing device) ],
		'sniport why' => [ [ qw(why done) ], [ qw(why nothing) ] ],
		'sniport close' => [ [ @config, qw(close rule=test) ],
			[ @config, qw(close id=9-9-9) ],
			[ '--control', "$dir/nothing", 'close', 'rule=test' ] ],
		'sniport reload' => [ [ @config, 'reload' ],
			sub { $daemon->configure(log => 'level = "loud";') },
			[ @ask[ 1, 2 ], 'reload' ],
			[ '--control', "$dir/nothing", 'reload' ] ],
		'sniport upgrade' => [ [ @config, 'upgrade' ],
			sub { $daemon->configure(log => 'level = "loud";') },
			[ @ask[ 1, 2 ], 'upgrade' ],
			sub { $daemon->configure(log => 'level = "info";') },
			[ '--control', "$dir/nothing", 'upgrade' ] ],
		map {
			("sniport $_" => [ [ @config, $_ ],
				[ '--control', "$dir/nothing", $_ ] ]);
		} qw(status top tunnels));
	is_deeply([ sort keys %tried ], [ sort keys %listed ], 'are known');
	# The one that breaks the configuration is the last.
	for my $command ((grep { !/reload/ } sort keys %tried), 'sniport reload') {
		# Which is the program then.
		next if $command eq 'sniport upgrade' && under_valgrind();
		my @got = map { ref $_ eq 'CODE' ? do { $_->(); () } :
			(run(sniport(), @$_))[0] } @{ $tried{$command} };
		is("@got", $listed{$command}, $command);
	}
};

$daemon->stop_ok;
done_testing;
