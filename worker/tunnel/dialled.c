/* What a dial found out, for as long as the tunnel lives and in its facts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/tunnel/state.h"

static void
keep_tried(struct tunnel *t, const struct dial_report *r)
{
	uint8_t word[FACTS_TRIED_MAX * FACTS_TRY_SIZE];
	size_t i;

	for (i = 0; i < r->ntried; i++)
		facts_try_pack(word + i * FACTS_TRY_SIZE, &r->tried[i]);
	if (r->ntried > 0)
		(void)tunnel_put(
		    t, FACTS_TRIED, word, r->ntried * FACTS_TRY_SIZE);
}

void
tunnel_end_dial(struct tunnel *t, const struct dial_report *r)
{
	struct tunnel_facts *f = t->facts;

	f->upstream = r->upstream;
	f->egress = r->egress;
	f->dns_ns = r->dns_ns;
	f->connect_ns = r->connect_ns;
	keep_tried(t, r);
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
