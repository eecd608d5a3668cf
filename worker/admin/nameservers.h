/* The name servers of the current generation, as all of its workers together
 * find them. */
#ifndef WORKER_ADMIN_NAMESERVERS_H
#define WORKER_ADMIN_NAMESERVERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/shm/servers.h"

struct admin;

/* While resolv.conf is replaced workers may have different ones. More are left
 * out. */
#define NAMESERVERS_SEEN_MAX (2 * NAMESERVERS_MAX)

struct nameserver_seen {
	struct nameserver where;
	char text[NAMESERVER_TEXT_SIZE];  /* of it, with its port */
	unsigned workers[SERVERS_STATES]; /* that find it so */
	uint64_t asked, unanswered;	  /* since these workers have it */
};

/* How many there are, each once. */
size_t nameservers_look(
    const struct admin *, struct nameserver_seen seen[NAMESERVERS_SEEN_MAX]);

/* The worst that any worker finds. */
enum servers_state nameserver_state(const struct nameserver_seen *);

#endif
