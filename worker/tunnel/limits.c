/* Counts what tunnels and their clients have over all workers, and refuses what
 * is too much. */
#include "worker/tunnel/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/shm/room.h"
#include "common/shm/stats.h"
#include "common/shm/tallies.h"
#include "worker/dns/resolver.h"
#include "worker/loop/loop.h"

/* What is counted, first byte of what a key is made from. */
enum kind {
	KIND_TUNNELS,
	KIND_HANDSHAKES,
	KIND_LOOKUPS,
	KIND_RULE,
	KIND_UNFINISHED
};

/* What the kernel has for the two sockets of a tunnel, and what one takes until
 * its handshake is done. */
#define TUNNEL_KERNEL 8192
#define TUNNEL_NEXT   65536

void
limits_init(struct limits *l, const struct conf_limits *conf, struct shm *shm)
{
	struct rlimit rl;

	*l = (struct limits){
		.conf = conf,
		.shm = shm,
		.descriptors = UINT64_MAX,
	};
	alloc_meter_init(&l->memory.meter);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY)
		l->descriptors = rl.rlim_cur;
}

/* Does this worker, which has so much, have more than its share? */
static bool
is_beyond(const struct limits *l, uint64_t own, const struct shm_most *most)
{
	return (own > (shm_state(l->shm, shm_slot(l->shm)) == SHM_ALONE
			      ? most->alone
			      : most->beside));
}

static void
lower(uint64_t *n, uint64_t most)
{
	if (*n > most)
		*n = most;
}

/* Bytes that this worker has taken since the master's last look, with what the
 * kernel has taken for it. */
static uint64_t
taken_since(struct limits *l, const struct room *room)
{
	struct limits_memory *m = &l->memory;
	uint64_t now = alloc_metered(&m->meter);
	uint64_t accepted = atomic_load_explicit(
	    &stats_mine(l->shm)->count[STAT_ACCEPTED], memory_order_relaxed);

	if (room->look != m->look) {
		m->look = room->look;
		m->had = now;
		m->accepted = accepted;
	}
	return ((accepted - m->accepted) * TUNNEL_KERNEL +
		(now > m->had ? now - m->had : 0));
}

bool
limits_note_memory(struct limits *l)
{
	struct room room = room_told(l->shm);

	if (room.look != l->memory.look)
		(void)taken_since(l, &room);
	return (room.bytes == 0);
}

/* What was given back since the look is of use when the master sees it. */
bool
limits_memory(struct limits *l)
{
	struct room room = room_told(l->shm);

	return (room.bytes == ROOM_UNLIMITED ||
		taken_since(l, &room) + TUNNEL_NEXT <= room.bytes);
}

enum reason
limits_admit(struct limits *l)
{
	uint64_t own = atomic_load_explicit(
	    &stats_mine(l->shm)->tunnels, memory_order_relaxed);
	uint64_t limit = (uint64_t)l->conf->tunnels;
	struct shm_most most = shm_share(limit);

	if (!limits_memory(l))
		return (REASON_LIMIT_MEMORY);
	if (is_beyond(l, own + 1, &most))
		return (REASON_LIMIT_TUNNELS);
	/* Each has two descriptors, see limits_descriptors(). */
	lower(&most.alone, l->descriptors / 2);
	lower(&most.beside, l->descriptors / 2);
	if (stats_tunnels(l->shm, &most) >= limit)
		return (REASON_LIMIT_TUNNELS);
	return (REASON_NONE);
}

uint64_t
limits_races(struct limits *l, uint64_t listeners)
{
	uint64_t other = listeners + BOOT_FILES_OTHER;

	l->races = l->descriptors > other
		       ? (l->descriptors - other) / BOOT_FILES_RACES
		       : 0;
	return (l->races);
}

bool
limits_descriptors(
    const struct limits *l, uint64_t own_tunnels, uint64_t listeners)
{
	return (
	    2 * (own_tunnels + 1) + listeners + BOOT_FILES_OTHER + l->races <=
	    l->descriptors);
}

/* Two addresses of one /64 are one client: it can take any of them. But those
 * of NAT64, all in one /64, are the IPv4 clients that they carry. */
static uint64_t
client_key(const struct limits *l, enum kind kind, const struct addr *client)
{
	struct addr a = *client;
	uint8_t bytes[10] = { (uint8_t)kind };
	bool ipv6;

	addr_unwrap(&a);
	ipv6 = a.family == AF_INET6;
	bytes[1] = ipv6;
	memcpy(bytes + 2, a.ip, ipv6 ? 8 : 4);
	return (
	    tallies_key(l->shm, bytes, sizeof(bytes), kind == KIND_HANDSHAKES));
}

/* By its name, since a rule's place changes from generation to generation. */
static uint64_t
rule_key(const struct limits *l, const struct rule *rule)
{
	size_t len = strlen(rule->name);
	uint8_t bytes[1 + 64] = { KIND_RULE };

	if (len > sizeof(bytes) - 1)
		len = sizeof(bytes) - 1;
	memcpy(bytes + 1, rule->name, len);
	return (tallies_key(l->shm, bytes, 1 + len, false));
}

/* Nobody asks the clock where nothing depends on it. */
static uint32_t
second(const struct limits *l)
{
	if (l->conf->handshakes_per_client == 0)
		return (0);
	return ((uint32_t)(clock_now() / CLOCK_SEC));
}

/* How much there may be of something. */
struct bound {
	int64_t limit; /* 0: none, and nothing is counted */
	uint64_t own;  /* of these in this worker; 0: as of any limit */
	enum reason refused;
	/* One that nobody asked for: it ends where there is no room to count,
	 * instead of those whom it is to protect. */
	bool unasked;
};

