/*
 * SipHash-2-4 under a random key, so that peers cannot choose keys that
 * collide.
 */
#include "common/base/hash.h"

#include <sys/random.h>

#include <endian.h>
#include <errno.h>
#include <string.h>

int
hash_key_init(struct hash_key *key)
{
	ssize_t n;

	/* Up to 256 bytes come whole once the pool is ready; before that, a
	 * signal can interrupt (getrandom(2)). */
	do {
		n = getrandom(key, sizeof(*key), 0);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return (-errno);
	return (n == sizeof(*key) ? 0 : -EIO);
}

static uint64_t
rotate(uint64_t x, unsigned bits)
{
	return (x << bits | x >> (64 - bits));
}

static void
sip_rounds(uint64_t v[4], unsigned n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t
hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	/* "somepseudorandomlygeneratedbytes" */
	uint64_t v[4] = { key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573) };
	const uint8_t *s = data;
	uint64_t word, last = (uint64_t)len << 56;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, s + i, 8);
		sip_word(v, le64toh(word));
	}
	for (; i < len; i++)
		last |= (uint64_t)s[i] << 8 * (i % 8);
	sip_word(v, last);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return (v[0] ^ v[1] ^ v[2] ^ v[3]);
}
