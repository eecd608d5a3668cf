/* The tunnels of two moments, and what they moved in between. */
#ifndef MASTER_TOP_LIST_H
#define MASTER_TOP_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/piece.h"

struct top_row {
	struct piece id, client, identity, target, rule;
	uint64_t from_client, from_upstream; /* bytes so far */
	uint64_t age;			     /* ms */
	/* Bytes in a second; 0 until top_list_rates(). */
	uint64_t client_rate, upstream_rate;
};

/* What rows point to is theirs. */
struct top_list {
	char *text;
	struct top_row *rows;
	size_t n;
};

enum top_order {
	TOP_BY_RATE,
	TOP_BY_TOTAL, /* bytes so far */
	TOP_BY_AGE    /* the oldest first */
};

/*
 * Takes apart rows as /tunnels?format=tsv has them, and owns the text, which
 * came from malloc(3), whatever comes of it. 0, -EPROTO: that is not what they
 * are; or -ENOMEM. Then the list is empty.
 */
int top_list_read(struct top_list *, char *text, size_t len);
void top_list_fini(struct top_list *);

/* Finds the rates, by what there was so many ns ago. Both lists are sorted by
 * id then. */
void top_list_rates(struct top_list *, struct top_list *before, int64_t ns);

void top_list_sort(struct top_list *, enum top_order);

/* By its name; -EINVAL: it has none. */
int top_order_find(enum top_order *, const char *name);
const char *top_order_name(enum top_order);

#endif
