#include <netinet/in.h>
#include <string.h>

#include "common/clock.h"
#include "worker/dns_channel_servers.h"

static enum reason
status_to_reason(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return (REASON_NONE);
	case ARES_ENOTFOUND:
		return (REASON_DNS_NOT_FOUND);
	case ARES_ENODATA:
		return (REASON_DNS_NO_ADDRESS);
	case ARES_ETIMEOUT:
		return (REASON_DNS_TIMEOUT);
	case ARES_ENOMEM:
		return (REASON_NO_MEMORY);
	default: /* 1.18 calls all of refused and failed ECONNREFUSED */
		return (REASON_DNS_FAILED);
	}
}

/* As it is: an IPv4-mapped address stays one, for the guard to unwrap. */
static bool
node_addr(const struct ares_addrinfo_node *node, int family, struct addr *out)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	*out = (struct addr){ .family = (uint16_t)family };
	/* A server may answer with the other family's records. */
	if (node->ai_family != family)
		return (false);
	if (family == AF_INET && node->ai_addrlen >= sizeof(sin)) {
		memcpy(&sin, node->ai_addr, sizeof(sin));
		memcpy(out->ip, &sin.sin_addr, sizeof(sin.sin_addr));
		return (true);
	}
	if (family == AF_INET6 && node->ai_addrlen >= sizeof(sin6)) {
		memcpy(&sin6, node->ai_addr, sizeof(sin6));
		memcpy(out->ip, &sin6.sin6_addr, sizeof(sin6.sin6_addr));
		return (true);
	}
	return (false);
}

static bool
holds_addr(const struct addr *addrs, size_t n, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (addr_equal(&addrs[i], addr))
			return (true);
	}
	return (false);
}

/* c-ares has a TTL in an int; RFC 2181 section 8: beyond 2^31-1 it is 0. */
static void
lower_ttl(int64_t *ttl, int seconds)
{
	int64_t t = seconds > 0 ? seconds * CLOCK_SEC : 0;

	if (t < *ttl)
		*ttl = t;
}

/* The addresses of the family, each once, and the smallest TTL of all. */
static void
collect(struct dns_result *result, const struct ares_addrinfo *ai, int family,
    struct addr *addrs)
{
	const struct ares_addrinfo_cname *cname;
	const struct ares_addrinfo_node *node;
	struct addr addr;

	result->ttl = CLOCK_NEVER;
	result->addrs = addrs;
	for (cname = ai->cnames; cname != NULL; cname = cname->next)
		lower_ttl(&result->ttl, cname->ttl);
	for (node = ai->nodes; node != NULL; node = node->ai_next) {
		lower_ttl(&result->ttl, node->ai_ttl);
		if (result->naddrs < DNS_CHANNEL_ADDRS_MAX &&
		    node_addr(node, family, &addr) &&
		    !holds_addr(addrs, result->naddrs, &addr))
			addrs[result->naddrs++] = addr;
	}
	if (result->naddrs == 0)
		result->reason = REASON_DNS_NO_ADDRESS;
}

struct dns_result
dns_channel_answer(int status, const struct ares_addrinfo *ai, int family,
    struct addr addrs[DNS_CHANNEL_ADDRS_MAX])
{
	struct dns_result result = { .reason = status_to_reason(status) };

	if (status == ARES_SUCCESS)
		collect(&result, ai, family, addrs);
	return (result);
}
