/* Refuses a reload that would serve worse certificates, and warns of those that
 * end while they are served. */
#include "master/validity.h"

#include <time.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/tls/expiry.h"
#include "master/crew.h"
#include "master/findings.h"
#include "master/generation.h"
#include "master/master.h"

/* The clock of the wall may be set. */
#define LOOK (3600 * CLOCK_SEC)

static const struct {
	const char *setting, *what, *then;
} kinds[] = {
	[EXPIRY_CHAIN] = { "tls.certificates.chain", "certificate", "" },
	[EXPIRY_CLIENT_CA] = { "tls.client_ca", "certificate",
	    "; its clients are refused then" },
	[EXPIRY_CRL] = { "tls.crl", "revocation list",
	    "; clients of its issuer are refused then" },
};

static const void *
field_of(const struct conf *conf, const struct expiry *e)
{
	switch (e->kind) {
	case EXPIRY_CHAIN:
		return (&conf->tls.certificates[e->index].chain);
	case EXPIRY_CLIENT_CA:
		return (&conf->tls.client_ca);
	case EXPIRY_CRL:
		break;
	}
	return (&conf->tls.crl);
}

void
validity_check(const struct conf *conf, const struct expiries *served,
    const struct expiries *others, struct findings *f)
{
	char text[EXPIRY_TEXT_SIZE], date[EXPIRY_DATE_SIZE];
	const struct expiry *e, *old;
	int64_t now = time(NULL);

	if (conf->tls.allow_expired)
		return;
	for (e = others->list; e < others->list + others->n; e++) {
		old = expiry_worse(served, others, e, now);
		if (old == NULL)
			continue;
		findings_add_at(f, LOG_LEVEL_ERROR, conf, field_of(conf, e),
		    "%s: %s %u %s, and would replace one that is valid until "
		    "%s; to have it served, write tls.allow_expired = true",
		    e->file, kinds[e->kind].what, e->number,
		    expiry_text(text, e, now), expiry_date(date, old->ends));
	}
}

void
validity_note(struct expiries *all)
{
	int64_t now = time(NULL);
	size_t i;

	for (i = 0; i < all->n; i++)
		all->list[i].told = expiry_step(&all->list[i], now);
}

static void
look(struct master *m, struct expiry *e, int64_t now)
{
	unsigned step = expiry_step(e, now);
	char text[EXPIRY_TEXT_SIZE];

	if (step > e->told)
		log_write(m->log,
		    step == EXPIRY_OVER ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
		    "%s: %s: %s %u %s%s", kinds[e->kind].setting, e->file,
		    kinds[e->kind].what, e->number, expiry_text(text, e, now),
		    step == EXPIRY_OVER ? "" : kinds[e->kind].then);
	e->told = step;
}

int64_t
validity_tick(struct master *m, int64_t now)
{
	int64_t wall = clock_wall(), next, due = now + LOOK;
	struct expiries *all;
	size_t i;

	if (m->current == NULL || m->current->generation == NULL)
		return (CLOCK_NEVER);
	all = &m->current->generation->expiries;
	for (i = 0; i < all->n; i++) {
		look(m, &all->list[i], wall / CLOCK_SEC);
		next = expiry_next(&all->list[i], wall / CLOCK_SEC);
		if (next < (wall + LOOK) / CLOCK_SEC &&
		    next * CLOCK_SEC - wall < due - now)
			due = now + next * CLOCK_SEC - wall;
	}
	return (all->n > 0 ? due : CLOCK_NEVER);
}
