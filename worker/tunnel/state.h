/*
 * The state of one tunnel, for the files that tell its story together, one for
 * each phase. A phase names its successor by the function that begins it:
 *
 *  proxy --> hello --> handshake --> connect --> relaying --> flush --> (end)
 *              |           |   (upstream came first)  ^
 *              v           +--------------------------+
 *            linger (from handshake, too)
 *
 * Any of them can end in tunnel_close(). Files that come first here are used by
 * those that follow: phase, facts, linger, dialled, broken, end, turn, watch,
 * flush, preface, relaying, connect, decide, handshake, proxy, open, tunnel.
 */
#ifndef WORKER_TUNNEL_STATE_H
#define WORKER_TUNNEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "common/log/audit.h"
#include "common/shm/rules.h"
#include "common/shm/stats.h"
#include "worker/loop/loop.h"
#include "worker/tunnel/half.h"
#include "worker/tunnel/relay.h"
#include "worker/tunnel/tunnel.h"

struct tunnel;

/* A phase: what a tunnel does when there is something to do, how long the phase
 * may last, and what is done when that time is over. */
struct tunnel_state {
	void (*run)(struct tunnel *);
	int64_t (*deadline)(const struct tunnel *); /* CLOCK_NEVER: none */
	void (*expire)(struct tunnel *);
	bool slow;     /* long work, which waits its turn */
	bool begun;    /* of which some is done */
	bool upstream; /* runs when the upstream's socket has something */
};

/* Of a handshake: not in the tunnel, which outlives it by far. */
struct tunnel_turn {
	struct turn turn;
	struct tunnel *tunnel;
};

struct tunnel {
	struct tunnels *all;
	TAILQ_ENTRY(tunnel) entry;
	const struct tunnel_state *state; /* NULL: not yet, or over */
	struct half client, upstream;
	struct timer timer;
	union {
		struct loop_task task;
		struct loop_garbage garbage; /* buried, it has no task */
	};
	struct tunnel_turn *turn; /* of its handshake; NULL: it had none yet */
	struct tls_handshake *handshake; /* until it is done */
	struct dial *dial;

	struct tunnel_facts *facts; /* what the audit line will say */

	const struct conf_listener *listener;
	struct limits_held held;  /* of all->limits */
	const struct rule *terms; /* the rule, or what holds without one */
	struct target *target;	  /* until the upstream is there */
	bool undecided;		  /* until it is known who the client is */
	bool stuck; /* in its handshake: what is sealed waits for room */
	bool established : 1; /* client and upstream were connected */
	bool lingers : 1;     /* the client is to see an alert or an end */
	bool verified;	      /* the client's certificate, whatever its names */
	uint32_t preface; /* bytes to the upstream that are not the client's */
	int64_t active;	  /* when a byte was last moved */
	int64_t answered; /* when records without data may have been */
	int64_t state_since, flush_poll;
	int64_t look; /* whether somebody is lost; NEVER: who owes nothing */
	uint32_t lingered, flush_left;
	struct half *broke;
};

/* There may be very many: that is a size of which jemalloc (5.3) wastes
 * nothing, and the next one is 640. What a handshake alone needs had better end
 * with it. */
_Static_assert(sizeof(struct tunnel) <= 512, "a tunnel is small");

/* What one tunnel may move in one go before others have their turn. */
#define TUNNEL_BUDGET (256 * 1024)

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

/* What src's pump may do in one turn; what it does is in the facts, and in what
 * its worker counts, at once. */
static inline struct relay_work
tunnel_work(struct tunnel *t, const struct half *src)
{
	struct tunnel_facts *f = t->facts;
	struct stats_slot *slot = t->all->slot;
	struct rules_row *row =
	    rules_mine(t->all->boot->shm, t->all->boot->rules, f->rule);

	if (src == &t->client)
		return ((struct relay_work){ .budget = TUNNEL_BUDGET,
		    .told = &f->bytes_from_client,
		    .untold = t->preface,
		    .sums = { &slot->count[STAT_BYTES_FROM_CLIENT],
			&row->n[RULES_FROM_CLIENT] } });
	return ((struct relay_work){ .budget = TUNNEL_BUDGET,
	    .told = &f->bytes_from_upstream,
	    .sums = { &slot->count[STAT_BYTES_FROM_UPSTREAM],
		&row->n[RULES_FROM_UPSTREAM] } });
}

/* Does its handshake wait for its turn? */
static inline bool
tunnel_in_turn(const struct tunnel *t)
{
	return (t->turn != NULL && t->turn->turn.waits);
}

/* Its handshake is over. */
static inline void
tunnel_end_turns(struct tunnel *t)
{
	if (t->turn != NULL)
		turns_leave(&t->all->turns, &t->turn->turn);
	free(t->turn);
	t->turn = NULL;
}

/* It has work left over, and its turn comes when others have had theirs. */
static inline bool
tunnel_waits(const struct tunnel *t)
{
	return (t->task.queued);
}

/* phase.c */
/* Changes the phase and arms its deadline. */
void tunnel_enter(struct tunnel *, const struct tunnel_state *);
/* Arms the timer anew, since what the deadline depends on has changed. */
void tunnel_arm(struct tunnel *);
/* Runs the phase: there is something to do. */
void tunnel_run(struct tunnel *);
/* Its deadline may have come. */
void tunnel_timer_cb(struct timer *);

