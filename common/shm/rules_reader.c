/* Adds up what all workers count by rule, while they do. */
#include "common/shm/rules_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/shm/shm_state.h"

#define LOOKS_MAX 1000

/* A row as it was found at one look. */
struct row {
	uint64_t n[RULES_NUMBERS];
	uint64_t life;
	bool gone;
	uint8_t action, len;
	char name[RULES_NAME_MAX];
};

struct rules_reader {
	unsigned high; /* rows from here on are not used */
	uint64_t lives[RULES_ROWS];
	struct rules_total totals[RULES_ROWS];
	struct row rows[RULES_ROWS];
};

int
rules_reader_new(struct rules_reader **out)
{
	struct rules_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return (-ENOMEM);
	*out = r;
	return (0);
}

void
rules_reader_free(struct rules_reader *r)
{
	free(r);
}

static void
copy(struct row *row, const struct rules_entry *e, bool rest, int64_t now)
{
	rules_kept(e, row->n);
	row->life = rest ? 1 : e->life;
	row->gone = !rest && e->holders == 0;
	if (row->gone && now - e->gone >= RULES_GONE_TIME)
		row->life = 0;
	row->action = e->action;
	row->len = e->len;
	memcpy(row->name, e->name, sizeof(row->name));
}

/* How many rows there are. If something changes meanwhile, anything may be
 * found. */
static unsigned
look(struct row *rows, struct shm *s, int64_t now, int64_t wall)
{
	const struct rules_board *b = &s->board->rules;
	const struct rules_part *part;
	uint64_t more[RULES_NUMBERS];
	unsigned row, high;
	int slot, slots = shm_high(s);

	high = atomic_load_explicit(&b->high, memory_order_relaxed);
	for (row = 0; row < high; row++)
		copy(&rows[row], &b->entries[row], row == RULES_REST, now);
	for (slot = 0; slot < slots; slot++) {
		part = shm_is_live(s, slot) ? shm_rules(s, slot) : NULL;
		if (part == NULL)
			continue;
		for (row = 0; rules_next(part, high, &row); row++) {
			rules_count(&part->rows[row], wall, more);
			rules_add(rows[row].n, more);
		}
	}
	return (high);
}

/* Another name has the row: it begins anew. */
static void
begin(struct rules_total *total, const struct row *row)
{
	*total = (struct rules_total){ .last = 0 };
	memcpy(total->name, row->name,
	    row->len < RULES_NAME_MAX ? row->len : RULES_NAME_MAX);
}

static void
keep(struct rules_total *total, const struct row *row)
{
	unsigned i;

	total->action = row->action;
	total->gone = row->gone;
	for (i = 0; i < RULES_SUMS; i++)
		if (row->n[i] > total->n[i])
			total->n[i] = row->n[i];
	if (row->n[RULES_LAST] > (uint64_t)total->last)
		total->last = (int64_t)row->n[RULES_LAST];
}

int
rules_read(struct rules_reader *r, struct shm *s)
{
	int64_t now = clock_now(), wall = clock_wall();
	unsigned row, high, looks = 0;
	uint64_t change;

	do {
		if (looks++ == LOOKS_MAX)
			return (-EAGAIN);
		change = shm_look_begin(s->board);
		high = look(r->rows, s, now, wall);
	} while (!shm_look_is_whole(s->board, change));
	for (row = 0; row < high; row++) {
		if (r->lives[row] != r->rows[row].life)
			begin(&r->totals[row], &r->rows[row]);
		r->lives[row] = r->rows[row].life;
		keep(&r->totals[row], &r->rows[row]);
	}
	r->high = high;
	return (0);
}

const struct rules_total *
rules_each(const struct rules_reader *r, size_t *at)
{
	while (*at < r->high) {
		if (r->lives[(*at)++] != 0)
			return (&r->totals[*at - 1]);
	}
	return (NULL);
}
