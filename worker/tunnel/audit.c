/* What is written of a tunnel: its facts, its audit line, the error log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "worker/tunnel/state.h"

int
tunnel_put(
    struct tunnel *t, enum facts_word word, const void *bytes, size_t len)
{
	size_t size = t->facts->text_len + FACTS_HEAD_SIZE +
		      (len < FACTS_TEXT_MAX ? len : FACTS_TEXT_MAX);
	uint8_t *text = realloc(t->text, size);

	if (text == NULL) {
		t->facts->cut = 1;
		return (-ENOMEM);
	}
	t->text = text;
	return (facts_put(t->facts, text, size, word, bytes, len) == 0
		    ? 0
		    : -ENOMEM);
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

bool
tunnel_is_probe(const struct tunnel *t)
{
	return (
	    t->facts->silent && !t->all->boot->conf->log.silent_connections);
}

void
tunnel_audit(struct tunnel *t, enum audit_event event)
{
	const struct boot *boot = t->all->boot;
	const struct audit_line line = {
		.event = event,
		.facts = t->facts,
		.text = t->text,
		.names = &t->all->names,
	};

	t->facts->total_ns = clock_now() - t->facts->accepted;
	/* A line that is lost is counted by the sink, and reported. */
	(void)audit_write(boot->audit, boot->conf->log.format, &line);
}

void
tunnel_log_end(struct tunnel *t)
{
	const struct boot *boot = t->all->boot;
	const struct tunnel_facts *f = t->facts;
	enum reason reason = f->reason;
	char client[ADDR_TEXT_SIZE], target[TARGET_TEXT_SIZE] = "no target";
	char id[FACTS_ID_SIZE];
	bool quiet =
	    reason_class(reason) == REASON_CLASS_GOOD || tunnel_is_probe(t);
	enum log_level level = quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	struct piece words[FACTS_WORDS], detail;

	facts_words(t->text, f->text_len, words);
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
