/* Why a tunnel was refused or ended: the table is reason.def. */
#ifndef COMMON_REASON_H
#define COMMON_REASON_H

#include <stdbool.h>

enum reason {
#define REASON(id, name, class, text, advice) REASON_##id,
#include "common/reason.def"
#undef REASON
	REASON_COUNT
};

enum reason_class {
	REASON_CLASS_GOOD,   /* both sides ended as they meant to */
	REASON_CLASS_REFUSE, /* never was a tunnel: refused by sniport */
	REASON_CLASS_FAIL,   /* the upstream could not be reached */
	REASON_CLASS_BREAK   /* an established tunnel was cut */
};

/* All borrowed, static. */
const char *reason_name(enum reason);	/* "upstream_reset" */
const char *reason_text(enum reason);	/* one clause for logs */
const char *reason_advice(enum reason); /* sentences: what to do about it */
enum reason_class reason_class(enum reason);

/* The reason of that name: 0, or -ENOENT. */
int reason_find(enum reason *, const char *name);

#endif
