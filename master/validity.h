/*
 * Looks after what will expire: an expired certificate is not to replace one
 * that is valid, and whoever runs sniport hears in time of one that ends.
 */
#ifndef MASTER_VALIDITY_H
#define MASTER_VALIDITY_H

#include <stdint.h>

struct conf;
struct expiries;
struct findings;
struct master;

/* An error for each of the others that would replace a better one of those that
 * are served now, unless the configuration permits it. */
void validity_check(const struct conf *, const struct expiries *served,
    const struct expiries *others, struct findings *);

/* What a load has warned of is not told again. */
void validity_note(struct expiries *);

/* Warns of what has come nearer to its end; returns when to look again. */
int64_t validity_tick(struct master *, int64_t now);

#endif
