# A certificate authority for clients' certificates.
#
#     my $ca = Sniport::Authority->new($dir, 'mesh');
#     my $below = Sniport::Authority->new($dir, 'below', issuer => $ca);
#     my ($pem, $key) = $ca->issue('web', 'URI:spiffe://cluster.local/ns/a');
#     $ca->revoke('web'); $ca->file; $ca->crl;
#
# Dates are those of openssl-ca(1), "YYMMDDHHMMSSZ".
package Sniport::Authority;

use strict;
use warnings;

use Sniport::Test qw(certificate run slurp write_file);

sub openssl {
	my (@arguments) = @_;
	my ($status, $text) = run('openssl', @arguments);

	die "openssl @arguments: $text" if $status;
	return;
}

my @AUTHORITY = ('basicConstraints=critical,CA:TRUE',
	'keyUsage=critical,keyCertSign,cRLSign');

# Options: issuer (another authority; without one it signs itself), subject
# (its name, where that is not $name), end (when it expires), extensions (an
# array of further ones), authority (an array of those that say what it may do,
# instead of what authorities have), unmarked (1: what it issues does not say by which
# key), anonymous (1: nor does its own certificate say which that is), key (what openssl-req(1) takes for -newkey; P-256 unless given).
sub new {
	my ($class, $dir, $name, %option) = @_;
	my $self = bless { dir => $dir, name => $name }, $class;
	my $subject = $option{subject} // $name;

	$self->make_index('authorityKeyIdentifier = ' .
		($option{unmarked} ? 'none' : 'keyid'));
	openssl(qw(req -new -nodes), new_key(%option), '-subj', "/CN=$subject",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	$self->sign_authority(%option);
	return $self;
}

sub new_key {
	my (%option) = @_;

	return ('-newkey', @{ $option{key} // [ 'ec', '-pkeyopt',
		'ec_paramgen_curve:prime256v1' ] });
}

# Signs the authority's own certificate (once more): the same key, other dates.
sub sign_authority {
	my ($self, %option) = @_;
	my $issuer = $option{issuer} // $self;
	my $base = "$self->{dir}/$self->{name}";

	write_file("$base.ext", join "\n", @{ $option{authority} // \@AUTHORITY }, 'subjectKeyIdentifier=' .
		($option{anonymous} ? 'none' : 'hash'),
		$issuer == $self ? () : 'authorityKeyIdentifier=keyid',
		@{ $option{extensions} // [] }, '');
	openssl('ca', '-batch', '-notext', '-config', $issuer->config,
		$issuer == $self ? '-selfsign' : (), dates(%option),
		'-extfile', "$base.ext", '-in', "$base.csr", '-out',
		$self->file);
	return;
}

sub dates {
	my (%option) = @_;

	return () unless $option{end} || $option{start};
	return ('-startdate', $option{start} // '200101000000Z',
		$option{end} ? ('-enddate', $option{end}) : ());
}

sub config { return "$_[0]{dir}/$_[0]{name}.cnf"; }

sub make_index {
	my ($self, $key_id) = @_;
	my ($dir, $name) = @$self{qw(dir name)};

	write_file("$dir/$name.index", '');
	write_file("$dir/$name.serial", "1000\n");
	write_file("$dir/$name.cnf", <<"END");
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
x509_extensions = issued
crl_extensions = issued
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
[issued]
$key_id
END
	return;
}

sub file { return "$_[0]{dir}/$_[0]{name}.pem"; }

# A certificate of that name with these subject alternative names, and its
# key. Options: end (when it expires), extensions (an array, as openssl-req(1)
# takes them), usage (the extended key usage, clientAuth unless given), chain (an
# array of authorities whose certificates follow), key as above.
sub issue {
	my ($self, $leaf, $names, %option) = @_;
	my $base = "$self->{dir}/$self->{name}-$leaf";
	my @names = map { ('-addext', $_) } @{ $option{extensions} // [] };

	unshift @names, '-addext', "subjectAltName=$names" if $names;

	openssl(qw(req -new -nodes), new_key(%option), '-subj', "/CN=$leaf", @names,
		'-addext', 'extendedKeyUsage=' . ($option{usage} // 'clientAuth'),
		'-keyout', "$base.key",
		'-out', "$base.csr");
	openssl('ca', '-batch', '-notext', '-config', $self->config,
		dates(%option), '-in', "$base.csr", '-out', "$base.pem");
	write_file("$base.pem", join '', slurp("$base.pem"),
		map { slurp($_->file) } @{ $option{chain} // [] });
	return ("$base.pem", "$base.key");
}

# The reason is one of openssl-ca(1).
sub revoke {
	my ($self, $leaf, $reason) = @_;

	openssl('ca', '-config', $self->config, '-revoke',
		"$self->{dir}/$self->{name}-$leaf.pem",
		$reason ? ('-crl_reason', $reason) : ());
	return;
}

# Revokes an authority below this one.
sub revoke_authority {
	my ($self, $below) = @_;

	openssl('ca', '-config', $self->config, '-revoke', $below->file);
	return;
}

# The list of what was revoked until now. Options: start and end (dates), or
# seconds (until it is out of date); 30 days unless given; extensions (an array
# of further ones).
sub crl {
	my ($self, %option) = @_;
	my $file = "$self->{dir}/$self->{name}.crl";
	my $start = $option{start} // ($option{end} ? '200101000000Z' : undef);
	my @dates = $start ? ('-crl_lastupdate', $start) : ();
	my $config = $self->config;

	push @dates, '-crl_nextupdate', $option{end} if $option{end};
	if ($option{extensions}) {
		$config = "$file.cnf";
		write_file($config, join "\n", slurp($self->config) =~
			s/^crl_extensions = .*/crl_extensions = list/mr,
			'[list]', 'authorityKeyIdentifier = keyid',
			@{ $option{extensions} }, '');
	}
	openssl('ca', '-gencrl', '-config', $config, @dates,
		$option{seconds} ? ('-crlsec', $option{seconds}) : (),
		'-out', $file);
	return $file;
}

1;
