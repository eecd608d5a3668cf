/* Shares out the descriptors for attempts beyond the first of each dial. */
#include "worker/dial/races.h"

#include <assert.h>

void
races_init(struct races *r, uint64_t most)
{
	*r = (struct races){ .most = most };
}

bool
races_room(const struct races *r, uint64_t client)
{
	return (r->of[client % RACES_SHARES] < r->most - r->n);
}

void
races_take(struct races *r, uint64_t client, uint64_t n)
{
	assert(n <= r->most - r->n);
	r->of[client % RACES_SHARES] += n;
	r->n += n;
}

void
races_give(struct races *r, uint64_t client, uint64_t n)
{
	assert(n <= r->of[client % RACES_SHARES] && n <= r->n);
	r->of[client % RACES_SHARES] -= n;
	r->n -= n;
}
