/* Nothing of a secret stays in vector registers. */
#include "common/base/registers.h"

#include <string.h>

#include "t/unit/tap.h"

#ifdef __x86_64__

#define LOAD(n)	 "vmovdqu64 (%0), %%zmm" #n "\n\t"
#define STORE(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%0)\n\t"

static const unsigned char secret[64] = "a private key is written in here";

static void
load_avx512(void)
{
	__asm__ volatile(LOAD(0) LOAD(5) LOAD(15) LOAD(16) LOAD(17) LOAD(20)
			     LOAD(24) LOAD(28) LOAD(31)::"r"(secret)
			 : "xmm0", "xmm5", "xmm15", "memory");
}

static void
store_avx512(unsigned char *out)
{
	__asm__ volatile(STORE(0) STORE(5) STORE(15) STORE(16) STORE(17)
			     STORE(20) STORE(24) STORE(28) STORE(31)::"r"(out)
			 : "memory");
}

static void
load_avx(void)
{
	__asm__ volatile(
	    "vmovdqu (%0), %%ymm0\n\tvmovdqu (%0), %%ymm15" ::"r"(secret)
	    : "xmm0", "xmm15", "memory");
}

static void
store_avx(unsigned char *out)
{
	__asm__ volatile(
	    "vmovdqu %%ymm0, (%0)\n\tvmovdqu %%ymm15, 32(%0)" ::"r"(out)
	    : "memory");
}

static void
test(const char *name, void (*load)(void), void (*store)(unsigned char *))
{
	static unsigned char out[32 * 64];

	memset(out, 0, sizeof(out));
	load();
	store(out);
	ok(memmem(out, sizeof(out), secret, 16) != NULL, "%s: it is there",
	    name);
	memset(out, 0, sizeof(out));
	load();
	registers_clear();
	store(out);
	ok(memmem(out, sizeof(out), secret, 16) == NULL, "%s: it is gone",
	    name);
}

int
main(void)
{
	registers_clear();
	ok(true, "it can be done");
	if (__builtin_cpu_supports("avx"))
		test("AVX", load_avx, store_avx);
	if (__builtin_cpu_supports("avx512f"))
		test("AVX-512", load_avx512, store_avx512);
	return (done_testing());
}

#else

int
main(void)
{
	registers_clear();
	ok(true, "nothing is done");
	return (done_testing());
}

#endif
