/*
 * Asks the service manager for patience while the master is busy with one long
 * thing, such as reading a configuration, and does not come to its loop.
 */
#ifndef MASTER_PATIENCE_H
#define MASTER_PATIENCE_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

struct notify;

struct patience {
	const struct notify *notify;
	volatile sig_atomic_t left; /* so often it is asked for */
	timer_t timer;
	bool runs;
};

/* What may take long begins: from now on the manager is told now and then that
 * all is well, for some minutes at most. Borrows notify until patience_end().
 * Takes SIGALRM; calls that it interrupts are restarted. Without a manager it
 * does nothing. */
void patience_begin(struct patience *, const struct notify *);

/* Between two parts of it something else is done, which no signal is to
 * interrupt and which may fork; or that is over. */
void patience_hold(bool);

/* It is over; to be called before a worker is forked. */
void patience_end(struct patience *);

#endif
