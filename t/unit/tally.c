/*
 * Counts by key: full tables, seconds, readers at the same time, and writers
 * that die.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "common/shm/tallies.h"
#include "common/shm/tally.h"
#include "t/unit/tap.h"

/* Enough for a reader to meet a writer in the middle of one. */
#define TURNS 1000000

/* Keys that are unlike each other, as those of a hash are. */
static uint64_t
some_key(uint64_t n, bool per_second)
{
	return (tally_key(n * UINT64_C(0x9e3779b97f4a7c15), per_second));
}

static void
test_counts(struct tally *t)
{
	uint64_t a = some_key(1, false), b = some_key(2, false);

	is_int(tally_get(t, a, 7), 0, "nothing is counted at first");
	tally_sub(t, a, 7);
	is_int(tally_get(t, a, 7), 0, "nothing can be taken from nothing");
	is_int(tally_add(t, a, 7), 0, "one");
	is_int(tally_add(t, a, 8), 0, "two");
	is_int(tally_add(t, b, 8), 0, "one of another");
	is_int(tally_get(t, a, 9), 2, "they are two, whatever the time is");
	is_int(tally_get(t, b, 9), 1, "the other is one");
	tally_sub(t, a, 9);
	is_int(tally_get(t, a, 9), 1, "one is taken back");
	tally_sub(t, a, 9);
	tally_sub(t, a, 9);
	is_int(tally_get(t, a, 9), 0, "not below nothing");
	is_int(tally_get(t, b, 9), 1, "the other stays");
	ok(tally_key(0, false) != 0 && tally_key(0, true) != 0 &&
		tally_key(1, true) != tally_key(1, false),
	    "any hash makes a key");
	tally_sub(t, b, 9);
}

static void
test_per_second(struct tally *t)
{
	uint64_t key = some_key(3, true);

	tally_add(t, key, 0);
	is_int(tally_get(t, key, 0), 1, "the first second");
	is_int(tally_get(t, key, 1), 0, "is over in the next");
	tally_add(t, key, 1);
	tally_add(t, key, 1);
	is_int(tally_get(t, key, 1), 2, "which has its own count");
	tally_sub(t, key, 1);
	is_int(tally_get(t, key, 1), 1, "that can be taken back");
	tally_sub(t, key, 2);
	is_int(tally_get(t, key, 1), 1, "but not later");
	tally_add(t, key, UINT32_MAX);
	is_int(tally_get(t, key, UINT32_MAX), 1, "the last second");
}

/* Counts new keys until there is no room; returns how many there were. */
static uint64_t
fill(struct tally *t, uint64_t first, bool per_second, uint32_t second)
{
	uint64_t n = 0;

	while (tally_add(t, some_key(first + n, per_second), second) == 0)
		n++;
	return (n);
}

/* How many of these keys are not at this count? */
static int
differ(struct tally *t, uint64_t first, uint64_t n, bool per_second,
    uint32_t second, uint32_t want)
{
	uint64_t i;
	int wrong = 0;

	for (i = first; i < first + n; i++)
		wrong += tally_get(t, some_key(i, per_second), second) != want;
	return (wrong);
}

static void
test_full(struct tally *t)
{
	uint64_t i, n, first = 1000;

	n = fill(t, first, false, 1);
	ok(n > TALLY_ENTRIES / 2, "at least half of it can be used (%d)",
	    (int)n);
	is_int(tally_add(t, some_key(first + n, false), 1), -ENOSPC,
	    "then there is no room");
	is_int(differ(t, first, n, false, 1, 1), 0, "no key was forgotten");
	is_int(tally_add(t, some_key(first, false), 1), 0,
	    "a key that is there can be counted still");
	tally_sub(t, some_key(first, false), 1);
	for (i = 0; i < n; i += 2)
		tally_sub(t, some_key(first + i, false), 1);
	ok(fill(t, first + n, false, 1) > 0, "those that end make room");
	is_int(tally_get(t, some_key(first + 1, false), 1), 1,
	    "beside those that stay");
	for (i = first; i < first + 4 * (uint64_t)TALLY_ENTRIES; i++)
		tally_sub(t, some_key(i, false), 1);
	is_int(differ(t, first, 2 * n, false, 1, 0), 0, "all can end");

	n = fill(t, 1, true, 5);
	ok(n > TALLY_ENTRIES / 2, "the same per second (%d)", (int)n);
	is_int(differ(t, 1, n, true, 5, 1), 0, "no key was forgotten");
	is_int(tally_add(t, some_key(n + 1, true), 5), -ENOSPC,
	    "no room in this second");
	is_int(tally_add(t, some_key(n + 1, true), 6), 0, "but in the next");
	ok(fill(t, 2 * n, true, 6) > TALLY_ENTRIES / 2, "for as many");
}

