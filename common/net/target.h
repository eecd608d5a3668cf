/* The target: the host and port that a client asks for in its server name. */
#ifndef COMMON_NET_TARGET_H
#define COMMON_NET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/hostname.h"
#include "common/reason.h"

/* The longest server name that can hold a target (RFC 6066 section 3: a
 * HostName of 255 bytes at most where clients follow RFC 1034's bound). */
#define TARGET_RAW_MAX 255

/* Text of a target with its NUL: name or [address], colon, port. */
#define TARGET_TEXT_SIZE (HOSTNAME_SIZE + 8)

struct target {
	char host[HOSTNAME_SIZE]; /* canonical name, or address without [] */
	uint16_t host_len;
	uint16_t port;
	struct addr addr; /* family 0: host is a name; else with the port */
};

/*
 * Parses a server name by the grammar of sniport.conf(5), SERVER NAMES:
 * "name:port", "192.0.2.1:port", "[2001:db8::1]:port", "_port._tcp.name".
 * default_port, where not 0, serves a name without one. The last form is
 * recognised where there is no colon and all of the first label but its
 * underscore is digits; those must be a port. An IPv4-mapped IPv6 address is
 * the IPv4 address, so that one destination has one target. Reads len bytes of
 * raw; never allocates. Returns REASON_NONE, or REASON_SNI_NO_PORT,
 * _BAD_PORT, _NO_HOST or _BAD_HOST and leaves *t alone.
 */
enum reason target_parse(
    struct target *t, const void *raw, size_t len, uint16_t default_port);

/* "example.com:443", "[2001:db8::1]:443"; returns the length. */
size_t target_format(const struct target *, char buf[TARGET_TEXT_SIZE]);

#endif
