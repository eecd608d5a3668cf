#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/shm/stats.h"
#include "common/shm/tally.h"
#include "t/unit/tap.h"

/* Enough for a reader to meet a master in the middle of one. */
#define FOLDS 200000

/* A worker: counts in its slot and leaves. */
static int
count_in_child(struct stats *s, int slot)
{
	struct stats_slot *mine = stats_slot(s, slot);
	int i, status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 1000; i++) {
			stats_add(&mine->count[STAT_ACCEPTED], 1);
			stats_add(&mine->tunnels, 1);
			stats_add(&mine->reason[REASON_COUNT - 1], 2);
		}
		stats_add(&mine->tunnels, (uint64_t)-990);
		atomic_store(&mine->heartbeat, 77);
		_exit(stats_total(s, STAT_ACCEPTED) >= 1000 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return (status);
}

static void
test_children(struct stats *s)
{
	int a = stats_slot_take(s), b = stats_slot_take(s), again;

	ok(a >= 0 && b >= 0 && a != b, "two slots");
	ok((uintptr_t)stats_slot(s, a) % 64 == 0 &&
		sizeof(struct stats_slot) % 64 == 0,
	    "no cache line is shared");
	is_int(count_in_child(s, a), 0, "the first worker counts");
	is_int(count_in_child(s, b), 0, "the second worker counts");
	is_int(stats_total(s, STAT_ACCEPTED), 2000, "counters add up");
	is_int(stats_total(s, STAT_COUNT - 1), 0, "others stay");
	is_int(stats_total_reason(s, REASON_COUNT - 1), 4000, "so do reasons");
	is_int(stats_total_reason(s, REASON_DONE), 0, "other reasons stay");
	is_int(stats_tunnels(s), 20, "tunnels open now");
	is_int(atomic_load(&stats_slot(s, b)->heartbeat), 77, "heartbeat");

	stats_slot_retire(s, a);
	is_int(stats_total(s, STAT_ACCEPTED), 2000, "totals never go back");
	is_int(stats_total_reason(s, REASON_COUNT - 1), 4000, "nor reasons");
	is_int(stats_tunnels(s), 10, "a dead worker has no tunnels");
	again = stats_slot_take(s);
	is_int(again, a, "the slot is free again");
	ok(atomic_load(&stats_slot(s, a)->count[STAT_ACCEPTED]) == 0 &&
		atomic_load(&stats_slot(s, a)->tunnels) == 0 &&
		atomic_load(&stats_slot(s, a)->heartbeat) == 0 &&
		atomic_load(&stats_slot(s, a)->reason[REASON_COUNT - 1]) == 0,
	    "and zeroed");
	is_int(count_in_child(s, a), 0, "its next worker counts");
	is_int(stats_total(s, STAT_ACCEPTED), 3000, "all three add up");
	stats_slot_retire(s, a);
	stats_slot_retire(s, b);
	is_int(stats_total(s, STAT_ACCEPTED), 3000, "all in the base");
}

/* A reader beside a master that folds never sees a total go back. */
static void
test_monotonic(struct stats *s)
{
	uint64_t total, last = 0;
	int i, slot, status, back = 0;
	pid_t pid;

	slot = stats_slot_take(s);
	stats_add(&stats_slot(s, slot)->count[STAT_RESUMED], 1000);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < FOLDS; i++) {
			stats_slot_retire(s, slot);
			slot = stats_slot_take(s);
			stats_add(&stats_slot(s, slot)->count[STAT_RESUMED], 1);
		}
		stats_slot_retire(s, slot);
		_exit(0);
	}
	do {
		total = stats_total(s, STAT_RESUMED);
		back += total < last || total > 1000 + FOLDS;
		last = total;
	} while (waitpid(pid, &status, WNOHANG) == 0);
	is_int(back, 0, "totals while slots are folded");
	is_int(stats_total(s, STAT_RESUMED), 1000 + FOLDS, "and the last");
}

static void
test_all_slots(struct stats *s)
{
	int i, slot, taken = 0;

	while ((slot = stats_slot_take(s)) >= 0)
		taken++;
	is_int(taken, STATS_SLOTS, "every slot can be taken");
	is_int(slot, -ENOSPC, "then none is left");
	stats_slot_retire(s, 17);
	is_int(stats_slot_take(s), 17, "until one is retired");
	stats_add(&stats_slot(s, STATS_SLOTS - 1)->count[STAT_RESUMED], 5);
	is_int(
	    stats_total(s, STAT_RESUMED), 1005 + FOLDS, "the last slot counts");
	for (i = 0; i < STATS_SLOTS; i++)
		stats_slot_retire(s, i);
	is_int(stats_total(s, STAT_RESUMED), 1005 + FOLDS, "all retired");
}

/* How many bytes of the shared memory are mapped here. */
static long
mapped(void)
{
	unsigned long begin, end;
	char line[512];
	long sum = 0;
	FILE *f = fopen("/proc/self/maps", "r");

	if (f == NULL)
		return (-1);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "/memfd:sniport-stats") != NULL &&
		    sscanf(line, "%lx-%lx", &begin, &end) == 2)
			sum += (long)(end - begin);
	fclose(f);
	return (sum);
}

