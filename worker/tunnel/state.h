/*
 * The state of one tunnel, for the files that tell its story together:
 * tunnel.c (phases, deadlines, the end), tunnel_open.c (how one begins or is
 * refused at the door), tunnel_proxy.c (PROXY protocol),
 * tunnel_decide.c (target and policy), tunnel_establish.c (handshake and
 * dial), tunnel_relay.c (both sides are there), tunnel_audit.c (what is
 * written).
 */
#ifndef WORKER_TUNNEL_STATE_H
#define WORKER_TUNNEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "common/log/audit.h"
#include "worker/loop/loop.h"
#include "worker/tunnel/half.h"
#include "worker/tunnel/half_tls.h"
#include "worker/tunnel/tunnel.h"

/*
 *  proxy --> hello ---> handshake ---> connect ---> relay ---> flush
 *              |            |  (upstream came first)  ^          |
 *              v            +-------------------------+          v
 *            linger                                            closed
 *
 * Any of them can end in tunnel_close().
 */
enum phase {
	PHASE_PROXY,	 /* a trusted proxy's header is not complete */
	PHASE_HELLO,	 /* the ClientHello is not complete */
	PHASE_HANDSHAKE, /* the target is known, the dial is under way */
	PHASE_CONNECT,	 /* the handshake is done, the upstream is not there */
	PHASE_RELAY,	 /* both sides are there */
	PHASE_FLUSH,	 /* one side broke: its last bytes go to the other */
	PHASE_LINGER,	 /* refused; the alert is on its way */
	PHASE_CLOSED
};

struct tunnel {
	struct tunnels *all;
	TAILQ_ENTRY(tunnel) entry;
	enum phase phase;
	struct half client, upstream;
	struct timer timer;
	struct loop_task task;
	struct loop_garbage garbage;
	struct dial *dial;

	struct tunnel_facts *facts; /* what the audit line will say */

	const struct conf_listener *listener;
	const struct rule *terms; /* what holds for it: the rule, or none's */
	struct target *target;	  /* until the upstream is there */
	bool undecided;		  /* until it is known who the client is */
	bool lingers; /* the client is to see an alert or an end, no reset */
	bool counted_client, counted_rule; /* all->limits */
	bool verified;	  /* the client's certificate, whatever its names */
	size_t preface;	  /* bytes to the upstream that are not the client's */
	int64_t active;	  /* when a byte was last moved */
	int64_t answered; /* when records without data may have been */
	int64_t phase_since, flush_poll;
	int64_t look; /* whether somebody is lost; NEVER: who owes nothing */
	size_t lingered, flush_left;
	struct half *broke;
};

/* What both sockets are registered for, once. */
#define TUNNEL_EVENTS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static inline const struct conf_timeouts *
tunnel_timeouts(const struct tunnel *t)
{
	return (&t->all->boot->conf->timeouts);
}

static inline int64_t
tunnel_now(const struct tunnel *t)
{
	return (loop_now(t->all->loop));
}

/* How much of client.delivered is our preface and not the client's. */
static inline uint64_t
tunnel_prefaced(const struct tunnel *t)
{
	return (t->preface < t->client.delivered ? t->preface
						 : t->client.delivered);
}

/* Writes into the facts what has come about on both sides since the last time:
 * to be called where bytes have moved. */
static inline void
tunnel_note_moved(struct tunnel *t)
{
	struct tunnel_facts *f = t->facts;

	atomic_store_explicit(&f->bytes_from_client,
	    t->client.delivered - tunnel_prefaced(t), memory_order_relaxed);
	atomic_store_explicit(&f->bytes_from_upstream, t->upstream.delivered,
	    memory_order_relaxed);
	f->client_truncated = t->client.truncated;
}

/* It has work left over, and its turn comes when others have had theirs. */
static inline bool
tunnel_waits(const struct tunnel *t)
{
	return (t->task.queued);
}

/* Changes the phase and arms its deadline. */
void tunnel_enter(struct tunnel *, enum phase);

/* Arms the timer anew, since what the deadline depends on has changed. */
void tunnel_arm(struct tunnel *);

/*
 * The one way out of every phase but LINGER: writes the audit line, counts,
 * closes the sockets. An earlier cause stands, see
 * tunnel_blame().
 */
void tunnel_close(struct tunnel *, enum reason);

/* Its end is seen in the audit log, the error log and the counters. */
void tunnel_tell_end(struct tunnel *);

/* Runs the phase: there is something to do. */
void tunnel_run(struct tunnel *);

/* Its deadline may have come. */
void tunnel_timer_cb(struct timer *);

/* tunnel_proxy.c */
void tunnel_proxy_run(struct tunnel *);
void tunnel_proxy_expire(struct tunnel *);
/* Puts the header that the egress line asks for before the client's first
 * byte. 0 or -ENOMEM. */
int tunnel_proxy_preface(struct tunnel *);

/* tunnel_decide.c */
tls_hello_cb tunnel_hello_cb;
/* The handshake is done: learns the identity, and decides if that had to
 * wait for it. REASON_NONE, or why the tunnel is refused. */
enum reason tunnel_decide_identity(struct tunnel *);

/* tunnel_establish.c */
/* The client's address is known: is it within its limits? If so, goes on with
 * its hello, else the tunnel is closed. */
void tunnel_hello_start(struct tunnel *);
void tunnel_handshake_run(struct tunnel *);
void tunnel_connect_run(struct tunnel *);
/* Ends the dial and keeps what it found out for the audit line. */
void tunnel_give_up_dial(struct tunnel *);

/* tunnel_relay.c */
void tunnel_relay_start(struct tunnel *);
void tunnel_relay_run(struct tunnel *);
void tunnel_flush_run(struct tunnel *);
/* Something is sent: it has to be seen whether it arrives. */
void tunnel_watch(struct tunnel *);
/* Looks for that if it is time. True: a side is lost, the tunnel is ended. */
bool tunnel_look(struct tunnel *);
void tunnel_flush_expire(struct tunnel *);
bool tunnel_half_closed(const struct tunnel *);
/* Why a half broke, from what its socket or its protocol said. */
enum reason tunnel_broken_reason(
    const struct tunnel *, const struct half *broken);

/* tunnel_audit.c */
/* Adds a word to the facts. 0 or -ENOMEM. */
int tunnel_put(struct tunnel *, enum facts_word, const void *bytes, size_t len);
/* Finds the words of the facts; buf is for a text that is in pieces. Returns
 * all of the text. */
const uint8_t *tunnel_words(const struct tunnel *, uint8_t buf[FACTS_TEXT_MAX],
    struct piece words[FACTS_WORDS]);
/* Notes why the tunnel is to end, with what else is known of that (NULL:
 * nothing), unless there is an earlier cause, which stands. */
void tunnel_blame(struct tunnel *, enum reason, const char *detail);
/* Is it a connection without a byte, and are those left out of the logs? */
bool tunnel_is_probe(const struct tunnel *);
void tunnel_audit_connect(struct tunnel *);
/* All that there is to say is known. */
void tunnel_audit_end(struct tunnel *);
void tunnel_log_end(struct tunnel *);

#endif
