/*
 * Limits by client and by rule over several workers: no race exceeds one, and a
 * worker that lies takes no more than its share.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "common/shm/room.h"
#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "t/unit/tap.h"
#include "worker/dns/resolver.h"
#include "worker/tunnel/limits.h"

#define WORKERS 2
#define TURNS	400000
#define LIMIT	1

static struct addr
address(const char *text)
{
	struct addr addr;

	if (addr_parse_ip(&addr, text, strlen(text)) != 0)
		addr = (struct addr){ 0 };
	return (addr);
}

/* Opens a tunnel that stays. */
static enum reason
stay(struct limits *l, const struct addr *client)
{
	struct limits_held held = { 0 };

	return (limits_client(l, &held, client));
}

/* May this client have one more tunnel, of two? It is not kept. */
static bool
has_room(struct limits *l, const char *text)
{
	struct addr client = address(text);
	struct limits_held held = { 0 };

	if (limits_client(l, &held, &client) != REASON_NONE)
		return (false);
	limits_release(l, &held);
	return (true);
}

static void
test_clients(struct shm *s)
{
	struct conf_limits conf = { .tunnels_per_client = 2,
		.lookups_per_client = 1 };
	struct addr v4 = address("192.0.2.1");
	struct addr v6 = address("2001:db8::1");
	struct addr nat64 = address("64:ff9b::192.0.2.1");
	struct limits_held one = { 0 }, two = { 0 };
	struct resolver_account *account, *over, *other;
	struct limits l;

	limits_init(&l, &conf, s);
	limits_client(&l, &one, &v4);
	is_int(limits_client(&l, &two, &v4), REASON_NONE, "two of two");
	is_int(stay(&l, &v4), REASON_LIMIT_CLIENT, "not three");
	ok(has_room(&l, "192.0.2.2"), "the next address is another client");
	ok(!has_room(&l, "::ffff:192.0.2.1"), "the same as mapped is not");
	v4.port = 99;
	is_int(stay(&l, &v4), REASON_LIMIT_CLIENT, "nor a port");
	is_int(limits_lookup(&l, &v4, &account), REASON_NONE,
	    "look-ups are apart");
	is_int(limits_lookup(&l, &v4, &over), REASON_LIMIT_LOOKUPS,
	    "with a limit");
	ok(over == NULL, "what is refused has no account");
	other = limits_uncounted(&l, &v4);
	ok(other != NULL && other->client == account->client,
	    "who asks nothing has an account of the same client");
	resolver_account_release(other);
	account->held++; /* a question */
	resolver_account_release(account);
	is_int(limits_lookup(&l, &v4, &over), REASON_LIMIT_LOOKUPS,
	    "until the last question is over");
	resolver_account_release(account);
	is_int(limits_lookup(&l, &v4, &account), REASON_NONE,
	    "then there is room");
	resolver_account_release(account);
	limits_release(&l, &one);
	ok(has_room(&l, "192.0.2.1"), "one that ends makes room");
	limits_release(&l, &two);

	limits_client(&l, &one, &v6);
	limits_client(&l, &two, &v6);
	ok(!has_room(&l, "2001:db8::ffff:ffff:ffff:ffff"),
	    "an IPv6 /64 is one client");
	ok(has_room(&l, "2001:db8:0:1::1"), "the next /64 is another");
	ok(has_room(&l, "32.1.13.184"), "so is IPv4 that begins like it");
	limits_release(&l, &one);
	limits_release(&l, &two);

	limits_client(&l, &one, &nat64);
	limits_client(&l, &two, &nat64);
	ok(!has_room(&l, "64:ff9b::192.0.2.1"), "NAT64: one client is full");
	ok(!has_room(&l, "192.0.2.1"), "which is the IPv4 client");
	ok(has_room(&l, "64:ff9b::192.0.2.2"), "and the next one another");
	limits_release(&l, &one);
	limits_release(&l, &two);
}

