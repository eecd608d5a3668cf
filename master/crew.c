/* Makes crews, takes workers in, and forgets those that are gone. */
#include "master/crew.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "master/generation.h"
#include "master/inherit.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/keyring.h"

/* Of tunnels of one worker, as far as it is believed. */
#define NUMBERS_MAX ((uint64_t)1 << 40)

int
crew_new(
    struct crew **out, unsigned number, size_t nworkers, struct terms *terms)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	size_t i;

	if (crew == NULL)
		return (-ENOMEM);
	crew->seats = calloc(nworkers, sizeof(*crew->seats));
	if (crew->seats == NULL) {
		free(crew);
		return (-ENOMEM);
	}
	for (i = 0; i < nworkers; i++) {
		crew->seats[i].store = -1;
		hand_init(&crew->seats[i].left);
	}
	TAILQ_INIT(&crew->children);
	crew->number = number;
	crew->nworkers = nworkers;
	crew->terms = terms;
	*out = crew;
	return (0);
}

void
crew_free(struct crew *crew, struct shm *shm)
{
	if (crew == NULL)
		return;
	assert(TAILQ_EMPTY(&crew->children));
	if (crew->rules.rows != NULL)
		rules_drop(shm, &crew->rules, clock_now());
	log_free(crew->log);
	logs_release(crew->error_log);
	logs_release(crew->audit_log);
	inherit_drop(crew);
	keyring_free(crew->keyring);
	free(crew->seats);
	free(crew->terms);
	generation_free(crew->generation);
	free(crew);
	alloc_trim();
}

void
crew_settle(struct crew *crew)
{
	generation_free(crew->generation);
	crew->generation = NULL;
}

void
crew_init_child(struct child *c, unsigned worker, int64_t now)
{
	*c = (struct child){ .worker = worker,
		.control_fd = -1,
		.slot = -1,
		.store = -1,
		.table = -1,
		.started = now,
		.kill_at = CLOCK_NEVER,
		.doubted = CLOCK_NEVER,
		.asked_at = now,
		.missed = CLOCK_NEVER };
	hand_init(&c->hand);
}

void
crew_forget_keys(const struct crew_list *all, const struct crew *but)
{
	const struct crew *crew;

	TAILQ_FOREACH (crew, all, entry)
		if (crew != but && crew->generation != NULL)
			generation_forget_keys(crew->generation);
}

void
crew_seat(struct crew *crew, struct child *c)
{
	c->crew = crew;
	TAILQ_INSERT_TAIL(&crew->children, c, entry);
	crew->seats[c->worker].child = c;
}

/* It may have given a number that it had not counted yet. */
void
crew_note_numbers(struct child *c, const struct shm *shm)
{
	uint64_t accepted = atomic_load_explicit(
	    &stats_slot(shm, c->slot)->count[STAT_ACCEPTED],
	    memory_order_relaxed);

	c->crew->seats[c->worker].numbers +=
	    (accepted < NUMBERS_MAX ? accepted : NUMBERS_MAX) + 1;
}

void
crew_forget(struct child *c, struct shm *shm)
{
	struct crew *crew = c->crew;

	if (crew->seats[c->worker].child == c)
		crew->seats[c->worker].child = NULL;
	TAILQ_REMOVE(&crew->children, c, entry);
	fd_close(&c->control_fd);
	fd_close(&c->store);
	fd_close(&c->table);
	stats_retire(shm, c->slot);
	shm_release(shm, c->slot);
	free(c);
}

struct child *
crew_find(const struct crew_list *crews, pid_t pid)
{
	struct crew *crew;
	struct child *c;

	TAILQ_FOREACH (crew, crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry) {
			if (c->pid == pid)
				return (c);
		}
	}
	return (NULL);
}

bool
crew_takes(const struct seat *seat, int64_t now)
{
	const struct child *c = seat->child;

	return (c != NULL && c->state == CHILD_SERVING && c->control_fd != -1 &&
		c->declined <= now);
}

static void
lower(uint64_t *n, uint64_t most)
{
	if (*n > most)
		*n = most;
}

/* Each has two descriptors. */
static struct shm_most
most_tunnels(const struct crew *crew)
{
	struct shm_most most = shm_share((uint64_t)crew->terms->tunnels);
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		lower(&most.alone, rl.rlim_cur / 2);
		lower(&most.beside, rl.rlim_cur / 2);
	}
	return (most);
}

int64_t
crew_tunnels_most(const struct crew *crew)
{
	struct shm_most most = most_tunnels(crew);

	return ((int64_t)(crew->nworkers > 1 ? most.beside : most.alone));
}

uint64_t
crew_tunnels_one(const struct crew *crew, const struct shm *shm)
{
	struct shm_most most = most_tunnels(crew);
	const struct child *c;
	uint64_t n = 0;

	TAILQ_FOREACH (c, &crew->children, entry)
		n += stats_tunnels_of(shm, c->slot, &most);
	return (n);
}

uint64_t
crew_tunnels(const struct crew_list *crews, const struct shm *shm)
{
	const struct crew *crew;
	uint64_t n = 0;

	TAILQ_FOREACH (crew, crews, entry)
		n += crew_tunnels_one(crew, shm);
	return (n);
}

const char *
crew_cause(enum crew_cause cause)
{
	static const char *const texts[] = {
		[CREW_NOT_KILLED] = "it was not killed",
		[CREW_OUT_OF_TURN] = "it sent a message out of turn",
		[CREW_NOT_A_MESSAGE] =
		    "it sent something that is not a message",
		[CREW_HUNG_UP] = "it hung up and did not exit",
		[CREW_NOT_READY] = "it was not ready within 10 s",
		[CREW_STILL_THERE] = "it did not exit at the deadline",
		[CREW_DISOBEYED] = "it did not exit when it was told to",
		[CREW_STANDS_STILL] = "it stands still",
		[CREW_DEAF] = "it takes no messages",
		[CREW_NO_HEARTBEAT] =
		    "its heartbeat stood still for timeouts.watchdog",
	};

	return (texts[cause]);
}

void
crew_kill(struct master *m, struct child *c, enum crew_cause cause)
{
	/* If it is still being started, it is logged where the start is given
	 * up. */
	if (c->crew != m->next)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u[%d] of generation %u: killed: %s", c->worker,
		    (int)c->pid, c->crew->number, crew_cause(cause));
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL);
	c->killed = cause;
	c->state = CHILD_ENDING;
	c->kill_at = CLOCK_NEVER;
}
