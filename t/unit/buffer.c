/* Blocks that are lent and come back: none twice, none lost, few kept. */
#include <errno.h>
#include <string.h>

#include "t/unit/returns_null.h"
#include "t/unit/tap.h"
#include "worker/loop/buffer.h"

#define CHUNK 1000
#define MANY  (BUFFER_KEEP + 5)

static struct buffers buffers;
static struct buffer lent[MANY];

static void
lend(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (buffer_lend(&buffers, &lent[i]) != 0)
			ok(false, "a block is lent");
}

static void
give_back(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buffer_return(&buffers, &lent[i]);
}

/* Blocks that nobody has are linked; how many there are. */
static size_t
kept(void)
{
	const void *block = buffers.free;
	size_t n = 0;

	/* A block begins with the next one. */
	for (; block != NULL && n <= MANY; n++)
		memcpy(&block, block, sizeof(block));
	return (n);
}

static bool
apart(size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			if (lent[i].data == lent[k].data)
				return (false);
	return (true);
}

static void
test_one(void)
{
	uint8_t *first;

	is_int(buffers.size, CHUNK + BUFFER_SLACK, "a block has its slack");
	is_int(buffer_lend(&buffers, &lent[0]), 0, "a block is lent");
	is_int(buffer_len(&lent[0]), 0, "nothing is in it");
	is_int(buffers.nlent, 1, "it is counted");
	/* All of it may be written, which the sanitizer sees. */
	first = lent[0].data;
	memset(first, 0xa5, buffers.size);
	lent[0].start = 10;
	lent[0].end = buffers.size;
	is_int(buffer_len(&lent[0]), (int64_t)buffers.size - 10,
	    "its window has a length");
	buffer_return(&buffers, &lent[0]);
	ok(lent[0].data == NULL, "it is returned");
	is_int(buffer_len(&lent[0]), 0, "with its bytes");
	is_int(buffers.nlent, 0, "and is not counted any more");
	is_int(buffers.nfree, 1, "it is kept");
	buffer_return(&buffers, &lent[0]);
	is_int(buffers.nlent, 0, "where none is lent nothing is returned");
	is_int(buffers.nfree, 1, "nor kept");
	lend(1);
	ok(lent[0].data == first, "what is kept is lent first");
	is_int(buffer_len(&lent[0]), 0, "and is empty again");
	is_int(buffers.nfree, 0, "nothing is kept then");
	give_back(1);
}

static void
test_many(void)
{
	lend(MANY);
	is_int(buffers.nlent, MANY, "many are lent");
	ok(apart(MANY), "each of them once");
	give_back(MANY);
	is_int(buffers.nlent, 0, "all come back");
	is_int(buffers.nfree, BUFFER_KEEP, "some are kept");
	is_int((int64_t)kept(), BUFFER_KEEP, "as many as are counted");
	lend(MANY);
	ok(apart(MANY), "each of them once, again");
	is_int(buffers.nfree, 0, "those that were kept are used");
	buffers_trim(&buffers);
	is_int(buffers.nlent, MANY, "what is lent is not trimmed");
	memset(lent[MANY - 1].data, 0x5a, buffers.size);
	give_back(MANY);
	buffers_trim(&buffers);
	is_int(buffers.nfree, 0, "what is kept is");
	is_int((int64_t)kept(), 0, "all of it");
	lend(1);
	is_int(buffers.nlent, 1, "then there are new ones");
	give_back(1);
}

static void
test_no_memory(void)
{
	struct buffers none;
	struct buffer b = { 0 };

	buffers_init(&none, (size_t)1 << 50, BUFFER_SLACK);
	is_int(buffer_lend(&none, &b), -ENOMEM, "no memory for a block");
	ok(b.data == NULL, "none is lent");
	is_int(none.nlent, 0, "nor counted");
	buffer_return(&none, &b);
	is_int(none.nfree, 0, "nor returned");
	buffers_fini(&none);
}

int
main(void)
{
	buffers_init(&buffers, CHUNK, BUFFER_SLACK);
	test_one();
	test_many();
	buffers_fini(&buffers);
	is_int(buffers.nfree, 0, "in the end nothing is kept");
	buffers_init(&buffers, CHUNK, 2 * BUFFER_SLACK);
	is_int(buffers.size, CHUNK + 2 * BUFFER_SLACK,
	    "a protocol may want more slack");
	buffers_fini(&buffers);
	test_no_memory();
	return (done_testing());
}
