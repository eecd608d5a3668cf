/*
 * What a worker inherits from the master, and what the admin process does: its
 * struct and nothing else.
 */
#ifndef COMMON_BOOT_H
#define COMMON_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/clock.h"
#include "common/log/facts.h"

struct conf;
struct expiries;
struct guard;
struct hosts;
struct log;
struct policy;
struct reports;
struct rules_held;
struct sink;
struct ssl_ctx_st;
struct ticket_keys;
struct shm;

struct boot_socket {
	int fd;		   /* listening, non-blocking */
	unsigned listener; /* index into conf->listeners */
	bool surplus;	   /* of a worker that is no more: no new connections
			   * are steered here; accept what is queued, then
			   * close it after BOOT_SURPLUS_TIME */
	bool shared;	   /* all workers have it */
	bool kept;	   /* it outlives the master, for whoever comes next */
};

/* Longer than a client's SYN-ACK round trip with two retransmissions. */
#define BOOT_SURPLUS_TIME (10 * CLOCK_SEC)

/* To name servers: questions by TCP, and sockets of those by UDP. */
#define BOOT_FILES_DNS_TCP 128
#define BOOT_FILES_DNS_UDP 64

/* Files of a worker beside its listeners and tunnels: streams, logs, counters,
 * the loop, name servers. */
#define BOOT_FILES_OTHER (64 + BOOT_FILES_DNS_TCP + BOOT_FILES_DNS_UDP)

/* Of what is left beside all these, tunnels have two each, and one of so many
 * is for races: the further connections that they try to their upstreams. */
#define BOOT_FILES_RACES 8

/* All borrowed from the master's memory, which the fork has copied. */
struct boot {
	const struct conf *conf;
	const struct policy *policy;
	const struct guard *guard;
	const struct hosts *hosts;
	struct ssl_ctx_st *tls;
	const struct ticket_keys *tickets; /* the master writes them */
	const struct boot_socket *sockets;
	size_t nsockets;
	int control_fd;
	struct shm *shm;		/* as this worker sees it */
	const struct rules_held *rules; /* rows that it counts in */
	unsigned worker;		/* 0 .. workers - 1 */
	unsigned generation;		/* 1, 2, ... */
	uint64_t numbers; /* that its predecessors may have given tunnels */
	struct log *log;  /* error log */
	struct sink *audit;
	/* What this worker leaves to others, and what others have left to it,
	 * see store.h. The worker closes them. */
	int store; /* -1: it leaves nothing */
	int table; /* of its tunnels, to write by; the worker closes it */
	const int *known;
	size_t nknown;
};

/*
 * The worker's whole life; never returns to the master's code. The value is the
 * exit status.
 *
 * On entry: the user is the final one, there are no capabilities, no_new_privs
 * is set. The signal mask is empty; HUP, INT, USR1, USR2 and PIPE are ignored,
 * all else is at its default. Open descriptors are 0, 1, 2, those of this
 * struct, of shm and of the two sinks. The log already bears the worker's
 * name.
 */
int worker_main(const struct boot *);

/* A generation that has workers, and the names of its rules. */
struct boot_generation {
	unsigned number;
	struct facts_names names;
};

/* A worker of one of them. */
struct boot_worker {
	unsigned worker, generation;
	int slot;
	int table; /* of its tunnels, to read; the admin process closes it */
};

/* All borrowed; as above. */
struct boot_admin {
	const struct conf *conf; /* of the current generation */
	unsigned generation;	 /* its number */
	struct shm *shm;	 /* as a reader sees it */
	int control_fd;
	int http_fd, operator_fd; /* listening, non-blocking; -1: none */
	uid_t owner;		  /* who may close and reload, beside root */
	const struct reports *reports; /* of loads */
	const struct boot_generation *generations;
	size_t ngenerations;
	const struct boot_worker *workers;
	size_t nworkers;
	const struct expiries *expiries; /* of the current generation */
	struct log *log;
};

/* The same for the admin process, which has no audit log. */
int admin_main(const struct boot_admin *);

#endif
