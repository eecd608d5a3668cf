/*
 * Families of /metrics, for the files that write their samples: metrics.c has
 * the table of them all.
 */
#ifndef WORKER_ADMIN_METRICS_PART_H
#define WORKER_ADMIN_METRICS_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/admin/nameservers.h"
#include "worker/admin/text.h"

struct admin;

/* How far one answer has come. */
struct metrics {
	const struct admin *admin;
	struct text *out;
	unsigned family;
	size_t row;
	/* As they were when it began. */
	struct nameserver_seen nameservers[NAMESERVERS_SEEN_MAX];
	size_t nnameservers;
};

struct metrics_family {
	const char *name, *type, *help;
	/*
	 * Writes samples whose names begin with that of the family. Where there
	 * may be many it writes those from m->row on, while METRICS_ROOM is
	 * left. True: there are more.
	 */
	bool (*put)(struct metrics *, const struct metrics_family *);
	int which; /* what it is about, for put() alone */
};

/* More than the samples of any row take. */
#define METRICS_ROOM 8192

static inline bool
metrics_is_full(const struct metrics *m)
{
	return (text_room(m->out) < METRICS_ROOM);
}

/* "NAME VALUE" */
void metrics_value(struct metrics *, const char *name, uint64_t value);

/* "NAME{LABEL="VALUE"", where the value's first METRICS_LABEL_MAX bytes are
 * written so that they can be told exactly; more labels may follow. */
#define METRICS_LABEL_MAX 512
void metrics_label(
    struct metrics *, const char *name, const char *label, const char *value);
/* ",LABEL="VALUE"", of a value that is a plain word. */
void metrics_more(struct metrics *, const char *label, const char *value);
/* "} VALUE" */
void metrics_end(struct metrics *, uint64_t value);
/* The same of a time, in ns since 1970. */
void metrics_end_time(struct metrics *, uint64_t ns);

/* metrics_service.c; `which`: enum service_value, where they have one. */
bool metrics_put_service(struct metrics *, const struct metrics_family *);
bool metrics_put_time(struct metrics *, const struct metrics_family *);
bool metrics_put_ready(struct metrics *, const struct metrics_family *);
bool metrics_put_reload(struct metrics *, const struct metrics_family *);
bool metrics_put_reloads(struct metrics *, const struct metrics_family *);
bool metrics_put_generations(struct metrics *, const struct metrics_family *);

/* metrics_tunnels.c; `which` of timings: enum timing. */
bool metrics_put_tunnels(struct metrics *, const struct metrics_family *);
bool metrics_put_limit(struct metrics *, const struct metrics_family *);
bool metrics_put_reasons(struct metrics *, const struct metrics_family *);
bool metrics_put_timing(struct metrics *, const struct metrics_family *);

/* metrics_rules.c; `which`: enum rules_sum. */
bool metrics_put_decisions(struct metrics *, const struct metrics_family *);
bool metrics_put_bytes(struct metrics *, const struct metrics_family *);
bool metrics_put_last(struct metrics *, const struct metrics_family *);

/* metrics_others.c */
bool metrics_put_expiry(struct metrics *, const struct metrics_family *);
bool metrics_put_nameservers(struct metrics *, const struct metrics_family *);

/* metrics_lines.c */
bool metrics_put_lines(struct metrics *, const struct metrics_family *);
bool metrics_put_sources(struct metrics *, const struct metrics_family *);

#endif
