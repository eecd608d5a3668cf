/* Text that is put together in bounded memory. */
#ifndef WORKER_ADMIN_TEXT_H
#define WORKER_ADMIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *bytes; /* borrowed */
	size_t len, size;
	bool full; /* something had no room; what is there is whole */
};

/* Adds it all, or nothing. */
void text_put(struct text *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void text_add(struct text *, const char *bytes, size_t len);

/* The same for what is there in great numbers. */
void text_uint(struct text *, uint64_t n);
static inline void
text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

/* Bytes that can be added. */
static inline size_t
text_room(const struct text *t)
{
	return (t->size - t->len);
}

#endif
