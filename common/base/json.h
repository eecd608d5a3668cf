/* A writer of one JSON object into a bounded buffer. */
#ifndef COMMON_BASE_JSON_H
#define COMMON_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The object is always well-formed: a field that has no room left is dropped
 * whole and `truncated` is set. A reserve is kept for the closing brackets.
 */
struct json {
	char *buf;
	size_t size, len;
	unsigned depth;	  /* open brackets */
	unsigned skipped; /* open arrays that were dropped */
	bool comma, truncated;
};

/* Borrows buf, at least 64 bytes, and opens the object. */
void json_init(struct json *, char *buf, size_t size);

/* Closes all that is open; returns the length. Not NUL-terminated. */
size_t json_end(struct json *);

/*
 * key is a literal that needs no escaping; NULL within an array. s is text of
 * our own (NULL: the value null); what is not ASCII in it is written as
 * json_bytes does, so that no invalid UTF-8 gets out.
 */
void json_string(struct json *, const char *key, const char *s);

/*
 * Bytes from a peer: printable ASCII as is, the rest and '\\' as "\\xHH"
 * (an escaped backslash in JSON), so that any line of the log is ASCII and
 * the bytes can be told exactly.
 */
void json_bytes(struct json *, const char *key, const void *, size_t len);
void json_uint(struct json *, const char *key, uint64_t);
void json_bool(struct json *, const char *key, bool);
/* Milliseconds with three decimals, from ns. */
void json_msec(struct json *, const char *key, int64_t ns);
void json_array_open(struct json *, const char *key);
void json_array_close(struct json *);

#endif
