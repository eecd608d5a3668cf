/* The worker's side of the tunnel table: text that goes on in further slots. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/shm/table.h"
#include "common/shm/table_state.h"

/* Puts a slot behind s, for the text of `owner`. */
static struct table_slot *
add_more(struct table *t, struct table_slot *s, uint32_t owner)
{
	uint32_t i = table_slot_take(t);

	if (i == TABLE_NONE)
		return (NULL);
	t->slots[i].more = 0;
	t->slots[i].owner = owner;
	table_set_state(&t->slots[i], TABLE_MORE);
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
	struct table_slot *s = table_slot_of(f);
	struct cursor c = cursor_first(s);
	uint32_t owner = table_index_of(t, s);
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
	struct table_slot *s = table_slot_of(f);
	struct cursor c = cursor_first(s);

	assert(at + len <= f->text_len);
	/* The slots are there. */
	if (cursor_skip(t, &c, at, TABLE_NONE))
		(void)cursor_write(t, &c, bytes, len, TABLE_NONE);
	atomic_thread_fence(memory_order_release);
}

const uint8_t *
table_text(const struct table *t, const struct tunnel_facts *f,
    uint8_t buf[FACTS_TEXT_MAX])
{
	const struct table_slot *s = table_slot_of(f);
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
