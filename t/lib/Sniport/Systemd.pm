# A real systemd, with process ids, mounts and control groups of its own, and
# the test's network:
#
#     use Sniport::Alone;
#     ... plan skip_all => "SKIPPED LOUDLY: $why" if my $why =
#         Sniport::Systemd::impossible();
#     my $system = Sniport::Systemd->new(files => { '/etc/a' => 'text' });
#     my ($status, $text) = $system->run('systemctl', 'start', 'a.service');
#
# Its root has this system's /usr and libraries, read-only, and an /etc, /run
# and /var of its own; all of it is gone when the test ends. Nothing is started
# but the journal. `files` are written before it boots.
#
# One with sniport's unit, as it is installed but for where the program is, with
# these lines in a drop-in:
#
#     my $system = Sniport::Systemd->with_sniport("WatchdogSec=3\n",
#         '/etc/sniport/sniport.conf' => $text);
#
# It has a certificate, /etc/sniport/tls.pem with tls.key, and peer.test in
# /etc/sniport/hosts.
package Sniport::Systemd;

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use POSIX ();

use Sniport::Alone qw(alone not_alone);
use Sniport::Test qw(build certificate deadline group_kill group_start poll
	sanitized slurp sniport temporary write_file);

my $SYSTEMD = '/lib/systemd/systemd';
my %PIVOT_ROOT = (x86_64 => 155, aarch64 => 41);
my ($MS_BIND, $MS_REMOUNT, $MS_RDONLY) = (0x1000, 0x20, 0x1);

# What it is not to start: this is a machine's, and takes its time.
my @WANTS = qw(sysinit local-fs sockets timers multi-user basic network-online);

my %systems;

