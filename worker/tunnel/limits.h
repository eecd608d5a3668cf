/*
 * How much a worker takes on: tunnels, handshakes and look-ups over all
 * workers together, and its own descriptors.
 */
#ifndef WORKER_TUNNEL_LIMITS_H
#define WORKER_TUNNEL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/alloc.h"
#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "common/policy/rule.h"
#include "common/reason.h"

struct resolver_account;
struct shm;

/* What this worker had when the master last looked at all memory. */
struct limits_memory {
	struct alloc_meter meter;
	uint64_t look, had, accepted;
};

struct limits {
	const struct conf_limits *conf;
	struct shm *shm;
	struct limits_memory memory;
	uint64_t descriptors; /* of this process */
	uint64_t races;	      /* those of them that are for races */
};

/* Reads RLIMIT_NOFILE; conf and shm are borrowed. */
void limits_init(struct limits *, const struct conf_limits *, struct shm *);

/* May one more tunnel be opened? REASON_NONE, or why not. */
enum reason limits_admit(struct limits *);

/* The memory alone: may one more handshake begin? */
bool limits_memory(struct limits *);

/* To be called each turn: notes what is taken. Is no memory left to take? */
bool limits_note_memory(struct limits *);

/* Sets descriptors aside for races, beside so many listening sockets, and
 * returns how many; until then there are none. */
uint64_t limits_races(struct limits *, uint64_t listeners);

/*
 * Are there descriptors for one more tunnel beside this worker's own ones, its
 * listening sockets and the races? A tunnel has two.
 */
bool limits_descriptors(
    const struct limits *, uint64_t own_tunnels, uint64_t listeners);

/* What a tunnel is counted for: keys of the tallies, 0: not counted. Begins as
 * zeros, and is given back as a whole. */
struct limits_held {
	uint64_t client, unfinished, rule;
};

/*
 * All that follow: what is refused is not counted. Besides for the reasons
 * named, it is refused for NO_MEMORY where it cannot be counted or added up.
 *
 * Counts a tunnel, and the handshake that it begins with, of this client (its
 * IPv4 address or IPv6 /64), which nothing is held for yet. REASON_NONE: held;
 * LIMIT_CLIENT, LIMIT_UNFINISHED or LIMIT_HANDSHAKES.
 */
enum reason limits_client(
    struct limits *, struct limits_held *, const struct addr *client);

/* The handshake is done: from now on it is a tunnel that is held. */
void limits_handshaken(struct limits *, struct limits_held *);

/* A hash that all tunnels of this client have in common. */
uint64_t limits_peer(const struct limits *, const struct addr *client);

/* Counts a tunnel of this rule, over all generations that have a rule of that
 * name; none is held yet. REASON_NONE: held; LIMIT_RULE. */
enum reason limits_rule(
    struct limits *, struct limits_held *, const struct rule *);

/* The tunnel ends: all that it holds is given back, and nothing is held. */
void limits_release(struct limits *, struct limits_held *);

/*
 * Counts a look-up of this client, where there is a limit. REASON_NONE: counted
 * until nobody holds *account any more, which the caller does; LIMIT_LOOKUPS:
 * *account is NULL. The limits must outlive the account.
 */
enum reason limits_lookup(struct limits *, const struct addr *client,
    struct resolver_account **account);

/* An account that is not counted, for one who waits at most for what others
 * have asked, by which it is known who that is. NULL, which says less: no
 * memory. */
struct resolver_account *limits_uncounted(
    struct limits *, const struct addr *client);

#endif
