# A certificate authority for clients' certificates.
#
#     my $ca = Sniport::Authority->new($dir, 'mesh');
#     my ($pem, $key) = $ca->issue('web', 'URI:spiffe://cluster.local/ns/a');
#     $ca->revoke('web'); $ca->file; $ca->crl;
package Sniport::Authority;

use strict;
use warnings;

use Sniport::Test qw(certificate run);

sub openssl {
	my (@arguments) = @_;
	my ($status, $text) = run('openssl', @arguments);

	die "openssl @arguments: $text" if $status;
	return;
}

sub put {
	my ($name, $text) = @_;

	open my $file, '>', $name or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return;
}

sub new {
	my ($class, $dir, $name) = @_;
	my $self = bless { dir => $dir, name => $name }, $class;

	openssl(qw(req -x509 -nodes -days 30 -newkey ec -pkeyopt),
		'ec_paramgen_curve:prime256v1', '-subj', "/CN=$name", '-addext',
		'basicConstraints=critical,CA:TRUE', '-addext',
		'keyUsage=critical,keyCertSign,cRLSign', '-keyout',
		"$dir/$name.key", '-out', $self->file);
	put("$dir/$name.index", '');
	put("$dir/$name.serial", "1000\n");
	put("$dir/$name.cnf", <<"END");
[ca]
default_ca = ca_default
[ca_default]
database = $dir/$name.index
serial = $dir/$name.serial
new_certs_dir = $dir
certificate = $dir/$name.pem
private_key = $dir/$name.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
END
	return $self;
}

sub file { return "$_[0]{dir}/$_[0]{name}.pem"; }

# A certificate of that name with these subject alternative names, and its
# key. end => 'YYMMDDHHMMSSZ': when it expires.
sub issue {
	my ($self, $leaf, $names, %option) = @_;
	my $base = "$self->{dir}/$self->{name}-$leaf";
	my @names = $names ? ('-addext', "subjectAltName=$names") : ();

	openssl(qw(req -new -nodes -newkey ec -pkeyopt),
		'ec_paramgen_curve:prime256v1', '-subj', "/CN=$leaf", @names,
		'-addext', 'extendedKeyUsage=clientAuth', '-keyout', "$base.key",
		'-out', "$base.csr");
	openssl(qw(ca -batch -notext -config), "$self->{dir}/$self->{name}.cnf",
		$option{end} ? ('-startdate', '200101000000Z', '-enddate',
			$option{end}) : (),
		'-in', "$base.csr", '-out', "$base.pem");
	return ("$base.pem", "$base.key");
}

sub revoke {
	my ($self, $leaf) = @_;

	openssl(qw(ca -config), "$self->{dir}/$self->{name}.cnf", '-revoke',
		"$self->{dir}/$self->{name}-$leaf.pem");
	return;
}

# The list of what was revoked until now.
sub crl {
	my ($self) = @_;
	my $file = "$self->{dir}/$self->{name}.crl";

	openssl(qw(ca -gencrl -config), "$self->{dir}/$self->{name}.cnf", '-out',
		$file);
	return $file;
}

1;
