/* Compares names in messages of the DNS, which may be compressed. */
#include "worker/dns/name.h"

#define HEADER_SIZE   12 /* no name begins in it */
#define LABEL_MAX     63
#define NAME_MAX_SIZE 255 /* with its lengths */
#define POINTERS_MAX  127 /* one before each label */

/* Where the reader of a name is. */
struct walk {
	const uint8_t *bytes;
	size_t len, at;
	size_t first; /* where this piece of it begins */
	size_t left;  /* bytes that it may still have */
	unsigned pointers;
};

static struct walk
begin(const uint8_t *bytes, size_t len, size_t at)
{
	return ((struct walk){ bytes, len, at, at, NAME_MAX_SIZE, 0 });
}

static bool
follow_pointer(struct walk *w)
{
	size_t to;

	if (w->len - w->at < 2 || ++w->pointers > POINTERS_MAX)
		return (false);
	to = (w->bytes[w->at] & 0x3fU) << 8 | w->bytes[w->at + 1];
	if (to < HEADER_SIZE || to >= w->first)
		return (false);
	w->at = w->first = to;
	return (true);
}

/* The next label, which ends where the walk is then; its length, 0: the name
 * ends. -1: it is not a name. */
static int
next_label(struct walk *w)
{
	size_t n;

	while (w->at < w->len && (w->bytes[w->at] & 0xc0) == 0xc0)
		if (!follow_pointer(w))
			return (-1);
	if (w->at >= w->len)
		return (-1);
	n = w->bytes[w->at];
	if (n > LABEL_MAX || w->len - w->at < 1 + n || w->left < 1 + n)
		return (-1);
	w->at += 1 + n;
	w->left -= 1 + n;
	return ((int)n);
}

static uint8_t
lower(uint8_t c)
{
	return (c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool
labels_equal(const struct walk *a, const struct walk *b, size_t n)
{
	const uint8_t *x = a->bytes + a->at - n, *y = b->bytes + b->at - n;
	size_t i;

	for (i = 0; i < n; i++)
		if (lower(x[i]) != lower(y[i]))
			return (false);
	return (true);
}

bool
dns_name_equal(const uint8_t *message, size_t len, size_t a, size_t b)
{
	struct walk x = begin(message, len, a), y = begin(message, len, b);
	int n;

	do {
		n = next_label(&x);
		if (n < 0 || next_label(&y) != n ||
		    !labels_equal(&x, &y, (size_t)n))
			return (false);
	} while (n > 0);
	return (true);
}
