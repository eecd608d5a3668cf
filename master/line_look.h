/* Looks whether this host has what an egress line names. */
#ifndef MASTER_LINE_LOOK_H
#define MASTER_LINE_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "common/shm/lines.h"

struct conf_egress;

/* What was seen of a line. */
struct line_look {
	enum lines_state state;
	enum lines_device device;
	struct lines_sources sources;
	size_t missing, foreign; /* of its sources */
	size_t first;		 /* of those that are missing */
};

/* Looks now; told (may be NULL) is called for each source. */
struct line_look line_look(const struct conf_egress *,
    void (*told)(void *arg, size_t source, enum lines_source), void *arg);

/* What is wrong, as a clause: "this host does not have 192.0.2.7"; "" where
 * nothing is. */
#define LINE_LOOK_TEXT_SIZE 192
void line_look_text(const struct line_look *, const struct conf_egress *,
    char text[LINE_LOOK_TEXT_SIZE]);

#endif
