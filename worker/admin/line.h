/* An egress line, as the master has told on the board how it is. */
#ifndef WORKER_ADMIN_LINE_H
#define WORKER_ADMIN_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/piece.h"
#include "common/shm/lines.h"

struct boot_admin;
struct conf_egress;

struct line_shown {
	const struct conf_egress *conf;
	size_t source_at; /* of its first source, on the board */
	enum lines_device device;
	struct lines_sources sources;
	enum lines_state state;
};

/* The line of that number, by the order of the configuration; false: there is
 * none. */
bool line_at(struct line_shown *, const struct boot_admin *, size_t number);

/* The one of that name, likewise. */
bool line_named(
    struct line_shown *, const struct boot_admin *, struct piece name);

/* The state of its i-th source. */
enum lines_source line_source(
    const struct line_shown *, const struct boot_admin *, size_t i);

#endif
