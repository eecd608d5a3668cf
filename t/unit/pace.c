/* Records are small at first and after a pause, and full in bulk. */
#include "worker/tls/pace.h"

#include <stdlib.h>

#include "t/unit/tap.h"

#define CHUNK (64 * 1024)
#define START (1000 * CLOCK_SEC)

/* Sends that many bytes in chunks; the largest piece, and in *pieces their
 * number. */
static size_t
send_all(struct pace *p, int64_t now, size_t bytes, size_t *pieces)
{
	size_t largest = 0, left, n;

	*pieces = 0;
	while (bytes > 0) {
		left = bytes < CHUNK ? bytes : CHUNK;
		bytes -= left;
		pace_begin(p, now);
		for (; left > 0; left -= n) {
			n = pace_next(p, left);
			if (n == 0 || n > left)
				abort();
			largest = n > largest ? n : largest;
			++*pieces;
		}
	}
	return (largest);
}

static void
test_ramp(void)
{
	struct pace p = { 0 };
	size_t pieces;

	is_int(send_all(&p, START, 16 * 1024, &pieces), 1024,
	    "the first 16 KiB are in records of 1 KiB");
	is_int(pieces, 16, "sixteen of them");
	is_int(send_all(&p, START, 112 * 1024, &pieces), 4096,
	    "then records have 4 KiB");
	is_int(pieces, 28, "until 128 KiB were sent");
	is_int(send_all(&p, START, CHUNK, &pieces), CHUNK,
	    "then the library cuts what is sent at once into full ones");
	is_int(pieces, 1, "at one call");
	is_int(send_all(&p, START, (size_t)16 << 20, &pieces), CHUNK,
	    "and goes on so, however much there is");
}

static void
test_pause(void)
{
	struct pace p = { 0 };
	size_t pieces;

	send_all(&p, START, 256 * 1024, &pieces);
	is_int(send_all(&p, START + CLOCK_SEC - 1, CHUNK, &pieces), CHUNK,
	    "just less than a second later, records are still full");
	is_int(send_all(&p, START + 2 * CLOCK_SEC - 1, 2000, &pieces), 1024,
	    "a second after that, they are small");
	is_int(send_all(&p, START + 2 * CLOCK_SEC, 15 * 1024, &pieces), 1024,
	    "for 16 KiB");
	is_int(send_all(&p, START + 2 * CLOCK_SEC, CHUNK, &pieces), 4096,
	    "and grow as before");
}

/* What lasts for longer than the milliseconds are counted. */
static void
test_late(void)
{
	struct pace p = { 0 };
	int64_t now = CLOCK_MSEC * UINT32_MAX;
	size_t pieces;

	send_all(&p, now, 256 * 1024, &pieces);
	is_int(send_all(&p, now + CLOCK_MSEC, CHUNK, &pieces), CHUNK,
	    "where the milliseconds go round there is no pause");
	is_int(send_all(&p, now + CLOCK_SEC + CLOCK_MSEC, CHUNK, &pieces), 4096,
	    "and one is seen behind that");
}

/* A block is made for pieces of fragments of 512 bytes: see tls_slack(). */
static void
test_fragments(void)
{
	is_int(PACE_SMALL % 512, 0, "small records have whole fragments");
	is_int(PACE_MEDIUM % 512, 0, "and those of medium size");
}

int
main(void)
{
	test_ramp();
	test_pause();
	test_late();
	test_fragments();
	return (done_testing());
}
