/* Why a half broke, and which side was the first to leave. */
#include <errno.h>
#include <string.h>

#include "worker/tunnel/state.h"

enum reason
tunnel_broken_reason(const struct tunnel *t, const struct half *h)
{
	bool client = h == &t->client;

	switch (h->error) {
	case -EPROTO:
		return (REASON_CLIENT_TLS);
	case -EOVERFLOW:
		return (REASON_TLS_RECORDS);
	case -EDQUOT:
		return (REASON_TLS_ANSWERS);
	case -ECONNABORTED:
		return (client ? REASON_CLIENT_CUT : REASON_UPSTREAM_RESET);
	case -ETIMEDOUT:
	/* What ICMP said before the kernel gave up. */
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENONET:
	case -ENOPROTOOPT:
	case -ECONNREFUSED:
	case -EACCES:
		return (client ? REASON_CLIENT_LOST : REASON_UPSTREAM_LOST);
	case -ENOMEM:
	case -ENOBUFS:
		return (REASON_NO_MEMORY);
	default:
		return (client ? REASON_CLIENT_RESET : REASON_UPSTREAM_RESET);
	}
}

const char *
tunnel_broken_detail(const struct half *broke)
{
	switch (broke->error) {
	case -EPROTO:
		return (broke->why);
	/* Those are words of ours, for what TLS found. */
	case -EOVERFLOW:
	case -EDQUOT:
	case -ECONNABORTED:
		return (NULL);
	default:
		return (strerrordesc_np(-broke->error));
	}
}

void
tunnel_note_first_close(struct tunnel *t)
{
	bool client = t->client.ended || t->client.error != 0;
	bool upstream = t->upstream.ended || t->upstream.error != 0;

	if (t->facts->closed_first != FACTS_SIDE_NONE || (!client && !upstream))
		return;
	/* That one side broke can be found by telling it the other's end. */
	if (upstream && !t->client.ended && t->upstream.ended)
		client = false;
	t->facts->closed_first =
	    client ? FACTS_SIDE_CLIENT : FACTS_SIDE_UPSTREAM;
}