static void
test_rules(struct shm *s, struct shm *elsewhere)
{
	struct conf_limits conf = { .tunnels = 1 };
	struct rule a = { .name = (char *)"a", .max_tunnels = 2 };
	struct rule b = { .name = (char *)"b", .max_tunnels = 1 };
	struct rule free_rule = { .name = (char *)"a" };
	struct limits_held elsewhere_a = { 0 }, a1 = { 0 }, a2 = { 0 };
	struct limits_held b1 = { 0 }, none = { 0 };
	struct limits l, old;

	limits_init(&l, &conf, s);
	limits_init(&old, &conf, elsewhere);
	is_int(
	    limits_rule(&old, &elsewhere_a, &a), REASON_NONE, "one, elsewhere");
	is_int(limits_rule(&l, &a1, &a), REASON_NONE, "two");
	is_int(limits_rule(&l, &none, &a), REASON_LIMIT_RULE, "not three");
	is_int(limits_rule(&l, &b1, &b), REASON_NONE, "another rule");
	is_int(limits_rule(&l, &none, &free_rule), REASON_NONE, "no limit");
	limits_release(&l, &none);
	is_int(limits_rule(&l, &none, &a), REASON_LIMIT_RULE,
	    "nothing to give back");
	limits_release(&old, &elsewhere_a);
	is_int(
	    limits_rule(&l, &a2, &a), REASON_NONE, "one that ends elsewhere");
	limits_release(&l, &a1);
	limits_release(&l, &a2);
	limits_release(&l, &b1);
}

/* Begins handshakes until one is refused; returns how many were not. */
static int
handshakes(struct limits *l, const struct addr *client)
{
	struct limits_held held = { 0 };
	int n = 0;

	while (limits_client(l, &held, client) == REASON_NONE) {
		limits_release(l, &held);
		n++;
	}
	return (n);
}

static int64_t
second(void)
{
	return (clock_now() / CLOCK_SEC);
}

