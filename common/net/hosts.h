/* The hosts file: names that are answered without asking a name server. */
#ifndef COMMON_NET_HOSTS_H
#define COMMON_NET_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/net/addr.h"

struct hosts;

/* Of one name and family no more addresses than that are dialled, wherever they
 * come from. */
#define HOSTS_ADDRS_MAX 32

/*
 * Parses the text of a hosts(5) file. Lines that do not hold an address and
 * names are skipped, as every resolver does. 0 or -ENOMEM.
 */
int hosts_new(struct hosts **, const char *text, size_t len);
void hosts_free(struct hosts *);

/*
 * Writes at most max addresses (port 0) of that canonical name and family
 * (AF_INET or AF_INET6) to out; returns how many. *known (may be NULL) says
 * whether the file has the name in any family, in which case no name server
 * is to be asked.
 */
size_t hosts_find(const struct hosts *, const char *name, int family,
    struct addr *out, size_t max, bool *known);

/*
 * The same for all names that no name server is asked for: those of the file
 * (NULL: there is none), and localhost with what is below it (RFC 6761 6.3),
 * which is loopback unless the file has it.
 */
size_t hosts_answer(const struct hosts *, const char *name, int family,
    struct addr *out, size_t max, bool *known);

#endif
