/*
 * Preloaded into sniport: how much of its heap goes back to the kernel at once,
 * and in all. The file that PAGES_FILE names is shared with the test.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "t/preload/preload.h"

/* As the test unpacks it. */
struct pages {
	_Atomic uint64_t largest, all; /* bytes */
};

static struct pages *pages;

static void __attribute__((constructor)) begin(void)
{
	pages =
	    preload_share("PAGES_FILE", sizeof(*pages), PROT_READ | PROT_WRITE);
}

int
madvise(void *at, size_t size, int advice)
{
	static int (*next)(void *, size_t, int);

	if (next == NULL)
		next = preload_real("madvise");
	/* jemalloc tries it before all else begins. */
	if (advice == MADV_DONTNEED && pages != NULL) {
		if (size > atomic_load(&pages->largest))
			atomic_store(&pages->largest, size);
		atomic_fetch_add(&pages->all, size);
	}
	return (next(at, size, advice));
}
