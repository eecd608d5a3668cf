/*
 * The pairing heap that timers stand in: arm, disarm, take those that are due.
 */
#include "worker/loop/timer.h"

#include <assert.h>
#include <stddef.h>

#include "common/base/clock.h"

/* The one that is due later becomes the eldest child of the other. */
static struct timer *
meld(struct timer *a, struct timer *b)
{
	struct timer *t;

	if (a == NULL)
		return (b);
	if (b == NULL)
		return (a);
	if (b->when < a->when) {
		t = a;
		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child != NULL)
		a->child->prev = b;
	a->child = b;
	a->next = NULL;
	a->prev = NULL;
	return (a);
}

/*
 * Melds a list of siblings into one heap in two passes: pairs from the left,
 * which are stacked up in reverse order, then the stack into one. The loop in
 * place of recursion keeps 100,000 siblings off the stack.
 */
static struct timer *
meld_siblings(struct timer *first)
{
	struct timer *a, *b, *rest, *stack = NULL, *root = NULL;

	while (first != NULL) {
		a = first;
		b = a->next;
		rest = b != NULL ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = stack;
		stack = a;
		first = rest;
	}
	while (stack != NULL) {
		rest = stack->next;
		stack->next = NULL;
		root = meld(root, stack);
		stack = rest;
	}
	return (root);
}

void
timer_init(struct timer *t, void (*cb)(struct timer *))
{
	*t = (struct timer){ .cb = cb };
}

void
timer_arm(struct timers *ts, struct timer *t, int64_t when)
{
	timer_cancel(ts, t);
	t->when = when;
	t->armed = true;
	t->child = t->next = t->prev = NULL;
	ts->root = meld(ts->root, t);
}

void
timer_cancel(struct timers *ts, struct timer *t)
{
	struct timer *children;

	if (!t->armed)
		return;
	t->armed = false;
	children = meld_siblings(t->child);
	t->child = NULL;
	if (ts->root == t) {
		ts->root = children;
		return;
	}
	assert(t->prev != NULL);
	if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->next = t->prev = NULL;
	ts->root = meld(ts->root, children);
}

int64_t
timer_next(const struct timers *ts)
{
	return (ts->root != NULL ? ts->root->when : CLOCK_NEVER);
}

void
timer_run(struct timers *ts, int64_t now, unsigned max)
{
	struct timer *t;

	while (max-- > 0 && (t = ts->root) != NULL && t->when <= now) {
		timer_cancel(ts, t);
		t->cb(t);
	}
}
