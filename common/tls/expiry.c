/* Judges dates of certificates and revocation lists: how near the end is. */
#include "common/tls/expiry.h"

#include <stdio.h>
#include <time.h>

#define MINUTE INT64_C(60)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define STEPS  4

const char *
expiry_kind_name(enum expiry_kind kind)
{
	static const char *const names[] = {
		[EXPIRY_CHAIN] = "certificate",
		[EXPIRY_CLIENT_CA] = "client_ca",
		[EXPIRY_CRL] = "crl",
	};

	return (names[kind]);
}

void
expiry_init(struct expiry *e, enum expiry_kind kind, const char *file)
{
	*e = (struct expiry){
		.kind = kind, .file = file, .begins = 0, .ends = EXPIRY_NEVER
	};
}

void
expiry_narrow(struct expiry *e, unsigned number, int64_t begins, int64_t ends,
    int64_t now)
{
	bool first = e->number == 0;

	/* It is not valid, and will be: that is told before all else. */
	if (!first && e->begins > now && e->begins >= begins)
		return;
	if (!first && begins <= now && ends >= e->ends)
		return;
	e->number = number;
	e->begins = begins;
	e->ends = ends;
}

void
expiry_add(struct expiries *all, const struct expiry *e)
{
	if (all->n < EXPIRY_MAX)
		all->list[all->n++] = *e;
}

bool
expiry_is_good(const struct expiry *e, int64_t now)
{
	return (e->begins <= now && e->ends > now);
}

/* When each step comes; EXPIRY_NEVER: it does not count. */
static void
steps_of(const struct expiry *e, int64_t at[STEPS])
{
	int64_t life = e->ends - e->begins, last = life / 6;

	at[0] = life > 60 * DAY ? e->ends - 30 * DAY : EXPIRY_NEVER;
	at[1] = life > 14 * DAY ? e->ends - 7 * DAY : EXPIRY_NEVER;
	at[2] = e->ends - (last < DAY ? last : DAY);
	at[3] = e->ends;
}

static bool
ends(const struct expiry *e)
{
	return (e->ends != EXPIRY_NEVER && e->ends > e->begins);
}

unsigned
expiry_step(const struct expiry *e, int64_t now)
{
	unsigned i, step = 0;
	int64_t at[STEPS];

	if (!ends(e))
		return (e->ends <= now ? EXPIRY_OVER : 0);
	steps_of(e, at);
	for (i = 0; i < STEPS; i++) {
		if (at[i] <= now)
			step = i + 1;
	}
	return (step);
}

int64_t
expiry_next(const struct expiry *e, int64_t now)
{
	int64_t at[STEPS];
	unsigned i;

	if (!ends(e))
		return (EXPIRY_NEVER);
	steps_of(e, at);
	for (i = 0; i < STEPS; i++) {
		if (at[i] > now && at[i] != EXPIRY_NEVER)
			return (at[i]);
	}
	return (EXPIRY_NEVER);
}

int64_t
expiry_days(const struct expiry *e, int64_t now)
{
	int64_t left = e->ends - now;

	return (left >= 0 ? left / DAY : -((-left + DAY - 1) / DAY));
}

const char *
expiry_date(char buf[EXPIRY_DATE_SIZE], int64_t date)
{
	time_t t = (time_t)date;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(buf, EXPIRY_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(buf, EXPIRY_DATE_SIZE, "an unreadable date");
	return (buf);
}

/* "7 days", where less is left than that. */
static void
put_left(char *buf, size_t size, int64_t left)
{
	int64_t unit = left > 2 * DAY	   ? DAY
		       : left > 2 * HOUR   ? HOUR
		       : left > 2 * MINUTE ? MINUTE
					   : 1;
	int64_t n = (left + unit - 1) / unit;

	snprintf(buf, size, "%lld %s%s", (long long)n,
	    unit == DAY	     ? "day"
	    : unit == HOUR   ? "hour"
	    : unit == MINUTE ? "minute"
			     : "second",
	    n == 1 ? "" : "s");
}

const char *
expiry_text(char buf[EXPIRY_TEXT_SIZE], const struct expiry *e, int64_t now)
{
	char date[EXPIRY_DATE_SIZE], left[32];

	if (e->begins > now) {
		snprintf(buf, EXPIRY_TEXT_SIZE, "is not valid before %s",
		    expiry_date(date, e->begins));
	} else if (e->ends <= now) {
		snprintf(buf, EXPIRY_TEXT_SIZE, "expired on %s",
		    expiry_date(date, e->ends));
	} else {
		put_left(left, sizeof(left), e->ends - now);
		snprintf(buf, EXPIRY_TEXT_SIZE, "expires in %s, on %s", left,
		    expiry_date(date, e->ends));
	}
	return (buf);
}

/* Does it take the place of that one? */
static bool
replaces(const struct expiry *e, const struct expiry *old)
{
	return (e->kind == old->kind &&
		(e->kind != EXPIRY_CHAIN || e->key_type == old->key_type));
}

static bool
has_good_chain(const struct expiries *all, int64_t now)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		if (all->list[i].kind == EXPIRY_CHAIN &&
		    expiry_is_good(&all->list[i], now))
			return (true);
	}
	return (false);
}

static bool
is_worse(const struct expiry *e, const struct expiry *old, int64_t now)
{
	return (
	    expiry_is_good(old, now) &&
	    (!expiry_is_good(e, now) ||
		(expiry_step(e, now) >= EXPIRY_LAST && e->ends < old->ends)));
}

const struct expiry *
expiry_worse(const struct expiries *served, const struct expiries *others,
    const struct expiry *e, int64_t now)
{
	const struct expiry *old;
	bool last = e->kind == EXPIRY_CHAIN && !has_good_chain(others, now);
	size_t i;

	for (i = 0; i < served->n; i++) {
		old = &served->list[i];
		if ((replaces(e, old) || (last && old->kind == EXPIRY_CHAIN)) &&
		    is_worse(e, old, now))
			return (old);
	}
	return (NULL);
}
