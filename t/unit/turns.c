/*
 * Whose turn it is: peers in turn, however many each has waiting; who wants
 * little before who wants much; who has waited in vain is given up.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"
#include "worker/loop/turns.h"

#define PATIENCE (3 * CLOCK_SEC)
#define MS	 CLOCK_MSEC
#define MOST	 4000

/* Of whom, and which of its, so that the order can be read. */
struct want {
	struct turn turn;
	char peer, number;
};

static struct turns turns;
static struct want wants[MOST];
static size_t nwants;

static void
begin(void)
{
	memset(wants, 0, sizeof(wants));
	nwants = 0;
	turns_init(&turns, PATIENCE);
}

static struct want *
want(char peer, char number, int64_t now)
{
	struct want *w = &wants[nwants++];

	w->peer = peer;
	w->number = number;
	if (turns_join(&turns, &w->turn, (uint64_t)(uint8_t)peer << 8) != 0)
		abort();
	turns_wait(&turns, &w->turn, false, now);
	return (w);
}

/* "A1 B1 A2": the order of the next turns, up to n. */
static const char *
order(size_t n, int64_t now)
{
	static char text[1024];
	struct turn *turn;
	char *p = text;

	*p = '\0';
	for (; n > 0 && (turn = turns_next(&turns, now)) != NULL; n--) {
		struct want *w = (struct want *)(void *)turn;

		if (p > text)
			*p++ = ' ';
		*p++ = w->peer;
		*p++ = w->number;
		*p = '\0';
	}
	return (text);
}

static void
end(void)
{
	size_t i;

	for (i = 0; i < nwants; i++)
		turns_leave(&turns, &wants[i].turn);
	ok(!turns_any(&turns), "nobody waits when all have left");
	for (i = 0; i < TURNS_BUCKETS; i++)
		if (!LIST_EMPTY(&turns.buckets[i]))
			break;
	is_int((int64_t)i, TURNS_BUCKETS, "and nobody is remembered");
}

static void
test_peers(void)
{
	begin();
	ok(turns_next(&turns, 0) == NULL, "nobody waits");
	want('A', '1', 0);
	want('A', '2', 0);
	want('A', '3', 0);
	want('B', '1', 0);
	want('C', '1', 0);
	want('C', '2', 0);
	is_str(order(9, MS), "A1 B1 C1 A2 C2 A3", "each has one in turn");
	end();
}

/* Thousands of one peer, and one of another. */
static void
test_flood(void)
{
	struct want *honest;
	int i;

	begin();
	for (i = 0; i < 2000; i++)
		want('H', 'x', 0);
	is_str(order(2, MS), "Hx Hx", "a flood has turns while it is alone");
	want('A', '1', MS);
	is_str(order(2, MS), "A1 Hx", "who comes later does not wait for it");
	/* It stays, and goes on with what it has begun. */
	honest = &wants[nwants - 1];
	for (i = 0; i < 1000; i++)
		turns_wait(&turns, &wants[i].turn, true, 2 * MS);
	turns_wait(&turns, &honest->turn, true, 3 * MS);
	ok(strstr(order(4, 3 * MS), "A1") != NULL,
	    "nor for what a flood has begun");
	want('A', '2', 4 * MS);
	ok(strstr(order(10, 4 * MS), "A2") != NULL,
	    "nor where it had a turn lately");
	end();
}

/* Many peers that come anew do not keep one out that wants more. */
static void
test_fresh(void)
{
	char text[32] = "";
	int i;

	begin();
	for (i = 0; i < 3; i++)
		want('A', (char)('1' + i), 0);
	is_str(order(1, MS), "A1", "one that wants more had its first turn");
	for (i = 0; i < 20; i++)
		want((char)('a' + i), '1', MS);
	strncat(text, order(8, MS), sizeof(text) - 1);
	ok(strstr(text, "a1 b1") == text,
	    "others, who come anew, are before it");
	ok(strstr(text, "A2") != NULL, "but not all of them");
	end();
}