static void
wait_for_second(int64_t n)
{
	struct timespec when = { .tv_sec = n };

	while (
	    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
		;
}

static void
test_handshakes(struct shm *s)
{
	struct conf_limits conf = { .tunnels_per_client = 1,
		.handshakes_per_client = 5 };
	struct addr client = address("192.0.2.3");
	struct limits_held held = { 0 };
	enum reason reason;
	struct limits l;
	int64_t began;
	int n;

	limits_init(&l, &conf, s);
	/* A second can end meanwhile, but not every time. */
	do {
		client.ip[3]++;
		began = second();
		n = handshakes(&l, &client);
		reason = stay(&l, &client);
	} while (began != second());
	is_int(n, 5, "five in a second");
	is_int(reason, REASON_LIMIT_HANDSHAKES, "not six");
	wait_for_second(began + 1);
	is_int(
	    limits_client(&l, &held, &client), REASON_NONE, "the next second");
	is_int(stay(&l, &client), REASON_LIMIT_CLIENT,
	    "the refused did not stay counted as tunnels");
	limits_release(&l, &held);
}

/* Without limits nothing is counted. */
static void
test_none(struct shm *s)
{
	struct conf_limits conf = { .tunnels = 1 };
	struct addr client = address("192.0.2.1");
	struct rule rule = { .name = (char *)"a" };
	struct resolver_account *account = NULL;
	struct limits_held held = { 0 };
	struct limits l;

	limits_init(&l, &conf, s);
	ok(limits_client(&l, &held, &client) == REASON_NONE &&
		limits_lookup(&l, &client, &account) == REASON_NONE &&
		limits_rule(&l, &held, &rule) == REASON_NONE,
	    "no limit");
	ok(account != NULL, "a look-up has an account all the same");
	resolver_account_release(account);
	limits_release(&l, &held);
	is_int(atomic_load(&stats_mine(s)->tallied), 0,
	    "nothing is touched without a limit");
}

/* Joins as another worker. */
static struct shm *
worker(struct shm *master, bool beside)
{
	struct shm *s = NULL;
	int slot = shm_take(master, beside);

	if (slot < 0 || shm_join(master, slot, &s) != 0)
		abort();
	return (s);
}

/* One that is kept, so that the worker has taken so much. */
static void
take(void **memory, size_t size)
{
	*memory = malloc(size);
	if (*memory == NULL)
		abort();
	memset(*memory, 1, size);
}

/* How much memory is left is for the master to say; until it says so again, a
 * worker counts what it takes itself. */
static void
test_memory(void)
{
	struct conf_limits conf = { .tunnels = 100 };
	struct shm *master = NULL, *s;
	void *some, *more;
	struct limits l;

	is_int(shm_new(&master), 0, "maps");
	s = worker(master, false);
	limits_init(&l, &conf, s);
	ok(!limits_note_memory(&l), "nobody has looked");
	is_int(limits_admit(&l), REASON_NONE, "no limit on memory");
	room_tell(master, 0);
	ok(limits_note_memory(&l), "none is left");
	is_int(limits_admit(&l), REASON_LIMIT_MEMORY, "who comes is refused");
	ok(!limits_memory(&l), "so is a handshake");
	room_tell(master, 4 << 20);
	ok(!limits_note_memory(&l), "some is there");
	take(&some, 2 << 20);
	is_int(limits_admit(&l), REASON_NONE, "half of it is taken");
	take(&more, 3 << 20);
	if (alloc_metered(&l.memory.meter) - l.memory.had >= 5 << 20)
		is_int(limits_admit(&l), REASON_LIMIT_MEMORY, "all of it");
	else
		ok(true, "a sanitizer's allocator does not say what is taken");
	room_tell(master, 4 << 20);
	is_int(limits_admit(&l), REASON_NONE, "until there is more");
	free(some);
	is_int(limits_admit(&l), REASON_NONE, "less is no harm");
	atomic_store(&stats_mine(s)->count[STAT_ACCEPTED], 600);
	is_int(limits_admit(&l), REASON_LIMIT_MEMORY,
	    "connections take some of the kernel's");
	room_tell(master, ROOM_UNLIMITED);
	is_int(limits_admit(&l), REASON_NONE, "no limit any more");
	free(more);
	shm_free(s);
	shm_free(master);
}

/* A tunnel of this client, in another worker. */
static void
tunnel_elsewhere(struct shm *master, const struct conf_limits *conf,
    const struct addr *client)
{
	struct shm *s = worker(master, true);
	struct limits l;

	limits_init(&l, conf, s);
	is_int(stay(&l, client), REASON_NONE, "one elsewhere");
	shm_free(s);
}

/* Refuses all three, and for want of memory? */
static bool
cannot_count(
    struct limits *l, const struct addr *client, const struct rule *rule)
{
	struct resolver_account *account;
	struct limits_held held = { 0 };

	return (limits_client(l, &held, client) == REASON_NO_MEMORY &&
		limits_lookup(l, client, &account) == REASON_NO_MEMORY &&
		limits_rule(l, &held, rule) == REASON_NO_MEMORY);
}

/* Without memory to count or to add up, nothing is let through uncounted, and
 * nothing stays counted that was refused. */
static void
test_no_memory(void)
{
	struct conf_limits conf = { .tunnels_per_client = 2,
		.handshakes_per_client = 1000,
		.lookups_per_client = 1 };
	struct addr client = address("192.0.2.1");
	struct addr neighbour = address("192.0.2.2");
	struct rule rule = { .name = (char *)"a", .max_tunnels = 1 };
	struct resolver_account *account;
	struct shm *master = NULL, *s;
	struct limits_held held = { 0 };
	struct limits l;
	int fd, kept;

	is_int(shm_new(&master), 0, "maps");
	s = worker(master, true);
	limits_init(&l, &conf, s);
	is_int(stay(&l, &neighbour), REASON_NONE, "this one counts");
	tunnel_elsewhere(master, &conf, &client);
	/* What is not mapped yet cannot be from now on. */
	fd = shm_fd(s);
	kept = dup(fd);
	close(fd);
	ok(cannot_count(&l, &client, &rule), "who cannot add up refuses");
	ok(cannot_count(&l, &client, &rule), "whenever it is asked");
	dup2(kept, fd);
	close(kept);
	is_int(limits_client(&l, &held, &client), REASON_NONE,
	    "then there is memory");
	is_int(stay(&l, &client), REASON_LIMIT_CLIENT,
	    "and what is elsewhere counts");
	is_int(limits_lookup(&l, &client, &account), REASON_NONE, "a look-up");
	is_int(
	    limits_rule(&l, &held, &rule), REASON_NONE, "a tunnel of the rule");
	resolver_account_release(account);
	limits_release(&l, &held);
	is_int(limits_client(&l, &held, &client), REASON_NONE, "room for any");
	limits_release(&l, &held);
	limits_release(&l, &held);
	is_int(
	    stay(&l, &client), REASON_NONE, "what is given back is not held");
	is_int(stay(&l, &client), REASON_LIMIT_CLIENT, "nor given back twice");
	shm_free(s);
	shm_free(master);
}

/*
 * A table without a place for one more client: that is said, since more memory
 * would be of no help. Who is in it already is counted on.
 */
static void
test_full_table(void)
{
	struct conf_limits conf = { .tunnels_per_client = 2 };
	struct addr client = { .family = AF_INET, .ip = { 198, 18 } };
	struct addr first = client;
	enum reason reason = REASON_NONE;
	struct shm *master = NULL, *s;
	struct limits_held held = { 0 };
	struct limits l;
	uint32_t i;

	is_int(shm_new(&master), 0, "maps");
	s = worker(master, true);
	limits_init(&l, &conf, s);
	for (i = 0; i < 1U << 17 && reason == REASON_NONE; i++) {
		client.ip[1] = (uint8_t)(18 + (i >> 16));
		client.ip[2] = (uint8_t)(i >> 8);
		client.ip[3] = (uint8_t)i;
		reason = stay(&l, &client);
	}
	is_int(reason, REASON_LIMIT_TABLE, "some client has no place left");
	is_int(
	    limits_client(&l, &held, &first), REASON_NONE, "the first has one");
	is_int(stay(&l, &first), REASON_LIMIT_CLIENT, "and its limit");
	limits_release(&l, &held);
	conf.tunnels = 1000;
	conf.tunnels_per_client = -1;
	is_int(stay(&l, &client), REASON_NONE,
	    "where no limit is set, who has no place is let in");
	shm_free(s);
	shm_free(master);
}

/* A handshake that is done does not count as one under way. */
static void
test_unfinished(struct shm *s)
{
	struct conf_limits conf = { .unfinished_per_client = 2,
		.handshakes_per_client = 1000 };
	struct addr client = address("192.0.2.77");
	struct limits_held one = { 0 }, two = { 0 }, three = { 0 };
	struct limits l;

	limits_init(&l, &conf, s);
	limits_client(&l, &one, &client);
	is_int(limits_client(&l, &two, &client), REASON_NONE, "two under way");
	is_int(stay(&l, &client), REASON_LIMIT_UNFINISHED, "not three");
	ok(has_room(&l, "192.0.2.78"), "of another client");
	limits_handshaken(&l, &one);
	is_int(limits_client(&l, &three, &client), REASON_NONE, "one is done");
	limits_handshaken(&l, &one);
	is_int(stay(&l, &client), REASON_LIMIT_UNFINISHED, "once");
	limits_release(&l, &one);
	is_int(stay(&l, &client), REASON_LIMIT_UNFINISHED, "when it ends, too");
	limits_release(&l, &two);
	limits_release(&l, &three);
	ok(has_room(&l, "192.0.2.77"), "what ends unfinished makes room");
}

/* Opens tunnels of this client, of so many at most, and ends them. */
static int
open_and_end(struct limits *l, const struct addr *client, size_t most)
{
	static struct limits_held held[500];
	size_t i, n = 0;

	while (n < most && limits_client(l, &held[n], client) == REASON_NONE)
		n++;
	for (i = 0; i < n; i++)
		limits_release(l, &held[i]);
	return ((int)n);
}

/* Where it is not set how many tunnels one client may have, half is for
 * others. */
static void
test_default(struct shm *s)
{
	struct conf_limits conf = { .tunnels = 600, .tunnels_per_client = -1 };
	struct addr client = address("192.0.2.99");
	struct limits l;

	limits_init(&l, &conf, s);
	l.descriptors = UINT64_MAX;
	is_int(open_and_end(&l, &client, 500), 225,
	    "one worker's three quarters of a half");
	/* Each has two. */
	l.descriptors = BOOT_FILES_OTHER + 400;
	is_int(open_and_end(&l, &client, 500), 100,
	    "half of what there are descriptors for");
	l.descriptors = BOOT_FILES_OTHER + 1 + 400;
	is_int((int64_t)limits_races(&l, 1), 50, "an eighth is for races");
	ok(limits_descriptors(&l, 174, 1) && !limits_descriptors(&l, 175, 1),
	    "and not for tunnels");
	is_int(open_and_end(&l, &client, 500), 87, "nor for one client's half");
	l.descriptors = BOOT_FILES_OTHER + 1 + 2;
	is_int((int64_t)limits_races(&l, 1), 0, "of too few, none");
	ok(limits_descriptors(&l, 0, 1), "but one tunnel");
	l.descriptors = BOOT_FILES_OTHER;
	is_int((int64_t)limits_races(&l, 1), 0, "of none, none");
	conf.tunnels = 63;
	l.descriptors = BOOT_FILES_OTHER + 126;
	is_int(open_and_end(&l, &client, 63), 63, "of few, all");
}

/* Opens and ends tunnels; returns how often there were too many. */
static int
compete(struct shm *master, int slot, _Atomic int *open)
{
	struct conf_limits conf = { .tunnels_per_client = LIMIT };
	struct addr client = address("192.0.2.9");
	struct limits_held held = { 0 };
	struct limits l;
	struct shm *s;
	int i, over = 0;

	if (shm_join(master, slot, &s) != 0)
		return (1);
	limits_init(&l, &conf, s);
	for (i = 0; i < TURNS; i++) {
		if (limits_client(&l, &held, &client) != REASON_NONE)
			continue;
		over += atomic_fetch_add(open, 1) >= LIMIT;
		atomic_fetch_sub(open, 1);
		limits_release(&l, &held);
	}
	shm_free(s);
	return (over);
}

static void
test_race(struct shm *s)
{
	_Atomic int *open = mmap(NULL, sizeof(*open), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int slots[WORKERS], i, status, wrong = 0;

	if (!ok(open != MAP_FAILED, "maps"))
		return;
	for (i = 0; i < WORKERS; i++) {
		slots[i] = shm_take(s, true);
		if (fork() == 0)
			_exit(compete(s, slots[i], open) > 0);
	}
	for (i = 0; i < WORKERS; i++) {
		wait(&status);
		wrong += status != 0;
	}
	is_int(wrong, 0, "workers that admit at once do not overshoot");
	for (i = 0; i < WORKERS; i++) {
		stats_retire(s, slots[i]);
		shm_release(s, slots[i]);
	}
	munmap(open, sizeof(*open));
}

/* How many tunnels may this client open? */
static int
tunnels_of(struct limits *l, const struct addr *client)
{
	int n = 0;

	while (stay(l, client) == REASON_NONE)
		n++;
	return (n);
}

/* Opens as many as limits.tunnels lets it; returns how many. */
static int
open_all(struct limits *l, struct shm *s)
{
	int n = 0;

	while (limits_admit(l) == REASON_NONE)
		atomic_store(&stats_mine(s)->tunnels, (uint64_t)++n);
	return (n);
}

/*
 * A worker that was broken into says that all is taken: with that it takes what
 * one may have, and the others have the rest. Where few are allowed, one may
 * have them all.
 */
static void
test_liar(void)
{
	struct conf_limits boundless = { .tunnels_per_client = 10000 };
	struct conf_limits conf = { .tunnels = 200, .tunnels_per_client = 100 };
	struct addr client = address("192.0.2.1");
	struct shm *master = NULL, *liar, *s, *third;
	struct limits l, lies, more;
	int i;

	is_int(shm_new(&master), 0, "maps");
	liar = worker(master, true);
	s = worker(master, true);
	third = worker(master, true);
	limits_init(&lies, &conf, liar);
	limits_init(&l, &conf, s);
	limits_init(&more, &conf, third);
	is_int(open_all(&l, s), 150, "one worker may have three quarters");
	is_int(open_all(&more, third), 50, "another the rest");
	atomic_store(&stats_mine(s)->tunnels, 0);
	atomic_store(&stats_mine(third)->tunnels, 0);
	atomic_store(&stats_mine(liar)->tunnels, UINT64_MAX);
	is_int(open_all(&l, s), 50, "beside one that lies there is a quarter");

	is_int(tunnels_of(&lies, &client), 75, "so with those of a client");
	lies.conf = &boundless;
	for (i = 0; i < 1000; i++)
		stay(&lies, &client);
	is_int(tunnels_of(&l, &client), 25, "and a worker that lies there");
	shm_free(third);
	shm_free(s);
	shm_free(liar);
	shm_free(master);
}

/* The only worker of a generation has all, and so has its successor. */
static void
test_alone(void)
{
	struct conf_limits conf = { .tunnels = 200, .tunnels_per_client = 100 };
	struct addr client = address("192.0.2.1");
	struct shm *master = NULL, *s, *next;
	struct limits l, later;

	is_int(shm_new(&master), 0, "maps");
	s = worker(master, false);
	next = worker(master, false);
	limits_init(&l, &conf, s);
	limits_init(&later, &conf, next);
	is_int(open_all(&l, s), 200, "one that is alone may have all");
	is_int(open_all(&later, next), 0, "and is believed to");
	is_int(tunnels_of(&l, &client), 100, "all that a client may have, too");
	is_int(tunnels_of(&later, &client), 0, "as the next one sees");
	shm_free(next);
	shm_free(s);
	shm_free(master);
}

int
main(void)
{
	struct shm *master = NULL, *s, *other;

	if (!ok(shm_new(&master) == 0, "maps"))
		return (done_testing());
	s = worker(master, true);
	other = worker(master, true);
	test_none(s);
	test_clients(s);
	test_rules(s, other);
	test_handshakes(s);
	test_unfinished(s);
	test_default(s);
	test_race(master);
	shm_free(other);
	shm_free(s);
	shm_free(master);
	test_memory();
	test_no_memory();
	test_full_table();
	test_liar();
	test_alone();
	return (done_testing());
}
