/*
 * A name server: an address, the interface that a link-local one is reached
 * by, and a port; and the list of them in resolv.conf(5).
 */
#ifndef COMMON_NET_NAMESERVER_H
#define COMMON_NET_NAMESERVER_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/net/addr.h"

/* Room for the longest text, with zone, brackets, port and NUL. */
#define NAMESERVER_TEXT_SIZE (ADDR_TEXT_SIZE + IF_NAMESIZE + 1)

/* More than that of one file are left out. */
#define NAMESERVERS_MAX 16

struct nameserver {
	struct addr addr;
	char zone[IF_NAMESIZE]; /* an interface's name or number; "": none */
};

/*
 * Parses an address as addr_parse() does, with default_port where it has no
 * port; an IPv6 address may have a zone: "fe80::1%eth0",
 * "[fe80::1%eth0]:5353". 0, -EINVAL, or -EDESTADDRREQ: a link-local address
 * without a zone, which leads nowhere. Pure.
 */
int nameserver_parse(
    struct nameserver *, const char *s, size_t len, uint16_t default_port);

/* The same text without a port that is the default; returns the length. */
size_t nameserver_format(const struct nameserver *, uint16_t default_port,
    char buf[NAMESERVER_TEXT_SIZE]);

/* Asks the system for the zone's interface. 0 with *len set, or -ENODEV. */
int nameserver_to_sockaddr(
    const struct nameserver *, struct sockaddr_storage *, socklen_t *len);

struct nameserver_list {
	struct nameserver servers[NAMESERVERS_MAX];
	size_t n;
	/* The first line that names a server that is left out (0: none), and
	 * why: -EINVAL, -EDESTADDRREQ, or -E2BIG. */
	unsigned bad_line;
	int bad;
};

/* The name servers of the text of a resolv.conf(5); nothing else of it counts.
 * Pure. */
void nameserver_list_parse(struct nameserver_list *, const char *text,
    size_t len, uint16_t default_port);

#endif
