/*
 * What a client has sent and the TLS library has not taken: received in large
 * pieces, and kept between two calls as an exact copy. Private to the files of
 * tls.
 */
#ifndef WORKER_TLS_INTAKE_H
#define WORKER_TLS_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The most that one receive brings. */
#define INTAKE_PIECE (16 * 1024)

/* Where the bytes of one client at a time are, in the course of a call. */
struct intake_room {
	uint8_t *bytes;
	size_t size;
};

/* Zeroed at first. */
struct intake {
	uint8_t *kept;	/* between calls: the bytes of the window */
	uint8_t *bytes; /* in a call: the room's */
	size_t start, end;
	size_t may; /* start <= may <= end: the library may have them to here */
};

/* Holds what is kept of any client, which is that much at most, and one piece
 * more. 0 or -ENOMEM. */
int intake_room_init(struct intake_room *, size_t most);
void intake_room_fini(struct intake_room *);

/* A call begins, and has the room for itself. */
void intake_open(struct intake *, struct intake_room *);

/* Receives once, a piece at most. > 0; 0: the stream ended; -errno as
 * fd_recv(); *full: as much as was asked for. */
ssize_t intake_receive(
    struct intake *, const struct intake_room *, int fd, bool *full);

/* The call ends: what is left is kept. 0 or -ENOMEM, then nothing is. */
int intake_close(struct intake *);

void intake_free(struct intake *);

static inline size_t
intake_len(const struct intake *in)
{
	return (in->end - in->start);
}

#endif
