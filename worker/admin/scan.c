/* Looks through the tables of all workers for tunnels of some kind. */
#include "worker/admin/scan.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/facts.h"
#include "worker/admin/exchange.h"
#include "worker/admin/state.h"

/* One parameter. False: it is not known, or does not make sense. */
static bool
take_param(struct scan *s, const struct http_param *p)
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
		{ "format", &s->format },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!piece_is(p->name, texts[i].name))
			continue;
		/* Of two, nobody could say which is meant. */
		if (texts[i].value->s != NULL)
			return (false);
		*texts[i].value = p->value;
		return (true);
	}
	if (!piece_is(p->name, "client") || s->filter.has_client)
		return (false);
	s->filter.has_client = true;
	return (cidr_parse(&s->filter.client, p->value.s, p->value.len) == 0);
}

bool
scan_init(struct scan *s, struct exchange *e)
{
	struct http_params params;
	size_t i;

	if (e->request->query.len > sizeof(s->query) ||
	    http_query(&params, e->request->query, s->query) != 0) {
		exchange_say(e, 400, "the query is malformed");
		return (false);
	}
	for (i = 0; i < params.n; i++) {
		if (take_param(s, &params.list[i]))
			continue;
		exchange_say(e, 400,
		    "\"%.*s\" is not a filter, is given twice, or has a value "
		    "that is not one",
		    (int)params.list[i].name.len, params.list[i].name.s);
		return (false);
	}
	s->filters = (unsigned)params.n - (s->format.s != NULL);
	return (true);
}

void
scan_begin(struct scan *s)
{
	s->serial = 0;
	s->reading = false;
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

/* Is there a worker whose table is to be read now? It may be another one than
 * before. */
static bool
find_worker(struct scan *s, const struct admin *a)
{
	struct worker_seen *w;

	if (s->reading) {
		w = workers_next(&a->workers, s->serial - 1);
		s->worker = w;
		if (w != NULL && w->serial == s->serial)
			return (true);
	}
	s->reading = false;
	while ((w = workers_next(&a->workers, s->serial)) != NULL) {
		s->serial = w->serial;
		s->worker = w;
		s->reading =
		    workers_map(w) == 0 &&
		    table_reader_init(&s->reader, w->map, w->size) == 0;
		if (s->reading)
			return (true);
	}
	return (false);
}

enum scan_look
scan_next(struct scan *s, const struct admin *a)
{
	struct tunnel_facts *f = &s->entry.facts;

	if (!find_worker(s, a))
		return (SCAN_END);
	if (!table_read(&s->reader, &s->entry)) {
		s->reading = false;
		return (SCAN_NOTHING);
	}
	/* Those that have ended have had their line. */
	if (s->entry.ended || s->entry.coming)
		return (SCAN_NOTHING);
	/* Whose they are it does not say itself. */
	f->generation = s->worker->boot.generation;
	f->worker = s->worker->boot.worker;
	f->total_ns = clock_now() - f->accepted;
	s->names = names_of(a->boot, f->generation);
	return (is_wanted(&s->filter, &s->entry, s->names) ? SCAN_FOUND
							   : SCAN_NOTHING);
}
