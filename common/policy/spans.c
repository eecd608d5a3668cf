/*
 * Works out for one node which rule has each port: sorted spans that do not
 * overlap, where the first rule wins.
 */
#include "common/policy/table.h"

#include <errno.h>
#include <stdlib.h>

int
policy_canvas_init(struct policy_canvas *c, size_t n)
{
	size_t nedges = 2 * n + 1;

	c->edges = calloc(nedges, 3 * sizeof(*c->edges));
	if (c->edges == NULL)
		return (-ENOMEM);
	c->next = c->edges + nedges;
	c->rule = c->next + nedges;
	return (0);
}

void
policy_canvas_fini(struct policy_canvas *c)
{
	free(c->edges);
}

static int
edge_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y ? -1 : x > y);
}

/* Sorted, without duplicates; returns how many. */
static uint32_t
edges_collect(uint32_t *edges, const struct policy_span *in, uint32_t n)
{
	uint32_t i, m = 0;

	for (i = 0; i < n; i++) {
		edges[2 * i] = in[i].low;
		edges[2 * i + 1] = in[i].high + UINT32_C(1);
	}
	qsort(edges, 2 * (size_t)n, sizeof(*edges), edge_compare);
	for (i = 1; i < 2 * n; i++)
		if (edges[i] != edges[m])
			edges[++m] = edges[i];
	return (m + 1);
}

/* Where that edge, which is there, stands. */
static uint32_t
edge_find(const uint32_t *edges, uint32_t n, uint32_t edge)
{
	const uint32_t *found =
	    bsearch(&edge, edges, n, sizeof(edge), edge_compare);

	return ((uint32_t)(found - edges));
}

/* The first bare segment from i on; shortens the way for the next. */
static uint32_t
next_bare(uint32_t *next, uint32_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return (i);
}

/* The painted segments as spans; neighbours of one rule are one span. */
static uint32_t
spans_collect(
    const struct policy_canvas *c, uint32_t nedges, struct policy_span *out)
{
	uint32_t i, n = 0;

	for (i = 0; i + 1 < nedges; i++) {
		if (c->rule[i] == POLICY_NOTHING)
			continue;
		if (i == 0 || c->rule[i] != c->rule[i - 1])
			out[n++] = (struct policy_span){
				.low = (uint16_t)c->edges[i],
				.rule = c->rule[i],
			};
		out[n - 1].high = (uint16_t)(c->edges[i + 1] - 1);
	}
	return (n);
}

/* Each rule in turn paints those elementary segments between the edges of all
 * that are still bare. */
uint32_t
policy_paint(struct policy_canvas *c, const struct policy_span *in, uint32_t n,
    struct policy_span *out)
{
	uint32_t i, j, to, nedges;

	if (n <= 1) { /* as nearly all */
		if (n == 1)
			out[0] = in[0];
		return (n);
	}
	nedges = edges_collect(c->edges, in, n);
	for (i = 0; i < nedges; i++) {
		c->next[i] = i;
		c->rule[i] = POLICY_NOTHING;
	}
	for (i = 0; i < n; i++) {
		to = edge_find(c->edges, nedges, in[i].high + UINT32_C(1));
		j = edge_find(c->edges, nedges, in[i].low);
		while ((j = next_bare(c->next, j)) < to) {
			c->rule[j] = in[i].rule;
			c->next[j] = j + 1;
		}
	}
	return (spans_collect(c, nedges, out));
}
