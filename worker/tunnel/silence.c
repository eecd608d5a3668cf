/* Tells a peer that has vanished from one that only keeps its window closed. */
#include "worker/tunnel/silence.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base/clock.h"

/* A silence of the full length is believed when it is still one after so long:
 * an answer may be on its way. */
#define SECOND_LOOK (2 * CLOCK_SEC)

int
silence_read(int fd, struct silence_facts *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return (-errno);
	*f = (struct silence_facts){
		.acked = info.tcpi_bytes_acked,
		.in_flight = info.tcpi_unacked > 0,
		.queued = info.tcpi_notsent_bytes > 0,
		.window = info.tcpi_snd_wnd > 0,
		.repeated = info.tcpi_retransmits,
		.probes = info.tcpi_probes,
		.last_ack = info.tcpi_last_ack_recv * CLOCK_MSEC,
		.last_sent = info.tcpi_last_data_sent * CLOCK_MSEC,
	};
	return (0);
}

/*
 * Did it not answer what any living peer does? The kernel repeats itself ever
 * more seldom, down to once in two minutes, so that an old answer alone says
 * nothing: there must be questions after it. A single one may have been lost.
 */
static bool
ignores(const struct silence_facts *f)
{
	if (f->probes >= 2)
		return (true);
	if (!f->in_flight)
		return (false);
	/* What is repeated to a window that was closed over it is answered,
	 * though not taken. */
	return (f->window ? f->repeated >= 2 : f->last_sent < f->last_ack);
}

enum silence_verdict
silence_judge(struct silence *s, const struct silence_facts *f, int64_t now,
    int64_t limit)
{
	bool suspected = s->suspected;

	s->suspected = false;
	if (!f->in_flight && !f->queued) {
		s->since = 0;
		return (SILENCE_SETTLED);
	}
	if (s->since == 0 || s->acked != f->acked) {
		s->since = now;
		s->acked = f->acked;
		return (SILENCE_OWES);
	}
	if (now - s->since < limit || f->last_ack < limit || !ignores(f))
		return (SILENCE_OWES);
	s->suspected = true;
	return (suspected ? SILENCE_LOST : SILENCE_OWES);
}

int64_t
silence_first(int64_t limit)
{
	return (limit / 4);
}

int64_t
silence_next(const struct silence *s, int64_t now, int64_t limit)
{
	int64_t second = limit / 4 < SECOND_LOOK ? limit / 4 : SECOND_LOOK;

	if (s->suspected)
		return (now + second);
	return (now - s->since < limit ? s->since + limit
				       : now + silence_first(limit));
}
