/*
 * Checks what no setting shows alone: settings that contradict each other, need
 * each other, or name something that must exist.
 */
#include "common/conf/check.h"

#include <stdio.h>
#include <string.h>

#include "common/conf/table.h"

config_setting_t *
conf_member(config_setting_t *group, const char *name)
{
	if (group == NULL || !config_setting_is_group(group))
		return (NULL);
	return (config_setting_get_member(group, name));
}

/* Two times of one group, of which one is at most as long as the other. */
struct order {
	enum conf_section_id section;
	size_t group; /* offset of its struct in struct conf */
	const char *less, *more;
};

static const struct order orders[] = {
	{ CONF_SECTION_timeouts, offsetof(struct conf, timeouts),
	    "client_hello", "handshake" },
	{ CONF_SECTION_dns, offsetof(struct conf, dns), "min_ttl", "max_ttl" },
};

/* One of the two times: its value, and that as text. */
struct side {
	char path[CONF_PATH_SIZE];
	char buf[CONF_TEXT_SIZE];
	const char *text; /* buf, or static */
	int64_t value;
	config_setting_t *setting; /* NULL: it has its default */
};

static void
find_side(struct side *side, const struct conf *conf, const struct order *o,
    const char *name, config_setting_t *root)
{
	const char *group = conf_section_path(o->section);
	const struct conf_directive *d = conf_find(o->section, name);

	memcpy(&side->value, (const char *)conf + o->group + d->offset,
	    sizeof(side->value));
	side->text = conf_kind(d)->format(&side->value, d, side->buf);
	conf_path(d, side->path);
	side->setting = conf_member(conf_member(root, group), name);
}

static void
check_order(const struct conf *conf, const struct order *o,
    config_setting_t *root, struct conf_errors *errors)
{
	struct side less, more;

	find_side(&less, conf, o, o->less, root);
	find_side(&more, conf, o, o->more, root);
	if (less.value <= more.value || !conf_error_free(less.setting) ||
	    !conf_error_free(more.setting))
		return;
	if (less.setting != NULL)
		conf_error_at(errors, less.setting, less.path,
		    "\"%s\" is longer than %s, which is \"%s\"; write at most "
		    "\"%s\", or a longer %s",
		    less.text, more.path, more.text, more.text, more.path);
	else
		conf_error_at(errors, more.setting, more.path,
		    "\"%s\" is shorter than %s, which is \"%s\"; write at "
		    "least \"%s\", or a shorter %s",
		    more.text, less.path, less.text, less.text, less.path);
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

static bool
is_loopback(const struct addr *addr)
{
	static const uint8_t ipv6[16] = { [15] = 1 };

	return (addr->family == AF_INET
		    ? addr->ip[0] == 127
		    : memcmp(addr->ip, ipv6, sizeof(ipv6)) == 0);
}

/* It tells of all tunnels, and asks nobody who he is. */
static void
check_admin(
    const struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	const char *text = conf->admin.address;
	config_setting_t *setting;
	struct addr addr;

	if (text == NULL || text[0] == '/' || conf->admin.public ||
	    addr_parse(&addr, text, strlen(text), 0) != 0 || is_loopback(&addr))
		return;
	setting = conf_member(conf_member(root, "admin"), "address");
	conf_error_at(errors, setting, "admin.address",
	    "\"%s\" can be reached by others, who would see all tunnels; write "
	    "127.0.0.1:%u, or public = true beside it",
	    text, addr.port);
}

/* Both are bound, so the second would not be. */
static void
check_admin_paths(
    const struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	const struct conf_admin *a = &conf->admin;
	config_setting_t *admin = conf_member(root, "admin");

	if (a->address != NULL && a->control != NULL &&
	    strcmp(a->address, a->control) == 0)
		conf_error_at(errors, conf_member(admin, "address"),
		    "admin.address",
		    "is the path of admin.control, too; write another");
}

void
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
	check_admin(conf, root, errors);
	check_admin_paths(conf, root, errors);
}
