/* What /status tells, for the files that write it. */
#ifndef WORKER_ADMIN_STATUS_H
#define WORKER_ADMIN_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shm/service.h"
#include "worker/admin/nameservers.h"
#include "worker/admin/report.h"
#include "worker/admin/text.h"

struct boot_admin;
struct expiries;

/* As it was when the answer began, and how far that has come. */
struct status {
	uint64_t value[SERVICE_VALUES];
	uint64_t tunnels, tunnels_old, old_generations;
	struct report_seen load;
	const struct boot_admin *boot;	 /* borrowed */
	const struct expiries *expiries; /* borrowed */
	struct nameserver_seen nameservers[NAMESERVERS_SEEN_MAX];
	size_t nnameservers;
	bool json; /* else text for people */
	unsigned list;
	size_t row;
};

struct status_list {
	const char *name; /* in JSON */
	/* Writes entry number s->row: an object, or a line. False: there is no
	 * such entry. */
	bool (*put)(const struct status *, struct text *out);
};

bool status_put_certificate(const struct status *, struct text *);
bool status_put_nameserver(const struct status *, struct text *);
bool status_put_line(const struct status *, struct text *);

#endif
