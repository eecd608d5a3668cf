# Asks the admin process by HTTP.
#
#     my ($status, $body) = ask($daemon, '/readyz');           # by admin.control
#     my ($status, $body) = ask($daemon->port('http'), '/metrics');     # by TCP
#     my $sample = metrics($body, \my @wrong);
#     ... $sample->{'sniport_accepted_total'} ...
#
# metrics() reads Prometheus' text format strictly: each family has one HELP and
# one TYPE in front of its samples, which stand together; names and labels are
# well formed; no sample is there twice; counters end with _total; buckets of a
# histogram add up to its count; the last line has its newline. What is wrong is
# added to the list. Samples are found by name and labels, as in
# 'sniport_tunnels{generation="old"}'.
package Sniport::Admin;

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket;

use Sniport::Test qw(deadline readable timeout);

our @EXPORT_OK = qw(answer ask connect_admin metrics pid_of request);

# Connects to a port, or to the control socket of a daemon.
sub connect_admin {
	my ($where) = @_;

	return IO::Socket::UNIX->new(Type => SOCK_STREAM,
		Peer => $where->dir . '/control.sock') if ref $where;
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $where,
		Proto => 'tcp');
}

sub request {
	my ($path, $method, $version) = @_;

	return ($method // 'GET') . " $path HTTP/" . ($version // '1.1') .
	    "\r\nHost: sniport\r\n\r\n";
}

# Reads an answer to its end: status, body, and the fields by their names. A
# body that is cut, or an answer that does not come, gives an undefined status.
sub answer {
	my ($socket) = @_;
	my $text = '';
	my $deadline = deadline();

	while (readable($socket, $deadline)) {
		my $n = sysread $socket, $text, 65536, length $text;
		last if !$n;
	}
	my ($head, $body) = split /\r\n\r\n/, $text, 2;
	return undef if !defined $body;
	my ($first, @lines) = split /\r\n/, $head;
	my ($status) = $first =~ m{^HTTP/1\.1 (\d{3}) [\w ]+$} or return undef;
	my %field = map { /^([\w-]+): (.*)$/ ? (lc $1 => $2) : () } @lines;
	if (($field{'transfer-encoding'} // '') eq 'chunked') {
		my ($whole, $ended) = ('', 0);
		while ($body =~ s/\A([0-9a-f]+)\r\n//) {
			my $length = hex $1;
			$ended = 1 if !$length;
			return undef if length $body < $length + 2;
			$whole .= substr $body, 0, $length + 2, '';
			$whole =~ s/\r\n\z// or return undef;
		}
		return undef if !$ended || $body ne '';
		$body = $whole;
	} elsif (defined $field{'content-length'}) {
		$field{cut} = 1 if length $body != $field{'content-length'};
	}
	return ($status, $body, \%field);
}

sub ask {
	my ($where, $path, $method, $version) = @_;
	my $socket = connect_admin($where) or return undef;

	syswrite $socket, request($path, $method, $version);
	return answer($socket);
}

# The process id of the admin process of a daemon; undef: there is none.
sub pid_of {
	my ($daemon) = @_;
	my %children = $daemon->children;
	my @pids = sort { $b <=> $a }
	    grep { $children{$_} eq 'sniport-admin' } keys %children;

	return $pids[0];
}

my $NAME = qr/[a-z][a-z0-9_]*/;
my $LABEL = qr/[a-z][a-z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"/;

# Buckets hold what those before them do, and the last one all.
sub histogram {
	my ($sample, $name, $wrong) = @_;
	my %bucket = map { /^\Q$name\E_bucket\{le="([^"]*)"\}$/ ?
		($1 => $sample->{$_}) : () } keys %$sample;
	my @le = sort { $a <=> $b } grep { $_ ne '+Inf' } keys %bucket;
	my $last = 0;

	for (@le, '+Inf') {
		push @$wrong, "$name: a bucket that is less than another: $_"
		    if ($bucket{$_} // -1) < $last;
		$last = $bucket{$_} // 0;
	}
	push @$wrong, "$name: _count is not its last bucket"
	    if ($sample->{"${name}_count"} // -1) != $last;
	push @$wrong, "$name: no _sum" if !defined $sample->{"${name}_sum"};
	return;
}

sub metrics {
	my ($text, $wrong) = @_;
	my (%sample, %type, %help, %over, $current);

	push @$wrong, 'the last line has no newline' if $text !~ /\n\z/;
	for (split /\n/, $text) {
		if (/^# HELP ($NAME) (\S.*)$/) {
			push @$wrong, "a second HELP: $_" if $help{$1}++;
			$over{$current} = 1 if defined $current;
			$current = $1;
		} elsif (/^# TYPE ($NAME) (counter|gauge|histogram)$/) {
			push @$wrong, "TYPE without its HELP: $_"
			    if $type{$1} || $1 ne ($current // '');
			$type{$1} = $2;
		} elsif (/^($NAME)(\{$LABEL(?:,$LABEL)*\})? (-?\d+(?:\.\d+)?|\+Inf|NaN)$/) {
			my ($name, $labels, $value) = ($1, $2 // '', $3);
			my $family = $name;
			$family =~ s/_(?:bucket|sum|count)$//
			    if ($type{$current // ''} // '') eq 'histogram';
			push @$wrong, "not beneath its TYPE: $_"
			    if $family ne ($current // '') || !$type{$family} || $over{$family};
			push @$wrong, "there twice: $_"
			    if exists $sample{"$name$labels"};
			push @$wrong, "without the prefix: $_" if $name !~ /^sniport_/;
			push @$wrong, "a counter that is not called so: $_"
			    if ($type{$family} // '') eq 'counter' xor $name =~ /_total$/;
			$sample{"$name$labels"} = $value;
		} else {
			push @$wrong, "not a line of metrics: $_";
		}
	}
	push @$wrong, map { "$_ has no TYPE" } grep { !$type{$_} } sort keys %help;
	push @$wrong, map { "no sample of $_" } grep {
		my $family = $_;
		!grep { /^\Q$family\E(?:_bucket|_sum|_count)?(?:\{|$)/ } keys %sample;
	} sort keys %type;
	histogram(\%sample, $_, $wrong)
	    for grep { $type{$_} eq 'histogram' } sort keys %type;
	return \%sample;
}

1;
