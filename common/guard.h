/*
 * The network guard: which resolved addresses may not be dialled, whatever
 * the target's name was.
 */
#ifndef COMMON_GUARD_H
#define COMMON_GUARD_H

#include <stddef.h>

#include "common/addr.h"
#include "common/reason.h"

/* The state: this host's addresses and our listeners. */
struct guard;

/*
 * Copies both lists. own: addresses of this host (ports ignored); listeners:
 * addresses and ports that we listen on, an unspecified address standing for
 * all. Loopback and the unspecified address are addresses of this host unasked.
 * 0 or -ENOMEM.
 */
int guard_new(struct guard **, const struct addr *own, size_t nown,
    const struct addr *listeners, size_t nlisteners);
void guard_free(struct guard *);

/*
 * May this address (with its port) be dialled? It is unwrapped first.
 * networks (of the rule) open what they contain, but never an own listener: an
 * address of this host with any listener's port. REASON_NONE: yes;
 * REASON_GUARD with *why (may be NULL) set to the static name of the range;
 * REASON_OWN_LISTENER.
 */
enum reason guard_check(const struct guard *, const struct addr *,
    const struct cidr *networks, size_t n, const char **why);

/* The name of the special-purpose range that holds the address, or NULL. */
const char *guard_special(const struct addr *);

#endif
