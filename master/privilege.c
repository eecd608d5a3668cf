#include "master/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/conf.h"
#include "master/findings.h"

/* nobody's number in a system without a user database (a bare container). */
#define NOBODY 65534

/* Files of a worker that belong to no tunnel: logs, loop, resolver, spare. */
#define FILES_OTHER 64

static int
resolve_user(struct run_as *id, const struct conf *conf, struct findings *f)
{
	const char *name = conf->user != NULL ? conf->user : "nobody";
	const struct passwd *pw;

	pw = getpwnam(name);
	if (pw != NULL) {
		id->uid = pw->pw_uid;
		id->gid = pw->pw_gid;
		return (0);
	}
	if (conf->user != NULL) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->user,
		    "no user \"%s\" exists", name);
		return (-EINVAL);
	}
	return (0);
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
	if (conf->group != NULL) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->group,
		    "no group \"%s\" exists", conf->group);
		return (-EINVAL);
	}
	return (0);
}

int
privilege_resolve(
    struct run_as *id, const struct conf *conf, struct findings *f)
{
	int error, error_group;

	*id = (struct run_as){
		.change = geteuid() == 0, .uid = NOBODY, .gid = NOBODY
	};
	for (size_t i = 0; i < conf->negress; i++)
		id->keep_net_raw |= conf->egress[i].mark != 0;
	error = resolve_user(id, conf, f);
	error_group = resolve_group(id, conf, f);
	if (error != 0 || error_group != 0)
		return (-EINVAL);
	if (id->change && conf->user == NULL)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "not set and started as root: workers become nobody "
		    "(uid %u, gid %u)",
		    (unsigned)id->uid, (unsigned)id->gid);
	if (id->change && id->uid == 0)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "workers stay root, without capabilities");
	if (!id->change && conf->user != NULL && id->uid != geteuid())
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->user,
		    "not started as root: workers stay uid %u",
		    (unsigned)geteuid());
	return (0);
}

/* By system call, since glibc has no wrapper. SO_MARK: CAP_NET_RAW is enough since Linux 5.17, and less than
 * CAP_NET_ADMIN. */
static int
drop_capabilities(bool keep_net_raw)
{
	const uint32_t keep = keep_net_raw ? 1U << CAP_NET_RAW : 0;
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = keep, .permitted = keep }
	};

	return ((int)syscall(SYS_capset, &header, caps));
}

int
privilege_drop(const struct run_as *id, const char **step)
{
	static const struct rlimit no_core = { 0, 0 };

	*step = "PR_SET_KEEPCAPS";
	if (id->keep_net_raw && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
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
	if (drop_capabilities(id->keep_net_raw) != 0)
		return (-errno);
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

void
privilege_check_files(
    const struct conf *conf, size_t nworkers, struct findings *f)
{
	uint64_t share =
	    ((uint64_t)conf->limits.tunnels + nworkers - 1) / nworkers;
	uint64_t need = share * 2 + conf->nlisteners + FILES_OTHER;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= need)
		return;
	findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->limits.tunnels,
	    "%lld over %zu workers need %llu open files each, "
	    "RLIMIT_NOFILE is %llu",
	    (long long)conf->limits.tunnels, nworkers, (unsigned long long)need,
	    (unsigned long long)files.rlim_cur);
}
