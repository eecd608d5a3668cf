/*
 * GET /metrics: what Prometheus asks for, in its text format. A family is one
 * row of a table; one of many samples is written in pieces.
 */
#include <stdlib.h>

#include "common/shm/rules_reader.h"
#include "common/shm/service.h"
#include "common/shm/stats.h"
#include "common/tls/library.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static bool
put_build(struct metrics *m, const struct metrics_family *f)
{
	metrics_label(m, f->name, "version", SNIPORT_VERSION);
	metrics_more(m, "tls", library_name());
	metrics_end(m, 1);
	return (false);
}

static const struct metrics_family families[] = {
	{ "sniport_build_info", "gauge", "what was built, as labels", put_build,
	    0 },
	{ "sniport_start_time_seconds", "gauge",
	    "when the master was started, since 1970", metrics_put_time,
	    SERVICE_STARTED },
	{ "sniport_ready", "gauge", "whether it accepts and is to go on",
	    metrics_put_ready, 0 },
	{ "sniport_generation", "gauge", "number of the current generation",
	    metrics_put_service, SERVICE_GENERATION },
	{ "sniport_generations", "gauge", "generations that have workers",
	    metrics_put_generations, 0 },
	{ "sniport_workers", "gauge",
	    "workers that the current one should have", metrics_put_service,
	    SERVICE_WORKERS },
	{ "sniport_workers_up", "gauge", "workers of it that serve",
	    metrics_put_service, SERVICE_SERVING },
	{ "sniport_workers_died_total", "counter",
	    "workers that ended without being told to", metrics_put_service,
	    SERVICE_WORKERS_DIED },
	{ "sniport_admin_died_total", "counter",
	    "admin processes that ended without being told to",
	    metrics_put_service, SERVICE_ADMINS_DIED },
	{ "sniport_reloads_total", "counter", "reloads, by whether they took",
	    metrics_put_reloads, 0 },
	{ "sniport_last_reload_success", "gauge",
	    "whether the last reload took; 1 before there was one",
	    metrics_put_reload, 0 },
	{ "sniport_last_reload_success_timestamp_seconds", "gauge",
	    "when the current generation took over, since 1970",
	    metrics_put_time, SERVICE_RELOADED },
	{ "sniport_tunnels", "gauge", "tunnels open now", metrics_put_tunnels,
	    0 },
	{ "sniport_tunnels_limit", "gauge", "limits.tunnels", metrics_put_limit,
	    0 },
	{ "sniport_tunnels_ended_total", "counter",
	    "tunnels that ended or were refused, by reason",
	    metrics_put_reasons, 0 },
#define TIMING(id, name, unit, bounds, text)                      \
	{ "sniport_" name "_duration_seconds", "histogram", text, \
		metrics_put_timing, TIMING_##id },
#include "common/shm/timings.def"
#undef TIMING
	{ "sniport_rule_tunnels_total", "counter",
	    "tunnels that a rule decided about, by decision",
	    metrics_put_decisions, 0 },
	{ "sniport_rule_bytes_from_client_total", "counter",
	    "plaintext bytes passed to upstreams, by rule", metrics_put_bytes,
	    RULES_FROM_CLIENT },
	{ "sniport_rule_bytes_from_upstream_total", "counter",
	    "plaintext bytes passed to clients, by rule", metrics_put_bytes,
	    RULES_FROM_UPSTREAM },
	{ "sniport_rule_last_used_timestamp_seconds", "gauge",
	    "when a rule last decided about a tunnel, since 1970",
	    metrics_put_last, 0 },
	{ "sniport_certificate_expiry_timestamp_seconds", "gauge",
	    "until when what a file has is valid, since 1970",
	    metrics_put_expiry, 0 },
	{ "sniport_name_server_workers", "gauge",
	    "workers of the current generation, by how they find a name server",
	    metrics_put_nameservers, 0 },
	{ "sniport_egress_up", "gauge",
	    "whether tunnels can leave by an egress line", metrics_put_lines,
	    0 },
	{ "sniport_egress_sources", "gauge",
	    "source addresses of an egress line, by whether they are here",
	    metrics_put_sources, 0 },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* One counter of stats.def. */
static void
put_stat(struct metrics *m, enum stats_counter stat)
{
	const char *name = stats_name(stat);

	text_put(m->out,
	    "# HELP sniport_%s_total %s\n# TYPE sniport_%s_total counter\n"
	    "sniport_%s_total %llu\n",
	    name, stats_text(stat), name, name,
	    (unsigned long long)stats_sum(&m->admin->sums, stat));
}

static void
put_family(struct metrics *m, const struct metrics_family *f)
{
	size_t before = m->out->len, head;
	bool first = m->row == 0;

	if (first)
		text_put(m->out, "# HELP %s %s\n# TYPE %s %s\n", f->name,
		    f->help, f->name, f->type);
	head = m->out->len;
	if (f->put(m, f))
		return;
	/* A family without samples is left out. */
	if (first && m->out->len == head)
		m->out->len = before;
	m->family++;
	m->row = 0;
}

static enum exchange_step
metrics_continue(struct exchange *e)
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
	struct admin *a = e->admin;

	if (m == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	/* Where the master is at work on them all the time, they are those that
	 * were shown last. */
	(void)stats_read(a->boot->shm, &a->sums);
	(void)rules_read(a->rules, a->boot->shm);
	m->admin = a;
	m->out = e->out;
	m->nnameservers = nameservers_look(a, m->nameservers);
	e->type = CONTENT_TYPE;
	e->state = m;
	e->more = metrics_continue;
	e->done = metrics_done;
}
