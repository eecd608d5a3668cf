/*
 * The allocator that libraries are given counts what failed, and a size of 0
 * allocates nothing.
 */
#include <stddef.h>
#include <string.h>

#include "common/base/alloc.h"
#include "t/unit/returns_null.h"
#include "t/unit/tap.h"

/* More than any address space has. */
#define HUGE_SIZE ((size_t)1 << 62)

int
main(void)
{
	char *memory = alloc_get(5, __FILE__, __LINE__);
	/* Not a constant: the compiler knows that there is not so much. */
	volatile size_t huge = HUGE_SIZE;

	ok(memory != NULL, "memory");
	memcpy(memory, "kept", 5);
	memory = alloc_resize(memory, 100000, __FILE__, __LINE__);
	ok(memory != NULL && strcmp(memory, "kept") == 0, "more of it");
	ok(alloc_get(0, __FILE__, __LINE__) == NULL, "nothing is NULL");
	ok(alloc_failures() == 0, "which is no failure");
	ok(alloc_get(huge, __FILE__, __LINE__) == NULL, "there is not so much");
	ok(alloc_failures() == 1, "which is one");
	ok(alloc_resize(memory, huge, __FILE__, __LINE__) == NULL, "nor more");
	ok(alloc_failures() == 2, "which is another");
	ok(strcmp(memory, "kept") == 0, "what was there is untouched");
	ok(alloc_resize(memory, 0, __FILE__, __LINE__) == NULL, "given back");
	alloc_free(
	    alloc_resize(NULL, 7, __FILE__, __LINE__), __FILE__, __LINE__);
	alloc_free(NULL, __FILE__, __LINE__);
	ok(alloc_failures() == 2, "so it stays");

	alloc_wipe(true);
	memory = alloc_get(64, __FILE__, __LINE__);
	memcpy(memory, "secret", 7);
	memory = alloc_resize(memory, 100000, __FILE__, __LINE__);
	ok(memory != NULL && strcmp(memory, "secret") == 0,
	    "wiping: more of it");
	memory = alloc_resize(memory, 7, __FILE__, __LINE__);
	ok(memory != NULL && strcmp(memory, "secret") == 0,
	    "wiping: less of it");
	ok(alloc_resize(memory, huge, __FILE__, __LINE__) == NULL,
	    "wiping: there is not so much");
	ok(alloc_failures() == 3, "wiping: which is counted");
	ok(strcmp(memory, "secret") == 0,
	    "wiping: what was there is untouched");
	alloc_free(memory, __FILE__, __LINE__);
	alloc_free(NULL, __FILE__, __LINE__);
	memory = alloc_resize(NULL, 7, __FILE__, __LINE__);
	ok(memory != NULL, "wiping: from nothing");
	ok(alloc_resize(memory, 0, __FILE__, __LINE__) == NULL,
	    "wiping: given back");
	alloc_wipe(false);
	return (done_testing());
}
