/*
 * The terms that workers were started on: what the master must know of their
 * configuration to watch over them, to speak to them and to write for them once
 * they are dead. They are one flat piece of memory without a pointer, so that
 * they outlive the configuration, and can be handed to another process.
 */
#ifndef MASTER_TERMS_H
#define MASTER_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/audit.h"
#include "master/group.h"

struct conf;

#define TERMS_LISTENERS_MAX 64

struct terms {
	size_t size; /* of all of it, in bytes */
	/* As in struct conf_timeouts and struct conf_limits. */
	int64_t grace, drain, retire, lost, watchdog;
	int64_t generations, tunnels, memory;
	enum audit_syntax format;
	bool silent_connections; /* have audit lines */
	size_t nrules, negress, nlisteners;
	struct listener_at listeners[TERMS_LISTENERS_MAX];
	/* Of the rules and then of the egress lines, each with its NUL; "":
	 * it has none. */
	char names[];
};

/* Those of a configuration, owned by the caller (free); NULL: no memory. */
struct terms *terms_new(const struct conf *);

/* What audit lines call rules, egress lines and listeners, by number. */
struct terms_names {
	struct facts_names names;
	const char **rows;
};

/* They are of the terms, which have to stay. 0, to be freed by
 * terms_names_fini(); or -ENOMEM. */
int terms_names_init(struct terms_names *, const struct terms *);
void terms_names_fini(struct terms_names *);

#endif
