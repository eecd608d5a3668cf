/* Whether this host has what the egress lines name. */
#ifndef MASTER_EGRESS_CHECK_H
#define MASTER_EGRESS_CHECK_H

struct conf;
struct findings;

/* Warns of source addresses and devices that this host does not have now:
 * they may come later, as a shared address does at a fail-over. */
void egress_check(const struct conf *, struct findings *);

#endif
