/* What is written of a tunnel: its facts, its audit line, the error log. */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/table.h"
#include "worker/tunnel/state.h"

int
tunnel_put(
    struct tunnel *t, enum facts_word word, const void *bytes, size_t len)
{
	return (table_put(t->all->table, t->facts, word, bytes, len) == 0
		    ? 0
		    : -ENOMEM);
}

/* A reader finds the address as it was, as it is, or none. */
void
tunnel_change_try(
    struct tunnel *t, size_t at, const uint8_t word[FACTS_TRY_SIZE])
{
	/* Without a family there is no address. */
	static const uint8_t none[sizeof(((struct addr *)0)->family)];
	struct table *table = t->all->table;

	_Static_assert(offsetof(struct addr, family) == 0, "comes first");
	table_change(table, t->facts, at, none, sizeof(none));
	table_change(table, t->facts, at + sizeof(none), word + sizeof(none),
	    FACTS_TRY_SIZE - sizeof(none));
	table_change(table, t->facts, at, word, sizeof(none));
}

/* All of the facts' text; those that found no place in the table have none. */
static const uint8_t *
text_of(const struct tunnel *t, uint8_t buf[FACTS_TEXT_MAX])
{
	if (!table_has(t->all->table, t->facts))
		return (t->facts->text);
	return (table_text(t->all->table, t->facts, buf));
}

const uint8_t *
tunnel_words(const struct tunnel *t, uint8_t buf[FACTS_TEXT_MAX],
    struct piece words[FACTS_WORDS])
{
	const uint8_t *text = text_of(t, buf);

	facts_words(text, t->facts->text_len, words);
	return (text);
}

void
tunnel_blame(struct tunnel *t, enum reason reason, const char *detail)
{
	if (t->facts->reason != REASON_NONE)
		return;
	t->facts->reason = reason;
	/* The line can do without, and says that it is cut. */
	if (detail != NULL)
		(void)tunnel_put(t, FACTS_DETAIL, detail, strlen(detail));
}

/* Has the client sent no byte, and are such connections left out of the
 * logs? */
static bool
is_probe(const struct tunnel *t)
{
	return (
	    t->facts->silent && !t->all->boot->conf->log.silent_connections);
}

/* 0, or -errno: the line is lost, which the sink counts and somebody
 * reports. */
static int
write_line(const struct tunnel *t, enum audit_event event)
{
	const struct boot *boot = t->all->boot;
	uint8_t buf[FACTS_TEXT_MAX];
	const struct audit_line line = {
		.event = event,
		.facts = t->facts,
		.text = text_of(t, buf),
		.names = &t->all->names,
	};

	return (audit_write(boot->audit, boot->conf->log.format, &line));
}

void
tunnel_audit_connect(struct tunnel *t)
{
	t->facts->total_ns = clock_now() - t->facts->accepted;
	(void)write_line(t, AUDIT_CONNECT);
}

void
tunnel_audit_end(struct tunnel *t)
{
	struct table *table = t->all->table;
	struct sink *sink = t->all->boot->audit;
	bool kept = table_has(table, t->facts);
	int error = 0;

	t->facts->total_ns = clock_now() - t->facts->accepted;
	if (kept)
		table_end(table, t->facts, sink_accepted(sink) + 1);
	if (!is_probe(t))
		error = write_line(t, AUDIT_END);
	if (!kept)
		return;
	if (error != 0 || is_probe(t))
		table_forget(table, t->facts);
	else
		table_wait(table, t->facts);
	table_settle(table, sink_left(sink));
}

void
tunnel_log_end(struct tunnel *t)
{
	const struct boot *boot = t->all->boot;
	const struct tunnel_facts *f = t->facts;
	enum reason reason = f->reason;
	char client[ADDR_TEXT_SIZE], target[TARGET_TEXT_SIZE] = "no target";
	char id[FACTS_ID_SIZE];
	bool quiet = reason_class(reason) == REASON_CLASS_GOOD || is_probe(t);
	enum log_level level = quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	struct piece words[FACTS_WORDS], detail;
	uint8_t buf[FACTS_TEXT_MAX];

	/* Many may end at once, for one reason; of most there is no line. */
	if (!log_due(boot->log, &t->all->rate[reason], level))
		return;
	(void)tunnel_words(t, buf, words);
	detail = words[FACTS_DETAIL];
	facts_format_id(f, id);
	addr_format(&f->client, client);
	if (words[FACTS_HOST].s != NULL)
		facts_format_target(f, words[FACTS_HOST], target);
	log_write_rate(boot->log, &t->all->rate[reason], level,
	    "tunnel %s: %s to %s: %s: %s%s%.*s", id, client, target,
	    reason_name(reason), reason_text(reason),
	    detail.len > 0 ? ": " : "", (int)detail.len, detail.s);
}
