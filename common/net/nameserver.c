/* Reads and writes addresses of name servers, and the list in resolv.conf. */
#include "common/net/nameserver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* fe80::/10 */
static bool
is_link_local(const struct addr *addr)
{
	return (addr->family == AF_INET6 && addr->ip[0] == 0xfe &&
		(addr->ip[1] & 0xc0) == 0x80);
}

/* Takes the zone out of the text, which becomes that of an address alone. The
 * length of what is left, or -EINVAL. */
static int
take_zone(char zone[IF_NAMESIZE], char *text, size_t len)
{
	char *percent = memchr(text, '%', len), *end = text + len, *bracket;
	size_t n;

	zone[0] = '\0';
	if (percent == NULL)
		return ((int)len);
	bracket = text[0] == '[' ? memchr(percent, ']', end - percent) : end;
	if (bracket == NULL)
		return (-EINVAL);
	n = bracket - percent - 1;
	if (n == 0 || n >= IF_NAMESIZE || memchr(percent + 1, '%', n) != NULL ||
	    memchr(percent + 1, '/', n) != NULL ||
	    memchr(percent + 1, ']', n) != NULL)
		return (-EINVAL);
	memcpy(zone, percent + 1, n);
	zone[n] = '\0';
	memmove(percent, bracket, end - bracket);
	return ((int)(len - n - 1));
}

int
nameserver_parse(
    struct nameserver *ns, const char *s, size_t len, uint16_t default_port)
{
	char text[NAMESERVER_TEXT_SIZE];
	int rest;

	*ns = (struct nameserver){ 0 };
	if (len >= sizeof(text) || memchr(s, '\0', len) != NULL)
		return (-EINVAL);
	memcpy(text, s, len);
	rest = take_zone(ns->zone, text, len);
	if (rest < 0 ||
	    addr_parse(&ns->addr, text, (size_t)rest, default_port) != 0)
		return (-EINVAL);
	if (ns->zone[0] == '\0')
		return (is_link_local(&ns->addr) ? -EDESTADDRREQ : 0);
	return (is_link_local(&ns->addr) ? 0 : -EINVAL);
}

size_t
nameserver_format(const struct nameserver *ns, uint16_t default_port,
    char buf[NAMESERVER_TEXT_SIZE])
{
	bool port = ns->addr.port != default_port;
	char ip[ADDR_TEXT_SIZE];
	int n;

	if (ns->zone[0] == '\0')
		return (port ? addr_format(&ns->addr, buf)
			     : addr_format_ip(&ns->addr, buf));
	addr_format_ip(&ns->addr, ip);
	if (port)
		n = snprintf(buf, NAMESERVER_TEXT_SIZE, "[%s%%%s]:%u", ip,
		    ns->zone, ns->addr.port);
	else
		n = snprintf(buf, NAMESERVER_TEXT_SIZE, "%s%%%s", ip, ns->zone);
	return ((size_t)n);
}

/* The number of an interface; 0: there is none. */
static uint32_t
zone_index(const char *zone)
{
	uint32_t index = if_nametoindex(zone);
	unsigned long number;
	char *end;

	if (index != 0)
		return (index);
	errno = 0;
	number = strtoul(zone, &end, 10);
	if (errno != 0 || *end != '\0' || number > UINT32_MAX)
		return (0);
	return ((uint32_t)number);
}

int
nameserver_to_sockaddr(
    const struct nameserver *ns, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in6 sin6;

	*len = addr_to_sockaddr(&ns->addr, ss);
	if (ns->zone[0] == '\0')
		return (0);
	memcpy(&sin6, ss, sizeof(sin6));
	sin6.sin6_scope_id = zone_index(ns->zone);
	memcpy(ss, &sin6, sizeof(sin6));
	return (sin6.sin6_scope_id != 0 ? 0 : -ENODEV);
}

/* resolv.conf */

static bool
is_blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r');
}

static size_t
word_length(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && !is_blank(s[n]))
		n++;
	return (n);
}

/* What a line names is added to the list. 0, or why it is not. */
static int
take_line(struct nameserver_list *list, const char *s, size_t len,
    uint16_t default_port)
{
	static const char keyword[] = "nameserver";
	size_t n = sizeof(keyword) - 1;
	struct nameserver ns;
	int error;

	if (len <= n || memcmp(s, keyword, n) != 0 || !is_blank(s[n]))
		return (0);
	while (n < len && is_blank(s[n]))
		n++;
	error = nameserver_parse(
	    &ns, s + n, word_length(s + n, len - n), default_port);
	if (error == 0 && list->n == NAMESERVERS_MAX)
		error = -E2BIG;
	if (error == 0)
		list->servers[list->n++] = ns;
	return (error);
}

void
nameserver_list_parse(struct nameserver_list *list, const char *text,
    size_t len, uint16_t default_port)
{
	const char *at = text, *end = text + len, *newline;
	unsigned line = 1;
	int error;

	*list = (struct nameserver_list){ 0 };
	for (; at < end; at = newline + 1, line++) {
		newline = memchr(at, '\n', end - at);
		if (newline == NULL)
			newline = end;
		error = take_line(list, at, newline - at, default_port);
		if (error != 0 && list->bad_line == 0) {
			list->bad_line = line;
			list->bad = error;
		}
	}
}
