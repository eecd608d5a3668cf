/* The signals that the master answers. */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

struct master;

/* From now on they wait in m->signal_fd, which is the caller's to close; what
 * else might be sent is ignored. 0 or -errno. */
int signals_open(struct master *);

/* Does what the signals that wait there ask for, or sets a wish that the loop
 * fulfils. */
void signals_take(struct master *);

#endif
