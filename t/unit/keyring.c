/* How keys of tickets grow old: drawn, accepted, wiped, and handed on. */
#include "master/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/shm/ticket_keys.h"
#include "master/findings.h"
#include "t/unit/tap.h"

#define HOUR (3600 * CLOCK_SEC)

static struct keyring *
make(int64_t lifetime)
{
	struct conf conf = { .tls.ticket_lifetime = lifetime,
		.timeouts.handshake = 15 * CLOCK_SEC };
	struct keyring *t = NULL;
	struct findings f;

	findings_init(&f);
	if (keyring_new(&t, &conf, &f) != 0)
		abort();
	findings_fini(&f);
	return (t);
}

/* The key that seals. */
static struct ticket_key
first(const struct keyring *t)
{
	struct ticket_key k;

	(void)ticket_keys_first(keyring_view(t), &k);
	return (k);
}

static bool
accepts(const struct keyring *t, const struct ticket_key *k)
{
	struct ticket_key its;

	return (ticket_keys_find(keyring_view(t), k->name, &its) &&
		memcmp(&its, k, sizeof(its)) == 0);
}

static bool
seals(const struct keyring *t, const struct ticket_key *k)
{
	struct ticket_key its = first(t);

	return (memcmp(&its, k, sizeof(its)) == 0);
}

/* Lets time go by, as the loop of the master does. Returns how many keys were
 * drawn. */
static int
live(struct keyring *t, int64_t *now, int64_t until)
{
	bool drawn;
	int error, n = 0;
	int64_t next;

	for (;;) {
		next = keyring_keep(t, *now, &drawn, &error);
		if (error != 0 || next <= *now)
			return (-1);
		n += drawn;
		if (next > until)
			break;
		*now = next;
	}
	*now = until;
	return (n);
}

static void
test_age(void)
{
	struct keyring *t = make(12 * HOUR);
	int64_t now = 5 * HOUR;
	struct ticket_key k, k2;

	is_int(keyring_begin(t, NULL, now), 0, "a first key is drawn");
	is_int((int64_t)keyring_count(t), 1, "and no other");
	ok(!keyring_shared(t), "of no file");
	k = first(t);
	is_int(live(t, &now, 8 * HOUR - CLOCK_SEC), 0, "for a while");
	ok(seals(t, &k), "it seals");
	is_int(live(t, &now, 8 * HOUR), 1, "then a new one does");
	ok(!seals(t, &k) && accepts(t, &k), "and it is accepted");
	k2 = first(t);
	ok(memcmp(&k, &k2, sizeof(k)) != 0 &&
		memcmp(k.name, k2.name, sizeof(k.name)) != 0,
	    "which is another");
	is_int(live(t, &now, 20 * HOUR - CLOCK_SEC), 3, "others follow");
	ok(accepts(t, &k), "as long as a ticket of its last second is good");
	(void)live(t, &now, 20 * HOUR);
	ok(!accepts(t, &k) && accepts(t, &k2), "and no longer");
	/* A master that stood still. */
	k = first(t);
	now += 30 * HOUR;
	(void)live(t, &now, now);
	ok(accepts(t, &k) && !seals(t, &k),
	    "one that sealed too long is accepted from then on");
	keyring_free(t);
}

/* No key is missed for want of room, however long or short a life is. */
static void
test_room(void)
{
	static const int64_t lives[] = { CLOCK_SEC, 2 * CLOCK_SEC,
		60 * CLOCK_SEC, HOUR, 12 * HOUR, 48 * HOUR, 49 * HOUR,
		168 * HOUR };
	struct ticket_key k;
	struct keyring *t;
	int64_t now, began;
	size_t i, most;
	int step;

	for (i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		t = make(lives[i]);
		now = began = 1000 * HOUR;
		(void)keyring_begin(t, NULL, now);
		k = first(t);
		most = 0;
		for (step = 1; step <= 100 && accepts(t, &k); step++) {
			(void)live(t, &now, began + step * (lives[i] / 16 + 1));
			if (keyring_count(t) > most)
				most = keyring_count(t);
		}
		ok(now - began > lives[i] &&
			now - began <= 2 * lives[i] + 2 * CLOCK_SEC,
		    "lives of %lld s: a key is there for %lld s",
		    (long long)(lives[i] / CLOCK_SEC),
		    (long long)((now - began) / CLOCK_SEC));
		ok(most < TICKET_KEYS_MAX, "with %zu keys at once", most);
		keyring_free(t);
	}
}

static void
test_reload(void)
{
	struct keyring *a = make(12 * HOUR), *b = make(12 * HOUR), *c, *d;
	int64_t now = HOUR;
	struct ticket_key k, k2, k3;
	int i;

	(void)keyring_begin(a, NULL, now);
	k = first(a);
	(void)live(a, &now, 5 * HOUR);
	k2 = first(a);
	is_int(keyring_begin(b, a, now), 0, "a reload");
	ok(seals(b, &k2) && accepts(b, &k), "goes on with the keys");
	(void)keyring_retire(a, now);
	is_int(live(b, &now, 8 * HOUR), 1, "a new one is drawn when it is due");
	k3 = first(b);
	ok(!accepts(a, &k3), "and the old generation never has it");
	(void)keyring_retire(a, now);
	is_int((int64_t)keyring_count(a), 0, "which has none at all by then");
	keyring_free(a);

	/* Reloads that follow each other draw none. */
	for (i = 0; i < 100; i++) {
		a = b;
		b = make(12 * HOUR);
		(void)keyring_begin(b, a, now += CLOCK_SEC);
		keyring_free(a);
	}
	ok(seals(b, &k3) && keyring_count(b) == 3, "after 100 reloads");

	/* A shorter life holds for what is there. */
	c = make(HOUR);
	(void)keyring_begin(c, b, now);
	ok(accepts(c, &k3) && !seals(c, &k3), "a shorter life");
	(void)live(c, &now, now + HOUR);
	ok(!accepts(c, &k3), "is the longest that old keys have");
	d = make(24 * HOUR);
	(void)keyring_begin(d, c, now);
	ok(keyring_count(d) == keyring_count(c), "a longer one");
	(void)live(d, &now, now + 200 * HOUR);
	ok(keyring_count(d) <= 5, "has no more keys");
	keyring_free(b);
	keyring_free(c);
	keyring_free(d);
}

static void
test_retired(void)
{
	struct keyring *t = make(12 * HOUR);
	int64_t now = HOUR, next;

	(void)keyring_begin(t, NULL, now);
	next = keyring_retire(t, now);
	ok(next > now + 15 * CLOCK_SEC && next <= now + 60 * CLOCK_SEC,
	    "handshakes that are under way need them");
	is_int((int64_t)keyring_count(t), 1, "so they stay");
	is_int(keyring_retire(t, next - 1), next, "until then");
	is_int(keyring_retire(t, next), CLOCK_NEVER, "and not longer");
	is_int((int64_t)keyring_count(t), 0, "none is left");
	keyring_free(t);
	keyring_free(NULL);
}

int
main(void)
{
	test_age();
	test_room();
	test_reload();
	test_retired();
	return (done_testing());
}
