/*
 * Reads one destination or one client of a rule, and says what is wrong with
 * it.
 */
#include "common/policy/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/piece.h"

#define PORT_MAX 65535

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return (-EINVAL);
}

static int
refuse_ports(struct piece ports, const char **why)
{
	if (ports.len == 0)
		return (refuse(why, "its port is missing; write host:port"));
	if (piece_has(ports, ','))
		return (refuse(why,
		    "it has more than one port; write a destination for each, "
		    "or host:low-high"));
	return (refuse(why,
	    "its port is not a number from 1 to 65535; write host:port, "
	    "host:low-high or host:*"));
}

static int
parse_ports(struct rule_destination *d, struct piece ports, const char **why)
{
	const char *dash = memchr(ports.s, '-', ports.len);
	size_t low_len = dash != NULL ? (size_t)(dash - ports.s) : ports.len;
	size_t high_at = dash != NULL ? low_len + 1 : 0;

	if (piece_is(ports, "*")) {
		d->port_low = 1;
		d->port_high = PORT_MAX;
		return (0);
	}
	if (addr_parse_port(&d->port_low, ports.s, low_len) != 0 ||
	    addr_parse_port(
		&d->port_high, ports.s + high_at, ports.len - high_at) != 0)
		return (refuse_ports(ports, why));
	if (d->port_low > d->port_high)
		return (refuse(why,
		    "its ports run from high to low; write the lower one "
		    "first"));
	return (0);
}

static int
parse_network(struct rule_destination *d, struct piece host, const char **why)
{
	int r = cidr_parse(&d->network, host.s, host.len);

	if (r == -ERANGE)
		return (refuse(why,
		    "it has bits set beyond its prefix length; write the first "
		    "address of the block"));
	if (r != 0)
		return (refuse(why,
		    "it is not a block of addresses; write 192.0.2.0/24 or "
		    "[2001:db8::/32] before the port"));
	d->kind = RULE_DESTINATION_NETWORK;
	return (0);
}

static int
parse_name(struct rule_destination *d, struct piece host, const char **why)
{
	int len;

	d->kind = piece_cut_text(&host, "*.") ? RULE_DESTINATION_SUFFIX
					      : RULE_DESTINATION_NAME;
	if (piece_has(host, '*'))
		return (refuse(why, "a wildcard must be the whole first label; "
				    "write *.example.com, "
				    "or * for every name"));
	len = hostname_canonical(d->name, host.s, host.len);
	if (len < 0)
		return (refuse(why,
		    "its host is neither a DNS name nor an address; "
		    "write db.example.com, *.example.com, 192.0.2.0/24 or "
		    "[2001:db8::/32] before the port"));
	d->name_len = len;
	return (0);
}

static int
parse_host(struct rule_destination *d, struct piece host, const char **why)
{
	if (host.len == 0)
		return (refuse(why, "it has no host; write host:port"));
	if (piece_is(host, "*")) {
		d->kind = RULE_DESTINATION_ANY;
		return (0);
	}
	if (piece_has(host, ':'))
		return (refuse(why,
		    "it has more than one colon; write host:port, and an IPv6 "
		    "address in brackets: [2001:db8::1]:443"));
	if (piece_has(host, '/'))
		return (parse_network(d, host, why));
	if (cidr_parse(&d->network, host.s, host.len) == 0) {
		d->kind = RULE_DESTINATION_NETWORK;
		return (0);
	}
	return (parse_name(d, host, why));
}

/* "[2001:db8::/32]:443": returns the length of what is before the port. */
static int
parse_brackets(struct rule_destination *d, struct piece all, const char **why)
{
	const char *end = memchr(all.s, ']', all.len);
	struct piece inside = { all.s + 1, 0 };
	int r;

	if (end == NULL)
		return (refuse(
		    why, "its bracket is not closed; write [address]:port"));
	inside.len = end - inside.s;
	if (!piece_has(inside, ':'))
		return (refuse(
		    why, "brackets are for IPv6; write [2001:db8::1]:443"));
	r = parse_network(d, inside, why);
	return (r != 0 ? r : (int)inside.len + 2);
}

int
rule_destination_parse(
    struct rule_destination *d, const char *s, size_t len, const char **why)
{
	struct piece all = { s, len }, ports;
	struct rule_destination parsed;
	const char *colon;
	int r, at;

	/* Nothing valid is longer, and lengths below stay small. */
	if (len >= RULE_DESTINATION_TEXT_SIZE)
		return (refuse(why, "it is too long; write host:port"));
	if (len > 0 && memmem(s, len, "://", 3) != NULL)
		return (refuse(why, "it is a URL; write host:port without a "
				    "scheme and a path"));
	memset(&parsed, 0, sizeof(parsed));
	if (len > 0 && s[0] == '[') {
		at = parse_brackets(&parsed, all, why);
		if (at < 0)
			return (at);
		colon = (size_t)at < len && s[at] == ':' ? s + at : NULL;
	} else {
		colon = len > 0 ? memrchr(s, ':', len) : NULL;
	}
	if (colon == NULL)
		return (refuse(why, "it has no port; write host:port, "
				    "host:low-high or host:*"));
	if (s[0] != '[') {
		r = parse_host(&parsed, (struct piece){ s, colon - s }, why);
		if (r != 0)
			return (r);
	}
	ports = (struct piece){ colon + 1, s + len - colon - 1 };
	r = parse_ports(&parsed, ports, why);
	if (r == 0)
		*d = parsed;
	return (r);
}

static size_t
format_host(const struct rule_destination *d, char *buf)
{
	bool brackets = d->network.family == AF_INET6;
	size_t len;

	switch (d->kind) {
	case RULE_DESTINATION_ANY:
		buf[0] = '*';
		return (1);
	case RULE_DESTINATION_SUFFIX:
		memcpy(buf, "*.", 2);
		memcpy(buf + 2, d->name, d->name_len);
		return (d->name_len + 2);
	case RULE_DESTINATION_NETWORK:
		if (!brackets)
			return (cidr_format(&d->network, buf));
		buf[0] = '[';
		len = cidr_format(&d->network, buf + 1) + 1;
		buf[len] = ']';
		return (len + 1);
	case RULE_DESTINATION_NAME:
		break;
	}
	memcpy(buf, d->name, d->name_len);
	return (d->name_len);
}

size_t
rule_destination_format(
    const struct rule_destination *d, char buf[RULE_DESTINATION_TEXT_SIZE])
{
	size_t len = format_host(d, buf);
	size_t size = RULE_DESTINATION_TEXT_SIZE - len;
	unsigned low = d->port_low, high = d->port_high;
	int n;

	if (low == 1 && high == PORT_MAX)
		n = snprintf(buf + len, size, ":*");
	else if (low == high)
		n = snprintf(buf + len, size, ":%u", low);
	else
		n = snprintf(buf + len, size, ":%u-%u", low, high);
	return (len + (size_t)n);
}

bool
rule_says_everybody(const char *s, size_t len)
{
	return (len == 3 && (strncasecmp(s, "all", 3) == 0 ||
				strncasecmp(s, "any", 3) == 0));
}
