/*
 * One record of a log under construction, as JSON or as text of pairs. A field
 * that has no room left is dropped whole, in both.
 */
#ifndef COMMON_LOG_RECORD_H
#define COMMON_LOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/net/addr.h"

struct record {
	bool is_json;
	struct json json;
	/* Only text. */
	char *buf;
	size_t size, len;
	bool truncated;
};

/* In buf, which is borrowed; in size bytes there is room for a newline as
 * well. */
void record_init(struct record *, bool json, char *buf, size_t size);

/* Returns its length, without a newline; *fits: nothing was dropped. */
size_t record_end(struct record *, bool *fits);

/*
 * Adds a field: "key":value, or a blank and key=value. Strings are escaped as
 * each format has it, and a string of ours is cut at 255 bytes. There is no
 * field for a string that is NULL, an address of family 0 or a time below 0,
 * which is in ns and is told in ms.
 */
void record_bytes(
    struct record *, const char *key, const void *bytes, size_t len);
void record_string(struct record *, const char *key, const char *s);
void record_uint(struct record *, const char *key, uint64_t value);
void record_bool(struct record *, const char *key, bool value);
void record_msec(struct record *, const char *key, int64_t ns);
void record_addr(struct record *, const char *key, const struct addr *);

/*
 * Only text: adds bytes as they are; a value alone; and a pair. In a value that
 * which separates and marks pairs (blank, '=', '"') is escaped as every
 * unprintable byte is, so that a peer's bytes stay one value.
 */
void record_text(struct record *, const char *s, size_t len);
void record_escaped(struct record *, const void *bytes, size_t len);
void record_pair(
    struct record *, const char *key, const void *bytes, size_t len);

#endif
