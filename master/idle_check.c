/* Looks for settings that do nothing because of the value of another one. */
#include "master/idle_check.h"

#include "common/conf/conf.h"
#include "master/findings.h"

static void
check(const struct conf *conf, const void *field, const char *why,
    struct findings *f)
{
	if (conf_is_chosen(conf, field))
		findings_add_at(f, LOG_LEVEL_WARNING, conf, field,
		    "means nothing where %s", why);
}

static void
check_cache(const struct conf *conf, struct findings *f)
{
	const struct conf_dns *dns = &conf->dns;
	const int64_t *const times[] = { &dns->min_ttl, &dns->max_ttl,
		&dns->negative_ttl, &dns->stale };
	size_t i;

	if (dns->cache_size > 0)
		return;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		check(conf, times[i], "dns.cache_size is 0", f);
}

/* How many there may be of a client or a rule, where all together are fewer. */
static void
check_limit(const struct conf *conf, const int64_t *limit, struct findings *f)
{
	if (*limit > conf->limits.tunnels)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, limit,
		    "means nothing where limits.tunnels is %lld",
		    (long long)conf->limits.tunnels);
}

/* A tunnel with a limit on idleness that is shorter ends by that. */
static void
check_half_close(const struct conf *conf, struct findings *f)
{
	const struct conf_timeouts *t = &conf->timeouts;
	const struct rule *r;

	if (t->idle == 0 || t->idle >= t->half_close)
		return;
	for (r = conf->rules; r < conf->rules + conf->nrules; r++)
		if (r->idle_timeout == 0 || r->idle_timeout >= t->half_close)
			return;
	check(conf, &t->half_close, "timeouts.idle is shorter", f);
}

static void
check_rules(const struct conf *conf, struct findings *f)
{
	const struct rule *r;

	for (r = conf->rules; r < conf->rules + conf->nrules; r++) {
		if (r->max_tunnels <= conf->limits.tunnels)
			continue;
		findings_add_at(f, LOG_LEVEL_WARNING, conf, r,
		    "\"%s\": max_tunnels means nothing where limits.tunnels "
		    "is %lld",
		    r->name, (long long)conf->limits.tunnels);
		/* One is enough to see what is wrong. */
		return;
	}
}

void
idle_check(const struct conf *conf, struct findings *f)
{
	const struct conf_tls *tls = &conf->tls;

	if (tls->client_auth == CONF_CLIENT_AUTH_NONE)
		check(conf, &tls->authentication_lifetime,
		    "tls.client_auth is \"none\"", f);
	check_cache(conf, f);
	check_half_close(conf, f);
	check_limit(conf, &conf->limits.tunnels_per_client, f);
	check_rules(conf, f);
}