# Why there can be none; '' where there can.
sub impossible {
	return not_alone() unless alone;
	return 'this machine\'s system calls are not known here'
	    unless $PIVOT_ROOT{ (POSIX::uname())[4] };
	return "systemd is not installed: no $SYSTEMD" unless -x $SYSTEMD;
	my ($status, $text) = Sniport::Test::run(qw(unshare -p -m -i -u -C --fork sh -c),
		'd=$(mktemp -d) && mount -t cgroup2 cgroup2 "$d" &&
		mkdir "$d/sniport-try-$$" && rmdir "$d/sniport-try-$$" &&
		umount "$d" && rmdir "$d"');
	return '' if $status == 0;
	return "namespaces or a control group of version 2 cannot be had: $text"
	    =~ s/\s+\z//r;
}

sub new {
	my ($class, %option) = @_;
	# In a namespace of process ids, others have the same one.
	my $self = bless { dir => temporary(), name => sprintf('sniport-test-%d-%08x',
		$$, rand 0xffffffff) }, $class;

	$self->{root} = "$self->{dir}/root";
	$self->{groups} = "$self->{dir}/groups";
	make_path($self->{root}, $self->{groups});
	must(qw(mount -t tmpfs -o mode=755 tmpfs), $self->{root});
	must(qw(mount -t cgroup2 cgroup2), $self->{groups});
	$self->lay;
	$self->write_files(%{ $option{files} // {} });
	mkdir "$self->{groups}/$self->{name}" or die "mkdir: $!";
	$systems{$self->{name}} = $self;
	$self->{starter} = group_start(sub { $self->boot });
	poll(sub { $self->{pid} = $self->find_first }) or die 'it does not begin';
	poll(sub { ($self->run(qw(systemctl is-system-running)))[1] =~
		/^(?:running|degraded)/ }) or die "systemd does not boot:\n" .
	    ($self->run(qw(systemctl list-jobs)))[1] . slurp("$self->{dir}/console");
	return $self;
}

sub with_sniport {
	my ($class, $lines, %files) = @_;
	my $dir = temporary();
	my $unit = slurp(build() . '/etc/sniport.service') =~
	    s{(?<==)\S*(?=/sniport\b)}{/usr/local/sbin}gr;
	# In a chroot, as t/release has it, there are no namespaces of users.
	my ($no_users) = Sniport::Test::run(qw(unshare --user true));

	certificate($dir, 'tls');
	# A leak is looked for by ptrace(2), which the unit forbids.
	my $self = $class->new(files => {
		'/etc/systemd/system/sniport.service' => $unit,
		'/etc/systemd/system/sniport.service.d/test.conf' => "[Service]\n" .
		    "Environment=ASAN_OPTIONS=detect_leaks=0\n" .
		    (sanitized() ? "MemoryDenyWriteExecute=no\n" : '') .
		    ($no_users ? "PrivateUsers=no\n" : '') . $lines,
		'/etc/sniport/hosts' => "127.0.0.1 peer.test\n",
		'/etc/sniport/tls.pem' => slurp("$dir/tls.pem"),
		'/etc/sniport/tls.key' => slurp("$dir/tls.key"),
		'/usr/local/sbin/sniport' => slurp(sniport()),
		%files,
	});
	$self->own('/etc/sniport/tls.key', 'sniport');
	chmod 0600, "$self->{root}/etc/sniport/tls.key";
	chmod 0755, "$self->{root}/usr/local/sbin/sniport";
	return $self;
}

sub must {
	my @command = @_;
	my ($status, $text) = Sniport::Test::run(@command);

	die "@command: $text" if $status;
	return;
}

sub write_files {
	my ($self, %files) = @_;

	for my $name (keys %files) {
		make_path(dirname("$self->{root}$name"));
		write_file("$self->{root}$name", $files{$name});
	}
	return;
}

# Puts together what it boots from.
sub lay {
	my ($self) = @_;
	my $root = $self->{root};

	make_path(map { "$root/$_" } qw(usr etc/systemd/system run var/log var/lib
		tmp proc sys dev/shm dev/pts root home old));
	chmod 01777, "$root/tmp", "$root/dev/shm";
	symlink '../run', "$root/var/run";
	for my $name (qw(bin sbin lib lib64)) {
		next if !-e "/$name";
		if (-l "/$name") {
			symlink readlink "/$name", "$root/$name";
			next;
		}
		mkdir "$root/$name";
		must(qw(mount --bind), "/$name", "$root/$name");
	}
	must(qw(mount --bind /usr), "$root/usr");
	must('mount', '-o', 'remount,bind,ro', "$root/usr");
	# The program under test is put here.
	must(qw(mount -t tmpfs -o mode=755 tmpfs), "$root/usr/local");
	make_path("$root/usr/local/sbin");
	if (-d '/usr/local/lib') {
		mkdir "$root/usr/local/lib";
	}
	for my $name (qw(null zero full random urandom)) {
		write_file("$root/dev/$name", '');
		must(qw(mount --bind), "/dev/$name", "$root/dev/$name");
	}
	symlink '/proc/self/fd', "$root/dev/fd";
	for my $name (qw(ld.so.cache ld.so.conf ssl/openssl.cnf)) {
		$self->write_files("/etc/$name" => slurp("/etc/$name"))
		    if -e "/etc/$name";
	}
	my $id = sprintf '%08x' x 4, map { int rand 0xffffffff } 1 .. 4;
	$self->write_files('/etc/machine-id' => "$id\n",
		'/etc/hosts' => "127.0.0.1 localhost\n",
		'/etc/passwd' => "root:x:0:0::/root:/bin/sh\n" .
		    "nobody:x:65534:65534::/:/bin/false\n" .
		    "sniport:x:990:990::/:/bin/false\n",
		'/etc/group' => "root:x:0:\nnogroup:x:65534:\nsniport:x:990:\n" .
		    "adm:x:4:\nsystemd-journal:x:999:\ntty:x:5:\nutmp:x:43:\n",
		'/etc/nsswitch.conf' => "passwd: files\ngroup: files\nhosts: files\n",
		'/etc/systemd/journald.conf' => "[Journal]\nStorage=volatile\n",
		'/etc/systemd/system/test.target' => "[Unit]\n" .
		    "DefaultDependencies=no\nWants=systemd-journald.service\n");
	for my $unit (map { glob "/{usr/lib,lib,etc}/systemd/system/$_.target.wants/*" }
		@WANTS) {
		my $name = $unit =~ s{.*/}{}r;
		symlink '/dev/null', "$root/etc/systemd/system/$name"
		    if $name !~ /^systemd-journald/;
	}
	return;
}

# In a process of its own: becomes systemd.
sub boot {
	my ($self) = @_;
	my $perl = <<'END';
my ($root, $number) = splice @ARGV, 0, 2;
sub must { system(@_) == 0 or die "@_" }
must(qw(mount -t proc proc), "$root/proc");
must(qw(mount --bind), "$root/proc/sys", "$root/proc/sys");
must("mount", "-o", "remount,bind,ro", "$root/proc/sys");
must(qw(mount --bind /dev/null), "$root/proc/sysrq-trigger")
    if -e "$root/proc/sysrq-trigger";
must(qw(mount -t sysfs -o ro sysfs), "$root/sys");
must(qw(mount -t cgroup2 cgroup2), "$root/sys/fs/cgroup");
must(qw(mount -t tmpfs -o mode=755 tmpfs), "$root/run");
must(qw(mount -t devpts -o newinstance devpts), "$root/dev/pts");
chdir $root or die "$root: $!";
syscall($number, my $new = '.', my $old = 'old') == 0 or die "pivot_root: $!";
chroot '.' or die "chroot: $!";
system('umount', '-l', '/old') == 0 or die 'umount';
rmdir '/old';
exec @ARGV or die "@ARGV: $!";
END
	write_file("$self->{groups}/$self->{name}/cgroup.procs", $$);
	open STDIN, '<', '/dev/null' or die $!;
	open STDOUT, '>', "$self->{dir}/console" or die $!;
	open STDERR, '>&', \*STDOUT or die $!;
	%ENV = (PATH => '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin',
		container => 'sniport-test');
	exec qw(unshare --pid --mount --ipc --uts --cgroup --fork --kill-child),
	    $^X, '-e', $perl, $self->{root}, $PIVOT_ROOT{ (POSIX::uname())[4] },
	    $SYSTEMD, '--system', '--unit=test.target', '--show-status=no',
	    '--log-target=journal';
}

# The process id, out here, of its first process, once that is systemd.
sub find_first {
	my ($self) = @_;
	my $starter = $self->{starter};

	open my $file, '<', "/proc/$starter/task/$starter/children" or return 0;
	my ($pid) = split ' ', <$file> // '';
	return 0 if !$pid;
	return (readlink("/proc/$pid/exe") // '') =~ m{/systemd$} ? $pid : 0;
}

# Runs a command inside; its status and what it printed.
sub run {
	my ($self, @command) = @_;

	return Sniport::Test::run("nsenter", "--target", $self->{pid}, qw(--mount
		--pid --ipc --uts --cgroup --root --wd), @command);
}

# Where its root is, out here.
sub root { return $_[0]{root}; }

# Gives a file of its root to a user of its own.
sub own {
	my ($self, $name, $user) = @_;
	my ($id) = slurp("$self->{root}/etc/passwd") =~ /^\Q$user\E:x:(\d+):/m;

	chown $id, $id, "$self->{root}$name" or die "$name: $!";
	return;
}

# A property of a unit.
sub show {
	my ($self, $unit, $property) = @_;
	my ($status, $text) = $self->run('systemctl', 'show', '--value',
		"--property=$property", $unit);

	return $text =~ s/\s+\z//r;
}

# The process id, out here, of a unit's main process.
sub main_pid {
	my ($self, $unit) = @_;
	my $inside = $self->show($unit, 'MainPID');

	for my $file (glob '/proc/[0-9]*/status') {
		open(my $status, '<', $file) or next;
		my ($pids) = map { /^NSpid:\s*(.*)/ } <$status>;
		my @pids = split ' ', $pids // '';
		return $pids[-2] if @pids > 1 && $pids[-1] == $inside &&
		    (readlink($file =~ s/status/ns\/pid/r) // '') eq
		    (readlink("/proc/$self->{pid}/ns/pid") // '');
	}
	return 0;
}

# The process ids, out here, of those that a unit's main process has forked and
# that have this name.
sub children {
	my ($self, $unit, $name) = @_;
	my $pid = $self->main_pid($unit);

	open my $file, '<', "/proc/$pid/task/$pid/children" or return ();
	return grep { (eval { slurp("/proc/$_/comm") } // '') eq "$name\n" }
	    split ' ', <$file> // '';
}

# What the journal has of a unit so far: of each message [ priority, text ].
sub journal {
	my ($self, $unit) = @_;

	$self->run('journalctl', '--sync');
	my ($status, $text) = $self->run('journalctl', '-q', '--no-pager', '-o',
		'json', "--unit=$unit");
	require JSON::PP;
	return map { [ @$_{qw(PRIORITY MESSAGE)} ] } map {
		JSON::PP::decode_json($_) } split /\n/, $text;
}

sub remove_groups {
	my ($folder) = @_;

	remove_groups($_) for grep { -d } glob "$folder/*";
	return rmdir $folder;
}

sub halt {
	my ($self) = @_;

	delete $systems{$self->{name}} or return;
	kill 'KILL', $self->{pid} if ($self->{pid} // 0) > 1;
	group_kill($self->{starter}) if $self->{starter};
	poll(sub { remove_groups("$self->{groups}/$self->{name}") },
		deadline(5));
	Sniport::Test::run('umount', '-l', $_) for $self->{groups}, $self->{root};
	return;
}

my $owner = $$;
END {
	if ($$ == $owner) {
		my $status = $?;
		$_->halt for values %systems;
		$? = $status;
	}
}

1;
