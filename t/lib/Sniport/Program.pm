# A copy of sniport in a folder of its own, which can be replaced while it runs,
# as a package does it.
#
#     my $program = Sniport::Program->new;
#     my $daemon = Sniport::Daemon->new(program => $program->path, ...);
#     my $other = $program->install;
#     ... if running($daemon) == $other;
package Sniport::Program;

use strict;
use warnings;

use Exporter qw(import);
use File::Copy qw(copy);

use Sniport::Test qw(sniport temporary);

our @EXPORT_OK = qw(running);

sub new {
	my ($class) = @_;
	my $self = bless { dir => temporary() }, $class;

	$self->install;
	return $self;
}

sub dir { return $_[0]{dir}; }
sub path { return $_[0]{dir} . '/sniport'; }

# Puts another file in its place; its number in the file system.
sub install {
	my ($self) = @_;
	my $path = $self->path;

	copy(sniport(), "$path.new") or die "$path.new: $!";
	chmod 0755, "$path.new" or die $!;
	rename "$path.new", $path or die $!;
	return $self->inode;
}

sub inode { return (stat $_[0]->path)[1]; }

# The number of the file that the master runs.
sub running {
	my ($daemon) = @_;

	return (stat '/proc/' . $daemon->pid . '/exe')[1];
}

1;
