/* Each number is seen for the first time once. */
#include "common/base/seen.h"

#include "t/unit/tap.h"

#define MANY 100000

/* How many of the numbers are new. */
static int
count_new(struct seen *s, uint64_t factor)
{
	uint64_t i;
	int n = 0;

	for (i = 0; i < MANY; i++)
		n += seen_first(s, i * factor);
	return (n);
}

int
main(void)
{
	struct seen s;

	is_int(seen_init(&s), 0, "nothing was seen");
	ok(seen_first(&s, 7) && !seen_first(&s, 7), "a number, and again");
	ok(seen_first(&s, UINT64_MAX) && !seen_first(&s, UINT64_MAX),
	    "the highest");
	ok(seen_first(&s, UINT64_MAX - 1) && !seen_first(&s, UINT64_MAX - 1),
	    "the one before");
	seen_fini(&s);
	is_int(seen_init(&s), 0, "others");
	is_int(count_new(&s, 1), MANY, "many");
	is_int(count_new(&s, 1), 0, "all of them again");
	is_int(count_new(&s, UINT64_C(1) << 40), MANY - 1,
	    "those that differ in high bits, of which one was there");
	seen_fini(&s);
	return (done_testing());
}
