/*
 * GET /metrics: what Prometheus asks for, in its text format. A family is one
 * row of a table; one of many rows is written in pieces.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/conf/conf.h"
#include "common/reason.h"
#include "common/shm/most.h"
#include "common/shm/service.h"
#include "common/shm/stats.h"
#include "common/tls/library.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/state.h"

#ifndef SNIPORT_VERSION
#define SNIPORT_VERSION "unknown"
#endif

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* How far it has come. */
struct metrics {
	const struct admin *admin;
	struct text *out;
	unsigned family, row;
};

/* The families that are no counters of workers. */
struct family {
	const char *name, *type, *help;
	/* Writes samples from m->row on, whose names begin with that, while
	 * there is ROW_ROOM for one. True: there are more. */
	bool (*put)(struct metrics *m, const char *name);
};

#define ROW_ROOM 1024

static void
put_value(struct metrics *m, const char *name, uint64_t value)
{
	text_put(m->out, "%s %" PRIu64 "\n", name, value);
}

static bool
put_service(struct metrics *m, const char *name, enum service_value value)
{
	put_value(m, name, service_get(m->admin->boot->shm, value));
	return (false);
}

static bool
put_build(struct metrics *m, const char *name)
{
	text_put(m->out, "%s{version=\"" SNIPORT_VERSION "\",tls=\"%s\"} 1\n",
	    name, library_name());
	return (false);
}

/* Prometheus has times in seconds since 1970. */
static void
put_time(struct metrics *m, const char *name, enum service_value value)
{
	uint64_t ns = service_get(m->admin->boot->shm, value);

	text_put(m->out, "%s %" PRIu64 ".%03" PRIu64 "\n", name,
	    ns / 1000000000, ns / 1000000 % 1000);
}

static bool
put_started(struct metrics *m, const char *name)
{
	put_time(m, name, SERVICE_STARTED);
	return (false);
}

static bool
put_reloaded(struct metrics *m, const char *name)
{
	put_time(m, name, SERVICE_RELOADED);
	return (false);
}

static bool
put_ready(struct metrics *m, const char *name)
{
	const struct shm *shm = m->admin->boot->shm;

	put_value(m, name,
	    service_get(shm, SERVICE_PHASE) == SERVICE_RUNNING &&
		service_get(shm, SERVICE_SERVING) > 0);
	return (false);
}

static bool
put_generation(struct metrics *m, const char *name)
{
	return (put_service(m, name, SERVICE_GENERATION));
}

/* Of those with workers; and the current one, which may have none. */
static bool
put_generations(struct metrics *m, const char *name)
{
	uint64_t now = service_get(m->admin->boot->shm, SERVICE_GENERATION);
	const struct worker_seen *w, *other;
	unsigned n = 1;

	TAILQ_FOREACH (w, &m->admin->workers.list, entry) {
		TAILQ_FOREACH (other, &m->admin->workers.list, entry)
			if (other->boot.generation == w->boot.generation)
				break;
		n += other == w && w->boot.generation != now;
	}
	put_value(m, name, n);
	return (false);
}

static bool
put_workers(struct metrics *m, const char *name)
{
	return (put_service(m, name, SERVICE_WORKERS));
}

static bool
put_workers_up(struct metrics *m, const char *name)
{
	return (put_service(m, name, SERVICE_SERVING));
}

static bool
put_workers_died(struct metrics *m, const char *name)
{
	return (put_service(m, name, SERVICE_WORKERS_DIED));
}

static bool
put_admins_died(struct metrics *m, const char *name)
{
	return (put_service(m, name, SERVICE_ADMINS_DIED));
}

static bool
put_reloads(struct metrics *m, const char *name)
{
	const struct shm *shm = m->admin->boot->shm;

	text_put(m->out,
	    "%s{result=\"done\"} %" PRIu64 "\n%s{result=\"failed\"} %" PRIu64
	    "\n",
	    name, service_get(shm, SERVICE_RELOADS), name,
	    service_get(shm, SERVICE_RELOADS_FAILED));
	return (false);
}

static bool
put_reload_failed(struct metrics *m, const char *name)
{
	put_value(m, name,
	    service_get(m->admin->boot->shm, SERVICE_RELOAD_FAILED) == 0);
	return (false);
}

