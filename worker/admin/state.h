/* The admin process, for its files: what all of them know. */
#ifndef WORKER_ADMIN_STATE_H
#define WORKER_ADMIN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/boot.h"
#include "common/shm/stats.h"
#include "worker/admin/server.h"
#include "worker/admin/workers.h"
#include "worker/loop/loop.h"

struct rules_reader;

struct admin {
	const struct boot_admin *boot;
	struct loop *loop;
	struct workers workers;
	struct server server;
	struct loop_fd control;
	struct timer deadline, sink_retry, pong;
	struct stats_sums sums; /* as they were shown last: none goes back */
	struct rules_reader *rules; /* likewise */
	bool draining;
};

#endif
