#!/usr/bin/perl
# What the shells complete: the commands, options, reasons and filters that
# there are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(run slurp sniport temporary top);

chdir top() or die;
my $dir = temporary();
my $file = top() . '/etc/completion';

# What bash offers for the last of these words.
sub bash {
	my (@words) = @_;
	my ($status, $text) = run(qw(bash --norc -c), '
		source "$0/sniport.bash"
		compopt() { :; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_sniport "$1"
		printf "%s\n" "${COMPREPLY[@]}"', $file, sniport(), @words);
	die $text if $status;
	return join ' ', sort split ' ', $text;
}

# The usage is tested by itself: it has all commands and options.
my (undef, $usage) = run(sniport(), '-h');
my %known = map { $_ => 1 }
    $usage =~ /^\s+sniport(?: \[[^\]]*\])* ([a-z]+)/mg;
my $commands = join ' ', sort keys %known;
like($commands, qr/\bstatus\b.*\btop\b.*\bwhy\b/, 'commands are known');
is(bash(''), $commands, 'all commands');
is(bash('--control', '/x', 't'), 'top tunnels', 'those that begin so');
is(bash('status', ''), '', 'no word for one that takes none');
like(bash('-'), qr/^--control --explain --help --json --version -T -V -c /,
	'options');
is(bash('-q', 'a'), '', 'not for a target');

my (undef, $reasons) = run(sniport(), 'why');
my @reasons = $reasons =~ /^(\w+)/mg;
is(bash('why', ''), join(' ', sort @reasons), 'reasons');
is(bash('why', 'dns_t'), 'dns_timeout', 'those that begin so');

my @filters = slurp('worker/admin/scan.c') =~ /^\t\t\{ "(\w+)", &s->filter/mg;
@filters = sort map { "$_=" } @filters, 'client';
cmp_ok(scalar(@filters), '>', 5, 'filters are known');
is(bash('tunnels', ''), "@filters", 'filters');
is(bash('-c', '/x', 'top', 'so'), 'sort=', 'the order of top');
is(bash('top', 'sort', '=', 't'), 'total', 'orders');
is(bash('top', 'sort', '=', ''), 'age rate total', 'all orders');
is(bash('top', 'sort', '='), 'age rate total', 'behind the sign');

SKIP: {
	skip 'SKIPPED LOUDLY: zsh is not installed: its completion was not tried', 2
	    if (run('sh', '-c', 'command -v zsh'))[0];
	is_deeply([ run('zsh', '-n', "$file/_sniport") ], [ 0, '' ],
		'zsh can read its own');
	# It is at work only behind a keyboard.
	my ($status, $text) = run(qw(timeout 60 zsh -f -c), '
		zmodload zsh/zpty
		zpty shell zsh -f
		zpty -w shell "PS1= PS2="
		zpty -w shell "fpath=($1 \$fpath)"
		zpty -w shell "autoload -Uz compinit && compinit -u -d $2/dump"
		zpty -w shell "compdef _sniport sniport; PATH=$3:\$PATH"
		zpty -w shell "echo READY\$((1))"
		zpty -r -m shell text "*READY1*"
		zpty -w -n shell "sniport why dns_t"$'."'\\t'".'
		zpty -r -m shell text "*dns_timeout*" && print found
		zpty -d shell', 'zsh', $file, $dir, sniport() =~ s{/[^/]*$}{}r);
	like($text, qr/^found$/m, 'and completes a reason');
}

done_testing;