/* Four keys that are looked for at the same place, and two more. */
enum {
	KEYS = 4,
	STAYS = KEYS,
	NEVER
};

static uint64_t
neighbour(unsigned n)
{
	return (tally_key((uint64_t)n << 56, false));
}

/* Lets keys come and go in one entry. The first is counted once, others more
 * often. */
static void
churn(const struct shm *master, int slot)
{
	struct shm *s;
	unsigned i, j;

	if (shm_join(master, slot, &s) != 0)
		return;
	for (i = 0; i < TURNS; i++) {
		for (j = 0; j <= i % KEYS; j++)
			tallies_add(s, neighbour(i % KEYS), 0);
		for (j = 0; j <= i % KEYS; j++)
			tallies_sub(s, neighbour(i % KEYS), 0);
	}
	shm_free(s);
}

/* -1: there is none. */
static int64_t
sum(struct shm *s, uint64_t key)
{
	const struct shm_most any = { UINT64_MAX, UINT64_MAX };
	uint64_t total;

	return (
	    tallies_sum(s, key, 0, &any, &total) == 0 ? (int64_t)total : -1);
}

/* A reader beside a writer sees what is, and nothing that is not. */
static void
test_reader(struct shm *master)
{
	int slot = shm_take(master, true), status, wrong = 0;
	struct shm *s;
	pid_t pid;

	if (!ok(shm_join(master, slot, &s) == 0, "joins"))
		return;
	tallies_add(s, neighbour(0), 0);
	tallies_add(s, neighbour(STAYS), 0);
	tallies_add(s, neighbour(STAYS), 0);
	tallies_sub(s, neighbour(0), 0);
	shm_free(s);
	pid = fork();
	if (pid == 0) {
		churn(master, slot);
		_exit(0);
	}
	do {
		wrong += sum(master, neighbour(STAYS)) != 2;
		wrong += sum(master, neighbour(NEVER)) != 0;
		wrong += sum(master, neighbour(0)) > 1;
	} while (waitpid(pid, &status, WNOHANG) == 0);
	is_int(wrong, 0, "what a reader sees while keys come and go");
	stats_retire(master, slot);
	shm_release(master, slot);
}

/* A worker that counts, and dies without a farewell. */
static int
count_and_die(const struct shm *master, int slot, uint64_t key, int n)
{
	struct shm *s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (shm_join(master, slot, &s) != 0)
			_exit(1);
		while (n-- > 0)
			tallies_add(s, key, 0);
		abort();
	}
	waitpid(pid, &status, 0);
	return (WIFSIGNALED(status));
}

static void
gone(struct shm *master, int slot)
{
	stats_retire(master, slot);
	shm_release(master, slot);
}

static void
test_workers(struct shm *s)
{
	uint64_t key = tallies_key(s, "a", 1, false);
	uint64_t other = tallies_key(s, "b", 1, false);
	int a = shm_take(s, true), b = shm_take(s, true), again;

	ok(key != other && key != tallies_key(s, "a", 1, true),
	    "what is counted makes the key");
	is_int(sum(s, key), 0, "nothing yet");
	is_int(count_and_die(s, a, key, 3), 1, "a worker counts and dies");
	is_int(count_and_die(s, b, key, 4), 1, "another too");
	is_int(sum(s, key), 7, "counts add up");
	is_int(sum(s, other), 0, "others stay");
	gone(s, a);
	is_int(sum(s, key), 4, "the dead take theirs along");
	again = shm_take(s, true);
	is_int(again, a, "the slot is free again");
	is_int(sum(s, key), 4, "and empty");
	is_int(count_and_die(s, again, other, 1), 1, "its next worker counts");
	is_int(sum(s, key), 4, "from nothing");
	is_int(sum(s, other), 1, "on");
	gone(s, again);
	gone(s, b);
	is_int(sum(s, key), 0, "all gone");
	is_int(shm_take(s, true), a, "one slot");
	gone(s, a);
}

static void
test_keys(void)
{
	struct shm *one = NULL, *two = NULL;

	if (!ok(shm_new(&one) == 0 && shm_new(&two) == 0, "two memories"))
		return;
	ok(tallies_key(one, "a", 1, false) != tallies_key(two, "a", 1, false),
	    "nobody outside can tell where a key stands");
	shm_free(one);
	shm_free(two);
}

int
main(void)
{
	struct tally *t = calloc(1, sizeof(*t));
	struct shm *s = NULL;

	if (!ok(t != NULL && shm_new(&s) == 0, "maps"))
		return (done_testing());
	test_counts(t);
	test_per_second(t);
	test_full(t);
	test_reader(s);
	test_workers(s);
	test_keys();
	shm_free(s);
	free(t);
	return (done_testing());
}
