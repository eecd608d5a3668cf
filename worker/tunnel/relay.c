#include <errno.h>

#include "worker/tunnel/relay.h"

/* Hands what is left to the peer. 0: all of it; -EAGAIN; -errno: dst broke. */
static int
push(struct half *src, struct half *dst)
{
	struct buffer *unsent = &src->unsent;
	ssize_t n;

	while (buffer_len(unsent) > 0) {
		if (!dst->writable)
			return (-EAGAIN);
		n = dst->ops->send(
		    dst, unsent->data + unsent->start, buffer_len(unsent));
		if (n <= 0)
			return (n < 0 ? (int)n : -EAGAIN);
		unsent->start += (size_t)n;
		src->received += (uint64_t)n;
	}
	buffer_return(src->buffers, unsent);
	return (dst->writable ? dst->ops->flush(dst) : -EAGAIN);
}

/* Receives a chunk. 0: there is something to do; -EAGAIN; -ENOMEM; -errno. */
static int
pull(struct half *src, size_t *budget)
{
	size_t cost;
	ssize_t n;

	if (buffer_lend(src->buffers, &src->unsent) != 0)
		return (-ENOMEM);
	n = src->ops->receive(src, src->unsent.data, src->buffers->size);
	if (n > 0) {
		src->unsent.end = (size_t)n;
		/* What came costs its bytes at least: the pump must end. */
		cost = src->cost > (size_t)n ? src->cost : (size_t)n;
		*budget -= cost < *budget ? cost : *budget;
		return (0);
	}
	buffer_return(src->buffers, &src->unsent);
	if (n == 0 || n == -EPIPE) {
		src->ended = true;
		src->truncated = n == -EPIPE;
		return (0);
	}
	return ((int)n);
}

static enum relay_result
broken(struct half *h, int error)
{
	if (error == -EAGAIN)
		return (RELAY_WAIT);
	if (error == -ENOMEM)
		return (RELAY_NO_MEMORY);
	/* It was told before, or is still to be told, what has happened. */
	if (error == -EPIPE || error == -ENOTCONN)
		error = half_socket_error(h) != 0 ? h->error : -ECONNRESET;
	if (h->error == 0)
		h->error = error;
	return (RELAY_BROKEN);
}

enum relay_result
relay_pump(struct half *src, size_t *budget)
{
	struct half *dst = src->peer;
	int error;

	for (;;) {
		error = push(src, dst);
		if (error != 0)
			return (broken(dst, error));
		if (src->ended) {
			if (dst->finished)
				return (RELAY_WAIT);
			error = dst->ops->finish(dst);
			dst->finished = error == 0;
			return (broken(dst, error != 0 ? error : -EAGAIN));
		}
		if (!src->readable)
			return (RELAY_WAIT);
		if (*budget == 0)
			return (RELAY_MORE);
		error = pull(src, budget);
		if (error == -EAGAIN && src->readable)
			return (RELAY_MORE);
		if (error != 0)
			return (broken(src, error));
	}
}
