/*
 * Counts by rule: rows go by names over generations, what a worker counted is
 * kept when it is gone, and a worker that lies spoils no more than sums.
 */
#include "common/shm/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/shm/rules_reader.h"
#include "common/shm/shm_state.h"
#include "common/shm/stats.h"
#include "t/unit/tap.h"

static struct shm *master, *reader;
static struct rules_reader *rules;

static struct rule
rule(const char *name, enum rule_action action)
{
	return (
	    (struct rule){ .name = (char *)(uintptr_t)name, .action = action });
}

/* What the reader finds under a name; NULL: nothing. */
static const struct rules_total *
find(const char *name)
{
	const struct rules_total *t;
	size_t at = 0;

	if (rules_read(rules, reader) != 0)
		return (NULL);
	while ((t = rules_each(rules, &at)) != NULL)
		if (strcmp(t->name, name) == 0)
			return (t);
	return (NULL);
}

static int64_t
sum_of(const char *name, enum rules_sum sum)
{
	const struct rules_total *t = find(name);

	return (t != NULL ? (int64_t)t->n[sum] : -1);
}

static size_t
count_all(void)
{
	size_t n = 0, at = 0;

	if (rules_read(rules, reader) != 0)
		return (0);
	while (rules_each(rules, &at) != NULL)
		n++;
	return (n);
}

static void
setup(void)
{
	if (shm_new(&master) != 0 || shm_join_reader(master, &reader) != 0 ||
	    rules_reader_new(&rules) != 0)
		abort();
}

static void
teardown(void)
{
	rules_reader_free(rules);
	shm_free(reader);
	shm_free(master);
}

static struct shm *
worker(int *slot)
{
	struct shm *s = NULL;

	*slot = shm_take(master, true);
	if (*slot < 0 || shm_join(master, *slot, &s) != 0)
		abort();
	return (s);
}

static void
gone(struct shm *s, int slot)
{
	shm_free(s);
	stats_retire(master, slot);
	shm_release(master, slot);
}

static void
decide(struct shm *s, const struct rules_held *held, uint32_t n,
    enum facts_decision decision, uint64_t bytes)
{
	struct rules_row *row = rules_mine(s, held, n);

	rules_decided(s, row, decision, 1000 + n);
	stats_add(&row->n[RULES_FROM_CLIENT], bytes);
	stats_add(&row->n[RULES_FROM_UPSTREAM], 2 * bytes);
}

/* Two generations, in which a rule changes its place, and one goes. */
static void
test_generations(void)
{
	const struct rule first[] = { rule("a", RULE_ALLOW),
		rule("b", RULE_DENY) };
	const struct rule second[] = { rule("c", RULE_REPORT),
		rule("a", RULE_ALLOW) };
	struct rules_held one, two;
	struct shm *w1, *w2;
	int s1, s2;

	setup();
	is_int(sum_of("", RULES_DENY), 0, "the rest is always there");
	is_int((int64_t)count_all(), 1, "and nothing else");
	is_int(rules_hold(master, first, 2, 5, &one), 0, "a generation");
	is_int(sum_of("b", RULES_DENY), 0, "its rules begin with 0");
	is_int(find("a")->last, 0, "and were never used");
	w1 = worker(&s1);
	decide(w1, &one, 0, FACTS_ALLOW, 10);
	decide(w1, &one, 1, FACTS_DENY, 0);
	decide(w1, &one, FACTS_NONE, FACTS_DENY, 0);
	is_int(sum_of("a", RULES_ALLOW), 1, "a tunnel is seen at once");
	is_int(sum_of("a", RULES_FROM_CLIENT), 10, "and its bytes");
	is_int(sum_of("a", RULES_FROM_UPSTREAM), 20, "both ways");
	is_int(sum_of("b", RULES_DENY), 1, "one that is denied");
	is_int(sum_of("", RULES_DENY), 1, "one that no rule is for");
	is_int(find("b")->last, 1001, "when it was used");

	is_int(rules_hold(master, second, 2, 6, &two), 0, "another one");
	w2 = worker(&s2);
	decide(w2, &two, 1, FACTS_ALLOW, 1);
	decide(w2, &two, 0, FACTS_REPORT, 1);
	is_int(sum_of("a", RULES_ALLOW), 2, "a name is one rule in both");
	is_int(sum_of("c", RULES_REPORT), 1, "a new one counts beside it");
	gone(w1, s1);
	is_int(sum_of("a", RULES_ALLOW), 2, "a worker is gone, not its count");
	is_int(sum_of("a", RULES_FROM_CLIENT), 11, "nor its bytes");
	ok(!find("b")->gone, "its generation is there yet");
	rules_drop(master, &one, clock_now());
	ok(find("b") != NULL && find("b")->gone, "a rule that is gone is kept");
	is_int(sum_of("b", RULES_DENY), 1, "with what it counted");
	ok(!find("a")->gone, "who is in the other generation is not gone");
	is_int(
	    rules_hold(master, first, 2, clock_now(), &one), 0, "it is back");
	ok(!find("b")->gone && sum_of("b", RULES_DENY) == 1, "and goes on");
	gone(w2, s2);
	rules_drop(master, &one, clock_now() - RULES_GONE_TIME);
	rules_drop(master, &two, clock_now());
	ok(find("b") == NULL, "after its time it is not told of any more");
	is_int(sum_of("a", RULES_ALLOW), 2, "those that are younger are");
	teardown();
}

