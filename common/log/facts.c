/* Packs the words of a tunnel's facts, finds them again, and formats some. */
#include "common/log/facts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/decimal.h"

/* A word's length that says that there is none. */
#define NO_WORD UINT16_MAX

_Static_assert(sizeof(struct tunnel_facts) == 488, "a slot less its head");

static const uint16_t longest[FACTS_WORDS] = {
	[FACTS_SERVER_NAME] = FACTS_SERVER_NAME_MAX,
	[FACTS_HOST] = HOSTNAME_SIZE - 1,
	[FACTS_IDENTITY] = FACTS_IDENTITY_MAX,
	[FACTS_DETAIL] = FACTS_DETAIL_MAX,
	[FACTS_CIPHER] = 63,
	[FACTS_TRIED] = FACTS_TRY_SIZE,
};

void
facts_init(struct tunnel_facts *f)
{
	memset(f, 0, sizeof(*f));
	f->hello_ns = f->handshake_ns = f->dns_ns = f->connect_ns =
	    f->total_ns = -1;
	f->listener = f->rule = f->egress_line = FACTS_NONE;
	f->resumed = -1;
}

size_t
facts_pack(struct tunnel_facts *f, enum facts_word word, size_t len,
    uint8_t head[FACTS_HEAD_SIZE])
{
	uint32_t full = len < FACTS_NONE ? (uint32_t)len : FACTS_NONE;
	uint16_t told = NO_WORD;

	if (len == FACTS_NO_WORD) {
		len = 0;
	} else {
		if (word == FACTS_SERVER_NAME)
			f->server_name_len = full;
		if (word == FACTS_IDENTITY)
			f->identity_len = full;
		if (len > longest[word])
			len = longest[word];
		told = (uint16_t)len;
	}
	head[0] = (uint8_t)word;
	memcpy(head + 1, &told, sizeof(told));
	return (len);
}

int
facts_put(struct tunnel_facts *f, uint8_t *text, size_t size,
    enum facts_word word, const void *bytes, size_t len)
{
	uint8_t head[FACTS_HEAD_SIZE];
	size_t at = f->text_len;

	len = facts_pack(f, word, len, head);
	if (size > FACTS_TEXT_MAX)
		size = FACTS_TEXT_MAX;
	if (at + sizeof(head) + len > size) {
		f->cut = 1;
		return (-ENOSPC);
	}
	memcpy(text + at, head, sizeof(head));
	if (len > 0)
		memcpy(text + at + sizeof(head), bytes, len);
	f->text_len = (uint16_t)(at + sizeof(head) + len);
	return (0);
}

/* What is left of packed text. */
struct rest {
	const uint8_t *at;
	size_t len;
};

/* Takes the next word, whose bytes are NULL where it says that there is none,
 * or that there is more of it than there can be, which ends the text. */
static bool
take_word(struct rest *r, enum facts_word *word, struct piece *bytes)
{
	uint16_t told;

	if (r->len < FACTS_HEAD_SIZE || r->at[0] >= FACTS_WORDS)
		return (false);
	*word = r->at[0];
	memcpy(&told, r->at + 1, sizeof(told));
	r->at += FACTS_HEAD_SIZE;
	r->len -= FACTS_HEAD_SIZE;
	*bytes = (struct piece){ NULL, 0 };
	if (told == NO_WORD)
		return (true);
	if (told > longest[*word] || told > r->len) {
		r->len = 0;
		return (true);
	}
	*bytes = (struct piece){ (const char *)r->at, told };
	r->at += told;
	r->len -= told;
	return (true);
}

void
facts_words(const uint8_t *text, size_t len, struct piece words[FACTS_WORDS])
{
	struct rest rest = { text, len };
	enum facts_word word;
	struct piece bytes;

	memset(words, 0, FACTS_WORDS * sizeof(*words));
	while (take_word(&rest, &word, &bytes))
		words[word] = bytes;
}

void
facts_try_pack(uint8_t at[FACTS_TRY_SIZE], const struct facts_try *try)
{
	uint16_t reason = (uint16_t)try->reason;

	_Static_assert(sizeof(try->addr) + sizeof(reason) == FACTS_TRY_SIZE,
	    "an address and a reason");
	memcpy(at, &try->addr, sizeof(try->addr));
	memcpy(at + sizeof(try->addr), &reason, sizeof(reason));
}

static bool
try_unpack(struct facts_try *try, const char *at)
{
	uint16_t reason;

	memcpy(&try->addr, at, sizeof(try->addr));
	memcpy(&reason, at + sizeof(try->addr), sizeof(reason));
	try->reason = reason;
	return (addr_is_sound(&try->addr) && reason < REASON_COUNT);
}

/* The next address, or what stands in its place. */
static bool
take_try(struct rest *r, struct piece *bytes)
{
	enum facts_word word;

	while (take_word(r, &word, bytes))
		if (word == FACTS_TRIED && bytes->len == FACTS_TRY_SIZE)
			return (true);
	return (false);
}

size_t
facts_tries(
    const uint8_t *text, size_t len, struct facts_try tries[FACTS_TRIED_MAX])
{
	struct rest rest = { text, len };
	struct piece bytes;
	size_t n = 0;

	while (n < FACTS_TRIED_MAX && take_try(&rest, &bytes))
		if (try_unpack(&tries[n], bytes.s))
			n++;
	return (n);
}

size_t
facts_find_try(const uint8_t *text, size_t len, size_t *n)
{
	struct rest rest = { text, len };
	struct piece bytes;
	size_t i;

	for (i = 0; take_try(&rest, &bytes); i++)
		if (i == *n)
			return ((size_t)((const uint8_t *)bytes.s - text));
	*n = i;
	return (0);
}

size_t
facts_format_id(const struct tunnel_facts *f, char buf[FACTS_ID_SIZE])
{
	size_t len = decimal_put(buf, f->generation);

	buf[len++] = '-';
	len += decimal_put(buf + len, f->worker);
	buf[len++] = '-';
	len += decimal_put(buf + len, f->number);
	buf[len] = '\0';
	return (len);
}

size_t
facts_format_target(
    const struct tunnel_facts *f, struct piece host, char buf[TARGET_TEXT_SIZE])
{
	bool ipv6 = piece_has(host, ':');
	size_t len = 0;

	assert(host.len < HOSTNAME_SIZE);
	if (ipv6)
		buf[len++] = '[';
	memcpy(buf + len, host.s, host.len);
	len += host.len;
	if (ipv6)
		buf[len++] = ']';
	buf[len++] = ':';
	len += decimal_put(buf + len, f->port);
	buf[len] = '\0';
	return (len);
}

const char *
facts_tls_version(unsigned version)
{
	switch (version) {
	case 0x0303:
		return ("TLSv1.2");
	case 0x0304:
		return ("TLSv1.3");
	default:
		return (NULL);
	}
}

const char *
facts_name(const struct facts_table *t, uint32_t number)
{
	const char *name;

	if (number >= t->n)
		return (NULL);
	memcpy(&name, (const char *)t->rows + number * t->size, sizeof(name));
	return (name);
}
