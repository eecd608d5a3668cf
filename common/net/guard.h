/*
 * The network guard: which resolved addresses may not be dialled, whatever
 * the target's name was.
 */
#ifndef COMMON_NET_GUARD_H
#define COMMON_NET_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/net/addr.h"
#include "common/reason.h"

/* The state: this host's addresses and our listeners. */
struct guard;

/*
 * Copies both lists. own: what leads to this host; listeners: addresses and
 * ports that we listen on, an unspecified address standing for all. Loopback
 * and the unspecified address are addresses of this host unasked. 0 or
 * -ENOMEM.
 */
int guard_new(struct guard **, const struct cidr *own, size_t nown,
    const struct addr *listeners, size_t nlisteners);
void guard_free(struct guard *);

/*
 * May this address (with its port) be dialled? It is unwrapped first.
 * networks (of the rule) open what they name, addresses of this host included,
 * but never an own listener, an address of this host with any listener's port,
 * nor the unspecified address, which leads to others than itself.
 * REASON_NONE: yes; REASON_GUARD with *why (may be NULL) set to a static text,
 * the name of the range; REASON_OWN_LISTENER.
 */
enum reason guard_check(const struct guard *, const struct addr *,
    const struct cidr *networks, size_t n, const char **why);

/* The same for an address that has turned out to be this host's. */
enum reason guard_check_own(const struct guard *, const struct addr *,
    const struct cidr *networks, size_t n, const char **why);

/* Sockets to ask the kernel with, opened when they are needed. */
struct guard_probe {
	int fds[2]; /* for IPv4 and IPv6; -1: not open */
};

void guard_probe_init(struct guard_probe *);
void guard_probe_fini(struct guard_probe *);

/*
 * Does the address lead to this host now, as the kernel knows it? Tells what
 * has come since guard_new(). One system call for IPv4 and three for IPv6, none
 * of which sends anything. False also of what cannot be known: an IPv6 block
 * that is routed to this host, and broadcast addresses, which TCP cannot use.
 */
bool guard_leads_here(struct guard_probe *, const struct addr *);

/* Is there an address in the block that would be refused without networks? */
bool guard_closes(const struct guard *, const struct cidr *);

/* The name of the special-purpose range that holds the address, or NULL. */
const char *guard_special(const struct addr *);

#endif
