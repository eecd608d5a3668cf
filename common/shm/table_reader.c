/* Reads a tunnel table that somebody else writes, and who may be hostile. */
#include "common/shm/table.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

int
table_reader_init(struct table_reader *r, const void *base, size_t size)
{
	struct table_head head;
	size_t slots;

	if (size < TABLE_HEAD_SIZE)
		return (-EINVAL);
	memcpy(&head, base, sizeof(head));
	if (head.magic != TABLE_MAGIC || head.version != TABLE_VERSION ||
	    head.slot_size != TABLE_SLOT_SIZE || head.size != size)
		return (-EINVAL);
	slots = (size - TABLE_HEAD_SIZE) / TABLE_SLOT_SIZE;
	if (slots > head.high)
		slots = head.high;
	*r = (struct table_reader){
		.base = base, .slots = (uint32_t)slots, .left = head.left
	};
	return (0);
}

static void
copy_slot(const struct table_reader *r, uint32_t i, struct table_slot *s)
{
	memcpy(s, r->base + TABLE_HEAD_SIZE + (size_t)i * TABLE_SLOT_SIZE,
	    sizeof(*s));
}

/* Copies what of the text is not in the first slot, as far as it is there. */
static size_t
copy_more(const struct table_reader *r, struct table_entry *e, uint32_t more,
    size_t len)
{
	size_t n, at = FACTS_TEXT_HERE;
	struct table_slot s;

	for (; at < len; at += n) {
		if (more == 0 || more > r->slots)
			break;
		copy_slot(r, more - 1, &s);
		if (s.state != TABLE_MORE || s.owner != e->slot)
			break;
		n = len - at < TABLE_MORE_SIZE ? len - at : TABLE_MORE_SIZE;
		memcpy(e->text + at, s.text, n);
		more = s.more;
	}
	return (at < len ? at : len);
}

static void
copy_text(const struct table_reader *r, struct table_entry *e, uint32_t more)
{
	size_t len = e->facts.text_len;

	if (len > FACTS_TEXT_MAX)
		len = FACTS_TEXT_MAX;
	memcpy(e->text, e->facts.text,
	    len < FACTS_TEXT_HERE ? len : FACTS_TEXT_HERE);
	if (len > FACTS_TEXT_HERE)
		len = copy_more(r, e, more, len);
	if (len != e->facts.text_len)
		e->facts.cut = 1;
	e->facts.text_len = (uint16_t)len;
}

static void
sane_addr(struct addr *a)
{
	if (!addr_is_sound(a))
		*a = (struct addr){ 0 };
}

static void
sane_time(int64_t *ns)
{
	if (*ns < 0)
		*ns = -1;
}

static void
sane_facts(struct tunnel_facts *f)
{
	if (f->wall < 0)
		f->wall = 0;
	if (f->accepted < 0)
		f->accepted = 0;
	sane_time(&f->hello_ns);
	sane_time(&f->handshake_ns);
	sane_time(&f->dns_ns);
	sane_time(&f->connect_ns);
	sane_time(&f->total_ns);
	sane_addr(&f->client);
	sane_addr(&f->proxy);
	sane_addr(&f->upstream);
	sane_addr(&f->egress);
	if (f->reason >= REASON_COUNT)
		f->reason = REASON_NONE;
	if (f->would_deny >= REASON_COUNT)
		f->would_deny = REASON_NONE;
	if (f->decision > FACTS_REPORT)
		f->decision = FACTS_UNDECIDED;
	if (f->closed_first > FACTS_SIDE_UPSTREAM)
		f->closed_first = FACTS_SIDE_NONE;
	f->resumed = f->resumed < 0 ? -1 : f->resumed > 0;
	f->client_truncated = f->client_truncated != 0;
	f->silent = f->silent != 0;
	f->cut = f->cut != 0;
}

/* Whom the kernel has let in. */
static bool
find_client(const struct table_slot *s, struct addr *client)
{
	const uint8_t *text = s->facts.text;

	if (s->owner == 0)
		return (
		    addr_from_sockaddr(client, (const struct sockaddr *)text,
			sizeof(struct sockaddr_in6)) == 0);
	if (s->owner > FACTS_TEXT_HERE - sizeof(*client))
		return (false);
	memcpy(client, text + s->owner, sizeof(*client));
	return (addr_is_sound(client) && client->family != 0);
}

/* Is there a tunnel of which no line has left? */
static bool
is_wanted(const struct table_reader *r, const struct table_slot *s)
{
	struct addr client;

	return (s->state == TABLE_LIVE ||
		(s->state == TABLE_COMING && find_client(s, &client)) ||
		(s->state == TABLE_ENDED && s->line > r->left));
}

/* Of one that comes nothing is known but what was set before, and who it is. */
static void
take_coming(struct table_entry *e, const struct table_slot *s)
{
	(void)find_client(s, &e->facts.client);
	e->facts.text_len = 0;
	e->coming = true;
	e->accepted = s->line;
}

static bool
read_slot(const struct table_reader *r, uint32_t i, struct table_entry *e)
{
	struct table_slot s, again;

	copy_slot(r, i, &s);
	if (!is_wanted(r, &s))
		return (false);
	e->slot = i;
	e->ended = s.state == TABLE_ENDED;
	e->facts = s.facts;
	e->coming = false;
	if (s.state == TABLE_COMING)
		take_coming(e, &s);
	copy_text(r, e, s.more);
	sane_facts(&e->facts);
	/* Another tunnel may have taken its place meanwhile. */
	copy_slot(r, i, &again);
	return (again.facts.number == s.facts.number && is_wanted(r, &again));
}

bool
table_read(struct table_reader *r, struct table_entry *e)
{
	while (r->next < r->slots)
		if (read_slot(r, r->next++, e))
			return (true);
	return (false);
}
