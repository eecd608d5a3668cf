/* Remembers numbers, in a hash table that grows with them. */
#include "common/base/seen.h"

#include <stdlib.h>

#define CELLS_FIRST 64

int
seen_init(struct seen *s)
{
	*s = (struct seen){ 0 };
	return (hash_key_init(&s->key));
}

void
seen_fini(struct seen *s)
{
	free(s->cells);
	s->cells = NULL;
	s->ncells = s->n = 0;
}

/* The cell that has it, or is to have it. */
static uint64_t *
find(const struct seen *s, uint64_t cell)
{
	size_t i = hash_bytes(&s->key, &cell, sizeof(cell));

	/* One is always free. */
	for (i &= s->ncells - 1; s->cells[i] != 0 && s->cells[i] != cell;)
		i = (i + 1) & (s->ncells - 1);
	return (&s->cells[i]);
}

/* At most half of the cells are in use. */
static bool
make_room(struct seen *s)
{
	struct seen more = *s;
	size_t i;

	if (s->n < s->ncells / 2)
		return (true);
	more.ncells = s->ncells > 0 ? 2 * s->ncells : CELLS_FIRST;
	more.cells = calloc(more.ncells, sizeof(*more.cells));
	if (more.cells == NULL)
		return (false);
	for (i = 0; i < s->ncells; i++)
		if (s->cells[i] != 0)
			*find(&more, s->cells[i]) = s->cells[i];
	free(s->cells);
	*s = more;
	return (true);
}

bool
seen_first(struct seen *s, uint64_t number)
{
	uint64_t *cell;
	bool first;

	if (number == UINT64_MAX) {
		first = !s->last;
		s->last = true;
		return (first);
	}
	if (!make_room(s))
		return (true);
	cell = find(s, number + 1);
	if (*cell != 0)
		return (false);
	*cell = number + 1;
	s->n++;
	return (true);
}
