/* Lists of tunnels for sniport top: what is read, rates, orders, and what is
 * shown on a screen of any size. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "master/top_list.h"
#include "master/top_view.h"
#include "t/unit/tap.h"

#define A "1-0-1\t10.0.0.1:4711\tspiffe://a/b\ta.test:443\tr1"
#define B "1-0-2\t10.0.0.2:4712\t\tb.test:443\t"

static int
take(struct top_list *list, const char *text)
{
	return (top_list_read(list, strdup(text), strlen(text)));
}

static bool
is(struct piece p, const char *text)
{
	return (piece_is(p, text));
}

static void
test_read(void)
{
	static const struct {
		const char *text, *name;
	} bad[] = {
		{ A "\t1\t2\n", "a column too few" },
		{ A "\t1\t2\t3", "a row without its end" },
		{ A "\t1\tx\t3\n", "what is no number" },
		{ A "\t1\t\t3\n", "a number that is not there" },
		{ A "\t1\t2\t12345678901234567890\n", "one that is too long" },
		{ "\t\t\t\t\t1\t2\t3\n", "a row without an id" },
		{ "1\033[2J\t\t\t\t\t1\t2\t3\n", "what a terminal obeys" },
		{ A "\t1\t2\t3\n\n", "an empty row" },
	};
	struct top_list list;
	size_t i;

	is_int(take(&list, ""), 0, "no tunnels");
	is_int((int64_t)list.n, 0, "are a list");
	top_list_fini(&list);
	is_int(take(&list, A "\t1\t2\t3\n" B "\t4\t5\t6\tmore\n"), 0,
	    "two, one with a column of a later version");
	is_int((int64_t)list.n, 2, "are two");
	ok(is(list.rows[0].client, "10.0.0.1:4711") &&
		is(list.rows[0].identity, "spiffe://a/b") &&
		is(list.rows[0].target, "a.test:443") &&
		is(list.rows[0].rule, "r1"),
	    "what one is");
	ok(list.rows[1].from_client == 4 && list.rows[1].from_upstream == 5 &&
		list.rows[1].age == 6,
	    "what the other has moved");
	top_list_fini(&list);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(take(&list, bad[i].text), -EPROTO, bad[i].name);
		is_int((int64_t)list.n, 0, "leaves no list");
	}
}

static void
test_rates(void)
{
	struct top_list before, now;

	(void)take(&before, B "\t1000\t0\t1\n" A "\t9\t9\t1\n");
	(void)take(&now, A "\t9\t29\t1\n" B "\t3000\t0\t1\n"
			   "1-0-3\t\t\t\t\t0\t500\t1\n");
	top_list_rates(&now, &before, 2 * CLOCK_SEC);
	is_int((int64_t)now.rows[0].upstream_rate, 10, "bytes in a second");
	is_int((int64_t)now.rows[0].client_rate, 0, "and the other way");
	is_int((int64_t)now.rows[1].client_rate, 1000, "of another");
	is_int((int64_t)now.rows[2].upstream_rate, 250, "of a new one");
	top_list_sort(&now, TOP_BY_RATE);
	ok(is(now.rows[0].id, "1-0-2") && is(now.rows[1].id, "1-0-3"),
	    "by rate");
	top_list_fini(&before);
	top_list_fini(&now);
	(void)take(&now, A "\t5\t0\t7\n" B "\t5\t0\t9\n1\t\t\t\t\t6\t0\t1\n");
	top_list_sort(&now, TOP_BY_TOTAL);
	ok(is(now.rows[0].id, "1") && is(now.rows[1].id, "1-0-1"),
	    "by total, and those that are alike by id");
	top_list_sort(&now, TOP_BY_AGE);
	ok(is(now.rows[0].id, "1-0-2"), "by age");
	top_list_fini(&now);
}

static void
test_orders(void)
{
	enum top_order by;

	is_int(top_order_find(&by, "age"), 0, "age");
	is_str(top_order_name(by), "age", "is an order");
	is_int(top_order_find(&by, "ages"), -EINVAL, "ages is none");
}

/* What it shows; to be freed. */
static char *
shown(const struct top_view *v, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	if (json)
		top_view_json(v, out);
	else
		top_view_text(v, out);
	fclose(out);
	return (text);
}

/* Lines of the screen, and the widest of them. */
static unsigned
count_lines(char *screen, size_t *widest)
{
	static const char end[] = "\033[K\n";
	char *line = screen + strlen("\033[H"), *at;
	unsigned n = 0;

	*widest = 0;
	while ((at = strstr(line, end)) != NULL) {
		if ((size_t)(at - line) > *widest)
			*widest = (size_t)(at - line);
		line = at + strlen(end);
		n++;
	}
	return (n);
}

static void
test_view(void)
{
	struct top_list list;
	struct top_view v = { .list = &list, .by = TOP_BY_TOTAL };
	size_t widest;
	char *text;

	(void)take(&list, A "\t1023000\t2\t7384000\n" B "\t998\t1\t59999\n");
	text = shown(&v, false);
	is_str(text,
	    "2 tunnels, -/s up, -/s down; sorted by total\n"
	    "   UP/S  DOWN/S   TOTAL     AGE  ID           CLIENT -> TARGET "
	    "(RULE)\n"
	    "      -       -    999K   2h03m  1-0-1        spiffe://a/b -> "
	    "a.test:443 (r1)\n"
	    "      -       -     999     59s  1-0-2        10.0.0.2:4712 -> "
	    "b.test:443\n",
	    "as lines");
	free(text);
	v.rates = true;
	v.columns = 30;
	v.lines = 5;
	text = shown(&v, false);
	is_int(count_lines(text, &widest), 4, "a screen that has one row");
	is_int((int64_t)widest, 30, "none is wider");
	free(text);
	v.lines = 1;
	text = shown(&v, false);
	ok(count_lines(text, &widest) <= 3, "a screen of one line");
	free(text);
	list.n = 1;
	text = shown(&v, true);
	is_str(text,
	    "{\"tunnel\":\"1-0-1\",\"client\":\"10.0.0.1:4711\","
	    "\"identity\":\"spiffe://a/b\",\"target\":\"a.test:443\","
	    "\"rule\":\"r1\",\"rate_from_client\":0,"
	    "\"rate_from_upstream\":0,\"bytes_from_client\":1023000,"
	    "\"bytes_from_upstream\":2,\"age_ms\":7384000}\n",
	    "in JSON");
	free(text);
	top_list_fini(&list);
}

int
main(void)
{
	test_read();
	test_rates();
	test_orders();
	test_view();
	return (done_testing());
}
