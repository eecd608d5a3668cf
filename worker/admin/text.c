/* Puts text together in bounded memory. */
#include "worker/admin/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/decimal.h"

void
text_put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->bytes + t->len, text_room(t), fmt, ap);
	va_end(ap);
	/* The NUL needs room as well. */
	if (n < 0 || (size_t)n >= text_room(t))
		t->full = true;
	else
		t->len += (size_t)n;
}

void
text_add(struct text *t, const char *bytes, size_t len)
{
	if (len > text_room(t)) {
		t->full = true;
		return;
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

void
text_uint(struct text *t, uint64_t n)
{
	char digits[DECIMAL_MAX];

	text_add(t, digits, decimal_put(digits, n));
}
