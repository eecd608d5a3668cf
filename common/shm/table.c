/* The worker's side of the tunnel table: slots and their states. */
#include "common/shm/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/shm/store.h"
#include "common/shm/table_state.h"

/* Texts go on in further slots, and lines wait for a log that stalls. */
#define SLOTS_PER_TUNNEL 2
#define SLOTS_MORE	 4096

/* No process has descriptors for more tunnels than half of these. */
#define SLOTS_MAX ((int64_t)4 * 1024 * 1024)

#define WORD_BITS 64

_Static_assert(sizeof(struct table_slot) == TABLE_SLOT_SIZE, "as it says");
_Static_assert(sizeof(struct tunnel_facts) == TABLE_MORE_SIZE, "a whole slot");
_Static_assert(sizeof(struct table_head) <= TABLE_HEAD_SIZE, "in its page");

size_t
table_size(int64_t tunnels)
{
	int64_t n = SLOTS_MAX;

	if (tunnels < (SLOTS_MAX - SLOTS_MORE) / SLOTS_PER_TUNNEL)
		n = tunnels * SLOTS_PER_TUNNEL + SLOTS_MORE;
	n = n / WORD_BITS * WORD_BITS;
	return (TABLE_HEAD_SIZE + (size_t)n * TABLE_SLOT_SIZE);
}

int
table_new(size_t size, int *writer, int *reader)
{
	const struct table_head head = { .magic = TABLE_MAGIC,
		.version = TABLE_VERSION,
		.slot_size = TABLE_SLOT_SIZE,
		.size = size };
	int error = store_new("sniport-table", size, writer, reader);
	ssize_t n;

	if (error != 0)
		return (error);
	n = pwrite(*writer, &head, sizeof(head), 0);
	if (n == (ssize_t)sizeof(head))
		return (0);
	error = n == -1 ? -errno : -EIO;
	fd_close(writer);
	fd_close(reader);
	return (error);
}

/* Maps what the descriptor stands for, if it is a table. */
static int
map_table(int fd, struct table_head **head, size_t *size)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) == -1)
		return (-errno);
	if (st.st_size < TABLE_HEAD_SIZE)
		return (-EINVAL);
	*size = (size_t)st.st_size;
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return (-errno);
	/* A hole that goes to a core file is filled for it. If this fails, the
	 * file is large. */
	(void)madvise(map, *size, MADV_DONTDUMP);
	*head = map;
	if ((*head)->magic == TABLE_MAGIC &&
	    (*head)->version == TABLE_VERSION && (*head)->size == *size)
		return (0);
	munmap(map, *size);
	return (-EINVAL);
}

int
table_open(struct table **out, int writer)
{
	struct table_head *head = NULL;
	struct table *t;
	size_t size = 0, words;
	int error = map_table(writer, &head, &size);

	if (error != 0)
		return (error);
	words = (size - TABLE_HEAD_SIZE) / TABLE_SLOT_SIZE / WORD_BITS;
	t = malloc(sizeof(*t) + words * sizeof(*t->free));
	if (t == NULL) {
		munmap(head, size);
		return (-ENOMEM);
	}
	*t = (struct table){ .head = head,
		.slots = (void *)((char *)head + TABLE_HEAD_SIZE),
		.size = size,
		.nslots = (uint32_t)(words * WORD_BITS),
		.first = TABLE_NONE,
		.last = TABLE_NONE };
	memset(t->free, 0xff, words * sizeof(*t->free));
	*out = t;
	return (0);
}

void
table_close(struct table *t)
{
	if (t == NULL)
		return;
	munmap(t->head, t->size);
	free(t);
}

_Atomic uint64_t *
table_left(struct table *t)
{
	return (&t->head->left);
}

uint32_t
table_used(const struct table *t)
{
	return (t->used);
}

static enum table_state
get_state(const struct table_slot *s)
{
	return (atomic_load_explicit(&s->state, memory_order_relaxed));
}

uint32_t
table_slot_take(struct table *t)
{
	uint32_t i, words = t->nslots / WORD_BITS;

	while (t->low < words && t->free[t->low] == 0)
		t->low++;
	if (t->low == words)
		return (TABLE_NONE);
	i = t->low * WORD_BITS + (uint32_t)__builtin_ctzll(t->free[t->low]);
	t->free[t->low] &= t->free[t->low] - 1;
	t->used++;
	if (i >= t->head->high)
		atomic_store_explicit(
		    &t->head->high, i + 1, memory_order_release);
	return (i);
}

