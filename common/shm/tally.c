/*
 * A hash table of counts that one process writes and others read at the same
 * time, without a lock.
 */
#include "common/shm/tally.h"

#include <errno.h>
#include <stddef.h>

/*
 * Keys are never moved and never removed: an entry whose count is 0 keeps its
 * key, so that a search goes on behind it, until another key takes its place.
 * Thus a reader never misses a key that is there for one that goes, which it
 * could if entries were shifted. What it must find out is that an entry has
 * changed hands between its two reads.
 */

#define PER_SECOND UINT64_C(1)
#define IN_USE	   UINT64_C(2)

uint64_t
tally_key(uint64_t hash, bool per_second)
{
	return ((hash & ~PER_SECOND) | IN_USE | (per_second ? PER_SECOND : 0));
}

static size_t
place(uint64_t key, size_t probe)
{
	return (((key >> 2) + probe) % TALLY_ENTRIES);
}

static uint32_t
count(uint64_t key, uint64_t value, uint32_t second)
{
	if ((key & PER_SECOND) != 0 && value >> 32 != second)
		return (0);
	return ((uint32_t)value);
}

/* Both for the writer, who reads nothing but what it wrote. */
static uint64_t
key_of(struct tally_entry *e)
{
	return (atomic_load_explicit(&e->key, memory_order_relaxed));
}

static uint32_t
count_of(struct tally_entry *e, uint32_t second)
{
	return (count(key_of(e),
	    atomic_load_explicit(&e->value, memory_order_relaxed), second));
}

/* Release: who reads this value sees the key that it belongs to. */
static void
put(struct tally_entry *e, uint32_t n, uint32_t second)
{
	atomic_store_explicit(
	    &e->value, (uint64_t)second << 32 | n, memory_order_release);
}

/* Release: who reads the key does not see the value of the one before. */
static void
take(struct tally_entry *e, uint64_t key)
{
	atomic_store_explicit(&e->value, 0, memory_order_relaxed);
	atomic_store_explicit(&e->key, key, memory_order_release);
}

int
tally_add(struct tally *t, uint64_t key, uint32_t second)
{
	struct tally_entry *e, *unused = NULL;
	size_t i;

	for (i = 0; i < TALLY_PROBES; i++) {
		e = &t->entries[place(key, i)];
		if (key_of(e) == key) {
			put(e, count_of(e, second) + 1, second);
			return (0);
		}
		if (unused == NULL && count_of(e, second) == 0)
			unused = e;
		if (key_of(e) == 0)
			break;
	}
	if (unused == NULL)
		return (-ENOSPC);
	take(unused, key);
	put(unused, 1, second);
	return (0);
}

void
tally_sub(struct tally *t, uint64_t key, uint32_t second)
{
	struct tally_entry *e;
	size_t i;

	for (i = 0; i < TALLY_PROBES; i++) {
		e = &t->entries[place(key, i)];
		if (key_of(e) == key && count_of(e, second) > 0)
			put(e, count_of(e, second) - 1, second);
		if (key_of(e) == key || key_of(e) == 0)
			break;
	}
}

uint32_t
tally_get(const struct tally *t, uint64_t key, uint32_t second)
{
	const struct tally_entry *e;
	uint64_t found, value;
	size_t i;

	for (i = 0; i < TALLY_PROBES; i++) {
		e = &t->entries[place(key, i)];
		found = atomic_load_explicit(&e->key, memory_order_acquire);
		if (found == 0)
			break;
		if (found != key)
			continue;
		value = atomic_load_explicit(&e->value, memory_order_acquire);
		/* Another key took the entry meanwhile, which happens only to
		 * an entry whose count was 0. */
		if (atomic_load_explicit(&e->key, memory_order_relaxed) != key)
			break;
		return (count(key, value, second));
	}
	return (0);
}
