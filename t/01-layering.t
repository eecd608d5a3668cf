#!/usr/bin/perl
# The arrows between folders, files and symbols are as they should be:
# master --> common <-- worker, and within worker/ only downwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(build run top);

# A module of worker/ includes only what stands before it here, and common/.
# The files NAME_*.c and NAME_*.h are parts of module NAME, and their headers
# are for NAME alone.
my @WORKER = (
	[ qw(timer buffer loop silence memory) ],
	[ qw(client_hello dns_cache dns_memory dns_message dns_store dns_channel tls) ],
	[ qw(resolver half) ],
	[ qw(dial splice relay limits) ],
	[ qw(tunnel) ],
	[ qw(sandbox accept admin worker) ],
);

# OpenSSL's sessions and contexts, and who may know of them.
my %TLS = map { $_ => 1 } qw(
	worker/tls.c master/tls_load.c master/tls_ciphers.c
	master/certificate.h master/certificate.c
	master/generation.c master/client_ca.c worker/tls_resume.c worker/tls_state.h
);

chdir top() or die;
my @files = sort grep { -f } glob '{common,master,worker}/*.{c,h,def}';
my %text = map { $_ => slurp($_) } @files, glob 't/{unit,fuzz,bench}/*.[ch]';

sub slurp {
	my ($name) = @_;

	open my $file, '<', $name or die "$name: $!";
	local $/;
	return scalar <$file>;
}

# Nothing but comments and strings is blanked, so that words in them do not
# count.
sub code {
	my ($text) = @_;

	$text =~ s{/\*.*?\*/|//[^\n]*}{}gs;
	return $text;
}

sub includes {
	my ($file) = @_;

	return $text{$file} =~ /^\s*#\s*include\s+"([^"]*)"/mg;
}

# One test: the list of what is wrong is empty.
sub none {
	my ($name, @wrong) = @_;

	ok(!@wrong, $name) or diag(join "\n", @wrong);
	return;
}

my @astray;
for my $file (sort keys %text) {
	for my $include (includes($file)) {
		next if $include =~ m!^(?:common|master|worker|t/\w+)/! &&
		    -f $include;
		push @astray, "$file includes \"$include\"";
	}
}
none('every include is written from the root', @astray);

my %MAY = (
	common => qr/^common\//,
	master => qr/^(?:common|master)\//,
	worker => qr/^(?:common|worker)\//,
);
my @against;
for my $file (@files) {
	my ($folder) = $file =~ m!^(\w+)/!;
	for my $include (includes($file)) {
		push @against, "$file includes $include"
		    if $include !~ $MAY{$folder};
	}
}
none('common knows neither master nor worker, and they not each other',
	@against);

my %rank;
$rank{$_} = keys %rank for map { @$_ } @WORKER;

# The module that a file of worker/ is of, and whether it is a part of it.
sub module {
	my ($name) = $_[0] =~ m!/(\w+)\.!;

	return ($name, 0) if defined $rank{$name};
	my ($module) = grep { $name =~ /^\Q$_\E_/ } keys %rank;
	return ($module, 1);
}

my @upwards;
for my $file (grep { m!^worker/! } @files) {
	my ($module) = module($file);
	if (!defined $module) {
		push @upwards, "$file has no place in the table of layers";
		next;
	}
	for my $include (grep { m!^worker/! } includes($file)) {
		my ($other, $part) = module($include);
		next if defined $other && ($other eq $module ||
			!$part && $rank{$other} < $rank{$module});
		push @upwards, "$file includes $include";
	}
}
none('within worker/ includes go downwards', @upwards);

none('SSL_get_servername is used nowhere: it lies on a resumed session',
	grep { code($text{$_}) =~ /\bSSL_get_servername\b/ } @files);
none('the resolver of glibc is used nowhere: it takes 127.1 for an address',
	grep { code($text{$_}) =~ /\b(?:getaddrinfo|gethostbyname\w*)\s*\(/ }
	@files);
none('few files know of SSL and SSL_CTX', grep {
	!$TLS{$_} && $text{$_} =~ m!^\s*#\s*include\s+<openssl/ssl\.h>!m } @files);
none('no header declares a variable that can change', map {
	my $file = $_;
	map { "$file: $_" } grep { !/\bconst\b/ }
	    code($text{$file}) =~ /^(extern\s+[^;(]*;)/mg;
} grep { /\.h$/ } @files);

# What nm says of an archive or object: symbols by where they stand.
sub symbols {
	my ($file) = @_;
	my ($status, $text) = run('nm', '-f', 'sysv', $file);
	my (%defined, %undefined, @changeable);

	die "nm $file: $text" if $status;
	for (split /\n/, $text) {
		my ($name, undef, $class, undef, undef, undef, $section) =
		    map { s/^\s+|\s+$//gr } split /\|/;
		next unless defined $section;
		if ($class eq 'U') {
			$undefined{$name} = 1;
			next;
		}
		$defined{$name} = 1 if $class =~ /^[A-Z]$/;
		# A const table with pointers is changed by the loader alone.
		push @changeable, $name if $class =~ /^[bBdDCsSgGuV]$/ &&
		    $section =~ /^(?:\.t?(?:data|bss)|\*COM\*)/ &&
		    $section !~ /^\.data\.rel\.ro/;
	}
	return { defined => \%defined, undefined => \%undefined,
		changeable => \@changeable };
}

my %object = map { $_ => symbols(build() . "/lib$_.a") }
    qw(common master worker);
$object{main} = symbols(build() . '/CMakeFiles/sniport.dir/master/main.c.o');

sub uses {
	my ($user, $used) = @_;

	return sort grep { $object{$used}{defined}{$_} }
	    keys %{ $object{$user}{undefined} };
}

is_deeply([ uses('master', 'worker'), uses('main', 'worker') ],
	[ 'worker_main' ], 'master uses worker_main of worker, and nothing else');
none('worker uses nothing of master', uses('worker', 'master'),
	uses('worker', 'main'));
none('common uses nothing of master and worker', uses('common', 'master'),
	uses('common', 'main'), uses('common', 'worker'));

# jemalloc reads its options from that name, OpenSSL hands no argument of ours
# to the allocator that counts there, nor c-ares to the one with a reserve.
# Instrumentation has data too.
none('no variable outlives the call of its function', map {
	my $part = $_;
	map { "$part: $_" } grep { !/^(?:malloc_conf$|alloc_failed$|alloc_wipes$|dns_reserve$|__|\.L|_ZTS)/ }
	    @{ $object{$part}{changeable} };
} sort keys %object);
none('no symbol of glibc\'s resolver is linked', grep {
	my $undefined = $object{$_}{undefined};
	grep { $undefined->{$_} } qw(getaddrinfo gethostbyname gethostbyname_r)
} sort keys %object);

done_testing;
