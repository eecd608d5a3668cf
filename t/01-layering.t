#!/usr/bin/perl
# The arrows between folders, files and symbols are as they should be:
# master --> common <-- worker, and within worker/ only downwards.

use strict;
use warnings;

use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Sniport::Test qw(build run slurp top);

# A part of the source may have rooms, which its README lists from the bottom
# up: "NAME/" is a folder, "NAME" the files NAME.* and NAME_* beside the README.
my @ROOMED = qw(common worker);

# OpenSSL's sessions and contexts, and who may know of them.
my %TLS = map { $_ => 1 } qw(
	worker/tls/handshake.c master/tls_load.c master/tls_ciphers.c
	master/certificate.h master/certificate.c
	master/generation.c master/client_ca.c worker/tls/resume.c worker/tls/state.h
	common/tls/library.h worker/tls/tickets.h worker/tls/tickets_awslc.c
	worker/tls/tickets_openssl.c
);

chdir top() or die;
my @files = sort grep { -f } glob '{common,master,worker}/{,*/}*.{c,h,def}';
my %text = map { $_ => slurp($_) } @files, glob 't/{unit,fuzz,bench,bench/load}/*.[ch]';

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

# The rooms of each part, and the rank of each.
my (%rank, @homeless, @empty);
for my $part (@ROOMED) {
	my @rooms = slurp("$part/README") =~ m!^\t(\w+/?)\t!mg;
	$rank{$part}{$_} = keys %{ $rank{$part} } for @rooms;
	push @empty, map { "$part/$_" } grep {
		m!/$! ? !-d "$part/$_" : !(() = glob "$part/$_.[ch]") } @rooms;
	push @homeless, grep { !defined room($_) } grep { m!^$part/! } @files;
}
none('every file is in a room that its README lists', @homeless);
none('and every room of the list is there', @empty);

# The room of a file, with its part's name in front; or undef.
sub room {
	my ($part, $folder, $name) = $_[0] =~ m!^(\w+)/(?:(\w+)/)?(\w+)\.!
	    or return;
	my $of = $rank{$part} or return;

	return defined $of->{"$folder/"} ? "$part/$folder/" : undef
	    if defined $folder;
	for my $room (sort { length $b <=> length $a } keys %$of) {
		return "$part/$room" if $name =~ /^\Q$room\E(?:_|\z)/;
	}
	return;
}

# May the first room know the second?
sub may {
	my ($user, $used) = @_;
	my ($part, $name) = split m!/!, $user, 2;
	my ($other, $another) = split m!/!, $used, 2;

	return $part ne $other || $rank{$part}{$another} <= $rank{$part}{$name};
}

my @upwards;
for my $file (grep { defined room($_) } @files) {
	for my $include (grep { defined room($_) } includes($file)) {
		push @upwards, "$file includes $include"
		    if !may(room($file), room($include));
	}
}
none('a room includes only those above it in the list', @upwards);

# What several files of a module share is in a header of that name, NAME_state.h
# or state.h, which no other room may see.
none('nobody includes the insides of another room', map {
	my $file = $_;
	map { "$file includes $_" } grep {
		m!(?:/|_)(?:state|part)\.h$! && dirname($_) ne dirname($file)
	} includes($file);
} @files);

# All that a file includes, and what these include.
sub reach {
	my (%seen, @next);

	@next = @_;
	while (defined(my $file = shift @next)) {
		push @next, grep { !$seen{$_}++ } includes($file);
	}
	return \%seen;
}
# Workers can be adopted whose configuration is not there.
my @SUPERVISION = map { "master/$_.c" } qw(supervise watch crew keep cover fetch
    hand regain inherit legacy losses order status backoff scribe scribe_run);
none('who watches over workers sees no configuration', grep {
	my $seen = reach($_);
	!exists $text{$_} || $seen->{'common/conf/conf.h'}
} @SUPERVISION);
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
	[ 'admin_main', 'worker_main' ],
	'master uses two functions of worker, and nothing else');
none('worker uses nothing of master', uses('worker', 'master'),
	uses('worker', 'main'));
none('common uses nothing of master and worker', uses('common', 'master'),
	uses('common', 'main'), uses('common', 'worker'));

# Objects by the name of their source, without its ending. A build tree may have
# some of files that are no more.
my %objects = map {
	my ($name) = m!\.dir/(\w+/.*)\.c\.o$!;
	-e "$name.c" ? ($name => symbols($_)) : ();
} map { split /\n/, (run('find', build() . "/CMakeFiles/$_.dir", '-name', '*.o'))[1] }
    qw(common master worker);
my %home;
for my $name (keys %objects) {
	$home{$_} = $name for keys %{ $objects{$name}{defined} };
}
my %needs = map {
	my $name = $_;
	my %other = map { $_ => 1 } grep { $_ ne $name }
	    map { $home{$_} // () } keys %{ $objects{$name}{undefined} };
	($name => [ sort keys %other ]);
} keys %objects;
ok(keys(%needs) > 100, 'objects were found');
none('a room calls only those above it in the list', map {
	my $user = $_;
	map { "$user uses $_" } grep {
		defined room("$user.c") && defined room("$_.c") &&
		    !may(room("$user.c"), room("$_.c"))
	} @{ $needs{$user} };
} sort keys %needs);

# Which objects need each other, by whatever way round.
sub circles {
	my (%state, @circles);
	my $visit;
	$visit = sub {
		my ($name, @way) = @_;

		if (($state{$name} // '') eq 'open') {
			shift @way while $way[0] ne $name;
			push @circles, join ' -> ', @way, $name;
		}
		return if $state{$name};
		$state{$name} = 'open';
		$visit->($_, @way, $name) for @{ $needs{$name} };
		$state{$name} = 'done';
		return;
	};
	$visit->($_) for sort keys %needs;
	return @circles;
}
none('no two files need each other', circles());

# jemalloc reads its options from that name, OpenSSL hands no argument of ours
# to the allocator that counts there, nor c-ares to the one with a reserve, nor
# the kernel to the handler of a crash.
# Instrumentation has data too, and clang has one variable for each member.
none('no variable outlives the call of its function', map {
	my $part = $_;
	map { "$part: $_" } grep { !/^(?:malloc_conf$|alloc_failed$|alloc_wipes$|dns_reserve$|way_back(?:\.\d+)?$|__|\.L|_ZTS)/ }
	    @{ $object{$part}{changeable} };
} sort keys %object);
none('no symbol of glibc\'s resolver is linked', grep {
	my $undefined = $object{$_}{undefined};
	grep { $undefined->{$_} } qw(getaddrinfo gethostbyname gethostbyname_r)
} sort keys %object);

done_testing;
