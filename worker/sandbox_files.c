/*
 * Composes and installs the Landlock rules of a worker: the few files that it
 * may still open.
 */
#include "worker/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/log/log.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define LINKS_MAX   8

/* As <linux/landlock.h> has it since ABI 6; a kernel of an older one wants
 * zeros in what it does not know. */
struct ruleset {
	uint64_t files, ports, scopes;
};

/* What is forbidden unless a rule allows it. */
static struct ruleset
ruleset_of(int abi)
{
	enum {
		FS_REFER = 1 << 13,
		FS_TRUNCATE = 1 << 14,
		FS_IOCTL_DEV = 1 << 15,
		SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0,
		SCOPE_SIGNAL = 1 << 1
	};
	struct ruleset set = { .files = FS_REFER - 1 };

	if (abi >= 2)
		set.files |= FS_REFER;
	if (abi >= 3)
		set.files |= FS_TRUNCATE;
	if (abi >= 5)
		set.files |= FS_IOCTL_DEV;
	if (abi >= 6)
		set.scopes = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	return (set);
}

/* Allows to read a file, or all files beneath a folder. What cannot be opened
 * now is left out: it could not be read later. */
static int
allow_read(int ruleset, int at, const char *path)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
	};
	int error = 0, fd = openat(at, path, O_PATH | O_CLOEXEC);

	if (fd == -1)
		return (0);
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) != 0)
		error = -errno;
	fd_close(&fd);
	return (error);
}

static bool
is_root_folder(int fd)
{
	struct stat st, root;

	return (fstat(fd, &st) == 0 && stat("/", &root) == 0 &&
		st.st_dev == root.st_dev && st.st_ino == root.st_ino);
}

/* Opens the folder part of a path, and sets *name to the rest; -1: errno. */
static int
open_folder(int at, char *path, const char **name)
{
	char *slash = strrchr(path, '/');
	const char *folder = path;

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		folder = ".";
	else if (slash == path)
		folder = "/";
	else
		*slash = '\0';
	return (openat(at, folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/*
 * The file is replaced when the network changes, so a rule for it alone would
 * soon be one for a file that is no more. Its folder is what may be read; and
 * where it is a link, the folder that the link leads to, and so on. Keys may
 * be in /etc as well, but then a worker has them in its memory anyway.
 */
static int
allow_resolv_conf(int ruleset)
{
	char path[PATH_MAX] = RESOLV_CONF, target[PATH_MAX];
	int links = 0, at = -1, folder, error = 0;
	const char *name;
	ssize_t n = 1;

	while (error == 0 && n > 0 && links++ < LINKS_MAX) {
		folder = open_folder(at, path, &name);
		if (folder == -1)
			break;
		/* Rather the one file than all there are. */
		error = allow_read(
		    ruleset, folder, is_root_folder(folder) ? name : ".");
		n = readlinkat(folder, name, target, sizeof(target) - 1);
		if (n > 0) {
			memcpy(path, target, (size_t)n);
			path[n] = '\0';
		}
		fd_close(&at);
		at = folder;
	}
	fd_close(&at);
	return (error);
}

static int
enforce(int ruleset, const struct conf *conf, const char **step)
{
	int error;

	*step = "landlock_add_rule";
	/* c-ares before 1.19.1 seeds from it, each time that it is set up. */
	error = allow_read(ruleset, -1, "/dev/urandom");
	if (error == 0 && conf->dns.nservers == 0)
		error = allow_resolv_conf(ruleset);
	if (error != 0)
		return (error);
	*step = "landlock_restrict_self";
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return (-errno);
	return (0);
}

/* -ENOSYS or the like: the kernel has no Landlock. */
static int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return (abi < 0 ? -errno : (int)abi);
}

static int
make_ruleset(int abi, const char **step)
{
	struct ruleset set = ruleset_of(abi);
	int ruleset;

	*step = "landlock_create_ruleset";
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	return (ruleset == -1 ? -errno : ruleset);
}

int
sandbox_restrict_files(const struct boot *boot, const char **step)
{
	int abi = landlock_abi(), ruleset, error;

	if (abi < 0) {
		if (boot->worker == 0)
			log_write(boot->log, LOG_LEVEL_INFO,
			    "sandbox: without Landlock, workers may read what "
			    "their user may read: %s",
			    strerrordesc_np(-abi));
		return (0);
	}
	ruleset = make_ruleset(abi, step);
	if (ruleset < 0)
		return (ruleset);
	error = enforce(ruleset, boot->conf, step);
	fd_close(&ruleset);
	if (error == 0)
		log_write(boot->log, LOG_LEVEL_DEBUG,
		    "sandbox: files are restricted by Landlock, ABI %d", abi);
	return (error);
}

int
sandbox_close_files(const char **step)
{
	int abi = landlock_abi(), ruleset, error = 0;

	if (abi < 0)
		return (0);
	ruleset = make_ruleset(abi, step);
	if (ruleset < 0)
		return (ruleset);
	*step = "landlock_restrict_self";
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		error = -errno;
	fd_close(&ruleset);
	return (error);
}