static void
slot_free(struct table *t, uint32_t i)
{
	table_set_state(&t->slots[i], TABLE_FREE);
	t->slots[i].more = 0;
	t->free[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
	if (i / WORD_BITS < t->low)
		t->low = i / WORD_BITS;
	t->used--;
}

bool
table_has(const struct table *t, const struct tunnel_facts *f)
{
	uintptr_t at = (uintptr_t)f, from = (uintptr_t)t->head;

	return (at >= from && at - from < t->size);
}

struct tunnel_facts *
table_take(struct table *t)
{
	uint32_t i = table_slot_take(t);
	struct table_slot *s;

	if (i == TABLE_NONE)
		return (NULL);
	s = &t->slots[i];
	s->more = 0;
	s->released = 0;
	facts_init(&s->facts);
	return (&s->facts);
}

void
table_begin(struct table *t, struct tunnel_facts *f)
{
	table_set_state(table_slot_of(f), TABLE_LIVE);
}

/* In the text, and aligned. */
#define MESSAGE_AT                                      \
	(8 - (offsetof(struct table_slot, facts) +      \
		 offsetof(struct tunnel_facts, text)) % \
		 8)

static void
await(struct tunnel_facts *f, uint64_t accepted, size_t where)
{
	struct table_slot *s = table_slot_of(f);

	_Static_assert(
	    MESSAGE_AT + TABLE_AWAIT_SIZE <= FACTS_TEXT_HERE, "has room");
	memset(f->text, 0, MESSAGE_AT + TABLE_AWAIT_SIZE);
	s->line = accepted;
	s->owner = (uint32_t)where;
	table_set_state(s, TABLE_COMING);
}

void *
table_await(struct table *t, struct tunnel_facts *f, uint64_t accepted)
{
	await(f, accepted, 0);
	return (f->text);
}

void *
table_await_message(
    struct table *t, struct tunnel_facts *f, uint64_t accepted, size_t addr)
{
	assert(addr + sizeof(struct addr) <= TABLE_AWAIT_SIZE);
	await(f, accepted, MESSAGE_AT + addr);
	return (f->text + MESSAGE_AT);
}

void
table_untake(struct table *t, struct tunnel_facts *f)
{
	slot_free(t, table_index_of(t, table_slot_of(f)));
}

void
table_end(struct table *t, struct tunnel_facts *f, uint64_t line)
{
	table_slot_of(f)->line = line;
	table_set_state(table_slot_of(f), TABLE_ENDED);
}

void
table_wait(struct table *t, struct tunnel_facts *f)
{
	uint32_t i = table_index_of(t, table_slot_of(f));

	t->slots[i].owner = TABLE_NONE;
	if (t->first == TABLE_NONE)
		t->first = i;
	else
		t->slots[t->last].owner = i;
	t->last = i;
}

static void
free_chain(struct table *t, struct table_slot *s)
{
	uint32_t next, more = s->more;

	slot_free(t, table_index_of(t, s));
	for (; more != 0; more = next) {
		next = t->slots[more - 1].more;
		slot_free(t, more - 1);
	}
}

static void
written(struct table *t, struct table_slot *s)
{
	table_set_state(s, TABLE_WRITTEN);
	if (s->released)
		free_chain(t, s);
}

void
table_forget(struct table *t, struct tunnel_facts *f)
{
	written(t, table_slot_of(f));
}

void
table_settle(struct table *t, uint64_t line)
{
	struct table_slot *s;

	while (t->first != TABLE_NONE && t->slots[t->first].line <= line) {
		s = &t->slots[t->first];
		t->first = s->owner;
		written(t, s);
	}
}

void
table_release(struct table *t, struct tunnel_facts *f)
{
	struct table_slot *s = table_slot_of(f);

	s->released = 1;
	if (get_state(s) == TABLE_WRITTEN)
		free_chain(t, s);
}

static bool
is_free(const struct table *t, uint32_t i)
{
	return ((t->free[i / WORD_BITS] >> i % WORD_BITS & 1) != 0);
}

/* Gives back the whole pages of these slots, which are free. */
static void
give_back(struct table *t, uint32_t from, uint32_t to)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t a = (uintptr_t)&t->slots[from];
	uintptr_t b = (uintptr_t)&t->slots[to];

	a = (a + page - 1) / page * page;
	b = b / page * page;
	/* If this fails, they are kept. */
	if (a < b)
		(void)madvise((void *)a, b - a, MADV_REMOVE);
}

void
table_trim(struct table *t)
{
	uint32_t i, from = 0, high = t->head->high, top = 0;

	for (i = 0; i < high; i++) {
		if (is_free(t, i))
			continue;
		give_back(t, from, i);
		from = top = i + 1;
	}
	/* To the end of its page, where nothing else is. */
	high = (high + WORD_BITS - 1) / WORD_BITS * WORD_BITS;
	give_back(t, from, high);
	atomic_store_explicit(&t->head->high, top, memory_order_release);
}
