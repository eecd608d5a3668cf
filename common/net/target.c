/*
 * Reads the target, a host with its port, from a server name. This is the
 * grammar of server names.
 */
#include "common/net/target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/piece.h"

#define SERVICE_LABEL "._tcp"

static enum reason
parse_name(struct target *t, struct piece host)
{
	int len = hostname_canonical(t->host, host.s, host.len);

	if (len < 0)
		return (REASON_SNI_BAD_HOST);
	t->host_len = len;
	return (REASON_NONE);
}

/* IPv6 stands in brackets, IPv4 does not; anything else is a name. */
static enum reason
parse_host(struct target *t, struct piece host)
{
	bool colon = piece_has(host, ':');
	char text[ADDR_TEXT_SIZE];

	if (host.len > 2 && host.s[0] == '[' && host.s[host.len - 1] == ']') {
		host.s++;
		host.len -= 2;
		colon = !colon;
	}
	if (colon)
		return (REASON_SNI_BAD_HOST);
	if (addr_parse_ip(&t->addr, host.s, host.len) != 0)
		return (parse_name(t, host));
	t->host_len = addr_format_ip(&t->addr, text);
	memcpy(t->host, text, t->host_len + 1);
	return (REASON_NONE);
}

/*
 * Is it "_9443._tcp.example.com", or just its first two labels? Then port
 * becomes "9443" and name the rest, which may be empty.
 */
static bool
split_service(struct piece raw, struct piece *port, struct piece *name)
{
	const size_t label = strlen(SERVICE_LABEL);
	size_t i = 1;

	if (raw.len == 0 || raw.s[0] != '_')
		return (false);
	while (i < raw.len && raw.s[i] >= '0' && raw.s[i] <= '9')
		i++;
	*port = (struct piece){ raw.s + 1, i - 1 };
	if (port->len == 0 || raw.len - i < label ||
	    strncasecmp(raw.s + i, SERVICE_LABEL, label) != 0)
		return (false);
	i += label;
	if (i < raw.len && raw.s[i++] != '.')
		return (false);
	*name = (struct piece){ raw.s + i, raw.len - i };
	return (true);
}

/*
 * The port of the service form is that label alone: where it is all digits
 * but no port, the name is refused rather than served at the default port,
 * which is not what its writer meant.
 */
static enum reason
parse_without_colon(struct target *t, struct piece raw, uint16_t default_port)
{
	struct piece port, name;
	enum reason reason;

	if (split_service(raw, &port, &name)) {
		if (addr_parse_port(&t->port, port.s, port.len) != 0)
			return (REASON_SNI_BAD_PORT);
		if (name.len == 0)
			return (REASON_SNI_NO_HOST);
		return (parse_name(t, name));
	}
	reason = parse_host(t, raw);
	if (reason != REASON_NONE)
		return (reason);
	if (default_port == 0)
		return (REASON_SNI_NO_PORT);
	t->port = default_port;
	return (REASON_NONE);
}

static enum reason
parse_with_colon(struct target *t, struct piece raw, size_t colon)
{
	struct piece host = { raw.s, colon };
	struct piece port = { raw.s + colon + 1, raw.len - colon - 1 };
	enum reason reason;

	if (host.len == 0)
		return (REASON_SNI_NO_HOST);
	reason = parse_host(t, host);
	if (reason != REASON_NONE)
		return (reason);
	if (addr_parse_port(&t->port, port.s, port.len) != 0)
		return (REASON_SNI_BAD_PORT);
	return (REASON_NONE);
}

enum reason
target_parse(
    struct target *t, const void *raw, size_t len, uint16_t default_port)
{
	struct piece piece = { raw, len };
	const char *colon;
	struct target parsed;
	enum reason reason;

	if (len == 0)
		return (REASON_SNI_NO_HOST);
	if (len > TARGET_RAW_MAX)
		return (REASON_SNI_BAD_HOST);
	memset(&parsed, 0, sizeof(parsed));
	colon = memrchr(raw, ':', len);
	/* "[2001:db8::1]": the last colon belongs to the address. */
	if (colon != NULL && !(piece.s[0] == '[' && piece.s[len - 1] == ']'))
		reason = parse_with_colon(&parsed, piece, colon - piece.s);
	else
		reason = parse_without_colon(&parsed, piece, default_port);
	if (reason != REASON_NONE)
		return (reason);
	if (parsed.addr.family != 0)
		parsed.addr.port = parsed.port;
	*t = parsed;
	return (REASON_NONE);
}

size_t
target_format(const struct target *t, char buf[TARGET_TEXT_SIZE])
{
	bool brackets = t->addr.family == AF_INET6;

	return ((size_t)snprintf(buf, TARGET_TEXT_SIZE, "%s%.*s%s:%u",
	    brackets ? "[" : "", (int)t->host_len, t->host, brackets ? "]" : "",
	    (unsigned)t->port));
}
