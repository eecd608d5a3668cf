/*
 * Lends blocks to tunnels that have unsent bytes, and keeps some for the next.
 */
#include "worker/loop/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* A free block's first bytes link it to the next one. */
struct buffer_block {
	struct buffer_block *next;
};

void
buffers_init(struct buffers *bs, size_t chunk, size_t slack)
{
	assert(slack >= BUFFER_SLACK);
	*bs = (struct buffers){ .chunk = chunk, .size = chunk + slack };
}

void
buffers_trim(struct buffers *bs)
{
	struct buffer_block *block;

	while ((block = bs->free) != NULL) {
		bs->free = block->next;
		free(block);
	}
	bs->nfree = 0;
}

void
buffers_fini(struct buffers *bs)
{
	assert(bs->nlent == 0);
	buffers_trim(bs);
}

int
buffer_lend(struct buffers *bs, struct buffer *b)
{
	struct buffer_block *block = bs->free;

	assert(b->data == NULL);
	if (block != NULL) {
		bs->free = block->next;
		bs->nfree--;
	} else {
		block = malloc(bs->size);
		if (block == NULL)
			return (-ENOMEM);
		assert(bs->size <= UINT32_MAX);
	}
	bs->nlent++;
	*b = (struct buffer){ .data = (uint8_t *)block };
	return (0);
}

void
buffer_return(struct buffers *bs, struct buffer *b)
{
	struct buffer_block *block = (struct buffer_block *)(void *)b->data;

	if (block == NULL)
		return;
	bs->nlent--;
	if (bs->nfree < BUFFER_KEEP) {
		block->next = bs->free;
		bs->free = block;
		bs->nfree++;
	} else {
		free(block);
	}
	*b = (struct buffer){ 0 };
}
