/* The worker's side of the tunnel table: slots, their states and their text. */
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

/* Texts go on in further slots, and lines wait for a log that stalls. */
#define SLOTS_PER_TUNNEL 2
#define SLOTS_MORE	 4096

/* No process has descriptors for more tunnels than half of these. */
#define SLOTS_MAX ((int64_t)4 * 1024 * 1024)

#define NONE	  UINT32_MAX
#define WORD_BITS 64

_Static_assert(sizeof(struct table_slot) == TABLE_SLOT_SIZE, "as it says");
_Static_assert(sizeof(struct tunnel_facts) == TABLE_MORE_SIZE, "a whole slot");
_Static_assert(sizeof(struct table_head) <= TABLE_HEAD_SIZE, "in its page");

struct table {
	struct table_head *head;
	struct table_slot *slots;
	size_t size;
	uint32_t nslots, used;
	uint32_t first, last; /* whose lines wait, in the order of these */
	uint32_t low;	      /* no word before this one has a free slot */
	uint64_t free[];      /* one bit for each slot */
};

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
		.first = NONE,
		.last = NONE };
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

/* Whatever was stored before is seen by who sees the state. */
static void
set_state(struct table_slot *s, enum table_state state)
{
	atomic_store_explicit(&s->state, state, memory_order_release);
}

static enum table_state
get_state(const struct table_slot *s)
{
	return (atomic_load_explicit(&s->state, memory_order_relaxed));
}

/* The lowest free slot, so that few pages have any; NONE. */
static uint32_t
slot_take(struct table *t)
{
	uint32_t i, words = t->nslots / WORD_BITS;

	while (t->low < words && t->free[t->low] == 0)
		t->low++;
	if (t->low == words)
		return (NONE);
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
	set_state(&t->slots[i], TABLE_FREE);
	t->slots[i].more = 0;
	t->free[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
	if (i / WORD_BITS < t->low)
		t->low = i / WORD_BITS;
	t->used--;
}

static struct table_slot *
slot_of(const struct tunnel_facts *f)
{
	return ((struct table_slot *)((uintptr_t)f -
				      offsetof(struct table_slot, facts)));
}

static uint32_t
index_of(const struct table *t, const struct table_slot *s)
{
	return ((uint32_t)(s - t->slots));
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
	uint32_t i = slot_take(t);
	struct table_slot *s;

	if (i == NONE)
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
	set_state(slot_of(f), TABLE_LIVE);
}

/* Puts a slot behind s, for the text of `owner`. */
static struct table_slot *
add_more(struct table *t, struct table_slot *s, uint32_t owner)
{
	uint32_t i = slot_take(t);

	if (i == NONE)
		return (NULL);
	t->slots[i].more = 0;
	t->slots[i].owner = owner;
	set_state(&t->slots[i], TABLE_MORE);
	s->more = i + 1;
	return (&t->slots[i]);
}

/* Where the text goes on. */
struct cursor {
	struct table_slot *slot;
	uint8_t *at;
	size_t room; /* in this slot */
};

static struct cursor
cursor_first(struct table_slot *s)
{
	return ((struct cursor){ s, s->facts.text, FACTS_TEXT_HERE });
}

/* Moves on so many bytes of text, which is to go on there. False: there is no
 * slot. */
static bool
cursor_skip(struct table *t, struct cursor *c, size_t n, uint32_t owner)
{
	struct table_slot *next;

	while (n >= c->room) {
		n -= c->room;
		next = c->slot->more != 0 ? &t->slots[c->slot->more - 1]
					  : add_more(t, c->slot, owner);
		if (next == NULL)
			return (false);
		*c = (struct cursor){ next, next->text, TABLE_MORE_SIZE };
	}
	c->at += n;
	c->room -= n;
	return (true);
}

static bool
cursor_write(struct table *t, struct cursor *c, const uint8_t *bytes,
    size_t len, uint32_t owner)
{
	size_t n;

	while (len > 0) {
		if (!cursor_skip(t, c, 0, owner))
			return (false);
		n = len < c->room ? len : c->room;
		memcpy(c->at, bytes, n);
		c->at += n;
		c->room -= n;
		bytes += n;
		len -= n;
	}
	return (true);
}

int
table_put(struct table *t, struct tunnel_facts *f, enum facts_word word,
    const void *bytes, size_t len)
{
	struct table_slot *s = slot_of(f);
	struct cursor c = cursor_first(s);
	uint32_t owner = index_of(t, s);
	uint8_t head[FACTS_HEAD_SIZE];
	size_t at = f->text_len;

	len = facts_pack(f, word, len, head);
	if (at + sizeof(head) + len > FACTS_TEXT_MAX ||
	    !cursor_skip(t, &c, at, owner) ||
	    !cursor_write(t, &c, head, sizeof(head), owner) ||
	    !cursor_write(t, &c, bytes, len, owner)) {
		f->cut = 1;
		return (-ENOSPC);
	}
	/* Not before all of it is there. */
	atomic_store_explicit(&f->text_len, (uint16_t)(at + sizeof(head) + len),
	    memory_order_release);
	return (0);
}

void
table_change(struct table *t, struct tunnel_facts *f, size_t at,
    const void *bytes, size_t len)
{
	struct table_slot *s = slot_of(f);
	struct cursor c = cursor_first(s);

	assert(at + len <= f->text_len);
	/* The slots are there. */
	if (cursor_skip(t, &c, at, NONE))
		(void)cursor_write(t, &c, bytes, len, NONE);
	atomic_thread_fence(memory_order_release);
}

const uint8_t *
table_text(const struct table *t, const struct tunnel_facts *f,
    uint8_t buf[FACTS_TEXT_MAX])
{
	const struct table_slot *s = slot_of(f);
	size_t n, at = FACTS_TEXT_HERE, len = f->text_len;

	if (len <= FACTS_TEXT_HERE)
		return (f->text);
	memcpy(buf, f->text, FACTS_TEXT_HERE);
	for (; at < len; at += n) {
		s = &t->slots[s->more - 1];
		n = len - at < TABLE_MORE_SIZE ? len - at : TABLE_MORE_SIZE;
		memcpy(buf + at, s->text, n);
	}
	return (buf);
}

void
table_end(struct table *t, struct tunnel_facts *f, uint64_t line)
{
	slot_of(f)->line = line;
	set_state(slot_of(f), TABLE_ENDED);
}

void
table_wait(struct table *t, struct tunnel_facts *f)
{
	uint32_t i = index_of(t, slot_of(f));

	t->slots[i].owner = NONE;
	if (t->first == NONE)
		t->first = i;
	else
		t->slots[t->last].owner = i;
	t->last = i;
}

static void
free_chain(struct table *t, struct table_slot *s)
{
	uint32_t next, more = s->more;

	slot_free(t, index_of(t, s));
	for (; more != 0; more = next) {
		next = t->slots[more - 1].more;
		slot_free(t, more - 1);
	}
}

static void
written(struct table *t, struct table_slot *s)
{
	set_state(s, TABLE_WRITTEN);
	if (s->released)
		free_chain(t, s);
}

void
table_forget(struct table *t, struct tunnel_facts *f)
{
	written(t, slot_of(f));
}

void
table_settle(struct table *t, uint64_t line)
{
	struct table_slot *s;

	while (t->first != NONE && t->slots[t->first].line <= line) {
		s = &t->slots[t->first];
		t->first = s->owner;
		written(t, s);
	}
}

void
table_release(struct table *t, struct tunnel_facts *f)
{
	struct table_slot *s = slot_of(f);

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