static bool
put_tunnels(struct metrics *m, const char *name)
{
	const struct boot_admin *boot = m->admin->boot;
	const struct shm_most most =
	    shm_share((uint64_t)boot->conf->limits.tunnels);
	uint64_t now = service_get(boot->shm, SERVICE_GENERATION);
	const struct worker_seen *w;
	uint64_t n[2] = { 0, 0 };

	TAILQ_FOREACH (w, &m->admin->workers.list, entry)
		if (shm_is_live(boot->shm, w->boot.slot))
			n[w->boot.generation != now] +=
			    stats_tunnels_of(boot->shm, w->boot.slot, &most);
	text_put(m->out,
	    "%s{generation=\"current\"} %" PRIu64
	    "\n%s{generation=\"old\"} %" PRIu64 "\n",
	    name, n[0], name, n[1]);
	return (false);
}

static bool
put_tunnels_limit(struct metrics *m, const char *name)
{
	put_value(m, name, (uint64_t)m->admin->boot->conf->limits.tunnels);
	return (false);
}

static bool
put_reasons(struct metrics *m, const char *name)
{
	for (; m->row + 1 < REASON_COUNT; m->row++) {
		enum reason reason = (enum reason)(m->row + 1);

		if (text_room(m->out) < ROW_ROOM)
			return (true);
		text_put(m->out, "%s{reason=\"%s\"} %" PRIu64 "\n", name,
		    reason_name(reason),
		    stats_sum_reason(&m->admin->sums, reason));
	}
	return (false);
}

static const struct family families[] = {
	{ "sniport_build_info", "gauge", "what was built, as labels",
	    put_build },
	{ "sniport_start_time_seconds", "gauge",
	    "when the master was started, since 1970", put_started },
	{ "sniport_ready", "gauge", "whether it accepts and is to go on",
	    put_ready },
	{ "sniport_generation", "gauge", "number of the current generation",
	    put_generation },
	{ "sniport_generations", "gauge", "generations that have workers",
	    put_generations },
	{ "sniport_workers", "gauge",
	    "workers that the current one should have", put_workers },
	{ "sniport_workers_up", "gauge", "workers of it that serve",
	    put_workers_up },
	{ "sniport_workers_died_total", "counter",
	    "workers that ended without being told to", put_workers_died },
	{ "sniport_admin_died_total", "counter",
	    "admin processes that ended without being told to",
	    put_admins_died },
	{ "sniport_reloads_total", "counter", "reloads, by whether they took",
	    put_reloads },
	{ "sniport_last_reload_success", "gauge",
	    "whether the last reload took; 1 before there was one",
	    put_reload_failed },
	{ "sniport_last_reload_success_timestamp_seconds", "gauge",
	    "when the current generation took over, since 1970", put_reloaded },
	{ "sniport_tunnels", "gauge", "tunnels open now", put_tunnels },
	{ "sniport_tunnels_limit", "gauge", "limits.tunnels",
	    put_tunnels_limit },
	{ "sniport_tunnels_ended_total", "counter",
	    "tunnels that ended or were refused, by reason", put_reasons },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* One counter of stats.def. */
static void
put_stat(struct metrics *m, enum stats_counter stat)
{
	const char *name = stats_name(stat);

	text_put(m->out,
	    "# HELP sniport_%s_total %s\n# TYPE sniport_%s_total counter\n"
	    "sniport_%s_total %" PRIu64 "\n",
	    name, stats_text(stat), name, name,
	    stats_sum(&m->admin->sums, stat));
}

static void
put_family(struct metrics *m, const struct family *f)
{
	if (m->row == 0)
		text_put(m->out, "# HELP %s %s\n# TYPE %s %s\n", f->name,
		    f->help, f->name, f->type);
	if (f->put(m, f->name))
		return;
	m->family++;
	m->row = 0;
}

static enum exchange_step
metrics_more(struct exchange *e)
{
	struct metrics *m = e->state;

	if (m->family < FAMILIES)
		put_family(m, &families[m->family]);
	else
		put_stat(m, (enum stats_counter)(m->family++ - FAMILIES));
	return (
	    m->family < FAMILIES + STAT_COUNT ? EXCHANGE_MORE : EXCHANGE_END);
}

static void
metrics_done(struct exchange *e)
{
	free(e->state);
}

void
metrics_answer(struct exchange *e)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	/* Where the master is at work on them all the time, they are those that
	 * were shown last. */
	(void)stats_read(e->admin->boot->shm, &e->admin->sums);
	m->admin = e->admin;
	m->out = e->out;
	e->type = CONTENT_TYPE;
	e->state = m;
	e->more = metrics_more;
	e->done = metrics_done;
}
