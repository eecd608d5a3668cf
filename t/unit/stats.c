/* Counters over workers that come, go and lie: totals never go back. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/shm/shm.h"
#include "common/shm/shm_state.h"
#include "common/shm/stats.h"
#include "t/unit/tap.h"

/* As anybody is believed. */
static const struct shm_most any = { UINT64_MAX, UINT64_MAX };

/* A worker: counts in its slot and leaves. */
static int
count_in_child(struct shm *master, int slot)
{
	struct stats_slot *mine;
	struct shm *s;
	int i, status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		if (shm_join(master, slot, &s) != 0)
			_exit(1);
		mine = stats_mine(s);
		for (i = 0; i < 1000; i++) {
			stats_add(&mine->count[STAT_ACCEPTED], 1);
			stats_add(&mine->tunnels, 1);
			stats_add(&mine->reason[REASON_COUNT - 1], 2);
		}
		stats_add(&mine->tunnels, (uint64_t)-990);
		atomic_store(&mine->heartbeat, 77);
		_exit(stats_tunnels(s, &any) >= 10 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return (status);
}

static void
gone(struct shm *s, int slot)
{
	stats_retire(s, slot);
	shm_release(s, slot);
}

static void
test_children(struct shm *s)
{
	int a = shm_take(s, true), b = shm_take(s, true), again;
	const struct stats_slot *slot;

	ok(a >= 0 && b >= 0 && a != b, "two slots");
	is_int(count_in_child(s, a), 0, "the first worker counts");
	is_int(count_in_child(s, b), 0, "the second worker counts");
	is_int(stats_total(s, STAT_ACCEPTED), 2000, "counters add up");
	is_int(stats_total(s, STAT_COUNT - 1), 0, "others stay");
	is_int(stats_total_reason(s, REASON_COUNT - 1), 4000, "so do reasons");
	is_int(stats_total_reason(s, REASON_DONE), 0, "other reasons stay");
	is_int(stats_tunnels(s, &any), 20, "tunnels open now");
	is_int(atomic_load(&stats_slot(s, b)->heartbeat), 77, "heartbeat");

	stats_retire(s, a);
	is_int(stats_total(s, STAT_ACCEPTED), 2000, "totals never go back");
	is_int(stats_total_reason(s, REASON_COUNT - 1), 4000, "nor reasons");
	is_int(stats_tunnels(s, &any), 10, "a dead worker has no tunnels");
	ok(shm_take(s, true) > b, "its slot is not free before all is read");
	is_int(atomic_load(&stats_slot(s, a)->heartbeat), 77, "and kept");
	shm_release(s, a);
	again = shm_take(s, false);
	is_int(again, a, "then it is");
	slot = stats_slot(s, a);
	ok(atomic_load(&slot->count[STAT_ACCEPTED]) == 0 &&
		atomic_load(&slot->tunnels) == 0 &&
		atomic_load(&slot->heartbeat) == 0 &&
		atomic_load(&slot->reason[REASON_COUNT - 1]) == 0,
	    "and zeroed");
	is_int(count_in_child(s, a), 0, "its next worker counts");
	is_int(stats_total(s, STAT_ACCEPTED), 3000, "all three add up");
	gone(s, a);
	gone(s, b);
	is_int(stats_total(s, STAT_ACCEPTED), 3000, "all in the base");
	stats_add_total(s, STAT_ACCEPTED, 5);
	is_int(stats_total(s, STAT_ACCEPTED), 3005, "and what nobody has");
}

static void
write_count(struct stats_slot *mine, uint64_t n)
{
	atomic_store(&mine->count[STAT_RESUMED], n);
}

/* Whatever a worker writes, it only changes what it has itself, and no total
 * goes back. */
static void
test_liar(void)
{
	const struct shm_most most = { 100, 75 };
	struct shm *s = NULL, *liar = NULL, *honest = NULL;
	int a, b;

	if (!ok(shm_new(&s) == 0, "maps"))
		return;
	a = shm_take(s, true);
	b = shm_take(s, true);
	if (!ok(shm_join(s, a, &liar) == 0 && shm_join(s, b, &honest) == 0,
		"two workers"))
		return;
	write_count(stats_mine(honest), 7);
	write_count(stats_mine(liar), 10);
	is_int(stats_total(s, STAT_RESUMED), 17, "an honest figure");
	write_count(stats_mine(liar), 3);
	is_int(stats_total(s, STAT_RESUMED), 17, "one that goes back does not");
	write_count(stats_mine(liar), 11);
	is_int(stats_total(s, STAT_RESUMED), 18, "it goes on from there");
	write_count(stats_mine(liar), UINT64_MAX);
	ok(stats_total(s, STAT_RESUMED) == STATS_BELIEVED + 7,
	    "what cannot be is cut, so that the others still count");
	write_count(stats_mine(honest), 9);
	write_count(stats_mine(liar), 0);
	ok(stats_total(s, STAT_RESUMED) == STATS_BELIEVED + 9, "and stays");
	gone(s, a);
	ok(stats_total(s, STAT_RESUMED) == STATS_BELIEVED + 9,
	    "when it is gone too");

	is_int(shm_take(s, false), a, "another one, alone");
	shm_free(liar);
	if (!ok(shm_join(s, a, &liar) == 0, "joins"))
		return;
	ok(stats_total(s, STAT_RESUMED) == STATS_BELIEVED + 9,
	    "which begins with nothing");
	atomic_store(&stats_mine(liar)->tunnels, UINT64_MAX);
	atomic_store(&stats_mine(honest)->tunnels, 80);
	is_int(stats_tunnels(honest, &most), 180,
	    "of tunnels it is believed "
	    "as many as it may have, and the own are known");
	is_int(stats_tunnels(s, &most), 175, "as others are");
	gone(s, b);
	is_int(shm_take(s, true), b, "its place");
	atomic_store(&stats_mine(honest)->tunnels, UINT64_MAX);
	is_int(stats_tunnels(s, &most), 175, "less where it has others beside");
	shm_free(liar);
	shm_free(honest);
	shm_free(s);
}

/* Sums that do not fit stay at the highest. */
static void
test_saturated(void)
{
	struct shm *s = NULL;

	if (!ok(shm_new(&s) == 0, "maps"))
		return;
	stats_add_total(s, STAT_RESUMED, UINT64_MAX - 1);
	stats_add_total(s, STAT_RESUMED, 5);
	ok(stats_total(s, STAT_RESUMED) == UINT64_MAX, "no sum goes round");
	shm_free(s);
}

/* A worker that counts until it is killed. */
static pid_t
count_for_ever(struct shm *master, int slot)
{
	struct stats_slot *mine;
	struct shm *s;
	pid_t pid = fork();

	if (pid != 0)
		return (pid);
	if (shm_join(master, slot, &s) != 0)
		_exit(1);
	mine = stats_mine(s);
	for (;;) {
		stats_add(&mine->count[STAT_ACCEPTED], 1);
		timings_add(mine, TIMING_DNS, 0);
	}
}

/* Reads until it is told to end by a count, which is then its exit status: how
 * often a sum went back. */
static pid_t
read_for_ever(struct shm *master)
{
	struct stats_sums before, sums = { { 0 } };
	struct shm *s;
	int back = 0;
	unsigned i;
	pid_t pid = fork();

	if (pid != 0)
		return (pid);
	if (shm_join_reader(master, &s) != 0)
		_exit(99);
	while (stats_sum(&sums, STAT_RESUMED) == 0) {
		before = sums;
		/* Anew each time, so that it has nothing to go by. */
		sums = (struct stats_sums){ { 0 } };
		if (stats_read(s, &sums) != 0)
			sums = before;
		for (i = 0; i < STATS_ALL; i++)
			back += sums.n[i] < before.n[i] && back < 90;
	}
	_exit(back);
}

static void
kill_one(struct shm *s, pid_t pid, int slot)
{
	uint64_t n = 0;
	int status;

	while (n == 0)
		n = atomic_load(&stats_slot(s, slot)->count[STAT_ACCEPTED]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	gone(s, slot);
}

/* Another process sees a worker that is killed in one place, or in the other,
 * never in both or in none. */
static void
test_reader(void)
{
	struct stats_sums sums = { { 0 } };
	struct shm *s = NULL, *reader = NULL;
	int i, slot, status = -1, wrong = 0;
	pid_t pid;

	if (!ok(shm_new(&s) == 0 && shm_join_reader(s, &reader) == 0, "maps"))
		return;
	is_int(shm_slot(reader), -1, "a reader has no slot");
	slot = shm_take(s, true);
	pid = count_for_ever(s, slot);
	while (stats_total(reader, STAT_ACCEPTED) == 0)
		continue;
	ok(true, "it reads what a worker counts now");
	kill_one(s, pid, slot);
	pid = read_for_ever(s);
	for (i = 0; i < 50; i++) {
		slot = shm_take(s, true);
		kill_one(s, count_for_ever(s, slot), slot);
		wrong += stats_read(reader, &sums) != 0 ||
			 stats_sum(&sums, STAT_ACCEPTED) !=
			     stats_total(s, STAT_ACCEPTED) ||
			 stats_total(reader, STAT_ACCEPTED) !=
			     stats_total(s, STAT_ACCEPTED);
	}
	stats_add_total(s, STAT_RESUMED, 1);
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "no sum goes back for a reader");
	is_int(wrong, 0, "and all are those of the master");
	shm_change_begin(s->board_writer);
	stats_add_total(s, STAT_RESUMED, 1);
	is_int(stats_read(reader, &sums), -EAGAIN, "nothing torn is read");
	is_int(stats_sum(&sums, STAT_RESUMED), 0, "sums stay as they were");
	shm_change_end(s->board_writer);
	is_int(stats_read(reader, &sums), 0, "afterwards it is");
	is_int(stats_sum(&sums, STAT_RESUMED), 2, "all of it");
	shm_free(reader);
	shm_free(s);
}

int
main(void)
{
	struct shm *s = NULL;
	int i, named = 0;

	if (!ok(shm_new(&s) == 0, "maps"))
		return (done_testing());
	is_int(stats_total(s, STAT_ACCEPTED), 0, "begins with nothing");
	test_children(s);
	for (i = 0; i < STAT_COUNT; i++)
		named += stats_name(i)[0] != '\0';
	is_int(named, STAT_COUNT, "every counter has a name");
	is_str(stats_name(STAT_BYTES_FROM_CLIENT), "bytes_from_client",
	    "names are those of the table");
	shm_free(s);
	test_liar();
	test_saturated();
	test_reader();
	return (done_testing());
}
