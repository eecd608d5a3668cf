/* What the master tells its workers. */
#ifndef MASTER_ORDER_H
#define MASTER_ORDER_H

#include <stdint.h>

#include "common/reason.h"

struct child;
struct control_msg;
struct crew;
struct master;

/*
 * Tells all workers of the crew to drain; tunnels that are open at the
 * deadline end for the reason. listeners: see struct control_msg.
 */
void order_drain(struct master *, struct crew *, enum reason, int64_t deadline,
    uint64_t listeners);

/* The same for one that was started after the others were told. */
void order_drain_again(struct master *, struct child *);

/* The same for one of them alone, which leaves no listener. */
void order_drain_child(
    struct master *, struct child *, enum reason, int64_t deadline);

/* Tells them to exit at once; those who have not after `patience` are
 * killed. */
void order_end(struct master *, struct crew *, enum reason, int64_t patience);

/* Passes on which tunnels a worker is to close, if it is still there. */
void order_close(struct master *, const struct control_msg *);

/* Ends the oldest generations when m->limit_at has come, until no more old ones
 * are left than limits.generations permits. Returns when it is due. */
int64_t order_limit(struct master *, int64_t now);

#endif
