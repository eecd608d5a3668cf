/*
 * Settings that are addresses in some form: listeners, targets, name servers,
 * blocks, a rule's clients and destinations.
 */
#include "common/conf/kind_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/table.h"

/* Parsed once more by who binds it. */
int
conf_kind_parse_admin_address(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	struct addr addr;

	if (v->text[0] != '/' && v->text[0] != '\0' &&
	    addr_parse(&addr, v->text, strlen(v->text), 0) != 0)
		return (-EINVAL);
	return (conf_kind_parse_string(field, v, d, why));
}

/* The listener that a field is of. */
static struct conf_listener *
listener(const void *field, size_t offset)
{
	return ((void *)((char *)field - offset));
}

/* The field is the text; what it means goes to the fields beside it. */
int
conf_kind_parse_listen(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	struct conf_listener *l =
	    listener(field, offsetof(struct conf_listener, address));
	struct addr addr = { .family = AF_INET6 };
	bool dual_stack = v->text[0] == ':' && v->text[1] != ':';
	size_t len = strlen(v->text);
	int r;

	if (dual_stack)
		r = addr_parse_port(&addr.port, v->text + 1, len - 1);
	else
		r = addr_parse(&addr, v->text, len, 0);
	if (r != 0)
		return (-EINVAL);
	r = conf_kind_parse_string(field, v, d, why);
	if (r != 0)
		return (r);
	l->addr = addr;
	l->dual_stack = dual_stack;
	return (0);
}

static struct conf_listener *
target_listener(const void *field)
{
	return (listener(
	    field, offsetof(struct conf_listener, default_destination)));
}

int
conf_kind_parse_target(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	if (target_parse(field, v->text, strlen(v->text), 0) != REASON_NONE)
		return (-EINVAL);
	target_listener(field)->has_default_destination = true;
	return (0);
}

const char *
conf_kind_format_target(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	if (!target_listener(field)->has_default_destination)
		return (NULL);
	target_format(field, buf);
	return (buf);
}

int
conf_kind_parse_address(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	return (addr_parse(field, v->text, strlen(v->text), 0));
}

const char *
conf_kind_format_address(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	if (((const struct addr *)field)->family == 0)
		return (NULL);
	addr_format(field, buf);
	return (buf);
}

int
conf_kind_parse_ip(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	static const uint8_t any[16], broadcast[4] = { 255, 255, 255, 255 };
	struct addr *addr = field;
	uint8_t first;

	if (addr_parse_ip(addr, v->text, strlen(v->text)) != 0)
		return (-EINVAL);
	first = addr->ip[0];
	if (addr->family == AF_INET ? first >= 224 && first < 240
				    : first == 0xff)
		return (conf_kind_refuse(
		    why, "is a multicast address, which nothing is sent from"));
	if (addr->family == AF_INET && memcmp(addr->ip, broadcast, 4) == 0)
		return (conf_kind_refuse(why,
		    "is the broadcast address, which nothing is sent from"));
	return (memcmp(addr->ip, any, sizeof(any)) == 0 ? -EINVAL : 0);
}

const char *
conf_kind_format_ip(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	addr_format_ip(field, buf);
	return (buf);
}

int
conf_kind_parse_server(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	int r = nameserver_parse(field, v->text, strlen(v->text), 53);

	if (r == -EDESTADDRREQ)
		return (conf_kind_refuse(why,
		    "is a link-local address; write the interface with it, "
		    "such as fe80::53%%eth0"));
	return (r);
}

const char *
conf_kind_format_server(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	/* With the port, as addresses are printed everywhere. */
	nameserver_format(field, 0, buf);
	return (buf);
}

static bool
is_unspecified(const struct cidr *c)
{
	static const uint8_t any[16];

	return (c->bits == (c->family == AF_INET ? 32 : 128) &&
		memcmp(c->ip, any, sizeof(any)) == 0);
}

int
conf_kind_parse_cidr(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	struct cidr *block = field;
	int r = cidr_parse(block, v->text, strlen(v->text));

	if (r == 0 && is_unspecified(block))
		return (conf_kind_refuse(why,
		    "is not the address of a host; write %s for all addresses",
		    block->family == AF_INET ? "0.0.0.0/0" : "::/0"));
	if (r == -ERANGE)
		return (conf_kind_refuse(why,
		    "has bits set beyond its prefix length; write the first "
		    "address of the block"));
	return (r);
}

const char *
conf_kind_format_cidr(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	cidr_format(field, buf);
	return (buf);
}

static int
parse_identity(
    struct rule_client *client, const char *s, char why[CONF_WHY_SIZE])
{
	struct identity_pattern pattern;
	const char *text;

	if (identity_pattern_parse(&pattern, s, strlen(s), &text) != 0)
		return (conf_kind_refuse(why, "is not a client: %s", text));
	if (pattern.kind == IDENTITY_SPIFFE &&
	    strchr(s + strlen("spiffe://"), '/') == NULL)
		return (conf_kind_refuse(why,
		    "names a trust domain, but no client of it; write "
		    "%.100s/* for all of them",
		    s));
	client->identity = malloc(sizeof(pattern));
	if (client->identity == NULL)
		return (-ENOMEM);
	*client->identity = pattern;
	client->kind = RULE_CLIENT_IDENTITY;
	return (0);
}

/* A block of addresses has a digit at its end, as no name has, or a colon. */
int
conf_kind_parse_client(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	struct rule_client *client = field;
	const char *s = v->text;
	size_t len = strlen(s);
	int r;

	if (strncmp(s, "spiffe:", strlen("spiffe:")) == 0)
		return (parse_identity(client, s, why));
	r = cidr_parse(&client->network, s, len);
	if (r == 0 || r == -ERANGE)
		return (conf_kind_parse_cidr(&client->network, v, d, why));
	if (len == 0 || strpbrk(s, ":/") != NULL)
		return (-EINVAL);
	return (parse_identity(client, s, why));
}

const char *
conf_kind_format_client(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	const struct rule_client *client = field;

	if (client->kind == RULE_CLIENT_IDENTITY)
		identity_pattern_format(client->identity, buf);
	else
		cidr_format(&client->network, buf);
	return (buf);
}

void
conf_kind_fini_client(void *field)
{
	struct rule_client *client = field;

	if (client->kind == RULE_CLIENT_IDENTITY)
		free(client->identity);
}

int
conf_kind_parse_destination(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	const char *text;

	if (rule_destination_parse(field, v->text, strlen(v->text), &text) == 0)
		return (0);
	return (conf_kind_refuse(why, "is not a destination: %s", text));
}

const char *
conf_kind_format_destination(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	rule_destination_format(field, buf);
	return (buf);
}
