#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/stats.h"
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
	return (done_testing());
}
