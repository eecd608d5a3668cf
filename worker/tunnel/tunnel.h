/*
 * A tunnel from accept to the audit line: the one place that knows the whole
 * story.
 */
#ifndef WORKER_TUNNEL_TUNNEL_H
#define WORKER_TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/boot.h"
#include "common/log/facts.h"
#include "common/log/log.h"
#include "common/net/addr.h"
#include "common/reason.h"
#include "worker/dial/dial.h"
#include "worker/loop/loop.h"
#include "worker/loop/turns.h"
#include "worker/tls/handshake.h"
#include "worker/tunnel/limits.h"

struct tunnel;
TAILQ_HEAD(tunnel_list, tunnel);

/* What all tunnels of a worker share. */
struct tunnels {
	const struct boot *boot;
	struct loop *loop;
	struct stats_slot *slot;
	struct facts_names names;
	struct table *table; /* borrowed */
	struct buffers buffers;
	struct limits limits;
	struct tls_context *tls;
	struct turns turns; /* of handshakes */
	struct loop_work work;
	struct dial_context dial;
	struct tunnel_list list;
	uint64_t count;	    /* in the list */
	uint64_t lingering; /* of these, refused: only their alert matters */
	uint64_t number;    /* of the last one */
	/* Of one that may come; NULL: there is no slot, and the kernel writes
	 * its client to where nobody else sees it. */
	struct tunnel_facts *coming;
	struct sockaddr_storage elsewhere;
	struct log_rate rate[REASON_COUNT];
	void (*closed)(void *arg); /* one has left the list */
	void *arg;
};

/*
 * Sets up what tunnels share. The table and its worker's slot must be set
 * already; they, boot, loop and resolver are borrowed. 0 or -errno.
 */
int tunnels_init(
    struct tunnels *, const struct boot *, struct loop *, struct resolver *);

/* No tunnel may be left. */
void tunnels_fini(struct tunnels *);

/* Ends all tunnels with a reset. */
void tunnels_end(struct tunnels *, enum reason);

/* Ends those of these n numbers that are there, and not refused already, with
 * a reset. The numbers are sorted. */
void tunnels_close(struct tunnels *, uint64_t *numbers, size_t n, enum reason);

/*
 * Takes over the accepted socket fd, whatever comes of it. Either a tunnel
 * begins, or an audit line says why none does. Writing that line allocates no
 * memory.
 */
void tunnel_open(struct tunnels *, int fd, const struct addr *client,
    const struct conf_listener *);

/* Resets an accepted socket that is over a limit, with its audit line. */
void tunnel_refuse(struct tunnels *, int fd, const struct addr *client,
    const struct conf_listener *, enum reason);

/* One may come to that listener; see accept_to. */
void *tunnel_await(
    struct tunnels *, const struct conf_listener *, socklen_t *len);
void *tunnel_await_handed(struct tunnels *, size_t addr);
void tunnel_await_no_more(struct tunnels *);

/*
 * For who accepts (worker/accept.h); arg is the tunnels. Is there room for one
 * more beside so many listening sockets? Takes a connection, as tunnel_open(),
 * or as tunnel_refuse() where limits.tunnels is reached; or refuses it as if it
 * were. Counts a pause.
 */
bool tunnels_room(void *arg, size_t sockets);
void *tunnels_await(void *arg, unsigned listener, socklen_t *len);
void *tunnels_await_handed(void *arg, size_t addr);
void tunnels_await_no_more(void *arg);
void tunnels_take(void *arg, int fd, const struct addr *, unsigned listener);
void tunnels_refuse(void *arg, int fd, const struct addr *, unsigned listener);
void tunnels_paused(void *arg);

#endif
