/*
 * A crew: the workers of a generation as they are, apart from the configuration
 * that they were started with. That is needed to start a worker, and for
 * nothing else: a crew without it is watched over, drained, counted and written
 * for like any other, but a worker of it that dies has no successor.
 *
 * Behind the links, all of it is numbers, descriptors, and flat terms, so that
 * a crew can be handed to another process.
 */
#ifndef MASTER_CREW_H
#define MASTER_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/control.h"
#include "common/shm/rules.h"
#include "master/backoff.h"
#include "master/hand.h"
#include "master/privilege.h"
#include "master/terms.h"

struct boot_socket;
struct crew;
struct generation;
struct log;
struct logs_entry;
struct master;
struct shm;
struct keyring;

/* A worker that has hung up exits within this time. */
#define CREW_HANG_UP (5 * CLOCK_SEC)

enum child_state {
	CHILD_STARTING, /* not ready yet */
	CHILD_SERVING,
	CHILD_DRAINING, /* was told to drain */
	CHILD_ENDING	/* was told to exit, or killed */
};

/* Why a worker was killed. */
enum crew_cause {
	CREW_NOT_KILLED,
	CREW_OUT_OF_TURN,
	CREW_NOT_A_MESSAGE,
	CREW_HUNG_UP,
	CREW_NOT_READY,
	CREW_STILL_THERE, /* at the deadline of its tunnels */
	CREW_DISOBEYED,
	CREW_STANDS_STILL,
	CREW_DEAF,
	CREW_NO_HEARTBEAT
};

/* Listening sockets that are kept for a worker; see keep.h. */
struct kept {
	struct boot_socket *sockets; /* with listeners of its own crew */
	size_t n;
	unsigned heirs; /* whom they were kept for before */
	int64_t until;
};

/* A worker process, from its fork until it is reaped. */
struct child {
	TAILQ_ENTRY(child) entry;
	struct crew *crew;
	unsigned worker; /* its number */
	pid_t pid;
	int control_fd; /* -1: it has closed its end */
	int slot;	/* in shm */
	int store;	/* what it leaves to others, to be read; -1: nothing */
	int table;	/* of its tunnels, to be read */
	enum child_state state;
	bool told_ready, told_emptied; /* once is enough */
	int64_t started;
	int64_t alive;	  /* counts as a sign of life like its heartbeat */
	int64_t doubted;  /* when it was first found to stand still; NEVER */
	int64_t kill_at;  /* when patience ends; NEVER */
	int64_t declined; /* it took nothing of what it was handed: nothing
			   * more is handed to it until then */
	/* Whether it takes messages: it was asked last at that time, and has
	 * not answered; nor in time, as was seen first at that; NEVER. */
	bool asked, deaf;
	int64_t asked_at, missed;
	enum crew_cause killed;
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
	uint64_t lost;	  /* connections that none of them had */
	int64_t spawn_at; /* vacant: when to fork; NEVER */
	/* Until then not while too much waits that the former ones left. */
	int64_t crowded_until;
	struct kept kept; /* vacant: for an heir */
	struct backoff backoff;
};

struct crew {
	TAILQ_ENTRY(crew) entry;
	struct generation *generation; /* owned; NULL: none can be started */
	unsigned number;	       /* of the generation: 1, 2, ... */
	struct terms *terms;
	struct run_as run_as;
	struct keyring *keyring; /* owned */
	struct logs_entry *error_log, *audit_log;
	struct log *log;
	struct rules_held rules; /* rows that its workers count in */
	size_t nworkers;
	struct seat *seats; /* nworkers of them */
	TAILQ_HEAD(child_list, child) children;
	struct control_msg drain; /* as they were told; 0: they were not */
};

TAILQ_HEAD(crew_list, crew);

/*
 * A crew of vacant seats. The terms are the crew's from then on, unless that
 * fails; user and logs are for the caller to set, and the logs are the crew's
 * then. 0 with *crew owned by the caller, or -ENOMEM.
 */
int crew_new(
    struct crew **crew, unsigned number, size_t nworkers, struct terms *);

/* No child may be left. */
void crew_free(struct crew *, struct shm *);

/* No worker of it will be started any more: gives up its generation, and so all
 * of its keys. Calling it again does nothing. */
void crew_settle(struct crew *);

/* In a child: forgets the keys of all generations but that crew's, or NULL. */
void crew_forget_keys(const struct crew_list *, const struct crew *but);

/* Seats a child: all but its links is filled in. */
void crew_seat(struct crew *, struct child *);

/* All is unknown, and no descriptor open. */
void crew_init_child(struct child *, unsigned worker, int64_t now);

/* The child is gone: the next worker of its seat is to number its tunnels
 * behind those of this one. */
void crew_note_numbers(struct child *, const struct shm *);

/* A child that was reaped: returns its slot, closes what is left, frees it. */
void crew_forget(struct child *, struct shm *);

/* The child with that process id; NULL: it is no worker's. */
struct child *crew_find(const struct crew_list *, pid_t);

/* Does somebody serve there who takes what he is handed? */
bool crew_takes(const struct seat *, int64_t now);

/* Tunnels that a worker of the crew may have open at once. */
int64_t crew_tunnels_most(const struct crew *);

/* Tunnels that all workers have open. One that was broken into says what it
 * likes, and is believed as far as the limits of its configuration go. */
uint64_t crew_tunnels(const struct crew_list *, const struct shm *);

/* The same of one crew. */
uint64_t crew_tunnels_one(const struct crew *, const struct shm *);

/* Kills a child and logs why. */
void crew_kill(struct master *, struct child *, enum crew_cause);

/* "it stands still" */
const char *crew_cause(enum crew_cause);

#endif
