/*
 * The last step of compiling: works out the port spans of each node from the
 * rules that were entered there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy/table.h"

/*
 * Sorts entries by node and keeps their order within one (a counting sort):
 * those of node i come to stand at out[first[i]] up to out[first[i + 1]].
 */
static void
group(const struct policy_entries *e, uint32_t nnodes, uint32_t *first,
    struct policy_span *out)
{
	size_t i;

	memset(first, 0, (nnodes + 2) * sizeof(*first));
	for (i = 0; i < e->n; i++)
		first[e->list[i].node + 2]++;
	for (i = 2; i < (size_t)nnodes + 2; i++)
		first[i] += first[i - 1];
	/* first[i + 1] is where the next of node i goes, and so in the end
	 * where node i + 1 begins. */
	for (i = 0; i < e->n; i++)
		out[first[e->list[i].node + 1]++] = e->list[i].span;
}

/* Each node's part of sorted, of which first says where it begins, painted. */
static int
paint_nodes(
    struct policy *p, const uint32_t *first, const struct policy_span *sorted)
{
	struct policy_canvas canvas;
	struct policy_node *node;
	uint32_t i, max = 0, nspans = 0;
	int r;

	for (i = 0; i < p->nnodes; i++)
		if (first[i + 1] - first[i] > max)
			max = first[i + 1] - first[i];
	r = policy_canvas_init(&canvas, max);
	if (r < 0)
		return (r);
	for (i = 0; i < p->nnodes; i++) {
		node = &p->nodes[i];
		node->span = nspans;
		node->nspans = policy_paint(&canvas, sorted + first[i],
		    first[i + 1] - first[i], p->spans + nspans);
		node->only = p->spans[nspans];
		nspans += node->nspans;
	}
	policy_canvas_fini(&canvas);
	return (0);
}

int
policy_fill(struct policy *p, const struct policy_entries *spans,
    const struct policy_entries *rest)
{
	struct policy_span *sorted;
	uint32_t *first, i;
	int r = -ENOMEM;

	sorted = calloc(spans->n + 1, sizeof(*sorted));
	first = calloc((size_t)p->nnodes + 2, sizeof(*first));
	if (sorted == NULL || first == NULL)
		goto out;
	group(rest, p->nnodes, first, p->rest);
	for (i = 0; i < p->nnodes; i++) {
		p->nodes[i].rest = first[i];
		p->nodes[i].nrest = first[i + 1] - first[i];
	}
	group(spans, p->nnodes, first, sorted);
	r = paint_nodes(p, first, sorted);
out:
	free(first);
	free(sorted);
	return (r);
}
