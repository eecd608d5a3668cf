/* Tries, in a child of the master, whether this program could take over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/shm/shm.h"
#include "master/codec.h"
#include "master/findings.h"
#include "master/generation.h"
#include "master/handover.h"
#include "master/logs_state.h"
#include "master/master.h"
#include "master/program.h"
#include "master/socket.h"
#include "master/takeover.h"

/* Those that are there need not be had once more. */
static void
try_listeners(
    const struct master *m, const struct conf *conf, struct findings *f)
{
	char advice[SOCKET_ADVICE_SIZE];
	const struct conf_listener *l;
	struct listener_at at;
	const char *step;
	int error;

	for (l = conf->listeners; l < conf->listeners + conf->nlisteners; l++) {
		listener_place(&at, l);
		if (listener_find(&m->listeners, &at) != NULL)
			continue;
		error = socket_try(&l->addr, l->dual_stack, l->freebind, &step);
		if (error != 0)
			findings_add_at(f, LOG_LEVEL_ERROR, conf, &l->address,
			    "%s: %s: %s%s", l->address, step, strerror(-error),
			    socket_advice(
				&l->addr, l->dual_stack, error, advice));
	}
}

static bool
try_configuration(const struct master *m)
{
	struct generation *g = NULL;
	struct findings f;
	bool good;

	findings_init(&f);
	if (generation_read(&g, m->upgrade.file, NULL, &f) == 0) {
		g->replaced = &m->upgrade.served;
		(void)generation_complete(g, NULL, &f);
		try_listeners(m, g->conf, &f);
	}
	good = f.nerrors == 0;
	findings_print(&f, stderr);
	findings_fini(&f);
	generation_free(g);
	return (good);
}

/* All that it has of the service is let go of, and nothing is done with it. */
static int
try_state(int fd, struct master *m)
{
	size_t size;
	const void *bytes = program_read_state(fd, &size);
	struct codec c;
	int error;

	if (bytes == NULL) {
		error = -errno;
		fprintf(stderr,
		    "sniport " SNIPORT_VERSION
		    " cannot read what is handed over: %s\n",
		    strerror(-error));
		return (error);
	}
	error = handover_read(&c, bytes, size, false, m);
	if (error != 0)
		fprintf(stderr,
		    "sniport " SNIPORT_VERSION " cannot take over: %s\n",
		    c.wrong);
	codec_fini(&c);
	(void)munmap((void *)(uintptr_t)bytes, size);
	shm_free(m->shm);
	(void)fd_close_others(NULL, 0);
	return (error);
}

int
takeover_try(const char *text)
{
	struct master *m = calloc(1, sizeof(*m));
	const struct writer_forget nothing = { .call = NULL };
	int fd, error;
	char end;
	bool good;

	(void)prctl(PR_SET_NAME, "sniport-trial", 0, 0, 0);
	error = m == NULL ? -ENOMEM : privilege_limits();
	if (error != 0) {
		fprintf(stderr, "sniport: trial: %s\n", strerror(-error));
		free(m);
		return (EXIT_FAILURE);
	}
	if (sscanf(text, "%d%c", &fd, &end) != 1 || fd <= STDERR_FILENO) {
		fprintf(stderr, "sniport: %s: %s\n", text, strerror(EINVAL));
		return (EXIT_FAILURE);
	}
	TAILQ_INIT(&m->crews);
	TAILQ_INIT(&m->legacies);
	listener_init(&m->listeners);
	admin_init(&m->admin);
	m->reports.fd = m->reports.reader = -1;
	logs_init(&m->logs, -1, &nothing);
	error = try_state(fd, m);
	good = error == 0 && try_configuration(m);
	handover_forget(m);
	free(m);
	if (!good)
		return (EXIT_FAILURE);
	printf("sniport " SNIPORT_VERSION " can take over\n");
	return (EXIT_SUCCESS);
}
