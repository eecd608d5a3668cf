#include "common/conf_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/conf_table.h"

config_setting_t *
conf_member(config_setting_t *group, const char *name)
{
	if (group == NULL || !config_setting_is_group(group))
		return (NULL);
	return (config_setting_get_member(group, name));
}

/* Two times of one group, of which one is at most as long as the other. */
struct order {
	const char *group, *less, *more;
	size_t less_offset, more_offset;
};

static const struct order orders[] = {
	{ "timeouts", "client_hello", "handshake",
	    offsetof(struct conf, timeouts.client_hello),
	    offsetof(struct conf, timeouts.handshake) },
	{ "dns", "min_ttl", "max_ttl", offsetof(struct conf, dns.min_ttl),
	    offsetof(struct conf, dns.max_ttl) },
};

static void
check_order(const struct conf *conf, const struct order *o,
    config_setting_t *root, struct conf_errors *errors)
{
	config_setting_t *group = conf_member(root, o->group);
	config_setting_t *less = conf_member(group, o->less);
	config_setting_t *more = conf_member(group, o->more);
	const int64_t *low, *high;
	char path[CONF_PATH_SIZE];

	low = (const void *)((const char *)conf + o->less_offset);
	high = (const void *)((const char *)conf + o->more_offset);
	if (*low <= *high || !conf_error_free(less) || !conf_error_free(more))
		return;
	snprintf(path, sizeof(path), "%s.%s", o->group,
	    less != NULL ? o->less : o->more);
	conf_error_at(errors, less != NULL ? less : more, path,
	    "%s is longer than %s; write %s of %" PRId64 "ms or less, or a "
	    "longer %s",
	    o->less, o->more, o->less, *high / CLOCK_MSEC, o->more);
}

/* "[::]:8443" on one socket with IPv4 takes the place of "0.0.0.0:8443". */
static bool
overlap(const struct conf_listener *a, const struct conf_listener *b)
{
	static const uint8_t any[16];
	bool both_any = memcmp(a->addr.ip, any, sizeof(any)) == 0 &&
			memcmp(b->addr.ip, any, sizeof(any)) == 0;

	return (a->addr.port == b->addr.port &&
		(addr_equal_ip(&a->addr, &b->addr) ||
		    (both_any && (a->dual_stack || b->dual_stack))));
}

static void
check_listener(const struct conf *conf, size_t i, config_setting_t *list,
    struct conf_errors *errors)
{
	const struct conf_listener *l = conf->listeners;
	config_setting_t *address;
	size_t j;

	address = conf_member(config_setting_get_elem(list, i), "address");
	for (j = 0; j < i && l[i].addr.family != 0; j++) {
		if (!overlap(&l[i], &l[j]))
			continue;
		conf_error_at(errors, address, "listeners.address",
		    "\"%s\" is taken by listener \"%s\"; write another "
		    "address or port",
		    l[i].address, l[j].address);
		return;
	}
}

/* Who is asked for a certificate needs somebody who has signed it. */
static void
check_client_ca(
    const struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	config_setting_t *tls = conf_member(root, "tls");
	config_setting_t *auth = conf_member(tls, "client_auth");
	config_setting_t *crl = conf_member(tls, "crl");

	if (conf_member(tls, "client_ca") != NULL)
		return;
	if (conf->tls.client_auth != CONF_CLIENT_AUTH_NONE)
		conf_error_at(errors, auth, "tls.client_auth",
		    "needs tls.client_ca; write client_ca = \"/path.pem\", or "
		    "client_auth = \"none\"");
	if (conf->tls.crl != NULL)
		conf_error_at(errors, crl, "tls.crl",
		    "needs tls.client_ca; write client_ca = \"/path.pem\", or "
		    "leave it out");
}

int
conf_check(
    struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	config_setting_t *listeners = conf_member(root, "listeners");
	size_t i;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		check_order(conf, &orders[i], root, errors);
	for (i = 1; i < conf->nlisteners; i++)
		check_listener(conf, i, listeners, errors);
	check_client_ca(conf, root, errors);
	return (conf_check_rules(conf, root, errors));
}
