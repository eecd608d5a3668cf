/* Receives what a client sends before its handshake is done, and keeps what
 * cannot be taken yet. */
#include "worker/tls/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"

int
intake_room_init(struct intake_room *room, size_t most)
{
	room->size = most + INTAKE_PIECE;
	room->bytes = malloc(room->size);
	return (room->bytes != NULL ? 0 : -ENOMEM);
}

void
intake_room_fini(struct intake_room *room)
{
	free(room->bytes);
	room->bytes = NULL;
}

void
intake_open(struct intake *in, struct intake_room *room)
{
	in->bytes = room->bytes;
	if (in->kept == NULL)
		return;
	memcpy(in->bytes, in->kept, in->end);
	free(in->kept);
	in->kept = NULL;
}

ssize_t
intake_receive(
    struct intake *in, const struct intake_room *room, int fd, bool *full)
{
	size_t size = room->size - in->end;
	ssize_t n;

	if (size > INTAKE_PIECE)
		size = INTAKE_PIECE;
	n = fd_recv(fd, in->bytes + in->end, size);
	*full = n == (ssize_t)size;
	if (n > 0)
		in->end += (size_t)n;
	return (n);
}

int
intake_close(struct intake *in)
{
	size_t len = intake_len(in);

	if (len > 0) {
		in->kept = malloc(len);
		if (in->kept != NULL)
			memcpy(in->kept, in->bytes + in->start, len);
	}
	in->bytes = NULL;
	in->may -= in->start;
	in->start = 0;
	in->end = in->kept != NULL ? len : 0;
	return (len > 0 && in->kept == NULL ? -ENOMEM : 0);
}

void
intake_free(struct intake *in)
{
	free(in->kept);
	in->kept = NULL;
}
