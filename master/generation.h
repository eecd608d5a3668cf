/*
 * A generation: what one successful (re)load made of the configuration file,
 * and the workers that serve it.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/boot.h"
#include "common/control.h"
#include "master/backoff.h"
#include "master/hand.h"
#include "master/privilege.h"

struct conf;
struct findings;
struct guard;
struct hosts;
struct log;
struct policy;
struct logs;
struct logs_entry;
struct service;
struct ssl_ctx_st;

enum child_state {
	CHILD_STARTING, /* not ready yet */
	CHILD_SERVING,
	CHILD_DRAINING, /* was told to drain */
	CHILD_ENDING	/* was told to exit, or killed */
};

/* Listening sockets that are kept for a worker; see keep.h. */
struct kept {
	struct boot_socket *sockets; /* with the listeners of its own conf */
	size_t n;
	unsigned heirs; /* whom they were kept for before */
	int64_t until;
};

/* A worker process, from its fork until it is reaped. */
struct child {
	TAILQ_ENTRY(child) entry;
	struct generation *generation;
	unsigned worker; /* its number */
	pid_t pid;
	int control_fd; /* -1: it has closed its end */
	int slot;	/* in shm */
	int store;	/* what it leaves to others, to be read; -1: nothing */
	int table;	/* of its tunnels, to be read */
	enum child_state state;
	bool told_ready, told_emptied; /* once is enough */
	int64_t started;
	int64_t alive;	    /* counts as a sign of life like its heartbeat */
	int64_t doubted;    /* when it was first found to stand still; NEVER */
	int64_t kill_at;    /* when patience ends; NEVER */
	const char *killed; /* why we killed it; NULL: we did not */
	struct kept kept;
	struct hand hand; /* connections that were accepted for it */
};

/* A worker number: who has it, and when the next one gets it. */
struct seat {
	struct child *child; /* NULL: vacant */
	bool covered;	     /* does not serve: others get what comes for it */
	struct hand left;    /* connections that its last one did not take */
	int store; /* of the last one that became ready; -1: there was none */
	uint64_t numbers; /* of tunnels, that its workers may have given */
	int64_t spawn_at; /* vacant: when to fork */
	struct kept kept; /* vacant: for an heir */
	struct backoff backoff;
};

struct generation {
	TAILQ_ENTRY(generation) entry;
	unsigned number; /* 1, 2, ...; 0: was never started */
	struct conf *conf;
	struct policy *policy;
	struct guard *guard;
	struct hosts *hosts;
	struct ssl_ctx_st *tls;
	const struct service *service; /* of a check; borrowed, or NULL */
	struct run_as run_as;
	struct logs_entry *error_log, *audit_log;
	struct log *log;
	size_t nworkers;
	struct seat *seats; /* nworkers of them */
	TAILQ_HEAD(child_list, child) children;
	struct control_msg drain; /* as they were told; 0: they were not */
};

TAILQ_HEAD(generation_list, generation);

/*
 * Reads the file and makes of it all that decides about a target: conf, policy
 * and guard. 0 with *g owned by the caller; -EINVAL or -ENOMEM with the causes
 * in findings.
 */
int generation_read(struct generation **g, const char *file, struct findings *);

/* Loads the hosts file, if there is to be one; what generation_complete() does
 * for sniport -q. 0, or -errno with the cause in findings. */
int generation_load_hosts(struct generation *, struct findings *);

/*
 * Completes it with all that serving needs: certificates, user, hosts file and
 * logs; and drops the rules' destinations, which serving does not need. Binds
 * and forks no worker. Without logs it is not to serve but to be checked: it
 * has no log, makes no file and drops nothing. 0, or -EINVAL with the causes in
 * findings.
 */
int generation_complete(struct generation *, struct logs *, struct findings *);

/*
 * Forgets the private keys and the keys of tickets, for good. No worker of this
 * generation will be forked any more, and workers of others must not have its
 * keys. Calling it again does nothing.
 */
void generation_forget_keys(struct generation *);

/* No child may be left. */
void generation_free(struct generation *);

#endif
