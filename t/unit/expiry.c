/* Dates of certificates: when they are told of, and what replaces what. */
#include "common/tls/expiry.h"

#include <string.h>

#include "t/unit/tap.h"

#define DAY INT64_C(86400)
#define NOW (20000 * DAY)

static struct expiry
one(int64_t begins, int64_t ends)
{
	return ((struct expiry){ .kind = EXPIRY_CHAIN,
	    .number = 1,
	    .key_type = 1,
	    .begins = NOW + begins,
	    .ends = NOW + ends });
}

static void
step_is(int64_t begins, int64_t ends, unsigned want, int64_t next)
{
	struct expiry e = one(begins, ends);

	is_int(expiry_step(&e, NOW), want, "step");
	is_int(expiry_next(&e, NOW), next == EXPIRY_NEVER ? next : NOW + next,
	    "when the next comes");
}

static void
steps(void)
{
	/* A year. */
	step_is(-335 * DAY + 1, 30 * DAY + 1, 0, 1);
	step_is(-335 * DAY, 30 * DAY, 1, 23 * DAY);
	step_is(-358 * DAY, 7 * DAY, 2, 6 * DAY);
	step_is(-364 * DAY, DAY, 3, DAY);
	step_is(-365 * DAY, 0, EXPIRY_OVER, EXPIRY_NEVER);
	/* Thirty days, a day. */
	step_is(0, 30 * DAY, 0, 23 * DAY);
	step_is(0, DAY, 0, DAY - DAY / 6);
	step_is(-DAY, DAY / 6, 3, DAY / 6);
}

static void
text_is(int64_t begins, int64_t ends, const char *want)
{
	struct expiry e = one(begins, ends);
	char text[EXPIRY_TEXT_SIZE];

	is_str(expiry_text(text, &e, NOW), want, "text");
}

static void
texts(void)
{
	struct expiry e = one(-DAY, 0);

	text_is(-DAY, 7 * DAY, "expires in 7 days, on 2024-10-11T00:00:00Z");
	text_is(-DAY, DAY, "expires in 24 hours, on 2024-10-05T00:00:00Z");
	text_is(-DAY, 1, "expires in 1 second, on 2024-10-04T00:00:01Z");
	text_is(-DAY, 0, "expired on 2024-10-04T00:00:00Z");
	text_is(1, DAY, "is not valid before 2024-10-04T00:00:01Z");
	is_int(expiry_days(&e, NOW), 0, "days: the last one");
	is_int(expiry_days(&e, NOW + 1), -1, "days: none");
	is_int(expiry_days(&e, NOW - DAY), 1, "days: one");
}

static void
chains(void)
{
	struct expiry e;

	expiry_init(&e, EXPIRY_CHAIN, "file");
	expiry_narrow(&e, 1, NOW - DAY, NOW + 9 * DAY, NOW);
	expiry_narrow(&e, 2, NOW - DAY, NOW + 5 * DAY, NOW);
	expiry_narrow(&e, 3, NOW - DAY, NOW + 8 * DAY, NOW);
	is_int(e.number, 2, "the first to end counts");
	ok(expiry_is_good(&e, NOW), "and is good");
	expiry_narrow(&e, 4, NOW + 1, NOW + 99 * DAY, NOW);
	is_int(e.number, 4, "but for one that is not valid yet");
	ok(!expiry_is_good(&e, NOW), "and is not good");
}

static bool
refused(const struct expiry *old, const struct expiry *e)
{
	struct expiries served = { 1, { *old } }, others = { 1, { *e } };

	return (expiry_worse(&served, &others, &others.list[0], NOW) != NULL);
}

static void
replacing(void)
{
	struct expiry good = one(-99 * DAY, 99 * DAY);
	struct expiry past = one(-99 * DAY, -DAY), early = one(1, 9 * DAY);
	struct expiry soon = one(-99 * DAY, DAY / 2), fresh = one(0, DAY);
	struct expiry rsa = past, list = past;
	struct expiries served = { 1, { good } }, others;

	ok(refused(&good, &past), "good by expired");
	ok(refused(&good, &early), "good by one of tomorrow");
	ok(refused(&good, &soon), "good by one that ends soon");
	ok(!refused(&good, &fresh), "good by one made for a day");
	ok(!refused(&soon, &soon), "by itself");
	ok(!refused(&past, &past), "expired by expired");
	ok(!refused(&past, &good), "expired by good");
	rsa.key_type = 2;
	ok(refused(&good, &rsa), "by another key, when no good one is left");
	others = (struct expiries){ 2, { good, rsa } };
	ok(expiry_worse(&served, &others, &others.list[1], NOW) == NULL,
	    "beside a good one");
	list.kind = EXPIRY_CRL;
	ok(!refused(&good, &list), "a list replaces no certificate");
}

int
main(void)
{
	steps();
	texts();
	chains();
	replacing();
	return (done_testing());
}
