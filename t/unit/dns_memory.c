/*
 * The memory that c-ares is given: there is a reserve for when the allocator
 * has none.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "t/unit/tap.h"
#include "worker/dns/memory.h"

/* glibc maps as much on its own, so that it is refused from now on. */
#define LARGE (200 * 1024)
#define SMALL 1000

static void
test_plenty(void)
{
	char *memory = dns_memory_get(5);

	ok(memory != NULL, "memory");
	memcpy(memory, "kept", 5);
	memory = dns_memory_resize(memory, 100000);
	ok(memory != NULL && strcmp(memory, "kept") == 0, "more of it");
	ok(!dns_memory_short(), "is the system's");
	dns_memory_free(memory);
	dns_memory_free(NULL);
	memory = dns_memory_resize(NULL, 7);
	ok(memory != NULL, "what is nothing can grow");
	dns_memory_free(memory);
}

static void
test_none(void)
{
	/* Not a constant, so that the compiler asks for it. */
	volatile size_t large = LARGE;
	char *kept = dns_memory_get(SMALL), *one, *two;
	void *system;

	memset(kept, 'k', SMALL);
	if (setrlimit(RLIMIT_AS, &(struct rlimit){ 1, 1 }) != 0) {
		ok(false, "setrlimit");
		return;
	}
	system = malloc(large);
	ok(system == NULL, "the system has none");
	free(system);
	one = dns_memory_get(large);
	ok(one != NULL && dns_memory_short(), "the reserve has");
	memset(one, '1', large);
	kept = dns_memory_resize(kept, large);
	ok(kept != NULL && kept[0] == 'k' && kept[SMALL - 1] == 'k',
	    "what grows into it is kept");
	ok(one[large - 1] == '1', "and nothing else is touched");
	ok(dns_memory_get(large) == NULL, "it has an end");
	ok(dns_memory_resize(one, 2 * large) == NULL && one[0] == '1',
	    "where what cannot grow stays as it is");
	two = dns_memory_resize(one, SMALL);
	ok(two != NULL && two[SMALL - 1] == '1', "what shrinks is kept");
	dns_memory_free(kept);
	ok(dns_memory_short(), "it is in use until all is given back");
	dns_memory_free(two);
	ok(!dns_memory_short(), "and then no more");
	one = dns_memory_get(large);
	ok(one != NULL && dns_memory_get(large) != NULL, "but there again");
}

static bool
limitless(void)
{
#ifdef __SANITIZE_ADDRESS__
	return (true);
#else
	return (getenv("SNIPORT_VALGRIND") != NULL);
#endif
}

int
main(void)
{
	test_plenty();
	if (limitless())
		ok(true,
		    "SKIPPED: this checker needs more memory than is left");
	else
		test_none();
	return (done_testing());
}
