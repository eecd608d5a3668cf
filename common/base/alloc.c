/*
 * Memory from jemalloc: failures that a library hides from its caller are
 * counted here, and pages that are free go back to the kernel.
 */
#include "common/base/alloc.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRING(x)   #x
#define VALUE_OF(x) STRING(x)

/* jemalloc (5.3): one arena for the one thread of a process. Read before
 * main(); without jemalloc, as under a sanitizer, nobody reads it. */
const char *const malloc_conf =
    "narenas:1,dirty_decay_ms:" VALUE_OF(ALLOC_DECAY_MS);

extern int mallctl(const char *name, void *old, size_t *old_len, void *new,
    size_t new_len) __attribute__((weak));

/* How jemalloc manages its pages, as jemalloc(3) has it. */
struct extent_hooks;
typedef bool merge_hook(struct extent_hooks *, void *a, size_t a_size, void *b,
    size_t b_size, bool committed, unsigned arena);

struct extent_hooks {
	void (*others[8])(void);
	merge_hook *merge;
};

/* The same but for merging, which goes on to jemalloc's own. */
struct pieces {
	struct extent_hooks hooks;
	merge_hook *merge;
};

/* The library has no argument of ours to hand to these functions. */
static uint64_t alloc_failed;
static bool alloc_wipes;

static void *
noted(void *memory)
{
	if (memory == NULL)
		alloc_failed++;
	return (memory);
}

void *
alloc_get(size_t size, const char *file, int line)
{
	return (size != 0 ? noted(malloc(size)) : NULL);
}

static void
give_back(void *memory)
{
	if (alloc_wipes && memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* As realloc(3), which may leave behind what it has copied. */
static void *
resize_wiping(void *memory, size_t size)
{
	size_t old = malloc_usable_size(memory);
	void *new = malloc(size);

	if (new == NULL)
		return (NULL);
	if (memory != NULL)
		memcpy(new, memory, old < size ? old : size);
	give_back(memory);
	return (new);
}

void *
alloc_resize(void *memory, size_t size, const char *file, int line)
{
	if (size != 0 && alloc_wipes)
		return (noted(resize_wiping(memory, size)));
	if (size != 0)
		return (noted(realloc(memory, size)));
	give_back(memory);
	return (NULL);
}

/* OpenSSL (3.0) frees nothing as often as something: 670 times in a
 * handshake. */
void
alloc_free(void *memory, const char *file, int line)
{
	if (memory != NULL)
		give_back(memory);
}

void
alloc_wipe(bool wipe)
{
	alloc_wipes = wipe;
}

uint64_t
alloc_failures(void)
{
	return (alloc_failed);
}

/* True: no. */
static bool
merge_small(struct extent_hooks *hooks, void *a, size_t a_size, void *b,
    size_t b_size, bool committed, unsigned arena)
{
	const struct pieces *pieces = (struct pieces *)hooks;

	return (a_size + b_size > ALLOC_PIECE ||
		pieces->merge(hooks, a, a_size, b, b_size, committed, arena));
}

/*
 * A free range goes back as a whole, and all that lies side by side is made
 * into one first: after a burst nearly everything.
 */
void
alloc_set_pieces(void)
{
	struct extent_hooks *hooks = NULL;
	struct pieces *pieces;
	size_t size = sizeof(hooks);

	if (mallctl == NULL ||
	    mallctl("arena.0.extent_hooks", &hooks, &size, NULL, 0) != 0)
		return;
	pieces = malloc(sizeof(*pieces));
	if (pieces == NULL)
		return;
	*pieces = (struct pieces){ .hooks = *hooks, .merge = hooks->merge };
	pieces->hooks.merge = merge_small;
	hooks = &pieces->hooks;
	/* jemalloc keeps them for good. Else the pieces are larger. */
	if (mallctl(
		"arena.0.extent_hooks", NULL, NULL, &hooks, sizeof(hooks)) != 0)
		free(pieces);
}

void
alloc_collect(void)
{
	/* glibc does not know of pieces. */
	if (mallctl == NULL)
		(void)malloc_trim(0);
	else
		(void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
}

void
alloc_step(void)
{
	if (mallctl != NULL)
		(void)mallctl("arena.0.decay", NULL, NULL, NULL, 0);
}

size_t
alloc_unused(void)
{
	uint64_t epoch = 1;
	size_t pages = 0, size = sizeof(pages);

	/* The figures are those of when epoch was last set. */
	if (mallctl == NULL ||
	    mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch)) != 0 ||
	    mallctl("stats.arenas.0.pdirty", &pages, &size, NULL, 0) != 0)
		return (0);
	return (pages * (size_t)sysconf(_SC_PAGESIZE));
}

static const uint64_t *
counter(const char *name)
{
	const uint64_t *at;
	size_t size = sizeof(at);

	if (mallctl == NULL || mallctl(name, &at, &size, NULL, 0) != 0)
		return (NULL);
	return (at);
}

void
alloc_meter_init(struct alloc_meter *meter)
{
	meter->taken = counter("thread.allocatedp");
	meter->given = counter("thread.deallocatedp");
}

uint64_t
alloc_metered(const struct alloc_meter *meter)
{
	struct mallinfo2 info;

	if (meter->taken != NULL && meter->given != NULL)
		return (*meter->taken - *meter->given);
	info = mallinfo2();
	return (info.uordblks + info.hblkhd);
}

void
alloc_trim(void)
{
	alloc_collect();
	/* Only memory is at stake, and there will be a next time. */
	if (mallctl != NULL)
		(void)mallctl("arena.0.purge", NULL, NULL, NULL, 0);
}

const char *
alloc_version(void)
{
	const char *version;
	size_t size = sizeof(version);

	if (mallctl == NULL ||
	    mallctl("version", &version, &size, NULL, 0) != 0)
		return (NULL);
	return (version);
}