/* facts.c */
/* Adds a word to the facts. 0 or -ENOMEM. */
int tunnel_put(struct tunnel *, enum facts_word, const void *bytes, size_t len);
/* Changes the word of an address, which is there in the facts' text. */
void tunnel_change_try(
    struct tunnel *, size_t at, const uint8_t word[FACTS_TRY_SIZE]);
/* Finds the words of the facts; buf is for a text that is in pieces. Returns
 * all of the text. */
const uint8_t *tunnel_words(const struct tunnel *, uint8_t buf[FACTS_TEXT_MAX],
    struct piece words[FACTS_WORDS]);
/* Notes why the tunnel is to end, with what else is known of that (NULL:
 * nothing), unless there is an earlier cause, which stands. */
void tunnel_blame(struct tunnel *, enum reason, const char *detail);
void tunnel_audit_connect(struct tunnel *);
/* All that there is to say is known. */
void tunnel_audit_end(struct tunnel *);
void tunnel_log_end(struct tunnel *);

/* linger.c */
/* Is it over, but for the client that has yet to close? */
bool tunnel_lingers(const struct tunnel *);
/* The client sees the alert that it was sent, then the end. */
void tunnel_linger(struct tunnel *);
/* The sockets are closed: frees the tunnel at the end of this turn. */
void tunnel_bury(struct tunnel *);

/* dialled.c */
/* An address was dialled, refused, or has failed: see dial_try_cb. */
void tunnel_note_try(struct tunnel *, size_t place, const struct facts_try *);
/* The dial is over: keeps what it found out, and has no further use for it. */
void tunnel_end_dial(struct tunnel *, const struct dial_report *);
/* The same for one that is under way, or none. */
void tunnel_give_up_dial(struct tunnel *);

/* broken.c */
/* Why a half broke, from what its socket or its protocol said. */
enum reason tunnel_broken_reason(
    const struct tunnel *, const struct half *broken);
/* ... What the system says of it, or the TLS library; NULL: nothing. */
const char *tunnel_broken_detail(const struct half *broken);
/* Notes which side ended or broke first. */
void tunnel_note_first_close(struct tunnel *);

/* end.c */
/*
 * The one way out of every phase but the last: writes the audit line, counts,
 * closes the sockets. An earlier cause stands, see tunnel_blame().
 */
void tunnel_close(struct tunnel *, enum reason);
/* Its end is seen in the audit log, the error log and the counters. */
void tunnel_tell_end(struct tunnel *);

/* turn.c */
void tunnel_turns_init(struct tunnels *);
/* There is more to do for its handshake, when its turn comes. */
void tunnel_wait_turn(struct tunnel *);
/* There is something of the client for its handshake: as tunnel_wait_turn(),
 * but at once for a client that will never have one. */
void tunnel_heard(struct tunnel *);

/* watch.c */
/* Something is sent: it has to be seen whether it arrives. */
void tunnel_watch(struct tunnel *);
/* Looks for that if it is time: the half that is lost, or NULL. */
struct half *tunnel_look(struct tunnel *);
/* Makes t->active later where the kernel has sent bytes since. */
void tunnel_note_sent(struct tunnel *);

/* flush.c */
/* One side broke: begins the phase. */
void tunnel_flush(struct tunnel *, struct half *broke);
/* Was its connection reset or lost? The socket is asked, since no receive or
 * send may be due that would tell: none is tried after the end of its stream,
 * nor while its peer does not take what came before. */
bool tunnel_dead(struct half *);
/* How both streams ended. */
enum reason tunnel_whole(const struct tunnel *);

/* preface.c */
/* Puts the header that the egress line asks for before the client's first
 * byte. 0 or -ENOMEM. */
int tunnel_preface(struct tunnel *);

/* relaying.c: both sides are there: begins the phase. */
void tunnel_relay(struct tunnel *);

/* connect.c */
/* The handshake is done: begins the phase, and the dial where there is none. */
void tunnel_connect(struct tunnel *);
/*
 * Begins the dial. Like all that befalls a tunnel after its hello, a limit is
 * told by a reset once the handshake is done.
 */
void tunnel_dial(struct tunnel *);

/* decide.c */
/* The server name of a client, NULL: none, is known, or why there is none
 * (NONE, SNI_*): decides. REASON_NONE, or why the tunnel is refused. */
enum reason tunnel_decide(
    struct tunnel *, const uint8_t *name, size_t len, enum reason);
/* Do clients have to say who they are, or may they? */
bool tunnel_asks_identity(const struct tunnel *);
/* The handshake is done: these are the identities of the client; decides if
 * that had to wait for them. REASON_NONE, or why the tunnel is refused. */
enum reason tunnel_decide_identity(
    struct tunnel *, const struct identity *names, size_t n);

/* handshake.c */
/* What a ClientHello says is decided upon. */
tls_hello_cb tunnel_hello_cb;
/* The client's address is known: is it within its limits? If so, begins the
 * phase of its hello and returns true, else the tunnel is closed. */
bool tunnel_hello(struct tunnel *);

/* proxy.c: begins the phase. */
void tunnel_proxy(struct tunnel *);

#endif
