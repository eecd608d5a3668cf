/* The keyed hash gives the published test vectors, whatever the alignment. */
#include "common/base/hash.h"

#include "t/unit/tap.h"

/* Reference output for the key 00 01 .. 0f and the input 00 01 .. (n-1). */
static const uint64_t vectors[] = {
	UINT64_C(0x726fdb47dd0e0e31),
	UINT64_C(0x74f839c593dc67fd),
	UINT64_C(0x0d6c8009d9a94f5a),
	UINT64_C(0x85676696d7fb7e2d),
	UINT64_C(0xcf2794e0277187b7),
	UINT64_C(0x18765564cd99a68d),
	UINT64_C(0xcbc9466e58fee3ce),
	UINT64_C(0xab0200f58b01d137),
	UINT64_C(0x93f5f5799a932462),
};

static const struct hash_key key = { UINT64_C(0x0706050403020100),
	UINT64_C(0x0f0e0d0c0b0a0908) };

static void
test_vectors(void)
{
	uint8_t in[16];
	size_t i;

	for (i = 0; i < sizeof(in); i++)
		in[i] = i;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		ok(hash_bytes(&key, in, i) == vectors[i],
		    "reference vector of %zu bytes", i);
	ok(hash_bytes(&key, in, 15) == UINT64_C(0xa129ca6149be45e5),
	    "reference vector of 15 bytes (the paper's appendix)");
}

static void
test_unaligned(void)
{
	uint8_t in[32];
	size_t i;

	for (i = 0; i < 15; i++)
		in[i + 3] = i;
	ok(hash_bytes(&key, in + 3, 15) == UINT64_C(0xa129ca6149be45e5),
	    "an unaligned input hashes the same");
}

static void
test_key(void)
{
	struct hash_key a = { 0, 0 }, b = { 0, 0 };

	is_int(hash_key_init(&a), 0, "hash_key_init");
	is_int(hash_key_init(&b), 0, "hash_key_init again");
	ok(a.k0 != b.k0 && a.k1 != b.k1, "two keys differ in both halves");
	ok(hash_bytes(&a, "x", 1) != hash_bytes(&b, "x", 1), "the key matters");
}

int
main(void)
{
	test_vectors();
	test_unaligned();
	test_key();
	return (done_testing());
}
