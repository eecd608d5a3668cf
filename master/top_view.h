/* A list of tunnels as text: a screen, lines for a file, or JSON. Pure but for
 * what is written. */
#ifndef MASTER_TOP_VIEW_H
#define MASTER_TOP_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "master/top_list.h"

struct top_view {
	const struct top_list *list; /* sorted */
	enum top_order by;
	bool rates;	     /* they are known */
	const char *message; /* instead of the keys that work; NULL: none */
	/* Of the screen; 0: there is none. */
	unsigned lines, columns;
};

/* All of the screen, with what clears the rest of each line; or, without a
 * screen, all rows. */
void top_view_text(const struct top_view *, FILE *out);

/* An object for each row, on a line of its own. */
void top_view_json(const struct top_view *, FILE *out);

#endif
