# The load generator, t/bench/load: TLS clients and the upstream behind the
# proxy, in one process.
#
#     my $load = Sniport::Bench::Load->new("$build/bench/load");
#     $load->proxy($proxy);
#     $load->prepare('full', 1000, 32);       # kind, count, at once
#     my ($ns, $failed) = $load->go;
#     $load->end;
package Sniport::Bench::Load;

use strict;
use warnings;

use IPC::Open2;

use Sniport::Bench::Machine qw(on_others);
use Sniport::Test qw(deadline readable);

my %running;

# With sleeps => 1 it sleeps between events, for what goes on in the background;
# free => 1: it may run on any CPU.
sub new {
	my ($class, $program, %option) = @_;
	my @command = ($program, $option{sleeps} ? () : 'spin');

	unshift @command, on_others() unless $option{free};
	my $pid = open2(my $out, my $in, @command);
	my $self = bless { pid => $pid, in => $in, out => $out, pending => '',
		limit => 60 }, $class;
	$running{$pid} = 1;
	($self->{names}, @{ $self->{ports} }) = split ' ', $self->answer;
	return $self;
}

sub pid { return $_[0]{pid}; }

# Ports of the upstream, and of its name server.
sub ports { return @{ $_[0]{ports} }; }
sub names { return $_[0]{names}; }

sub tell {
	my ($self, @words) = @_;

	$self->{last} = "@words";
	syswrite $self->{in}, "@words\n" or die "load: $!\n";
	return;
}

# The next line; dies when none comes.
sub answer {
	my ($self, $seconds) = @_;
	my $deadline = deadline($seconds // $self->{limit});
	my $at;

	while (($at = index $self->{pending}, "\n") < 0) {
		readable($self->{out}, $deadline) && sysread($self->{out},
			$self->{pending}, 4096, length $self->{pending})
		    or die 'no answer of load to: ' . ($self->{last} // '') . "\n";
	}
	return substr($self->{pending}, 0, $at + 1, '') =~ s/\n//r;
}

sub expect {
	my ($self, $word, $seconds) = @_;

	my ($first, @rest) = split ' ', $self->answer($seconds);
	die "load says $first to: $self->{last}\n" if $first ne $word;
	return @rest;
}

# Whom the clients go to, and for what: a proxy, which has {port}.
sub proxy {
	my ($self, $proxy, $name, $numbers) = @_;

	$self->tell('proxy', $proxy->{port},
		$name // "example.com:$self->{ports}[0]", $numbers // 1);
	return;
}

# Other loopback addresses than others have: each has only so many ports.
sub source {
	my ($self, $number) = @_;

	$self->tell('source', $number);
	return;
}

# How long an open loop waits for what is late.
sub patience {
	my ($self, $seconds) = @_;

	$self->tell('patience', $seconds);
	return;
}

# A rate makes it an open loop.
sub prepare {
	my ($self, $kind, $count, $parallel, $rate) = @_;

	$self->tell('work', $kind, $count, $parallel, $rate // ());
	$self->expect('ready');
	return;
}

# Closed loops: nanoseconds and how many failed. Open ones: how many there were,
# how many failed, and in nanoseconds p50, p99, p99.9 and the longest.
sub go {
	my ($self, $seconds) = @_;

	$self->tell('go');
	return $self->expect('done', $seconds);
}

sub end {
	my ($self) = @_;

	$self->tell('end');
	$self->expect('ended', 10);
	return;
}

# So many more connections stay in that state; returns how many there are, and
# how many of them have ended.
sub hold {
	my ($self, $kind, $count, $seconds) = @_;

	$self->tell('hold', $kind, $count, 64);
	return $self->expect('held', $seconds);
}

sub drop {
	my ($self, $percent) = @_;

	$self->tell('drop', $percent);
	$self->expect('dropped');
	return;
}

sub stop {
	my ($self) = @_;

	return unless delete $running{ $self->{pid} };
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

sub DESTROY {
	my ($self) = @_;

	local ($?, $!, $@);
	$self->stop;
	return;
}

END {
	my $status = $?;
	for (keys %running) {
		kill 'KILL', $_;
		waitpid $_, 0;
	}
	$? = $status;
}

1;
