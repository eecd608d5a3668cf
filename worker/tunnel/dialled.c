/* What a dial finds out: for as long as the tunnel lives, and in its facts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/shm/stats.h"
#include "worker/tunnel/state.h"

void
tunnel_note_try(struct tunnel *t, size_t place, const struct facts_try *try)
{
	uint8_t buf[FACTS_TEXT_MAX], word[FACTS_TRY_SIZE];
	struct piece words[FACTS_WORDS];
	const uint8_t *text = tunnel_words(t, buf, words);
	size_t n = place, at = facts_find_try(text, t->facts->text_len, &n);
	struct dial_report r;

	dial_progress(t->dial, &r);
	t->facts->dns_ns = r.dns_ns;
	facts_try_pack(word, try);
	if (at != 0)
		tunnel_change_try(t, at, word);
	else if (n == place)
		(void)tunnel_put(t, FACTS_TRIED, word, sizeof(word));
}

void
tunnel_end_dial(struct tunnel *t, const struct dial_report *r)
{
	struct tunnel_facts *f = t->facts;

	f->upstream = r->upstream;
	f->egress = r->egress;
	f->dns_ns = r->dns_ns;
	f->connect_ns = r->connect_ns;
	timings_add(t->all->slot, TIMING_DNS, f->dns_ns);
	timings_add(t->all->slot, TIMING_CONNECT, f->connect_ns);
	dial_free(t->dial);
	t->dial = NULL;
	free(t->target);
	t->target = NULL;
}

void
tunnel_give_up_dial(struct tunnel *t)
{
	struct dial_report r;

	if (t->dial == NULL)
		return;
	dial_progress(t->dial, &r);
	tunnel_end_dial(t, &r);
}
