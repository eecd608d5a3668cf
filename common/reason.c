/* Expands reason.def: the name, class and text of each reason. */
#include "common/reason.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct reason_entry {
	const char *name, *text, *advice;
	enum reason_class class;
};

static const struct reason_entry entries[REASON_COUNT] = {
#define REASON(id, name, class, text, advice) \
	[REASON_##id] = { name, text, advice, REASON_CLASS_##class },
#include "common/reason.def"
#undef REASON
};

/*
 * A value from another process (struct control_msg) may lie outside the
 * table, when the two binaries are of different versions.
 */
static const struct reason_entry *
reason_entry(enum reason reason)
{
	if ((unsigned)reason >= REASON_COUNT)
		reason = REASON_INTERNAL;
	return (&entries[reason]);
}

const char *
reason_name(enum reason reason)
{
	return (reason_entry(reason)->name);
}

const char *
reason_text(enum reason reason)
{
	return (reason_entry(reason)->text);
}

const char *
reason_advice(enum reason reason)
{
	return (reason_entry(reason)->advice);
}

enum reason_class
reason_class(enum reason reason)
{
	return (reason_entry(reason)->class);
}

int
reason_find(enum reason *reason, const char *name)
{
	int i;

	for (i = 0; i < REASON_COUNT; i++) {
		if (strcmp(entries[i].name, name) == 0) {
			*reason = (enum reason)i;
			return (0);
		}
	}
	return (-ENOENT);
}
