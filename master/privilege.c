/*
 * Finds the user that children run as, gives up privileges in them, and raises
 * the limit on open files.
 */
#include "master/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/conf/conf.h"
#include "master/capability.h"
#include "master/findings.h"

/* nobody's number in a system without a user database (a bare container). */
#define NOBODY 65534

/* Files of the master beside its listeners and the control sockets. */
#define FILES_MASTER 48

/* So many, and the configuration can be read and the limit judged by it. */
#define FILES_START 32

#define FILES_ADVICE \
	": raise it with ulimit -n, or with LimitNOFILE in the unit"

/* A number instead of a name, as in chown(1). (uid_t)-1 and (gid_t)-1 mean
 * "as it was" to the kernel. */
static bool
parse_id(const char *text, uint32_t *id)
{
	unsigned long long n;

	if (text[strspn(text, "0123456789")] != '\0')
		return (false);
	errno = 0;
	n = strtoull(text, NULL, 10);
	*id = (uint32_t)n;
	return (errno == 0 && n < UINT32_MAX);
}

static const struct passwd *
find_user(struct run_as *id, const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (pw != NULL) {
		id->uid = pw->pw_uid;
		return (pw);
	}
	return (parse_id(name, &id->uid) ? getpwuid(id->uid) : NULL);
}

static int
resolve_user(struct run_as *id, const struct conf *conf, struct findings *f)
{
	const char *name = conf->user != NULL ? conf->user : "nobody";
	const struct passwd *pw = find_user(id, name);

	if (pw != NULL) {
		id->gid = pw->pw_gid;
		return (0);
	}
	if (conf->user == NULL)
		return (0);
	if (!parse_id(name, &id->uid))
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->user,
		    "there is no user \"%s\"", name);
	else if (conf->group == NULL)
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->user,
		    "there is no user with the number %s, so its group is not "
		    "known; set group too",
		    name);
	else
		return (0);
	return (-EINVAL);
}

static int
resolve_group(struct run_as *id, const struct conf *conf, struct findings *f)
{
	const struct group *gr;

	if (conf->group == NULL && conf->user != NULL)
		return (0);
	gr = getgrnam(conf->group != NULL ? conf->group : "nogroup");
	if (gr != NULL) {
		id->gid = gr->gr_gid;
		return (0);
	}
	if (conf->group != NULL && !parse_id(conf->group, &id->gid)) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->group,
		    "there is no group \"%s\"", conf->group);
		return (-EINVAL);
	}
	return (0);
}

/* What is not as it says, or might not be meant. */
static void
warn_identity(
    const struct run_as *id, const struct conf *conf, struct findings *f)
{
	if (id->change && conf->user == NULL)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "is not set, and sniport was started as root: workers run "
		    "as nobody (uid %u, gid %u)",
		    (unsigned)id->uid, (unsigned)id->gid);
	if (id->change && id->uid == 0)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "workers run as root, without capabilities");
	if (!id->change && conf->user != NULL && id->uid != geteuid())
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "has no effect, since sniport was not started as root: "
		    "workers run with uid %u",
		    (unsigned)geteuid());
	if (!id->change && conf->group != NULL && id->gid != getegid())
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->group,
		    "has no effect, since sniport was not started as root: "
		    "workers run with gid %u",
		    (unsigned)getegid());
}

/* A worker without it would fail each tunnel of these lines. */
static int
resolve_marks(struct run_as *id, const struct conf *conf, struct findings *f)
{
	int error = 0;

	for (size_t i = 0; i < conf->negress; i++) {
		if (conf->egress[i].mark == 0)
			continue;
		if (id->keep == 0)
			id->keep = capability_for_mark();
		if (id->keep != 0)
			return (0);
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->egress[i].mark,
		    "sniport may not set marks: it needs CAP_NET_ADMIN, or "
		    "since Linux 5.17 CAP_NET_RAW, for the network that it is "
		    "in");
		error = -EINVAL;
	}
	return (error);
}

/* What a child that tries it exits with: 0 or an errno. */
static int
try_to_become(const struct run_as *id)
{
	const char *step;
	pid_t pid;
	int status;

	/* Without the handlers of fork(3): it is no worker. */
	pid = _Fork();
	if (pid == 0)
		_exit(-privilege_drop(id, &step));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return (errno);
	return (WIFEXITED(status) ? WEXITSTATUS(status) : EPERM);
}

/* Root may lack the capabilities for it, or the user namespace the users. */
static int
check_change(
    const struct run_as *id, const struct conf *conf, struct findings *f)
{
	int error = id->change ? try_to_become(id) : 0;

	if (error == 0)
		return (0);
	findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->user,
	    "sniport was started as root, and its workers cannot become uid "
	    "%u, gid %u: %s%s",
	    (unsigned)id->uid, (unsigned)id->gid, strerror(error),
	    error == EPERM ? ": give it CAP_SETUID and CAP_SETGID, or start it "
			     "as that user"
			   : "");
	return (-EINVAL);
}

