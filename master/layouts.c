/* Compares the layouts of two programs. */
#include "master/layouts.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/control.h"
#include "common/shm/reports.h"
#include "common/shm/shm.h"
#include "common/shm/table.h"
#include "common/shm/ticket_keys.h"
#include "master/codec.h"
#include "master/scribe_state.h"
#include "master/writer_state.h"

#define NAME_SIZE 24

/* A version, and the size of what has it. */
#define SIZED(version, size) ((uint64_t)(version) << 32 | (uint64_t)(size))

struct layout {
	const char *name;
	uint64_t value;
	const char *wrong;
};

static void
code(struct codec *c, const struct layout *l)
{
	char name[NAME_SIZE];
	uint64_t value;

	snprintf(name, sizeof(name), "%s", l->name);
	codec_text(c, name, sizeof(name));
	value = codec_number(c, l->value, UINT64_MAX);
	if (c->error == 0 && (strcmp(name, l->name) != 0 || value != l->value))
		codec_fail(c, -EPROTO, l->wrong);
}

void
layouts_code(struct codec *c)
{
	const struct layout layouts[] = {
		{ "layout messages",
		    SIZED(CONTROL_VERSION, sizeof(struct control_msg)),
		    "its messages to workers have another layout" },
		{ "layout shared-memory", shm_layout(),
		    "its shared memory has another layout" },
		{ "layout tunnels",
		    SIZED(TABLE_VERSION, sizeof(struct tunnel_facts)),
		    "its tables of tunnels have another layout" },
		{ "layout ticket-keys",
		    SIZED(TICKET_KEYS_VERSION, sizeof(struct ticket_keys)),
		    "its keys of tickets have another layout" },
		{ "layout reports", reports_layout(),
		    "its reports of loads have another layout" },
		{ "layout log-process", SIZED(1, sizeof(struct writer_state)),
		    "its log processes have another layout" },
		{ "layout scribe", SIZED(1, sizeof(struct scribe_state)),
		    "its scribes have another layout" },
	};
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		code(c, &layouts[i]);
}
