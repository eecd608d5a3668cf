/* Asks systemctl(1) whom the service runs as, and becomes that user. */
#include "master/service.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/registers.h"
#include "common/net/addr.h"
#include "master/capability.h"
#include "master/findings.h"

#define GROUPS_MAX 64

/* Of the unit, as systemctl has them: words with blanks between. */
struct unit {
	char user[SERVICE_USER_SIZE];
	char group[SERVICE_USER_SIZE];
	char groups[1024];
	char capabilities[1024];
	char load[16], files[32];
	char folders[4][1024];
};

/* Whose names are below these. */
static const struct {
	const char *property, *base;
} folders[] = {
	{ "LogsDirectory", "/var/log/" },
	{ "RuntimeDirectory", "/run/" },
	{ "StateDirectory", "/var/lib/" },
	{ "CacheDirectory", "/var/cache/" },
};

/* What is asked, with the unit as its last word. */
static const char *const of_unit[] = { "systemctl", "show", "--property=User",
	"--property=Group", "--property=SupplementaryGroups",
	"--property=AmbientCapabilities", "--property=LoadState",
	"--property=LimitNOFILE", "--property=LogsDirectory",
	"--property=RuntimeDirectory", "--property=StateDirectory",
	"--property=CacheDirectory", SERVICE_UNIT, NULL };
static const char *const of_socket[] = { "systemctl", "show",
	"--property=ActiveState", "--property=Listen", SERVICE_SOCKET, NULL };

/* Where there is no systemd, or systemctl has no answer, it says nothing. */
static _Noreturn void
ask(const char *const *words, int out)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp(words[0], (char *const *)(uintptr_t)words);
	_exit(127);
}

static void
take(const char *line, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) == 0 && line[len] == '=')
		snprintf(value, size, "%.*s",
		    (int)strcspn(line + len + 1, "\n"), line + len + 1);
}

static void
read_unit(void *arg, FILE *in)
{
	struct unit *unit = arg;
	char line[1200];

	while (fgets(line, sizeof(line), in) != NULL) {
		take(line, "User", unit->user, sizeof(unit->user));
		take(line, "Group", unit->group, sizeof(unit->group));
		take(line, "SupplementaryGroups", unit->groups,
		    sizeof(unit->groups));
		take(line, "AmbientCapabilities", unit->capabilities,
		    sizeof(unit->capabilities));
		take(line, "LoadState", unit->load, sizeof(unit->load));
		take(line, "LimitNOFILE", unit->files, sizeof(unit->files));
		for (size_t i = 0; i < 4; i++)
			take(line, folders[i].property, unit->folders[i],
			    sizeof(unit->folders[i]));
	}
}

/* "Listen=[::]:8443 (Stream)", one line each. */
static void
read_socket(void *arg, FILE *in)
{
	struct service *s = arg;
	char line[256], state[16] = "", at[256];
	size_t len;

	while (fgets(line, sizeof(line), in) != NULL) {
		at[0] = '\0';
		take(line, "ActiveState", state, sizeof(state));
		take(line, "Listen", at, sizeof(at));
		if (at[0] == '\0' || strstr(at, " (Stream)") == NULL)
			continue;
		len = strlen(s->listens);
		snprintf(s->listens + len, sizeof(s->listens) - len, "%.*s ",
		    (int)strcspn(at, " "), at);
	}
	if (strcmp(state, "active") != 0)
		s->listens[0] = '\0';
}