/*
 * Counts first and looks at the sum afterwards. If it looked first, two workers
 * that look at the same time could both go beyond the limit. Now both may be
 * refused the last place instead.
 */
static enum reason
hold(struct limits *l, uint64_t *held, uint64_t key, const struct bound *b)
{
	uint32_t now = second(l);
	struct shm_most most = shm_share((uint64_t)b->limit);
	uint64_t sum, own;
	int error;

	assert(*held == 0);
	error = tallies_add(l->shm, key, now);
	if (error == -ENOSPC)
		return (b->unasked ? REASON_NONE : REASON_LIMIT_TABLE);
	if (error != 0)
		return (REASON_NO_MEMORY);
	error = tallies_sum(l->shm, key, now, &most, &sum);
	own = tallies_own(l->shm, key, now);
	if (error == 0 && sum <= (uint64_t)b->limit &&
	    !is_beyond(l, own, &most) && (b->own == 0 || own <= b->own)) {
		*held = key;
		return (REASON_NONE);
	}
	tallies_sub(l->shm, key, now);
	return (error == 0 ? b->refused : REASON_NO_MEMORY);
}

static void
uncount(struct limits *l, uint64_t *key)
{
	if (*key != 0)
		tallies_sub(l->shm, *key, second(l));
	*key = 0;
}

static enum reason
hold_client(struct limits *l, uint64_t *held, enum kind kind,
    const struct addr *client, const struct bound *b)
{
	return (b->limit == 0 ? REASON_NONE
			      : hold(l, held, client_key(l, kind, client), b));
}

/* Half; but of few one client may have all. */
static uint64_t
half_of(uint64_t n)
{
	return (n >= SHM_SHARED ? n / 2 : 0);
}

/* Unless it is set, it is half of all, and of what this worker has descriptors
 * for. */
static struct bound
tunnels_per_client(const struct limits *l)
{
	struct bound b = { .limit = l->conf->tunnels_per_client,
		.refused = REASON_LIMIT_CLIENT };

	if (b.limit >= 0)
		return (b);
	b.unasked = true;
	b.limit = (int64_t)half_of((uint64_t)l->conf->tunnels);
	if (l->descriptors > BOOT_FILES_OTHER + l->races)
		b.own =
		    half_of((l->descriptors - BOOT_FILES_OTHER - l->races) / 2);
	return (b);
}

enum reason
limits_client(
    struct limits *l, struct limits_held *held, const struct addr *client)
{
	const struct bound tunnels = tunnels_per_client(l);
	const struct bound unfinished = {
		.limit = l->conf->unfinished_per_client,
		.refused = REASON_LIMIT_UNFINISHED,
		.unasked = true,
	};
	const struct bound handshakes = {
		.limit = l->conf->handshakes_per_client,
		.refused = REASON_LIMIT_HANDSHAKES,
	};
	uint64_t of_second = 0; /* goes when the second does */
	enum reason reason =
	    hold_client(l, &held->client, KIND_TUNNELS, client, &tunnels);

	if (reason == REASON_NONE)
		reason = hold_client(
		    l, &held->unfinished, KIND_UNFINISHED, client, &unfinished);
	if (reason == REASON_NONE)
		reason = hold_client(
		    l, &of_second, KIND_HANDSHAKES, client, &handshakes);
	if (reason != REASON_NONE)
		limits_release(l, held);
	return (reason);
}

void
limits_handshaken(struct limits *l, struct limits_held *held)
{
	uncount(l, &held->unfinished);
}

uint64_t
limits_peer(const struct limits *l, const struct addr *client)
{
	return (client_key(l, KIND_UNFINISHED, client));
}

enum reason
limits_rule(struct limits *l, struct limits_held *held, const struct rule *rule)
{
	const struct bound b = { .limit = rule->max_tunnels,
		.refused = REASON_LIMIT_RULE };

	return (b.limit == 0 ? REASON_NONE
			     : hold(l, &held->rule, rule_key(l, rule), &b));
}

void
limits_release(struct limits *l, struct limits_held *held)
{
	uncount(l, &held->client);
	uncount(l, &held->unfinished);
	uncount(l, &held->rule);
}

/* A look-up, which may outlive the tunnel that it was for. */
struct lookup {
	struct resolver_account account;
	struct limits *limits;
	uint64_t key;
};

static void
lookup_over(struct resolver_account *account)
{
	struct lookup *lookup = container_of(account, struct lookup, account);

	uncount(lookup->limits, &lookup->key);
	free(lookup);
}

static struct lookup *
new_lookup(struct limits *l, const struct addr *client)
{
	struct lookup *lookup = malloc(sizeof(*lookup));

	if (lookup != NULL)
		*lookup = (struct lookup){
			.account = { .held = 1,
			    .client = client_key(l, KIND_LOOKUPS, client),
			    .over = lookup_over },
			.limits = l,
		};
	return (lookup);
}

enum reason
limits_lookup(struct limits *l, const struct addr *client,
    struct resolver_account **account)
{
	const struct bound b = { .limit = l->conf->lookups_per_client,
		.refused = REASON_LIMIT_LOOKUPS };
	struct lookup *lookup = new_lookup(l, client);
	enum reason reason;

	*account = NULL;
	if (lookup == NULL)
		return (REASON_NO_MEMORY);
	reason = hold_client(l, &lookup->key, KIND_LOOKUPS, client, &b);
	if (reason == REASON_NONE)
		*account = &lookup->account;
	else
		free(lookup);
	return (reason);
}

struct resolver_account *
limits_uncounted(struct limits *l, const struct addr *client)
{
	struct lookup *lookup = new_lookup(l, client);

	return (lookup == NULL ? NULL : &lookup->account);
}
