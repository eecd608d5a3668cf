/* The timer heap keeps its order under random operations. */
#include <limits.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"
#include "worker/loop/timer.h"

#define N 2000

/* No bound on how many fire at once. */
#define ALL UINT_MAX

struct item {
	struct timer timer;
	int64_t want;
	bool fired, want_fired;
};

static int64_t last;
static bool in_order = true;
static struct timers timers;
static int rearmed;

static void
fire(struct timer *t)
{
	struct item *item = (struct item *)t;

	if (t->when < last || t->when != item->want)
		in_order = false;
	last = t->when;
	item->fired = true;
}

static void
rearm(struct timer *t)
{
	if (++rearmed < 3)
		timer_arm(&timers, t, t->when + 1);
}

static void
random_operations(void)
{
	static struct item items[N];
	bool right = true;
	int i, round, k;

	srand(1);
	for (i = 0; i < N; i++)
		timer_init(&items[i].timer, fire);
	for (round = 0; round < 20 * N; round++) {
		k = rand() % N;
		if (rand() % 3 == 0) {
			timer_cancel(&timers, &items[k].timer);
			items[k].want_fired = false;
		} else {
			items[k].want = rand() % 1000;
			items[k].want_fired = true;
			timer_arm(&timers, &items[k].timer, items[k].want);
		}
	}
	timer_run(&timers, 499, ALL);
	for (i = 0; i < N; i++)
		if (items[i].fired !=
		    (items[i].want_fired && items[i].want <= 499))
			right = false;
	ok(right, "what is due fires, what is not due or cancelled does not");
	timer_run(&timers, 1000, ALL);
	for (i = 0; i < N; i++)
		if (items[i].fired != items[i].want_fired)
			right = false;
	ok(right, "the rest fires when its time has come");
	ok(in_order, "timers fire in the order of their times");
	is_int(timer_next(&timers), CLOCK_NEVER, "no timer is left");
}

int
main(void)
{
	struct timer t;

	timer_init(&t, rearm);
	timer_cancel(&timers, &t);
	is_int(timer_next(&timers), CLOCK_NEVER, "an empty heap has no next");
	timer_arm(&timers, &t, 5);
	is_int(timer_next(&timers), 5, "the armed timer is next");
	timer_arm(&timers, &t, 7);
	is_int(timer_next(&timers), 7, "arming again moves it");
	timer_run(&timers, 6, ALL);
	is_int(rearmed, 0, "it does not fire early");
	timer_run(&timers, 8, ALL);
	is_int(rearmed, 2, "a callback may arm its timer anew");
	timer_run(&timers, 100, ALL);
	is_int(rearmed, 3, "and that fires in turn");
	timer_arm(&timers, &t, 0);
	timer_run(&timers, 100, 0);
	is_int(rearmed, 3, "no more fire than are asked for");
	timer_run(&timers, 0, 1);
	is_int(rearmed, 4, "as many as are");
	timer_cancel(&timers, &t);
	random_operations();
	return (done_testing());
}
