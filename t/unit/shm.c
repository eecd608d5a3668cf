/*
 * The shared maps: who can write which of them, slots over forks, and clamps on
 * what others are believed.
 */
#include "common/shm/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/shm/rules_state.h"
#include "common/shm/stats.h"
#include "common/shm/tallies.h"
#include "common/shm/tally.h"
#include "t/unit/tap.h"

static const struct shm_most any = { UINT64_MAX, UINT64_MAX };

/* A map of the shared memory, as /proc tells. */
struct seen {
	unsigned long begin, end;
	bool writable;
};

static FILE *
open_maps(void)
{
	return (fopen("/proc/self/maps", "r"));
}

/* The next one whose name holds the word; false: there is none. */
static bool
next_map(FILE *f, const char *word, struct seen *m)
{
	char line[512], mode[8];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, word) == NULL ||
		    sscanf(line, "%lx-%lx %7s", &m->begin, &m->end, mode) != 3)
			continue;
		m->writable = mode[1] == 'w';
		return (true);
	}
	return (false);
}

/* How many bytes of it are mapped here, all or those that can be written. */
static long
mapped(const char *word, bool only_writable)
{
	FILE *f = open_maps();
	struct seen m;
	long sum = 0;

	while (next_map(f, word, &m))
		if (m.writable || !only_writable)
			sum += (long)(m.end - m.begin);
	if (f != NULL)
		fclose(f);
	return (sum);
}

/* How many maps that cannot be written could be made to be? */
static int
openable(void)
{
	FILE *f = open_maps();
	struct seen m;
	int n = 0;

	while (next_map(f, "/memfd:sniport-", &m))
		if (!m.writable && mprotect((void *)m.begin, m.end - m.begin,
				       PROT_READ | PROT_WRITE) == 0)
			n++;
	if (f != NULL)
		fclose(f);
	return (n);
}

static void
test_slots(void)
{
	struct shm *s = NULL;
	int slot, taken = 0;

	if (!ok(shm_new(&s) == 0, "maps"))
		return;
	is_int(shm_slot(s), -1, "the master has no slot");
	is_int(shm_high(s), 0, "none was used");
	while ((slot = shm_take(s, taken % 2 == 1)) >= 0)
		taken++;
	is_int(taken, SHM_SLOTS, "every slot can be taken");
	is_int(slot, -ENOSPC, "then none is left");
	is_int(shm_state(s, 16), SHM_ALONE, "one alone");
	is_int(shm_state(s, 17), SHM_BESIDE, "one beside others");
	ok(shm_is_live(s, 16) && shm_is_live(s, 17), "both are there");
	shm_bury(s, 17);
	ok(!shm_is_live(s, 17), "one is gone");
	is_int(shm_take(s, true), -ENOSPC, "its slot is not free");
	shm_release(s, 17);
	is_int(shm_take(s, true), 17, "until it is released");
	shm_free(s);
	shm_free(NULL);
}

/* What a child has of the memory when it has just been forked. */
static void
test_forked(const struct shm *master)
{
	int status;
	pid_t pid = fork();

	(void)master;
	if (pid == 0)
		_exit(mapped("/memfd:sniport-", false) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child has no map of the master's");
}

/* A worker's maps: its own part can be written, and nothing else. */
static int
look(const struct shm *master, int slot)
{
	long page = sysconf(_SC_PAGESIZE), own;
	struct stats_slot *mine;
	struct shm *s;

	if (shm_join(master, slot, &s) != 0)
		return (1);
	own = (long)(sizeof(*mine) + (size_t)page - 1) / page * page +
	      (long)sizeof(struct tally) + (long)sizeof(struct rules_part);
	if (mapped("/memfd:sniport-", true) != own ||
	    mapped("/memfd:sniport-board", true) != 0)
		return (2);
	if (openable() != 0)
		return (3);
	if (mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED,
		shm_fd(s), 0) != MAP_FAILED ||
	    ftruncate(shm_fd(s), 0) == 0 ||
	    fallocate(shm_fd(s), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		page) == 0)
		return (4);
	mine = stats_mine(s);
	if ((uintptr_t)mine % (uintptr_t)page != 0 ||
	    mine->head.version != SHM_VERSION ||
	    mine->head.size != sizeof(*mine))
		return (5);
	atomic_store(&mine->heartbeat, 9);
	if (atomic_load(&stats_slot(s, slot)->heartbeat) != 9)
		return (6);
	shm_free(s);
	return (0);
}

static void
test_maps(void)
{
	struct shm *s = NULL;
	int slot, status;
	pid_t pid;

	if (!ok(shm_new(&s) == 0, "maps"))
		return;
	slot = shm_take(s, true);
	slot = shm_take(s, true);
	ok(mapped("/memfd:sniport-board", true) > 0,
	    "the master has its board");
	is_int(mapped("/memfd:sniport-workers", true), 0,
	    "and cannot write what is the workers'");
	test_forked(s);
	pid = fork();
	if (pid == 0)
		_exit(look(s, slot));
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "a worker writes its own and no more");
	is_int(atomic_load(&stats_slot(s, slot)->heartbeat), 9,
	    "the master sees it");
	shm_free(s);
	is_int(mapped("/memfd:sniport-", false), 0, "nothing stays mapped");
}

