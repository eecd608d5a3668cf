/*
 * GET /status: how the service is, in JSON, or as text for people. What there
 * may be several of follows in lists (status_lists.c), piece by piece.
 */
#include "worker/admin/status.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/conf/conf.h"
#include "common/shm/most.h"
#include "common/shm/service.h"
#include "common/shm/stats.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/report.h"
#include "worker/admin/state.h"

#define OBJECT_SIZE 12288
#define QUERY_SIZE  HTTP_HEAD_MAX

static void
look(struct status *s, const struct admin *a)
{
	const struct boot_admin *boot = a->boot;
	const struct shm_most most =
	    shm_share((uint64_t)boot->conf->limits.tunnels);
	const struct worker_seen *w;
	uint64_t n;
	int i;

	for (i = 0; i < SERVICE_VALUES; i++)
		s->value[i] = service_get(boot->shm, (enum service_value)i);
	TAILQ_FOREACH (w, &a->workers.list, entry) {
		n = shm_is_live(boot->shm, w->boot.slot)
			? stats_tunnels_of(boot->shm, w->boot.slot, &most)
			: 0;
		if (w->boot.generation == s->value[SERVICE_GENERATION])
			s->tunnels += n;
		else
			s->tunnels_old += n;
	}
	s->old_generations =
	    workers_generations(&a->workers, s->value[SERVICE_GENERATION]);
	s->boot = boot;
	s->expiries = boot->expiries;
	s->nnameservers = nameservers_look(a, s->nameservers);
}

static const char *
phase_name(uint64_t phase)
{
	switch (phase) {
	case SERVICE_RUNNING:
		return ("running");
	case SERVICE_STOPPING:
		return ("stopping");
	default:
		return ("starting");
	}
}

/* What stands before all lists. */
static void
put_json(struct text *out, const struct status *s)
{
	const uint64_t *value = s->value;
	char object[OBJECT_SIZE], stamp[CLOCK_TEXT_SIZE];
	struct json j;

	json_init(&j, object, sizeof(object));
	json_string(&j, "version", SNIPORT_VERSION);
	json_string(&j, "phase", phase_name(value[SERVICE_PHASE]));
	clock_format(stamp, (int64_t)value[SERVICE_STARTED]);
	json_string(&j, "started", stamp);
	json_uint(&j, "generation", value[SERVICE_GENERATION]);
	clock_format(stamp, (int64_t)value[SERVICE_RELOADED]);
	json_string(&j, "loaded", stamp);
	json_bool(&j, "reload_failed", value[SERVICE_RELOAD_FAILED] != 0);
	json_uint(&j, "reloads", value[SERVICE_RELOADS]);
	json_uint(&j, "reloads_failed", value[SERVICE_RELOADS_FAILED]);
	json_uint(&j, "workers", value[SERVICE_WORKERS]);
	json_uint(&j, "workers_up", value[SERVICE_SERVING]);
	json_uint(&j, "workers_died", value[SERVICE_WORKERS_DIED]);
	json_uint(&j, "tunnels", s->tunnels + s->tunnels_old);
	json_uint(&j, "tunnels_old", s->tunnels_old);
	json_uint(&j, "old_generations", s->old_generations);
	/* Last, since it may take all the room that is left. */
	report_put_json(&j, &s->load);
	/* The lists are to come. */
	text_add(out, object, json_end(&j) - 1);
}

static void
put_text(struct text *out, const struct status *s)
{
	const uint64_t *value = s->value;
	char started[CLOCK_TEXT_SIZE], loaded[CLOCK_TEXT_SIZE];

	clock_format(started, (int64_t)value[SERVICE_STARTED]);
	clock_format(loaded, (int64_t)value[SERVICE_RELOADED]);
	text_put(out, "sniport:    %s, %s, started at %s\n", SNIPORT_VERSION,
	    phase_name(value[SERVICE_PHASE]), started);
	text_put(out, "generation: %" PRIu64 ", loaded at %s\n",
	    value[SERVICE_GENERATION], loaded);
	text_put(out, "reloads:    %" PRIu64 " done, %" PRIu64 " failed",
	    value[SERVICE_RELOADS], value[SERVICE_RELOADS_FAILED]);
	report_put_text(out, &s->load, value[SERVICE_RELOAD_FAILED] != 0);
	text_put(out,
	    "workers:    %" PRIu64 " of %" PRIu64 " up; %" PRIu64 " died\n",
	    value[SERVICE_SERVING], value[SERVICE_WORKERS],
	    value[SERVICE_WORKERS_DIED]);
	text_put(out,
	    "tunnels:    %" PRIu64 " open, %" PRIu64
	    " of them in old generations, of which there %s %" PRIu64 "\n",
	    s->tunnels + s->tunnels_old, s->tunnels_old,
	    s->old_generations == 1 ? "is" : "are", s->old_generations);
}

static const struct status_list lists[] = {
	{ "certificates", status_put_certificate },
	{ "name_servers", status_put_nameserver },
	{ "egress", status_put_line },
};

#define LISTS (sizeof(lists) / sizeof(lists[0]))

/* One entry of a list, or the end of it. */
static enum exchange_step
status_continue(struct exchange *e)
{
	struct status *s = e->state;
	const struct status_list *list = &lists[s->list];
	size_t before = e->out->len;
	bool more;

	if (s->json && s->row == 0)
		text_put(e->out, ",\"%s\":[", list->name);
	else if (s->json)
		text_add(e->out, ",", 1);
	more = list->put(s, e->out);
	s->row++;
	if (more)
		return (EXCHANGE_MORE);
	/* There was none to come behind the comma. */
	if (s->row > 1)
		e->out->len = before;
	s->row = 0;
	s->list++;
	if (s->json)
		text_puts(e->out, s->list < LISTS ? "]" : "]}\n");
	return (s->list < LISTS ? EXCHANGE_MORE : EXCHANGE_END);
}

static void
status_done(struct exchange *e)
{
	free(e->state);
}

static void
begin(struct exchange *e, bool json)
{
	struct status *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	look(s, e->admin);
	report_look(&s->load, e);
	s->json = json;
	e->state = s;
	e->more = status_continue;
	e->done = status_done;
	if (json) {
		e->type = EXCHANGE_JSON;
		put_json(e->out, s);
	} else {
		put_text(e->out, s);
	}
	report_forget(&s->load);
}

void
status_answer(struct exchange *e)
{
	struct http_params params;
	char query[QUERY_SIZE];
	struct piece format;
	bool json;

	if (e->request->query.len > sizeof(query) ||
	    http_query(&params, e->request->query, query) != 0) {
		exchange_say(e, 400, "the query is malformed");
		return;
	}
	format = http_param(&params, "format");
	json = format.s == NULL || piece_is(format, "json");
	if (json || piece_is(format, "text"))
		begin(e, json);
	else
		exchange_say(e, 400, "format is json or text");
}
