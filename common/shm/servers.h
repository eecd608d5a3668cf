/* Name servers as a worker finds them, in its part, for others to read. */
#ifndef COMMON_SHM_SERVERS_H
#define COMMON_SHM_SERVERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/nameserver.h"

struct shm;

enum servers_state {
	SERVERS_ANSWERS,	/* or it was not asked yet */
	SERVERS_SILENT_TO_IPV4, /* to questions for such addresses */
	SERVERS_SILENT_TO_IPV6,
	SERVERS_SILENT,
	SERVERS_STATES
};

#define SERVERS_WORDS ((sizeof(struct nameserver) + 7) / 8)

struct servers_entry {
	_Atomic uint64_t where[SERVERS_WORDS]; /* struct nameserver */
	_Atomic uint64_t asked, unanswered;
	_Atomic uint64_t state; /* enum servers_state */
};

/* All zero: there are none. */
struct servers {
	_Atomic uint64_t change; /* odd: being changed */
	_Atomic uint64_t n;
	struct servers_entry entries[NAMESERVERS_MAX];
};

/* Others are asked from now on; nothing is known of them. Writer only. */
void servers_set(struct servers *, const struct nameserver *, size_t n);

/* What is read of one. */
struct servers_seen {
	struct nameserver where;
	uint64_t asked, unanswered; /* questions, since its worker has it */
	enum servers_state state;
};

/* The name servers of a slot's worker, who may have been broken into: how many
 * there are. 0 as well, where they are being changed all the time. */
size_t servers_read(
    const struct shm *, int slot, struct servers_seen seen[NAMESERVERS_MAX]);

/* "answers", "silent" */
const char *servers_state_name(enum servers_state);

#endif
