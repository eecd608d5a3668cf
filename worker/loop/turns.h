/*
 * Who is next, where more want to work than there is time for: turns are shared
 * out fairly between peers, so that one who wants many does not push out
 * others. What has been begun is finished before much that is new is begun. Of
 * what is new the oldest is first, until somebody has waited for long: then the
 * newest is, since those who have waited for long may have given up, and those
 * who have waited for too long are given up. Pure: the caller tells the time.
 */
#ifndef WORKER_LOOP_TURNS_H
#define WORKER_LOOP_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct turns_peer;

/* For each that may want a turn; embedded, zeroed at first. */
struct turn {
	struct turns_peer *peer; /* NULL: turns do not know it */
	TAILQ_ENTRY(turn) entry; /* among its peer's */
	TAILQ_ENTRY(turn) age;	 /* among all that is new */
	int64_t since;
	bool waits, begun;
};

TAILQ_HEAD(turn_list, turn);

/* What one peer has waiting in a line. */
struct turns_place {
	TAILQ_ENTRY(turns_place) order;
	struct turn_list waiting;
	enum {
		TURNS_OUT,
		TURNS_FRESH,
		TURNS_SERVED
	} where;
};

TAILQ_HEAD(turns_place_list, turns_place);

/* Peers that want turns: those that had none lately, and those that had. */
struct turns_line {
	struct turns_place_list fresh, served;
	unsigned in_a_row; /* of the fresh ones, or of this line */
};

#define TURNS_BUCKETS 1024

LIST_HEAD(turns_bucket, turns_peer);

struct turns {
	struct turns_line begun, anew;
	unsigned begun_in_a_row;
	size_t waiting; /* in both */
	struct turn_list ages;
	struct turns_bucket buckets[TURNS_BUCKETS];
	int64_t patience;
	int64_t calm; /* when nobody had waited for long, at last */
};

/* patience: for how long, in ns, what is new may wait at most. */
void turns_init(struct turns *, int64_t patience);

/* Makes it one of the peer of that key, which is a hash. 0 or -ENOMEM. */
int turns_join(struct turns *, struct turn *, uint64_t peer);
/* It will not want any more, and waits no longer. */
void turns_leave(struct turns *, struct turn *);

/* It has joined, and wants a turn, unless it waits for one already. begun: it
 * goes on with what it has begun. */
void turns_wait(struct turns *, struct turn *, bool begun, int64_t now);
/* It does not any more. */
void turns_withdraw(struct turns *, struct turn *);

static inline bool
turns_any(const struct turns *t)
{
	return (t->waiting > 0);
}

/* Whose turn it is, which waits no longer; NULL: nobody waits. */
struct turn *turns_next(struct turns *, int64_t now);

/*
 * One who has waited in vain for too long, and waits no longer; NULL: there is
 * none. For too long: the patience; or an eighth of it, where somebody had
 * waited for long, which is a thirtieth of it, at any time since so long.
 */
struct turn *turns_give_up(struct turns *, int64_t now);

#endif
