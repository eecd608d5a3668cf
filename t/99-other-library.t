#!/usr/bin/perl
# A client that comes from a sniport of the one TLS library to one of the other,
# as from node to node or over an upgrade: what it would resume is of no use
# there, so it shows who it is again, and notices nothing. So it is where both
# have the same keys of tickets.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;

use Sniport::Authority;
use Sniport::Daemon;
use Sniport::Test qw(build run sniport temporary tls_library);
use Sniport::Upstream;
use Sniport::Who;

# The program of the other library: of a build folder beside this one, as t/run
# names it.
my $folder = build();
$folder =~ s{/build-aws-lc([^/]*)\z}{/build$1} or
    $folder =~ s{/build([^/]*)\z}{/build-aws-lc$1};
my $other = $ENV{SNIPORT_OTHER} // "$folder/sniport";
plan skip_all => "SKIPPED LOUDLY: there is no build with the other TLS " .
    "library, $other" unless -x $other;
my %OTHER = (OpenSSL => 'AWS-LC', 'AWS-LC' => 'OpenSSL');
my $its = $OTHER{ tls_library() };
like((run($other, '-V'))[1], qr/^\Q$its\E /m, "the other is of $its");

my ($YES, $NO) = (JSON::PP::true(), JSON::PP::false());
my $dir = temporary();
my $mesh = Sniport::Authority->new($dir, 'mesh');
my $upstream = Sniport::Upstream->new('echo');
run(qw(openssl rand -out), "$dir/tickets", 80);
chmod 0600, "$dir/tickets";
my %key = (web => [ $mesh->issue('web', 'DNS:web.example.com') ]);

sub who {
	my ($program) = @_;

	local $ENV{SNIPORT} = $program;
	my $daemon = Sniport::Daemon->new(hosts => "127.0.0.1 peer.test\n",
		tls => qq(client_auth = "required";
			client_ca = "@{ [ $mesh->file ] }";
			ticket_keys = "$dir/tickets";));
	return Sniport::Who->new(daemon => $daemon, port => $upstream->port,
		key => \%key);
}

my %who = (tls_library() => who(sniport()), $its => who($other));

# Some tests: a tunnel to that one by this session. Returns the next session.
sub tunnel {
	my ($title, $library, $version, $session, $resumed) = @_;
	my $who = $who{$library};
	my $client = $who->client('web', 'peer', version => $version,
		session => $session);

	$who->served_ok($title, $client, identity => 'web.example.com',
		resumed => $resumed);
	# A session of TLS 1.2 that is resumed brings no other.
	return $client->{sessions}[-1] // $session;
}

for my $version ('1.2', '1.3') {
	for my $library (sort keys %who) {
		my $then = $OTHER{$library};
		my $title = "TLS $version: from $library to $then";
		my $session = tunnel("$title: the first", $library, $version,
			undef, $NO);
		ok($session, "$title: a session");
		$session = tunnel("$title: resumed where it is from", $library,
			$version, $session, $YES);
		$session = tunnel("$title: a full handshake there", $then, $version,
			$session, $NO);
		tunnel("$title: which is resumed there", $then, $version, $session,
			$YES);
	}
}
$_->{daemon}->stop_ok for values %who;
done_testing;