int
privilege_resolve(
    struct run_as *id, const struct conf *conf, struct findings *f)
{
	int error, error_group, error_marks;

	*id = (struct run_as){
		.change = geteuid() == 0, .uid = NOBODY, .gid = NOBODY
	};
	error = resolve_user(id, conf, f);
	error_group = resolve_group(id, conf, f);
	error_marks = resolve_marks(id, conf, f);
	if (error != 0 || error_group != 0 || error_marks != 0 ||
	    check_change(id, conf, f) != 0)
		return (-EINVAL);
	warn_identity(id, conf, f);
	return (0);
}

int
privilege_drop(const struct run_as *id, const char **step)
{
	static const struct rlimit no_core = { 0, 0 };
	int error;

	*step = "PR_SET_KEEPCAPS";
	if (id->keep != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return (-errno);
	*step = "setgroups";
	if (id->change && setgroups(0, NULL) != 0)
		return (-errno);
	*step = "setresgid";
	if (id->change && setresgid(id->gid, id->gid, id->gid) != 0)
		return (-errno);
	*step = "setresuid";
	if (id->change && setresuid(id->uid, id->uid, id->uid) != 0)
		return (-errno);
	*step = "capset";
	error = capability_limit(id->keep);
	if (error != 0)
		return (error);
	*step = "PR_SET_NO_NEW_PRIVS";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return (-errno);
	*step = "PR_SET_DUMPABLE";
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return (-errno);
	*step = "RLIMIT_CORE";
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return (-errno);
	return (0);
}

int
privilege_limits(void)
{
	static const struct rlimit no_core = { 0, 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return (-errno);
	/* Not started as root, workers have our uid: a worker that was taken
	 * over must not become the master by ptrace(2). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return (-errno);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return (-errno);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return (-errno);
	return (0);
}

int
privilege_check_least(struct findings *f)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_max >= FILES_START)
		return (0);
	findings_add(f, LOG_LEVEL_ERROR,
	    "too few open files: 1 worker and 1 listener need %d, "
	    "RLIMIT_NOFILE is %llu" FILES_ADVICE,
	    BOOT_FILES_OTHER + 3, (unsigned long long)files.rlim_max);
	return (-EMFILE);
}

void
privilege_tell_size(struct findings *f)
{
	struct rlimit size = { 0, 0 };

	(void)getrlimit(RLIMIT_FSIZE, &size);
	findings_add(f, LOG_LEVEL_ERROR,
	    "files may not be as large as the memory that processes share: "
	    "RLIMIT_FSIZE is %llu bytes: raise it with ulimit -f, or with "
	    "LimitFSIZE in the unit",
	    (unsigned long long)size.rlim_cur);
}

int
privilege_check_files(const struct conf *conf, size_t nworkers, uint64_t limit,
    struct findings *f)
{
	/* Two for each tunnel of its share. */
	uint64_t share =
	    ((uint64_t)conf->limits.tunnels + nworkers - 1) / nworkers * 2;
	uint64_t other = conf->nlisteners + BOOT_FILES_OTHER;
	/* For each worker, and the one that follows, a control socket, its part
	 * of the counters and the table of its tunnels, and what it leaves to
	 * others. */
	uint64_t master = nworkers * (conf->nlisteners + 8) + FILES_MASTER;
	struct rlimit files;

	/* What is left of so many, beside the races, is that. */
	share += (share - 1) / (BOOT_FILES_RACES - 1);
	if (limit == 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return (0);
	if (limit == 0)
		limit = files.rlim_max;
	if (limit >= other + share && limit >= master)
		return (0);
	if (limit < other + 2 || limit < master) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->workers,
		    "too few open files: %zu worker%s and %zu listener%s need "
		    "%llu in the master and at least %llu in each worker, "
		    "RLIMIT_NOFILE is %llu" FILES_ADVICE,
		    nworkers, nworkers == 1 ? "" : "s", conf->nlisteners,
		    conf->nlisteners == 1 ? "" : "s",
		    (unsigned long long)master, (unsigned long long)other + 2,
		    (unsigned long long)limit);
		return (-EMFILE);
	}
	findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->limits.tunnels,
	    "%lld over %zu worker%s need %llu open files each, "
	    "RLIMIT_NOFILE is %llu" FILES_ADVICE,
	    (long long)conf->limits.tunnels, nworkers, nworkers == 1 ? "" : "s",
	    (unsigned long long)(other + share), (unsigned long long)limit);
	return (0);
}
