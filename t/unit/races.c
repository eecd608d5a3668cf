/* Who may have more attempts than one for each dial: of one client no more than
 * are left to the others. */
#include "worker/dial/races.h"

#include <stddef.h>

#include "t/unit/tap.h"

/* Takes as many as there are for it. */
static uint64_t
take_all(struct races *r, uint64_t client)
{
	uint64_t n = 0;

	while (races_room(r, client)) {
		races_take(r, client, 1);
		n++;
	}
	return (n);
}

int
main(void)
{
	static struct races r;

	races_init(&r, 0);
	ok(!races_room(&r, 1), "of none, none");
	races_init(&r, 1);
	is_int((int64_t)take_all(&r, 1), 1, "of one, one");
	races_init(&r, 100);
	is_int((int64_t)take_all(&r, 1), 50, "one client has half");
	is_int((int64_t)take_all(&r, 2), 25, "the next half of the rest");
	is_int((int64_t)take_all(&r, 3), 13, "and so on");
	ok(!races_room(&r, 1), "none has more");
	races_give(&r, 2, 25);
	ok(!races_room(&r, 1), "than are left");
	races_give(&r, 3, 13);
	is_int((int64_t)take_all(&r, 1), 0, "or than it has");
	races_give(&r, 1, 50);
	is_int((int64_t)r.n, 0, "all is given back");
	is_int((int64_t)take_all(&r, 7 + RACES_SHARES), 50,
	    "clients beyond the number of shares");
	is_int((int64_t)take_all(&r, 7), 0, "have one together");
	return (done_testing());
}