/* A worker that counts the key in a slot; its exit status is the sum. */
static int
tally_in_child(struct stats *s, int slot, uint64_t key)
{
	uint64_t sum = 99;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		stats_tally_add(s, slot, key, 0);
		stats_tally_sum(s, key, 0, &sum);
		_exit((int)sum);
	}
	waitpid(pid, &status, 0);
	return (WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* The sum, or what is wrong. */
static int64_t
tally_sum(struct stats *s, uint64_t key)
{
	uint64_t sum = 0;
	int error = stats_tally_sum(s, key, 0, &sum);

	return (error == 0 ? (int64_t)sum : error);
}

/* A tally is mapped by who needs it, when it does, and once. */
static void
test_mapped(void)
{
	const long one = sizeof(struct tally);
	struct stats *s = NULL;
	uint64_t key;
	int a, b, unused;
	long none;

	is_int(stats_new(&s), 0, "maps");
	a = stats_slot_take(s);
	b = stats_slot_take(s);
	unused = stats_slot_take(s);
	key = stats_tally_key(s, "a", 1, false);
	none = mapped();
	ok(none > 0 && none < 8 << 20, "little is mapped");
	is_int(tally_sum(s, key), 0, "nobody counts");
	is_int(mapped(), none, "a sum over nothing maps nothing");
	stats_tally_sub(s, a, key, 0);
	is_int(mapped(), none, "nor has who counts nothing any to take back");

	is_int(tally_in_child(s, b, key), 1, "a worker counts");
	is_int(mapped(), none, "and maps for itself");
	is_int(stats_tally_add(s, a, key, 0), 0, "so do we");
	is_int(mapped(), none + one, "which maps our own");
	is_int(tally_sum(s, key), 2, "both");
	is_int(mapped(), none + 2 * one, "the sum maps the other's");
	is_int(tally_in_child(s, a, key), 3, "what is mapped is inherited");
	is_int(tally_sum(s, key), 3, "and the same memory");

	stats_slot_retire(s, b);
	is_int(tally_sum(s, key), 2, "a worker is gone");
	is_int(stats_slot_take(s), b, "another has its slot");
	is_int(tally_in_child(s, b, key), 3, "and begins with nothing");
	is_int(tally_sum(s, key), 3, "the mapping shows it");
	is_int(mapped(), none + 2 * one, "and is the one that was there");
	stats_tally_sub(s, a, key, 0);
	is_int(tally_sum(s, key), 2, "one is taken back");
	ok(atomic_load(&stats_slot(s, unused)->tallied) == 0, "some never do");
	stats_free(s);
	is_int(mapped(), 0, "nothing stays mapped");
}

/* Where a tally cannot be mapped there is an error, and no wrong sum. */
static void
test_not_mapped(void)
{
	struct stats *s = NULL;
	uint64_t key;
	int mine, other, unused, kept;

	is_int(stats_new(&s), 0, "maps");
	mine = stats_slot_take(s);
	other = stats_slot_take(s);
	unused = stats_slot_take(s);
	key = stats_tally_key(s, "a", 1, false);
	stats_tally_add(s, mine, key, 0);
	is_int(tally_sum(s, key), 1, "one");
	is_int(tally_in_child(s, other, key), 2, "another, elsewhere");
	kept = dup(stats_fd(s));
	close(stats_fd(s));
	is_int(tally_sum(s, key), -ENOMEM, "which cannot be mapped: no sum");
	is_int(stats_tally_add(s, mine, key, 0), 0, "what is mapped can count");
	is_int(stats_tally_add(s, unused, key, 0), -ENOMEM, "others cannot");
	is_int(atomic_load(&stats_slot(s, unused)->tallied), 0,
	    "and are no burden to anybody");
	stats_tally_sub(s, unused, key, 0);
	dup2(kept, stats_fd(s));
	close(kept);
	is_int(tally_sum(s, key), 3, "it can again: there is a sum");
	is_int(stats_tally_add(s, unused, key, 0), 0, "and all can count");
	is_int(tally_sum(s, key), 4, "as they do");
	stats_free(s);
}

int
main(void)
{
	struct stats *s = NULL;
	int i, named = 0;

	if (!ok(stats_new(&s) == 0, "maps"))
		return (done_testing());
	is_int(stats_total(s, STAT_ACCEPTED), 0, "begins with nothing");
	test_children(s);
	test_monotonic(s);
	test_all_slots(s);
	for (i = 0; i < STAT_COUNT; i++)
		named += stats_name(i)[0] != '\0' && stats_text(i)[0] != '\0';
	is_int(named, STAT_COUNT, "every counter has a name and a text");
	is_str(stats_name(STAT_BYTES_FROM_CLIENT), "bytes_from_client",
	    "names are those of the table");
	stats_free(s);
	stats_free(NULL);
	test_mapped();
	test_not_mapped();
	return (done_testing());
}
