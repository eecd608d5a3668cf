/*
 * How the egress lines are: whether this host has what they name now. The
 * master tells it on the board, by the order of the current configuration.
 */
#ifndef COMMON_SHM_LINES_H
#define COMMON_SHM_LINES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shm;

/* As many as a configuration has; of sources, those beyond are unknown. */
#define LINES_MAX	  1000
#define LINES_SOURCES_MAX 65536

/* A source address. */
enum lines_source {
	LINES_UNKNOWN,
	LINES_HERE,
	LINES_MISSING,
	LINES_FOREIGN /* missing, but bind(2) takes it all the same */
};

/* The device of a line. */
enum lines_device {
	LINES_DEVICE_UNKNOWN,
	LINES_DEVICE_ANY, /* it names none */
	LINES_DEVICE_UP,
	LINES_DEVICE_DOWN, /* or without a carrier */
	LINES_DEVICE_MISSING
};

/* A whole line. */
enum lines_state {
	LINES_STATE_UNKNOWN,
	LINES_STATE_UP,
	LINES_STATE_DEGRADED, /* some of its sources are missing */
	LINES_STATE_DOWN, /* tunnels fail: its device, or all its sources of a
			   * family, are missing */
	LINES_STATES
};

/* What is known of its sources. */
struct lines_sources {
	size_t all[2], here[2]; /* of IPv4, of IPv6 */
};

/* On the board. What is said is of that generation; 0: of none. */
struct lines_board {
	_Atomic uint64_t generation;
	_Atomic uint64_t nforeign; /* of sources */
	_Atomic uint8_t device[LINES_MAX];
	_Atomic uint8_t source[LINES_SOURCES_MAX];
};

/* Master only: all is unknown until lines_begin() of a generation. */
void lines_forget(struct shm *);
void lines_begin(struct shm *, unsigned generation);
void lines_set_device(struct shm *, size_t line, enum lines_device);
/* Sources are numbered on from one line to the next. */
void lines_set_source(struct shm *, size_t source, enum lines_source);
void lines_set_foreign(struct shm *, size_t n);

/* Unknown where they are of another generation. */
enum lines_device lines_device(
    const struct shm *, unsigned generation, size_t line);
enum lines_source lines_source(
    const struct shm *, unsigned generation, size_t source);
/* Is any source foreign? */
bool lines_any_foreign(const struct shm *, unsigned generation);

/* What that makes of a line. Pure. */
enum lines_state lines_judge(enum lines_device, const struct lines_sources *);

/* "up", "degraded", "down", "unknown" */
const char *lines_state_name(enum lines_state);
/* "up", "down", "missing"; NULL where none is named */
const char *lines_device_name(enum lines_device);

#endif
