/* Which row a rule has: the one of its name, for as long as that is known. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/shm/shm_state.h"

/* By the hashes of names. Twice as many places as rows: there is always an
 * empty one. */
#define PLACES (2 * RULES_ROWS)

/* Of the master, while it gives out rows. */
struct finder {
	struct shm_board *board;
	uint16_t *places; /* rows, RULES_REST: none */
	unsigned next;	  /* rows before it are not free */
};

static struct rules_entry *
entry(struct shm_board *b, unsigned row)
{
	return (&b->rules.entries[row]);
}

static unsigned
high(const struct shm_board *b)
{
	return (atomic_load_explicit(&b->rules.high, memory_order_relaxed));
}

static bool
is_gone(const struct rules_entry *e)
{
	return (e->life != 0 && e->holders == 0);
}

static size_t
place(const struct finder *f, const char *name, size_t len)
{
	const struct rules_entry *e;
	size_t at = hash_bytes(&f->board->hash, name, len) % PLACES;

	for (; f->places[at] != RULES_REST; at = (at + 1) % PLACES) {
		e = entry(f->board, f->places[at]);
		if (e->len == len && memcmp(e->name, name, len) == 0)
			break;
	}
	return (at);
}

static int
finder_init(struct finder *f, struct shm_board *b)
{
	const struct rules_entry *e;
	unsigned row;

	*f = (struct finder){ b, calloc(PLACES, sizeof(*f->places)),
		RULES_REST + 1 };
	if (f->places == NULL)
		return (-ENOMEM);
	for (row = RULES_REST + 1; row < high(b); row++) {
		e = entry(b, row);
		if (e->life != 0)
			f->places[place(f, e->name, e->len)] = (uint16_t)row;
	}
	return (0);
}

static void
forget(struct rules_entry *e)
{
	unsigned i;

	for (i = 0; i < RULES_NUMBERS; i++)
		atomic_store_explicit(&e->n[i], 0, memory_order_relaxed);
	e->life = 0;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct rules_entry *x = *(struct rules_entry *const *)a;
	const struct rules_entry *y = *(struct rules_entry *const *)b;

	if (x->gone != y->gone)
		return (x->gone > y->gone ? 1 : -1);
	return ((x > y) - (x < y));
}

/* Forgets those that are gone for too long, and the oldest of the others where
 * they are too many. */
static int
forget_gone(struct shm_board *b, int64_t now)
{
	struct rules_entry **gone =
	    calloc(RULES_ROWS, sizeof(struct rules_entry *));
	size_t i, n = 0;
	unsigned row;

	if (gone == NULL)
		return (-ENOMEM);
	for (row = RULES_REST + 1; row < high(b); row++)
		if (is_gone(entry(b, row)))
			gone[n++] = entry(b, row);
	qsort(gone, n, sizeof(struct rules_entry *), compare_rows);
	for (i = 0; i < n; i++)
		if (n - i > RULES_GONE_MAX ||
		    now - gone[i]->gone >= RULES_GONE_TIME)
			forget(gone[i]);
	free(gone);
	return (0);
}

/* A free row; RULES_REST: none is. */
static unsigned
free_row(struct finder *f)
{
	for (; f->next < high(f->board); f->next++)
		if (entry(f->board, f->next)->life == 0)
			return (f->next);
	if (f->next == RULES_ROWS)
		return (RULES_REST);
	atomic_store_explicit(
	    &f->board->rules.high, f->next + 1, memory_order_relaxed);
	return (f->next);
}

static unsigned
find(struct finder *f, const char *name)
{
	size_t at, len = strnlen(name, RULES_NAME_MAX);
	struct rules_entry *e;
	unsigned row;

	at = place(f, name, len);
	if (f->places[at] != RULES_REST)
		return (f->places[at]);
	row = free_row(f);
	if (row == RULES_REST)
		return (RULES_REST);
	e = entry(f->board, row);
	e->life = ++f->board->rules.lives;
	e->holders = 0;
	e->len = (uint8_t)len;
	memcpy(e->name, name, len);
	f->places[at] = (uint16_t)row;
	return (row);
}

static void
give_out(struct finder *f, const struct rule *rules, struct rules_held *held)
{
	struct rules_entry *e;
	size_t i;

	for (i = 0; i < held->n; i++) {
		held->rows[i] = (uint16_t)find(f, rules[i].name);
		e = entry(f->board, held->rows[i]);
		e->action = (uint8_t)rules[i].action;
		e->holders++;
	}
}

int
rules_hold(struct shm *s, const struct rule *rules, size_t n, int64_t now,
    struct rules_held *held)
{
	struct shm_board *b = s->board_writer;
	struct finder f = { .places = NULL };
	int error;

	held->n = n < RULES_ROWS ? n : RULES_ROWS;
	held->rows = calloc(held->n + 1, sizeof(*held->rows));
	if (held->rows == NULL)
		return (-ENOMEM);
	shm_change_begin(b);
	error = forget_gone(b, now);
	if (error == 0)
		error = finder_init(&f, b);
	if (error == 0)
		give_out(&f, rules, held);
	shm_change_end(b);
	free(f.places);
	if (error != 0) {
		free(held->rows);
		*held = (struct rules_held){ 0 };
	}
	return (error);
}

void
rules_drop(struct shm *s, struct rules_held *held, int64_t now)
{
	struct shm_board *b = s->board_writer;
	struct rules_entry *e;
	size_t i;

	shm_change_begin(b);
	for (i = 0; i < held->n; i++) {
		e = entry(b, held->rows[i]);
		if (--e->holders == 0)
			e->gone = now;
	}
	shm_change_end(b);
	free(held->rows);
	*held = (struct rules_held){ 0 };
}
