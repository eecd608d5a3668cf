/*
 * Takes connections back that a worker was handed and has not taken, and finds
 * others who do.
 */
#include "master/regain.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/shm/stats.h"
#include "master/crew.h"
#include "master/hand.h"
#include "master/listener.h"
#include "master/master.h"

/* Who took nothing of what it was handed is handed nothing for so long. */
#define DECLINE (60 * CLOCK_SEC)

/* Connections that no worker had are numbered from here, so that their names
 * are no tunnel's. */
#define LOST_FIRST ((uint64_t)1 << 62)

#define SPARES	   (sizeof(((struct regain *)0)->spare) / sizeof(int))

/*
 * For a connection that is taken back there has to be a descriptor, or the
 * kernel closes it, and for those that it is put to, a pair. They are held
 * while nothing is taken back. What cannot be had now can be later.
 */
static void
hold_spare(struct regain *r)
{
	size_t i;

	for (i = 0; i < SPARES; i++)
		if (r->spare[i] == -1)
			r->spare[i] = eventfd(0, EFD_CLOEXEC);
}

static void
give_spare(struct regain *r)
{
	size_t i;

	for (i = 0; i < SPARES; i++)
		fd_close(&r->spare[i]);
}

void
regain_init(struct regain *r)
{
	*r = (struct regain){ .spare = { -1, -1, -1 } };
	hold_spare(r);
}

void
regain_fini(struct regain *r)
{
	give_spare(r);
}

/* The listener of the current crew that has that one's address; false: there is
 * none. */
static bool
find_listener(
    const struct master *m, const struct terms *old, uint32_t *listener)
{
	const struct terms *terms = m->current->terms;
	size_t i;

	for (i = 0; i < terms->nlisteners; i++) {
		if (!listener_same(
			&terms->listeners[i], &old->listeners[*listener]))
			continue;
		*listener = (uint32_t)i;
		return (true);
	}
	return (false);
}

/* A place for one more that is to be passed on; NULL: there is none. */
static struct hand *
find_place(struct crew *crew)
{
	size_t i;

	for (i = 0; i < crew->nworkers; i++)
		if (hand_has_room(&crew->seats[i].left))
			return (&crew->seats[i].left);
	return (NULL);
}

/* Takes a connection to a listener of that generation in any case. False: it
 * was reset, since nobody can serve it. */
static bool
pass_on_one(struct master *m, const struct crew *crew, struct hand_connection c)
{
	struct hand *place = NULL;

	if (c.fd != -1 && master_serves(m) && m->current != NULL &&
	    (crew == m->current || find_listener(m, crew->terms, &c.listener)))
		place = find_place(m->current);
	if (place != NULL)
		return (hand_add(place, &c) == 0);
	fd_close(&c.fd);
	return (false);
}

void
regain_lose(struct master *m, struct crew *crew, unsigned worker,
    const struct hand_connection *c)
{
	struct tunnel_facts facts;
	const char *listeners[TERMS_LISTENERS_MAX];
	struct facts_names names = { .listeners = { listeners,
					 crew->terms->nlisteners,
					 sizeof(*listeners) } };
	const struct audit_line line = {
		.event = AUDIT_END,
		.facts = &facts,
		.text = facts.text,
		.names = &names,
	};
	size_t i;

	for (i = 0; i < crew->terms->nlisteners; i++)
		listeners[i] = crew->terms->listeners[i].name;
	facts_init(&facts);
	facts.number = LOST_FIRST + crew->seats[worker].lost++;
	facts.worker = worker;
	facts.generation = crew->number;
	facts.client = c->client;
	facts.listener = c->listener;
	facts.wall = clock_wall();
	facts.reason = REASON_WORKER_DIED;
	facts.total_ns = 0;
	if (audit_write(
		logs_sink(crew->audit_log), crew->terms->format, &line) != 0)
		stats_add_total(m->shm, STAT_AUDIT_DROPPED, 1);
	stats_add_total(m->shm, STAT_ACCEPTED, 1);
	stats_add_total_reason(m->shm, REASON_WORKER_DIED, 1);
}

/* Passes on what the hand holds, of that worker of the generation, to those who
 * serve now; else it is lost. */
static void
distribute(struct master *m, struct crew *crew, unsigned worker, struct hand *h)
{
	struct hand_connection c;
	unsigned lost = 0;

	give_spare(&m->regain);
	while (hand_take_back(h, &c, crew->terms->lost)) {
		if (pass_on_one(m, crew, c))
			continue;
		regain_lose(m, crew, worker, &c);
		lost++;
	}
	hand_close(h);
	hold_spare(&m->regain);
	if (lost > 0)
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u of generation %u: %u connection%s that %s "
		    "accepted for it %s lost",
		    worker, crew->number, lost, lost == 1 ? "" : "s",
		    lost == 1 ? "was" : "were", lost == 1 ? "is" : "are");
	m->fetch.blocked = true;
}

/* One that lives and takes nothing, for want of descriptors or because it was
 * broken into, while another could. */
static bool
is_stuck(const struct master *m, const struct child *c, int64_t now)
{
	const struct crew *crew = m->current;
	size_t i;

	if (!master_serves(m) || c->crew != crew ||
	    !hand_is_stuck(&c->hand, now, crew->terms->watchdog))
		return (false);
	for (i = 0; i < crew->nworkers; i++)
		if (crew->seats[i].child != c &&
		    crew_takes(&crew->seats[i], now))
			return (true);
	return (false);
}

void
regain_tick(struct master *m, struct child *c, int64_t now)
{
	struct hand_connection one;
	unsigned n = 0;

	if (!is_stuck(m, c, now))
		return;
	give_spare(&m->regain);
	while (fd_spare() == 0 &&
	       hand_take_back(&c->hand, &one, c->crew->terms->lost)) {
		if (!pass_on_one(m, c->crew, one))
			regain_lose(m, c->crew, c->worker, &one);
		n++;
	}
	hold_spare(&m->regain);
	c->declined = now + DECLINE;
	m->fetch.blocked = true;
	log_write(m->log, LOG_LEVEL_WARNING,
	    "worker %u[%d]: it took none of %u connection%s for "
	    "timeouts.watchdog: others get %s",
	    c->worker, (int)c->pid, n, n == 1 ? "" : "s",
	    n == 1 ? "it" : "them");
}

void
regain_inherit(struct master *m, struct child *c)
{
	if (!hand_is_free(&c->hand))
		distribute(m, c->crew, c->worker, &c->hand);
}

void
regain_drop(struct master *m, struct crew *crew)
{
	struct hand left;
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		left = crew->seats[i].left;
		hand_init(&crew->seats[i].left);
		if (!hand_is_free(&left))
			distribute(m, crew, (unsigned)i, &left);
	}
}