/* Has the answer read. False: there is none. */
static bool
find(const char *const *words, void (*answer)(void *, FILE *), void *arg)
{
	int pair[2], status;
	FILE *in;
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) != 0)
		return (false);
	registers_clear();
	pid = fork();
	if (pid == 0)
		ask(words, pair[1]);
	fd_close(&pair[1]);
	in = fdopen(pair[0], "r");
	if (in != NULL) {
		answer(arg, in);
		fclose(in);
	} else {
		fd_close(&pair[0]);
	}
	return (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

/* Those of the user and those that the unit adds; returns how many. */
static size_t
list_groups(const struct unit *unit, const char *name, gid_t gid,
    gid_t list[GROUPS_MAX])
{
	int n = GROUPS_MAX / 2;
	char copy[sizeof(unit->groups)], *next, *word;
	const struct group *gr;

	if (getgrouplist(name, gid, list, &n) < 0)
		n = GROUPS_MAX / 2;
	snprintf(copy, sizeof(copy), "%s", unit->groups);
	for (word = strtok_r(copy, " ", &next); word != NULL && n < GROUPS_MAX;
	     word = strtok_r(NULL, " ", &next)) {
		gr = getgrnam(word);
		if (gr != NULL)
			list[n++] = gr->gr_gid;
	}
	return ((size_t)n);
}

static int
become(const struct unit *unit, const struct passwd *pw)
{
	gid_t gid = pw->pw_gid, list[GROUPS_MAX];
	const struct group *gr;
	uid_t uid = pw->pw_uid;
	size_t n;

	gr = unit->group[0] != '\0' ? getgrnam(unit->group) : NULL;
	if (gr != NULL)
		gid = gr->gr_gid;
	n = list_groups(unit, unit->user, gid, list);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    setgroups(n, list) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return (-errno);
	return (capability_limit(capability_named(unit->capabilities)));
}

static void
note_folders(struct service *s, const char *base, char *names)
{
	char *next, *word;
	size_t len;

	for (word = strtok_r(names, " ", &next); word != NULL;
	     word = strtok_r(NULL, " ", &next)) {
		len = strlen(s->folders);
		snprintf(s->folders + len, sizeof(s->folders) - len, "%s%s ",
		    base, word);
	}
}

/* Of a unit that is not there, systemctl prints what would be. */
static void
note_unit(struct service *s, struct unit *unit)
{
	if (strcmp(unit->load, "not-found") == 0)
		return;
	for (size_t i = 0; i < 4; i++)
		note_folders(s, folders[i].base, unit->folders[i]);
	s->files = strcmp(unit->files, "infinity") == 0
		       ? UINT64_MAX
		       : strtoull(unit->files, NULL, 10);
}

bool
service_listens(const struct service *s, const struct addr *addr)
{
	const char *at = s->listens;
	struct addr a;
	size_t len;

	for (; *at != '\0'; at += len + (at[len] == ' ')) {
		len = strcspn(at, " ");
		if (addr_parse(&a, at, len, 0) == 0 && addr_equal(&a, addr))
			return (true);
	}
	return (false);
}

bool
service_makes(const struct service *s, const char *folder)
{
	size_t len = strlen(folder);
	const char *at = s->folders;

	for (; *at != '\0'; at += strcspn(at, " "), at += *at != '\0')
		if (strncmp(at, folder, len) == 0 && at[len] == ' ')
			return (true);
	return (false);
}

int
service_become(struct service *s, struct findings *f)
{
	const struct passwd *pw;
	struct unit unit;
	int error;

	*s = (struct service){ .user = "" };
	unit = (struct unit){ .user = "" };
	(void)find(of_socket, read_socket, s);
	if (geteuid() != 0 || !find(of_unit, read_unit, &unit))
		return (0);
	note_unit(s, &unit);
	if (unit.user[0] == '\0')
		return (0);
	pw = getpwnam(unit.user);
	if (pw == NULL) {
		findings_add(f, LOG_LEVEL_WARNING,
		    SERVICE_UNIT ": its user %s does not exist: checked as "
				 "root",
		    unit.user);
		return (0);
	}
	if (pw->pw_uid == 0)
		return (0);
	error = become(&unit, pw);
	if (error != 0) {
		findings_add(f, LOG_LEVEL_ERROR,
		    SERVICE_UNIT ": become its user %s: %s", unit.user,
		    strerror(-error));
		return (-EINVAL);
	}
	snprintf(s->user, sizeof(s->user), "%s", unit.user);
	return (0);
}
