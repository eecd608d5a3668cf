/* Clears vector registers, as far as this processor has them. */
#include "common/base/registers.h"

#ifdef __x86_64__

#define SSE(n)	  "pxor %%xmm" #n ", %%xmm" #n "\n\t"
#define AVX512(n) "vpxorq %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define MASK(n)	  "kxorw %%k" #n ", %%k" #n ", %%k" #n "\n\t"

/* The compiler keeps nothing in the upper sixteen: it does not know them where
 * it was not told of AVX-512. */
static void
clear_upper(void)
{
	__asm__ volatile(AVX512(16) AVX512(17) AVX512(18) AVX512(19) AVX512(
	    20) AVX512(21) AVX512(22) AVX512(23) AVX512(24) AVX512(25)
			     AVX512(26) AVX512(27) AVX512(28) AVX512(29)
				 AVX512(30) AVX512(31) MASK(0) MASK(1) MASK(2)
				     MASK(3) MASK(4) MASK(5) MASK(6) MASK(7)::
					 : "memory");
}

static void
clear_lower(void)
{
	__asm__ volatile(SSE(0) SSE(1) SSE(2) SSE(3) SSE(4) SSE(5) SSE(6) SSE(
	    7) SSE(8) SSE(9) SSE(10) SSE(11) SSE(12) SSE(13) SSE(14) SSE(15)::
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			 "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
			 "xmm12", "xmm13", "xmm14", "xmm15");
}

/* All of zmm0 to zmm15. */
static void
clear_lower_avx(void)
{
	__asm__ volatile("vzeroall" ::
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			 "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
			 "xmm12", "xmm13", "xmm14", "xmm15");
}

void
registers_clear(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f"))
		clear_upper();
	if (__builtin_cpu_supports("avx"))
		clear_lower_avx();
	else
		clear_lower();
}

#else

void
registers_clear(void)
{
}

#endif