/* One that only reads: nothing of the memory can be written. */
static int
look_only(const struct shm *master)
{
	struct shm *s;

	if (shm_join_reader(master, &s) != 0)
		return (1);
	if (mapped("/memfd:sniport-", true) != 0 || openable() != 0)
		return (2);
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shm_fd(s),
		0) != MAP_FAILED)
		return (3);
	return (shm_slot(s) == -1 && shm_is_live(s, 0) ? 0 : 4);
}

static void
test_reader(void)
{
	struct shm *s = NULL;
	int status;
	pid_t pid;

	if (!ok(shm_new(&s) == 0 && shm_take(s, true) == 0, "maps"))
		return;
	pid = fork();
	if (pid == 0)
		_exit(look_only(s));
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "a reader can write nothing");
	shm_free(s);
}

/* A worker that counts the key in a slot; its exit status is the sum. */
static int
tally_in_child(const struct shm *master, int slot, uint64_t key)
{
	uint64_t sum = 99;
	struct shm *s;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (shm_join(master, slot, &s) != 0)
			_exit(99);
		tallies_add(s, key, 0);
		tallies_sum(s, key, 0, &any, &sum);
		_exit((int)sum);
	}
	waitpid(pid, &status, 0);
	return (WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* The sum, or what is wrong. */
static int64_t
tally_sum(struct shm *s, uint64_t key)
{
	uint64_t sum = 0;
	int error = tallies_sum(s, key, 0, &any, &sum);

	return (error == 0 ? (int64_t)sum : error);
}

static long
all_mapped(void)
{
	return (mapped("/memfd:sniport-", false));
}

/* A tally is mapped by who needs it, when it does, and once. */
static void
test_tallies_mapped(void)
{
	const long one = sizeof(struct tally);
	struct shm *master = NULL, *s = NULL;
	uint64_t key;
	int a, b;
	long none;

	is_int(shm_new(&master), 0, "maps");
	a = shm_take(master, true);
	b = shm_take(master, true);
	(void)shm_take(master, true);
	is_int(shm_join(master, a, &s), 0, "joins");
	is_int(shm_slot(s), a, "as that one");
	key = tallies_key(s, "a", 1, false);
	none = all_mapped();
	ok(none > 0, "something is mapped");
	is_int(tally_sum(s, key), 0, "nobody counts");
	is_int(all_mapped(), none, "a sum over nothing maps nothing");
	tallies_sub(s, key, 0);
	is_int(tallies_own(s, key, 0), 0, "nothing can be taken back");

	is_int(tally_in_child(master, b, key), 1, "a worker counts");
	is_int(all_mapped(), none, "and maps for itself");
	is_int(tallies_add(s, key, 0), 0, "so do we");
	is_int(tallies_own(s, key, 0), 1, "one");
	is_int(all_mapped(), none, "in what is ours");
	is_int(tally_sum(s, key), 2, "both");
	is_int(all_mapped(), none + one, "the sum maps the other's");

	stats_retire(master, b);
	is_int(tally_sum(s, key), 1, "a worker is gone");
	shm_release(master, b);
	is_int(shm_take(master, true), b, "another has its slot");
	is_int(tally_in_child(master, b, key), 2, "and begins with nothing");
	is_int(tally_sum(s, key), 2, "the mapping shows it");
	is_int(all_mapped(), none + one, "and is the one that was there");
	tallies_sub(s, key, 0);
	is_int(tally_sum(s, key), 1, "one is taken back");
	shm_free(s);
	shm_free(master);
	is_int(all_mapped(), 0, "nothing stays mapped");
}

/* Where a tally cannot be mapped there is an error, and no wrong sum. */
static void
test_not_mapped(void)
{
	struct shm *master = NULL, *s = NULL;
	uint64_t key;
	int other, kept;

	is_int(shm_new(&master), 0, "maps");
	is_int(shm_join(master, shm_take(master, true), &s), 0, "joins");
	other = shm_take(master, true);
	key = tallies_key(s, "a", 1, false);
	tallies_add(s, key, 0);
	is_int(tally_sum(s, key), 1, "one");
	is_int(tally_in_child(master, other, key), 2, "another, elsewhere");
	kept = dup(shm_fd(s));
	close(shm_fd(s));
	is_int(tally_sum(s, key), -ENOMEM, "which cannot be mapped: no sum");
	is_int(tallies_add(s, key, 0), 0, "what is ours can count");
	dup2(kept, shm_fd(s));
	close(kept);
	is_int(tally_sum(s, key), 3, "it can again: there is a sum");
	shm_free(s);
	shm_free(master);
}

/* Of others no more is believed than the most. */
static void
test_believed(void)
{
	const struct shm_most most = { 20, 15 };
	struct shm *master = NULL, *s = NULL, *liar = NULL;
	uint64_t key, sum = 0;
	int i;

	is_int(shm_new(&master), 0, "maps");
	is_int(shm_join(master, shm_take(master, true), &s), 0, "joins");
	is_int(shm_join(master, shm_take(master, true), &liar), 0, "and one");
	key = tallies_key(s, "a", 1, false);
	for (i = 0; i < 100; i++)
		tallies_add(liar, key, 0);
	tallies_add(s, key, 0);
	tallies_sum(s, key, 0, &most, &sum);
	is_int(sum, 16, "as much as one can have");
	tallies_sum(liar, key, 0, &most, &sum);
	is_int(sum, 101, "who knows better counts all");
	shm_free(liar);
	shm_free(s);
	shm_free(master);
}

int
main(void)
{
	test_slots();
	test_maps();
	test_reader();
	test_tallies_mapped();
	test_not_mapped();
	test_believed();
	return (done_testing());
}
