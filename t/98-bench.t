#!/usr/bin/perl
# t/bench/run still measures what is in its list. Its numbers are nobody's here:
# a test runs beside others.

use strict;
use warnings;

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(build run slow top);

plan skip_all => 'numbers of a slow program say nothing' if slow();

my $dir = File::Temp->newdir;
my ($status, $text) = run($^X, top() . '/t/bench/run', '--no-build',
	'--openssl', build(), '--proxies', 'openssl', '--parts', 'cost',
	'--rounds', 2, '--scale', 0.01, '--time', 0, '--out', "$dir/raw");
is($status, 0, 'it ends well') or diag($text);
like($text, qr/^\Q$_\E.* [\d.]+ /m, "it prints: $_") for 'full handshake cycle',
    'resumed cycle', 'ping-pong of 64 bytes', 'MiB down', 'MiB up',
    'refused connection';
like($text, qr/^### figures marked BAD/m, 'and says that one round is too few');

open my $raw, '<', "$dir/raw" or die "raw lines: $!";
my @lines = map { [ split /\t/ ] } <$raw>;
is(scalar(grep { @$_ != 7 } @lines), 0, 'raw lines have seven fields');
my %case = map { $_->[1] => $_ } @lines;
is_deeply([ sort grep { $_ ne 'case' } keys %case ],
	[ qw(down full ping refused resumed up) ], 'one for each case');

done_testing;
