/* The one way out of a tunnel: its audit line, its counters, its sockets. */
#include <assert.h>

#include "common/shm/stats.h"
#include "worker/tls/handshake.h"
#include "worker/tunnel/state.h"

void
tunnel_tell_end(struct tunnel *t)
{
	tunnel_audit_end(t);
	tunnel_log_end(t);
	stats_add(&t->all->slot->reason[t->facts->reason], 1);
}

void
tunnel_close(struct tunnel *t, enum reason reason)
{
	struct tunnel_facts *f = t->facts;
	bool clean;

	assert(!tunnel_lingers(t));
	tunnel_blame(t, reason, NULL);
	tunnel_give_up_dial(t);
	tunnel_tell_end(t);
	if (t->established)
		timings_add(t->all->slot, TIMING_TUNNEL, f->total_ns);
	tunnel_end_turns(t);
	tls_handshake_free(t->handshake);
	t->handshake = NULL;
	clean = reason_class(f->reason) == REASON_CLASS_GOOD;
	half_close(&t->upstream, !clean);
	if (t->lingers) {
		tunnel_linger(t);
		return;
	}
	half_close(&t->client, !clean);
	tunnel_bury(t);
}