static void
name_all(struct rule *list, char (*names)[16], size_t n, const char *prefix)
{
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%zu", prefix, i);
		list[i] = rule(names[i], RULE_ALLOW);
	}
}

/* More rules than there are rows. */
static void
test_many(void)
{
	static struct rule list[RULES_ROWS + 100];
	static char names[RULES_ROWS + 100][16];
	const size_t n = RULES_ROWS + 100, half = RULES_GONE_MAX / 2;
	struct rules_held held, more;
	struct shm *w;
	int slot;

	setup();
	name_all(list, names, n, "r");
	is_int(rules_hold(master, list, n, 1, &held), 0, "very many rules");
	is_int((int64_t)count_all(), RULES_ROWS, "as many as there are rows");
	w = worker(&slot);
	decide(w, &held, 0, FACTS_ALLOW, 1);
	decide(w, &held, RULES_ROWS - 2, FACTS_ALLOW, 1);
	decide(w, &held, RULES_ROWS - 1, FACTS_ALLOW, 1);
	decide(w, &held, RULES_ROWS + 99, FACTS_ALLOW, 1);
	is_int(sum_of("r0", RULES_ALLOW), 1, "the first has a row");
	is_int(sum_of(names[RULES_ROWS - 2], RULES_ALLOW), 1, "the last too");
	is_int(sum_of("", RULES_ALLOW), 2, "others are counted together");
	gone(w, slot);
	rules_drop(master, &held, clock_now());

	name_all(list, names, half, "s");
	is_int(rules_hold(master, list, half, clock_now(), &more), 0, "others");
	is_int(sum_of("s0", RULES_ALLOW), 0, "find rows");
	is_int((int64_t)count_all(),
	    1 + (int64_t)half + (RULES_ROWS > 1000 ? RULES_GONE_MAX : 11),
	    "of those that are gone some are left");
	rules_drop(master, &more, clock_now());
	teardown();
}

/* A worker that was broken into writes what it likes. */
static void
test_liar(void)
{
	const struct rule list[] = { rule("a", RULE_ALLOW) };
	struct rules_held held;
	struct shm *liar, *honest;
	int s1, s2;

	setup();
	is_int(rules_hold(master, list, 1, 1, &held), 0, "a rule");
	liar = worker(&s1);
	honest = worker(&s2);
	decide(honest, &held, 0, FACTS_ALLOW, 7);
	memset(liar->my_rules, 0xff, sizeof(*liar->my_rules));
	is_int(sum_of("a", RULES_ALLOW), (int64_t)STATS_BELIEVED + 1,
	    "a liar is believed up to a bound");
	ok(find("a")->last <= clock_wall(), "nothing was used in the future");
	is_int((int64_t)count_all(), 2, "there are no more rules for it");
	memset(liar->my_rules, 0, sizeof(*liar->my_rules));
	is_int(sum_of("a", RULES_ALLOW), (int64_t)STATS_BELIEVED + 1,
	    "no sum goes back");
	gone(liar, s1);
	is_int(sum_of("a", RULES_ALLOW), (int64_t)STATS_BELIEVED + 1,
	    "nor when it is gone");
	decide(honest, &held, 0, FACTS_ALLOW, 7);
	gone(honest, s2);
	ok(sum_of("a", RULES_FROM_CLIENT) > 0, "others count on");
	rules_drop(master, &held, clock_now());
	teardown();
}

/* The master is in the middle of it. */
static void
test_torn(void)
{
	setup();
	shm_change_begin(master->board_writer);
	is_int(rules_read(rules, reader), -EAGAIN, "nothing torn is read");
	shm_change_end(master->board_writer);
	is_int(rules_read(rules, reader), 0, "afterwards it is");
	teardown();
}

int
main(void)
{
	test_generations();
	test_many();
	test_liar();
	test_torn();
	return (done_testing());
}
