/*
 * GET /tunnels: the tunnels that are open, one line each, in the words of the
 * audit log, as far as they are what the query asks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/sink.h"
#include "common/net/addr.h"
#include "common/shm/table.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/state.h"

/* Looked at by each call: few of them may be what is asked for. */
#define LOOKS_MAX  64

#define LINES_TYPE "application/x-ndjson"

/* What a query may ask for; all of it has to be so. */
struct filter {
	struct piece id, target, host, rule, identity, generation;
	bool has_client;
	struct cidr client;
};

/* How far it has come. */
struct tunnels_seen {
	struct filter filter;
	enum audit_syntax syntax;
	uint64_t serial; /* of the worker whose table is read */
	bool reading;
	struct table_reader reader;
	struct table_entry entry;
	char query[HTTP_HEAD_MAX];
};

/* One parameter. False: it is not known, or does not make sense. */
static bool
take_param(struct tunnels_seen *s, const struct http_param *p)
{
	const struct {
		const char *name;
		struct piece *value;
	} texts[] = {
		{ "id", &s->filter.id },
		{ "target", &s->filter.target },
		{ "host", &s->filter.host },
		{ "rule", &s->filter.rule },
		{ "identity", &s->filter.identity },
		{ "generation", &s->filter.generation },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (piece_is(p->name, texts[i].name)) {
			*texts[i].value = p->value;
			return (true);
		}
	}
	if (piece_is(p->name, "client")) {
		s->filter.has_client = true;
		return (cidr_parse(
			    &s->filter.client, p->value.s, p->value.len) == 0);
	}
	if (!piece_is(p->name, "format"))
		return (false);
	s->syntax = piece_is(p->value, "text") ? AUDIT_TEXT : AUDIT_JSON;
	return (piece_is(p->value, "text") || piece_is(p->value, "json"));
}

static bool
is_text(struct piece wanted, const char *s, size_t len)
{
	return (
	    wanted.s == NULL || piece_equal(wanted, (struct piece){ s, len }));
}

static bool
is_number(struct piece wanted, uint32_t number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", number);

	return (is_text(wanted, text, (size_t)len));
}

static bool
is_wanted(const struct filter *w, const struct table_entry *e,
    const struct facts_names *names)
{
	const struct tunnel_facts *f = &e->facts;
	const char *rule = facts_name(&names->rules, f->rule);
	struct piece words[FACTS_WORDS];
	char id[FACTS_ID_SIZE], target[TARGET_TEXT_SIZE];
	size_t len = 0;

	facts_words(e->text, f->text_len, words);
	if (words[FACTS_HOST].s != NULL)
		len = facts_format_target(f, words[FACTS_HOST], target);
	return (is_text(w->id, id, facts_format_id(f, id)) &&
		is_text(w->target, target, len) &&
		is_text(w->host, words[FACTS_HOST].s, words[FACTS_HOST].len) &&
		is_text(w->rule, rule, rule != NULL ? strlen(rule) : 0) &&
		is_text(w->identity, words[FACTS_IDENTITY].s,
		    words[FACTS_IDENTITY].len) &&
		is_number(w->generation, f->generation) &&
		(!w->has_client || cidr_contains(&w->client, &f->client)));
}

static const struct facts_names *
names_of(const struct boot_admin *boot, unsigned generation)
{
	static const struct facts_names none = { .rules = { .rows = NULL } };
	size_t i;

	for (i = 0; i < boot->ngenerations; i++)
		if (boot->generations[i].number == generation)
			return (&boot->generations[i].names);
	return (&none);
}

static void
put_tunnel(struct exchange *e, struct tunnels_seen *s,
    const struct worker_seen *worker)
{
	struct tunnel_facts *f = &s->entry.facts;
	char line[SINK_LINE_MAX];
	const struct audit_line audit = { .event = AUDIT_OPEN,
		.facts = f,
		.text = s->entry.text,
		.names = names_of(e->admin->boot, worker->boot.generation) };

	/* Those that have ended have had their line. */
	if (s->entry.ended || s->entry.coming)
		return;
	/* Whose they are it does not say itself. */
	f->generation = worker->boot.generation;
	f->worker = worker->boot.worker;
	f->total_ns = clock_now() - f->accepted;
	if (!is_wanted(&s->filter, &s->entry, audit.names))
		return;
	text_add(
	    e->out, line, audit_format(&audit, s->syntax, line, sizeof(line)));
}

/* The worker whose table is to be read now, which may be another one than
 * before; NULL: there is none any more. */
static struct worker_seen *
find_worker(struct exchange *e, struct tunnels_seen *s)
{
	struct workers *all = &e->admin->workers;
	struct worker_seen *w;

	if (s->reading) {
		w = workers_next(all, s->serial - 1);
		if (w != NULL && w->serial == s->serial)
			return (w);
	}
	s->reading = false;
	while ((w = workers_next(all, s->serial)) != NULL) {
		s->serial = w->serial;
		s->reading =
		    workers_map(w) == 0 &&
		    table_reader_init(&s->reader, w->map, w->size) == 0;
		if (s->reading)
			return (w);
	}
	return (NULL);
}

static enum exchange_step
tunnels_more(struct exchange *e)
{
	struct tunnels_seen *s = e->state;
	struct worker_seen *w = find_worker(e, s);
	size_t before = e->out->len;
	unsigned i;

	if (w == NULL)
		return (EXCHANGE_END);
	for (i = 0; i < LOOKS_MAX &&
		    e->out->len - before + SINK_LINE_MAX <= EXCHANGE_ROOM;
	     i++) {
		if (!table_read(&s->reader, &s->entry)) {
			s->reading = false;
			break;
		}
		put_tunnel(e, s, w);
	}
	return (EXCHANGE_MORE);
}

static void
tunnels_done(struct exchange *e)
{
	free(e->state);
}

void
tunnels_answer(struct exchange *e)
{
	struct tunnels_seen *s = calloc(1, sizeof(*s));
	struct http_params params;
	size_t i;

	if (s == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	e->state = s;
	e->done = tunnels_done;
	s->syntax = AUDIT_JSON;
	if (e->request->query.len > sizeof(s->query) ||
	    http_query(&params, e->request->query, s->query) != 0) {
		exchange_say(e, 400, "the query is malformed");
		return;
	}
	for (i = 0; i < params.n; i++) {
		if (!take_param(s, &params.list[i])) {
			exchange_say(e, 400,
			    "\"%.*s\" is not a filter, or its "
			    "value is not one",
			    (int)params.list[i].name.len,
			    params.list[i].name.s);
			return;
		}
	}
	e->type = s->syntax == AUDIT_JSON ? LINES_TYPE : EXCHANGE_TEXT;
	e->more = tunnels_more;
}
