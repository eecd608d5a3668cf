/*
 * Blocks of bytes that the worker owns and lends: a tunnel holds one only
 * while it has bytes that the other side has not taken.
 */
#ifndef WORKER_LOOP_BUFFER_H
#define WORKER_LOOP_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* What a block holds beyond a chunk, at least. */
#define BUFFER_SLACK (20 * 1024)

/* So many free blocks are kept for later use. */
#define BUFFER_KEEP 16

struct buffers {
	size_t chunk; /* limits.buffer: the most that is received at once */
	size_t size;  /* of a block */
	struct buffer_block *free;
	size_t nfree, nlent;
};

/* A window of bytes on a lent block. data NULL: no block, no bytes. Each tunnel
 * has several, so they are small. */
struct buffer {
	uint8_t *data;
	uint32_t start, end;
};

/* Blocks hold a chunk and that much more, BUFFER_SLACK at least; less than 4
 * GiB in all. */
void buffers_init(struct buffers *, size_t chunk, size_t slack);
void buffers_fini(struct buffers *);

/* Gives blocks that nobody uses back to the allocator. */
void buffers_trim(struct buffers *);

/* Lends a block; the window is empty. 0 or -ENOMEM. */
int buffer_lend(struct buffers *, struct buffer *);

/* Takes it back; no-op where none is lent. */
void buffer_return(struct buffers *, struct buffer *);

static inline size_t
buffer_len(const struct buffer *b)
{
	return (b->end - b->start);
}

#endif
