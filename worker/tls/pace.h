/*
 * How large the records are that a stream is sealed into. Nobody can open a
 * record before its last segment has come: so those that begin a response are
 * small, and can be opened one by one while TCP is still slow; those of bulk
 * are full, which costs the least.
 */
#ifndef WORKER_TLS_PACE_H
#define WORKER_TLS_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

/*
 * A record that fits a segment of every common path, also where tunnels leave
 * less of Ethernet's 1500 bytes; for as long as TCP's first window of ten
 * segments (RFC 6928). Then one of three segments, until a full record is a
 * part of what TCP sends at once. Multiples of the smallest fragment that a
 * client can ask for: see tls_sealed_max().
 */
#define PACE_SMALL	  ((size_t)1024)
#define PACE_SMALL_UNTIL  ((size_t)16 * 1024)
#define PACE_MEDIUM	  ((size_t)4096)
#define PACE_MEDIUM_UNTIL ((size_t)128 * 1024)

/* After such a pause TCP is slow again (RFC 5681 section 4.1). */
#define PACE_PAUSE CLOCK_SEC

/* Zeroed: nothing was sent. */
struct pace {
	uint32_t sent; /* since the last pause; it stops at PACE_MEDIUM_UNTIL */
	uint32_t last; /* when, in ms */
};

/*
 * Bytes that fit one small record are sent as one, whatever came before: they
 * need not be paced, nor do they tell of a pause. More are: pace_begin() at
 * first, then for each piece pace_next(), which says how much of the len > 0
 * bytes that are left is to be written next. Full records are one piece.
 */
void pace_begin(struct pace *, int64_t now);
size_t pace_next(struct pace *, size_t len);

#endif
