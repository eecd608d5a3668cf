/*
 * Has the keys of session tickets change, and go: new ones are for the current
 * generation alone, and one that is over has soon none left.
 */
#include "master/rotate.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "master/master.h"
#include "master/keyring.h"

static int64_t
keep(struct master *m, struct keyring *t, int64_t now)
{
	bool drawn;
	int error;
	int64_t next = keyring_keep(t, now, &drawn, &error);
	size_t n = keyring_count(t);

	if (drawn)
		log_write(m->log, LOG_LEVEL_INFO,
		    "tickets: a new key seals them, and %zu before it %s "
		    "accepted",
		    n - 1, n == 2 ? "is" : "are");
	else if (error != 0)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "tickets: no new key could be drawn, and the old one goes "
		    "on: %s",
		    strerror(-error));
	return (next);
}

int64_t
rotate_tick(struct master *m, int64_t now)
{
	int64_t next = CLOCK_NEVER, due;
	struct crew *crew;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		due = CLOCK_NEVER;
		/* The next one goes on with the keys that were there when it
		 * began: until it serves, or is given up, none is added. */
		if (crew != m->current && crew != m->next)
			due = keyring_retire(crew->keyring, now);
		else if (crew == m->current && m->next == NULL)
			due = keep(m, crew->keyring, now);
		next = due < next ? due : next;
	}
	return (next);
}