static void
test_begun(void)
{
	struct want *w;

	begin();
	w = want('A', '1', 0);
	want('B', '1', 0);
	want('C', '1', 0);
	is_str(order(1, MS), "A1", "a handshake begins");
	turns_wait(&turns, &w->turn, true, MS);
	turns_wait(&turns, &w->turn, true, MS);
	is_str(order(9, MS), "A1 B1 C1", "and goes on before others begin");
	end();
}

static void
test_begun_bound(void)
{
	int i, before = 0;

	begin();
	for (i = 0; i < 100; i++)
		want((char)('0' + i), 'b', 0);
	while (turns_next(&turns, 0) != NULL)
		continue;
	for (i = 0; i < 100; i++)
		turns_wait(&turns, &wants[i].turn, true, 0);
	want('A', 'n', 0);
	while (strcmp(order(1, 0), "An") != 0 && before < 200)
		before++;
	ok(before < 10, "what was begun does not keep all that is new waiting");
	end();
}

static void
test_late(void)
{
	begin();
	want('A', '1', 0);
	want('A', '2', 10 * MS);
	want('A', '3', 20 * MS);
	is_str(order(1, 90 * MS), "A1", "the oldest is first");
	is_str(order(1, 150 * MS), "A3", "where it waits for long, the newest");
	is_str(order(1, 150 * MS), "A2", "and then the others");
	end();

	begin();
	want('A', '1', 0);
	want('B', '1', 0);
	want('C', '1', 150 * MS);
	want('D', '1', 151 * MS);
	is_str(order(9, 151 * MS), "D1 C1 A1 B1", "so among peers");
	end();
}

/* One burst may take as long as there is patience. */
static void
test_burst(void)
{
	struct turn *turn;

	begin();
	want('A', '1', 0);
	want('A', '2', 0);
	want('A', '3', 2 * CLOCK_SEC);
	ok(turns_give_up(&turns, PATIENCE) == NULL, "as long as that");
	turn = turns_give_up(&turns, PATIENCE + MS);
	ok(turn == &wants[0].turn, "then the oldest is given up");
	ok(turn != NULL && !turn->waits, "and waits no longer");
	ok(turns_give_up(&turns, PATIENCE + MS) == &wants[1].turn, "all old");
	ok(turns_any(&turns), "who came later waits");
	end();
}

/* Where somebody has always waited for long, nobody is let wait for long. */
static void
test_standing(void)
{
	int64_t now, waited = 0;
	struct turn *turn;

	begin();
	/* Two come for one turn. */
	for (now = 0; now < 5 * CLOCK_SEC; now += 5 * MS) {
		want('A', '1', now);
		want('B', '1', now);
		(void)turns_next(&turns, now);
		while ((turn = turns_give_up(&turns, now)) != NULL)
			waited = now - turn->since;
	}
	ok(waited > PATIENCE / 10 && waited < PATIENCE / 6,
	    "an eighth of the patience: %lld ms", (long long)(waited / MS));
	while (turns_next(&turns, now) != NULL)
		continue;
	want('A', '1', now);
	ok(turns_give_up(&turns, now + PATIENCE - MS) == NULL,
	    "all of it again when nobody waits");
	end();
}

static void
test_withdraw(void)
{
	struct want *w;

	begin();
	want('A', '1', 0);
	w = want('B', '1', 0);
	want('B', '2', 0);
	want('C', '1', 0);
	turns_withdraw(&turns, &w->turn);
	turns_withdraw(&turns, &w->turn);
	is_str(order(9, MS), "A1 B2 C1", "one that withdraws has no turn");
	turns_leave(&turns, &w->turn);
	turns_leave(&turns, &w->turn);
	ok(w->turn.peer == NULL, "one that left is not known");
	end();
}

int
main(void)
{
	test_peers();
	test_flood();
	test_fresh();
	test_begun();
	test_begun_bound();
	test_late();
	test_burst();
	test_standing();
	test_withdraw();
	return (done_testing());
}
