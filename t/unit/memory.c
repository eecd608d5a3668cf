/* When memory is to go back, and in which steps. */
#include "worker/memory.h"

#include "common/base/alloc.h"
#include "t/unit/tap.h"

/* What happens with so much work and so many tunnels and buffers. */
static bool
note(struct memory *m, uint64_t tunnels, uint64_t lent)
{
	struct memory_use use = { .tunnels = tunnels, .lent = lent };

	return (memory_note(m, &use));
}

static enum memory_step
turn(struct memory *m, uint64_t tunnels, int64_t now)
{
	struct memory_use use = { .tunnels = tunnels };

	return (memory_turn(m, &use, now));
}

/* Has all go back, with so many tunnels left. */
static void
give(struct memory *m, uint64_t tunnels)
{
	(void)turn(m, tunnels, 0);
	(void)memory_goes_on(m, 0, 0);
}

static void
test_quiet(void)
{
	struct memory m = { 0 };

	ok(memory_look(&m, 0), "nothing was done");
	give(&m, 0);
	ok(!memory_look(&m, 0), "it is asked for once");
	ok(!note(&m, 5, 2) && !note(&m, 0, 0), "a few tunnels have ended");
	ok(!memory_look(&m, 5), "which is work");
	ok(memory_look(&m, 5), "then all was quiet");
}

static void
test_bursts(void)
{
	struct memory m = { 0 };
	int i, n = 0;

	ok(!note(&m, 20000, 0), "many tunnels");
	ok(!note(&m, 15001, 0), "some of them have ended");
	ok(note(&m, 14900, 0), "a quarter");
	ok(!note(&m, 9000, 0), "it is asked for once");
	give(&m, 14900);
	ok(!note(&m, 12000, 0), "counted from then on");
	ok(note(&m, 9000, 0), "a quarter of those that were left");
	give(&m, 9000);
	ok(!note(&m, 30000, 0) && note(&m, 3, 0), "another burst");
	give(&m, 3);
	ok(!note(&m, 3, 1000) && note(&m, 3, 100), "buffers were returned");
	give(&m, 3);
	for (i = 0; i < 1000; i++)
		n += note(&m, 1000 + (uint64_t)i % 200, 100);
	ok(n == 0, "ups and downs of a steady load do not count");
}

/* From the end of a burst on, with so many bytes unused: how many turns until
 * it is over, and how many of them collect. */
static int
turns(struct memory *m, size_t unused, int *collected)
{
	enum memory_step step;
	int n = 0;

	*collected = 0;
	do {
		step = turn(m, 100, n * MEMORY_INTERVAL);
		*collected += step == MEMORY_COLLECT;
		n++;
	} while (step == MEMORY_PIECE ||
		 memory_goes_on(m, unused, n * MEMORY_INTERVAL));
	return (n);
}

static void
test_steps(void)
{
	const size_t much = (size_t)300 << 20;
	struct memory m = { 0 };
	int n, collected;

	(void)note(&m, 9500, 0);
	(void)note(&m, 100, 0);
	n = turns(&m, much, &collected);
	ok(n * MEMORY_INTERVAL >= ALLOC_DECAY_MS * CLOCK_MSEC &&
		n * MEMORY_INTERVAL < 7 * CLOCK_SEC,
	    "%d turns until all is back", n);
	ok(collected == 1, "it is collected at first");

	(void)note(&m, 9500, 0);
	(void)note(&m, 100, 0);
	ok(turns(&m, ALLOC_PIECE, &collected) == 1 && collected == 1,
	    "what is little goes at once");

	(void)note(&m, 9500, 0);
	(void)note(&m, 7000, 0);
	ok(turn(&m, 7000, 0) == MEMORY_COLLECT, "a burst begins to end");
	ok(memory_goes_on(&m, much, 0), "that takes a while");
	ok(turn(&m, 4000, CLOCK_SEC / 2) == MEMORY_PIECE, "and goes on");
	ok(turn(&m, 4000, CLOCK_SEC) == MEMORY_COLLECT,
	    "what has ended meanwhile is collected, once a second");
	ok(turn(&m, 3990, 2 * CLOCK_SEC) == MEMORY_CHECK,
	    "where it is worth it");
	ok(memory_goes_on(&m, much, 6 * CLOCK_SEC) &&
		!memory_goes_on(&m, much, 7 * CLOCK_SEC),
	    "it is over when the last of it has had its time");
	ok(note(&m, 100, 0), "the next burst");
}

int
main(void)
{
	test_quiet();
	test_bursts();
	test_steps();
	return (done_testing());
}
