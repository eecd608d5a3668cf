/*
 * What becomes of connections when a worker is down: new ones go to others, and
 * these serve what waits on its sockets, too; see fetch.h.
 */
#ifndef MASTER_COVER_H
#define MASTER_COVER_H

#include <stdint.h>

struct master;

/* To be called when a worker of the current generation became ready or died.
 * Tells the service manager, too, how many serve. */
void cover_update(struct master *, int64_t now);

/*
 * To be called when a worker may have harmed its sockets: after one died that
 * was not told to, and when a generation begins to serve. A socket that does
 * not listen any more is opened anew. A worker that still has the old one
 * drains, and another takes its seat.
 */
void cover_heal(struct master *, int64_t now);

#endif
