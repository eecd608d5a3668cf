/* Checks a configuration as the service would find it. */
#include "master/check.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "master/admin_socket.h"
#include "master/findings.h"
#include "master/generation.h"
#include "master/service.h"
#include "master/socket.h"

/* Who listens on that port of any address, as proc(5) has it. 0: nobody that
 * is not root. */
static uid_t
find_owner(const char *file, unsigned port)
{
	unsigned local, state, uid, owner = 0;
	FILE *in = fopen(file, "re");
	char line[512];

	if (in == NULL)
		return (0);
	while (owner == 0 && fgets(line, sizeof(line), in) != NULL) {
		if (sscanf(line,
			" %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s "
			"%*s %*s %u",
			&local, &state, &uid) == 3 &&
		    local == port && state == TCP_LISTEN)
			owner = uid;
	}
	fclose(in);
	return (owner);
}

/* A service that runs as somebody else, of whom systemd does not know. */
static int
try_as_owner(const struct conf_listener *l, const char **step)
{
	uid_t owner = find_owner("/proc/net/tcp", l->addr.port);
	int error;

	if (owner == 0)
		owner = find_owner("/proc/net/tcp6", l->addr.port);
	if (owner == 0 || seteuid(owner) != 0)
		return (-EADDRINUSE);
	error = socket_try(&l->addr, l->dual_stack, l->freebind, step);
	if (seteuid(0) != 0)
		return (-errno);
	return (error == 0 ? 0 : -EADDRINUSE);
}

/* Only root can tell whether it is the running service that has it. */
static const char *
doubt(int error)
{
	if (error != -EADDRINUSE || geteuid() == 0)
		return ("");
	return ("; where that is the running service, check as its user or as "
		"root");
}

/* Those that the running service has can be had once more. */
static void
check_listeners(
    const struct conf *conf, const struct service *service, struct findings *f)
{
	char advice[SOCKET_ADVICE_SIZE];
	const struct conf_listener *l;
	const char *step;
	int error;

	for (l = conf->listeners; l < conf->listeners + conf->nlisteners; l++) {
		error = socket_try(&l->addr, l->dual_stack, l->freebind, &step);
		if (error == -EADDRINUSE && geteuid() == 0)
			error = try_as_owner(l, &step);
		if (error == -EADDRINUSE && service_listens(service, &l->addr))
			error = 0;
		if (error != 0)
			findings_add_at(f, LOG_LEVEL_ERROR, conf, &l->address,
			    "%s: %s: %s%s%s", l->address, step,
			    strerror(-error),
			    socket_advice(
				&l->addr, l->dual_stack, error, advice),
			    doubt(error));
	}
}

static void
tell(const char *file, const char *user)
{
	if (user[0] == '\0')
		printf("%s: configuration is valid\n", file);
	else
		printf("%s: configuration is valid for user %s of " SERVICE_UNIT
		       "\n",
		    file, user);
}

int
check_run(const char *file)
{
	struct generation *g = NULL;
	struct service service;
	struct findings f;
	bool valid;

	findings_init(&f);
	if (service_become(&service, &f) == 0 &&
	    generation_read(&g, file, NULL, &f) == 0) {
		g->service = &service;
		(void)generation_complete(g, NULL, &f);
		check_listeners(g->conf, &service, &f);
		admin_sockets_try(g->conf, &service, &f);
	}
	findings_print(&f, stderr);
	valid = f.nerrors == 0;
	if (!valid && service.user[0] != '\0')
		fprintf(stderr,
		    "sniport: checked as user %s, the user of " SERVICE_UNIT
		    "\n",
		    service.user);
	if (valid)
		tell(file, service.user);
	generation_free(g);
	findings_fini(&f);
	return (valid ? EXIT_SUCCESS : EXIT_FAILURE);
}
