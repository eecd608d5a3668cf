/* Takes apart lists of tunnels and compares them. */
#include "master/top_list.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"

#define DIGITS_MAX 19

static const char *const orders[] = {
	[TOP_BY_RATE] = "rate",
	[TOP_BY_TOTAL] = "total",
	[TOP_BY_AGE] = "age",
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

/* What stands before the next such byte, which is taken, too. */
static bool
cut(struct piece *rest, char end, struct piece *front)
{
	const char *at = rest->len > 0 ? memchr(rest->s, end, rest->len) : NULL;

	if (at == NULL)
		return (false);
	*front = piece_cut(rest, (size_t)(at - rest->s));
	piece_cut(rest, 1);
	return (true);
}

static bool
read_number(uint64_t *n, struct piece p)
{
	size_t i;

	*n = 0;
	for (i = 0; i < p.len; i++) {
		if (p.s[i] < '0' || p.s[i] > '9')
			return (false);
		*n = *n * 10 + (uint64_t)(p.s[i] - '0');
	}
	return (p.len > 0 && p.len <= DIGITS_MAX);
}

/* Nothing that a terminal would obey. */
static bool
is_clean(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\t' &&
		    text[i] != '\n')
			return (false);
	return (true);
}

/* Columns that a later version adds stand behind the others. */
static bool
read_row(struct top_row *r, struct piece line)
{
	struct piece from_client, from_upstream, age;

	*r = (struct top_row){ .age = 0 };
	if (!cut(&line, '\t', &r->id) || !cut(&line, '\t', &r->client) ||
	    !cut(&line, '\t', &r->identity) || !cut(&line, '\t', &r->target) ||
	    !cut(&line, '\t', &r->rule) || !cut(&line, '\t', &from_client) ||
	    !cut(&line, '\t', &from_upstream))
		return (false);
	if (!cut(&line, '\t', &age))
		age = line;
	return (r->id.len > 0 && read_number(&r->from_client, from_client) &&
		read_number(&r->from_upstream, from_upstream) &&
		read_number(&r->age, age));
}

int
top_list_read(struct top_list *list, char *text, size_t len)
{
	struct piece rest = { text, len }, line;
	size_t i, lines = 0;

	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	*list = (struct top_list){ .text = text,
		.rows = calloc(lines + 1, sizeof(struct top_row)) };
	if (list->rows == NULL) {
		top_list_fini(list);
		return (-ENOMEM);
	}
	while (cut(&rest, '\n', &line) && read_row(&list->rows[list->n], line))
		list->n++;
	if (list->n == lines && rest.len == 0 && is_clean(text, len))
		return (0);
	top_list_fini(list);
	return (-EPROTO);
}

void
top_list_fini(struct top_list *list)
{
	free(list->text);
	free(list->rows);
	*list = (struct top_list){ .n = 0 };
}

static int
compare_pieces(struct piece a, struct piece b)
{
	int order = memcmp(a.s, b.s, a.len < b.len ? a.len : b.len);

	return (order != 0 ? order : (a.len > b.len) - (a.len < b.len));
}

static int
by_id(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return (compare_pieces(x->id, y->id));
}

/* The greater one first; of two alike, that whose id comes first, so that none
 * changes places for nothing. */
static int
order(uint64_t x, uint64_t y, const void *a, const void *b)
{
	return (x != y ? (x < y) - (x > y) : by_id(a, b));
}

static int
by_rate(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return (order(x->client_rate + x->upstream_rate,
	    y->client_rate + y->upstream_rate, a, b));
}

static int
by_total(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return (order(x->from_client + x->from_upstream,
	    y->from_client + y->from_upstream, a, b));
}

static int
by_age(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	return (order(x->age, y->age, a, b));
}

static uint64_t
rate(uint64_t now, uint64_t before, int64_t ns)
{
	if (now <= before || ns <= 0)
		return (0);
	return ((uint64_t)((double)(now - before) * CLOCK_SEC / (double)ns));
}

void
top_list_rates(struct top_list *now, struct top_list *before, int64_t ns)
{
	static const struct top_row none = { .age = 0 };
	const struct top_row *old;
	struct top_row *r;
	size_t i, at = 0;

	qsort(now->rows, now->n, sizeof(*now->rows), by_id);
	qsort(before->rows, before->n, sizeof(*before->rows), by_id);
	for (i = 0; i < now->n; i++) {
		r = &now->rows[i];
		while (at < before->n && by_id(&before->rows[at], r) < 0)
			at++;
		/* One that is new has moved all of it since. */
		old = at < before->n && by_id(&before->rows[at], r) == 0
			  ? &before->rows[at]
			  : &none;
		r->client_rate = rate(r->from_client, old->from_client, ns);
		r->upstream_rate =
		    rate(r->from_upstream, old->from_upstream, ns);
	}
}

void
top_list_sort(struct top_list *list, enum top_order by)
{
	static int (*const compare[])(const void *, const void *) = {
		[TOP_BY_RATE] = by_rate,
		[TOP_BY_TOTAL] = by_total,
		[TOP_BY_AGE] = by_age,
	};

	qsort(list->rows, list->n, sizeof(*list->rows), compare[by]);
}

int
top_order_find(enum top_order *by, const char *name)
{
	unsigned i;

	for (i = 0; i < ORDERS; i++) {
		if (strcmp(name, orders[i]) == 0) {
			*by = (enum top_order)i;
			return (0);
		}
	}
	return (-EINVAL);
}

const char *
top_order_name(enum top_order by)
{
	return (orders[by]);
}
