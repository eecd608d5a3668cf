/* The keys of session tickets, from their one writer to their readers. */
#include "common/shm/ticket_keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/shm/store.h"

/* A writer changes them seconds apart, so the second try succeeds. */
#define TRIES_MAX 8

_Static_assert(sizeof(struct ticket_key) == 80, "as it is in a file");

static void *
map(int fd, int protection)
{
	return (store_map_own(fd, protection, sizeof(struct ticket_keys)));
}

static void
unmap(const struct ticket_keys *keys)
{
	if (keys != NULL)
		munmap((void *)(uintptr_t)keys, sizeof(*keys));
}

int
ticket_keys_new(
    struct ticket_keys **writer, const struct ticket_keys **reader, int *fd)
{
	struct ticket_keys *w = NULL;
	const struct ticket_keys *r = NULL;
	int to, from, error;

	error = store_new("sniport-tickets", sizeof(*w), &to, &from);
	if (error != 0)
		return (error);
	w = map(to, PROT_READ | PROT_WRITE);
	if (w != NULL)
		r = map(from, PROT_READ);
	error = r == NULL ? -errno : 0;
	fd_close(&from);
	if (error != 0) {
		fd_close(&to);
		unmap(w);
		return (error);
	}
	w->head = (struct shm_head){ .version = TICKET_KEYS_VERSION,
		.size = sizeof(*w) };
	*writer = w;
	*reader = r;
	if (fd != NULL)
		*fd = to;
	else
		fd_close(&to);
	return (0);
}

int
ticket_keys_adopt(struct ticket_keys **writer, int fd)
{
	struct ticket_keys *w;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return (-errno);
	if (st.st_size != sizeof(*w))
		return (-EPROTO);
	w = map(fd, PROT_READ | PROT_WRITE);
	if (w == NULL)
		return (-errno);
	if (w->head.version != TICKET_KEYS_VERSION ||
	    w->head.size != sizeof(*w)) {
		unmap(w);
		return (-EPROTO);
	}
	*writer = w;
	return (0);
}

void
ticket_keys_leave(struct ticket_keys *writer, const struct ticket_keys *reader)
{
	unmap(writer);
	unmap(reader);
}

void
ticket_keys_free(struct ticket_keys *writer, const struct ticket_keys *reader)
{
	if (writer != NULL)
		ticket_keys_write(writer, NULL, 0);
	ticket_keys_leave(writer, reader);
}

static void
put(struct ticket_list *list, size_t i, const struct ticket_key *key)
{
	uint64_t words[TICKET_KEY_WORDS];
	size_t j;

	memcpy(words, key, sizeof(words));
	for (j = 0; j < TICKET_KEY_WORDS; j++)
		atomic_store_explicit(
		    &list->keys[i][j], words[j], memory_order_relaxed);
	explicit_bzero(words, sizeof(words));
}

static void
get(const struct ticket_list *list, size_t i, struct ticket_key *key)
{
	uint64_t words[TICKET_KEY_WORDS];
	size_t j;

	for (j = 0; j < TICKET_KEY_WORDS; j++)
		words[j] = atomic_load_explicit(
		    &list->keys[i][j], memory_order_relaxed);
	memcpy(key, words, sizeof(*key));
	explicit_bzero(words, sizeof(words));
}

static void
wipe(struct ticket_list *list)
{
	size_t i, j;

	atomic_store_explicit(&list->n, 0, memory_order_relaxed);
	for (i = 0; i < TICKET_KEYS_MAX; i++)
		for (j = 0; j < TICKET_KEY_WORDS; j++)
			atomic_store_explicit(
			    &list->keys[i][j], 0, memory_order_relaxed);
}

void
ticket_keys_write(
    struct ticket_keys *k, const struct ticket_key *keys, size_t n)
{
	uint64_t turn = atomic_load_explicit(&k->turn, memory_order_relaxed);
	struct ticket_list *next = &k->lists[(turn + 1) % 2];
	size_t i;

	if (n > TICKET_KEYS_MAX)
		n = TICKET_KEYS_MAX;
	for (i = 0; i < n; i++)
		put(next, i, &keys[i]);
	atomic_store_explicit(&next->n, n, memory_order_relaxed);
	atomic_store_explicit(&k->turn, turn + 1, memory_order_release);
	/* Whoever still reads the old list and sees it wiped sees the new turn
	 * as well. */
	atomic_thread_fence(memory_order_release);
	wipe(&k->lists[turn % 2]);
}

/* From its place on, which is 0 without a name. */
static bool
look(
    const struct ticket_list *list, const uint8_t *name, struct ticket_key *key)
{
	uint64_t i, n = atomic_load_explicit(&list->n, memory_order_relaxed);

	for (i = 0; i < n && i < TICKET_KEYS_MAX; i++) {
		get(list, i, key);
		if (name == NULL ||
		    memcmp(key->name, name, sizeof(key->name)) == 0)
			return (true);
	}
	return (false);
}

/* Did the list that counted at that turn count all the time? */
static bool
still(const struct ticket_keys *k, uint64_t turn)
{
	atomic_thread_fence(memory_order_acquire);
	return (atomic_load_explicit(&k->turn, memory_order_relaxed) == turn);
}

static bool
take(const struct ticket_keys *k, const uint8_t *name, struct ticket_key *key)
{
	uint64_t turn;
	bool found;
	int i;

	for (i = 0; k != NULL && i < TRIES_MAX; i++) {
		turn = atomic_load_explicit(&k->turn, memory_order_acquire);
		found = look(&k->lists[turn % 2], name, key);
		if (!still(k, turn))
			continue;
		if (!found)
			break;
		return (true);
	}
	explicit_bzero(key, sizeof(*key));
	return (false);
}

bool
ticket_keys_first(const struct ticket_keys *k, struct ticket_key *key)
{
	return (take(k, NULL, key));
}

bool
ticket_keys_find(
    const struct ticket_keys *k, const uint8_t name[16], struct ticket_key *key)
{
	return (take(k, name, key));
}

size_t
ticket_keys_count(const struct ticket_keys *k)
{
	uint64_t turn = atomic_load_explicit(&k->turn, memory_order_acquire);
	uint64_t n =
	    atomic_load_explicit(&k->lists[turn % 2].n, memory_order_relaxed);

	return (n < TICKET_KEYS_MAX ? (size_t)n : TICKET_KEYS_MAX);
}

size_t
ticket_keys_read(
    const struct ticket_keys *k, struct ticket_key keys[TICKET_KEYS_MAX])
{
	uint64_t turn;
	size_t i, n;
	int tries;

	for (tries = 0; tries < TRIES_MAX; tries++) {
		turn = atomic_load_explicit(&k->turn, memory_order_acquire);
		n = ticket_keys_count(k);
		for (i = 0; i < n; i++)
			get(&k->lists[turn % 2], i, &keys[i]);
		if (still(k, turn))
			return (n);
	}
	explicit_bzero(keys, TICKET_KEYS_MAX * sizeof(*keys));
	return (0);
}
