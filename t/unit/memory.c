/* When memory is to go back. */
#include "worker/memory.h"

#include "t/unit/tap.h"

int
main(void)
{
	struct memory m = { 0 };
	int i, n = 0;

	ok(memory_is_due(&m, 0, 0, 0), "nothing was done");
	ok(!memory_is_due(&m, 0, 0, 0), "it is asked for once");
	memory_note(&m, 5, 2);
	ok(!memory_is_due(&m, 0, 0, 5), "a few tunnels have ended");
	ok(memory_is_due(&m, 0, 0, 5), "then all was quiet");

	memory_note(&m, 20000, 0);
	ok(!memory_is_due(&m, 20000, 0, 30000), "many tunnels");
	ok(!memory_is_due(&m, 15001, 0, 40000), "some of them have ended");
	ok(memory_is_due(&m, 14900, 0, 40008), "a quarter, though others come");
	ok(!memory_is_due(&m, 14900, 0, 40016), "it is asked for once");
	ok(!memory_is_due(&m, 12000, 0, 40024), "counted from then on");
	ok(memory_is_due(&m, 9000, 0, 40032),
	    "a quarter of those that were left");
	memory_note(&m, 30000, 0);
	ok(memory_is_due(&m, 3, 0, 70000), "a burst between two looks");
	memory_note(&m, 3, 1000);
	ok(memory_is_due(&m, 3, 100, 70001), "buffers that were returned");

	for (i = 0; i < 1000; i++) {
		memory_note(&m, 1000 + (uint64_t)i % 200, 100);
		n += memory_is_due(&m, 1000, 100, 80000 + (uint64_t)i);
	}
	ok(n == 0, "ups and downs of a steady load do not count");
	return (done_testing());
}
