/*
 * What becomes of connections when a worker is down: new ones go to others, and
 * one of these serves what waits on its sockets.
 */
#ifndef MASTER_COVER_H
#define MASTER_COVER_H

#include <stdint.h>

struct child;
struct master;

/* To be called when a worker of the current generation became ready or died.
 * Tells the service manager, too, how many serve. */
void cover_update(struct master *, int64_t now);

/* The child is gone: what it covered, nobody does. */
void cover_forget(struct master *, const struct child *);

/*
 * To be called when a worker may have done something to its sockets, which is
 * when one has died that was not to, and when a generation begins to serve.
 * Sockets that another has served are looked at besides: see cover_tick().
 * What does not listen any more is opened anew; workers that are still there
 * with such a socket drain, and others take their seats.
 */
void cover_heal(struct master *, int64_t now);

/*
 * Heals what was lent, every now and then: the filter of a worker names the
 * sockets that it was born with, so that one which was broken into can shut
 * down another's, and nobody can take it away again. Goes on until all are gone
 * who ever had one. Returns when it is to be called again.
 */
int64_t cover_tick(struct master *, int64_t now);

#endif
