/* Writes questions and reads the addresses in the answers. */
#include "worker/dns/message.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/net/hostname.h"
#include "worker/dns/name.h"

#define HEADER_SIZE   12
#define LABEL_MAX     63
#define NAME_MAX_SIZE 255 /* with its lengths */
#define CLASS_IN      1
#define TYPE_A	      1
#define TYPE_CNAME    5
#define TYPE_AAAA     28
#define TYPE_OPT      41

/* So many CNAMEs may stand before the one that leads to them. */
#define CHAIN_TURNS 8

/* Where the reader is in a message. */
struct cursor {
	const uint8_t *bytes;
	size_t len, at;
};

struct record {
	size_t owner; /* where its name is */
	unsigned type, class;
	uint32_t ttl;
	const uint8_t *data;
	size_t len;
};

unsigned
dns_message_type(int family)
{
	return (family == AF_INET6 ? TYPE_AAAA : TYPE_A);
}

static void
put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned
get16(const uint8_t *at)
{
	return ((unsigned)at[0] << 8 | at[1]);
}

/* The labels of a canonical name; how many bytes they are, 0: too many. */
static size_t
put_name(uint8_t *out, const char *name)
{
	size_t label, len = 0;

	if (strlen(name) >= HOSTNAME_SIZE)
		return (0);
	for (;;) {
		label = strcspn(name, ".");
		if (label == 0 || label > LABEL_MAX)
			return (0);
		out[len++] = (uint8_t)label;
		memcpy(out + len, name, label);
		len += label;
		if (name[label] == '\0')
			break;
		name += label + 1;
	}
	out[len++] = 0;
	return (len);
}

size_t
dns_message_ask(uint8_t out[DNS_MESSAGE_QUESTION_SIZE],
    const struct dns_key *key, uint16_t id)
{
	size_t len;

	memset(out, 0, HEADER_SIZE);
	put16(out, id);
	out[2] = 1; /* recursion desired */
	out[5] = 1; /* one question */
	len = put_name(out + HEADER_SIZE, key->name);
	if (len == 0)
		return (0);
	len += HEADER_SIZE;
	put16(out + len, dns_message_type(key->family));
	put16(out + len + 2, CLASS_IN);
	return (len + 4);
}

static bool
has(const struct cursor *c, size_t n)
{
	return (c->len - c->at >= n);
}

/* Passes a name by, which ends with a pointer or an empty label. */
static bool
skip_name(struct cursor *c)
{
	unsigned n;

	while (has(c, 1)) {
		n = c->bytes[c->at];
		if (n > LABEL_MAX) {
			if ((n & 0xc0) != 0xc0 || !has(c, 2))
				return (false);
			c->at += 2;
			return (true);
		}
		if (!has(c, 1 + n))
			return (false);
		c->at += 1 + n;
		if (n == 0)
			return (true);
	}
	return (false);
}

/* It is an answer, to a plain query, with one question. */
static bool
is_answer(const uint8_t *bytes, size_t len)
{
	return (len >= HEADER_SIZE && (bytes[2] & 0xf8) == 0x80 &&
		get16(bytes + 4) == 1);
}

size_t
dns_message_head(
    uint8_t out[DNS_MESSAGE_QUESTION_SIZE], const uint8_t *bytes, size_t len)
{
	struct cursor c = { bytes, len, HEADER_SIZE };
	size_t n;

	if (!is_answer(bytes, len))
		return (0);
	do {
		if (!has(&c, 1))
			return (0);
		n = bytes[c.at];
		if (n > LABEL_MAX || !has(&c, 1 + n))
			return (0);
		c.at += 1 + n;
	} while (n != 0);
	if (c.at - HEADER_SIZE > NAME_MAX_SIZE || !has(&c, 4))
		return (0);
	c.at += 4;
	memcpy(out, bytes, c.at);
	memset(out + 6, 0, HEADER_SIZE - 6);
	out[2] &= 0x81; /* an answer; recursion was desired */
	out[3] = DNS_RCODE_SERVFAIL;
	return (c.at);
}

size_t
dns_message_complete(uint8_t out[DNS_MESSAGE_QUESTION_SIZE],
    const uint8_t *bytes, size_t len, const uint8_t *asked, size_t asked_len)
{
	struct cursor c = { asked, asked_len, HEADER_SIZE };

	if (len < HEADER_SIZE || (bytes[2] & 0xf8) != 0x80 ||
	    get16(bytes + 4) != 0 || (bytes[3] & 0xf) == DNS_RCODE_NONE)
		return (0);
	if (asked_len < HEADER_SIZE || get16(asked) != get16(bytes) ||
	    !skip_name(&c) || !has(&c, 4) ||
	    c.at + 4 > DNS_MESSAGE_QUESTION_SIZE)
		return (0);
	c.at += 4;
	memcpy(out, asked, c.at);
	memset(out + 6, 0, HEADER_SIZE - 6);
	memcpy(out + 2, bytes + 2, 2);
	return (c.at);
}

/* Is this our question? Names are compared as they are: nothing is compressed
 * in the first one, and no byte of a length is a letter. */
static bool
take_question(struct cursor *c, const struct dns_key *key)
{
	uint8_t want[DNS_MESSAGE_QUESTION_SIZE];
	size_t len = dns_message_ask(want, key, 0), i;

	if (len == 0 || !has(c, len - HEADER_SIZE))
		return (false);
	for (i = HEADER_SIZE; i < len; i++) {
		uint8_t a = want[i], b = c->bytes[c->at++];

		if (b >= 'A' && b <= 'Z')
			b |= 0x20;
		if (a != b)
			return (false);
	}
	return (true);
}

/* False: it does not end within the message. */
static bool
take_record(struct cursor *c, struct record *r)
{
	const uint8_t *at;

	r->owner = c->at;
	if (!skip_name(c) || !has(c, 10))
		return (false);
	at = c->bytes + c->at;
	r->type = get16(at);
	r->class = get16(at + 2);
	r->ttl = (uint32_t)get16(at + 4) << 16 | get16(at + 6);
	r->len = get16(at + 8);
	r->data = at + 10;
	c->at += 10;
	if (!has(c, r->len))
		return (false);
	c->at += r->len;
	return (true);
}

static bool
holds_addr(const struct dns_message *m, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < m->result.naddrs; i++) {
		if (addr_equal(&m->addrs[i], addr))
			return (true);
	}
	return (false);
}

/* As it is: an IPv4-mapped address stays one, for the guard to unwrap. False:
 * it is not an address. */
static bool
add_addr(struct dns_message *m, const struct record *r, int family)
{
	struct addr addr = { .family = (uint16_t)family };

	if (r->class != CLASS_IN || r->len != (family == AF_INET6 ? 16 : 4))
		return (false);
	memcpy(addr.ip, r->data, r->len);
	if (!holds_addr(m, &addr))
		m->addrs[m->result.naddrs++] = addr;
	return (true);
}

/* RFC 2181 section 8: beyond 2^31-1 it is 0. */
static void
lower_ttl(int64_t *ttl, uint32_t seconds)
{
	int64_t t = seconds <= INT32_MAX ? seconds * CLOCK_SEC : 0;

	if (t < *ttl)
		*ttl = t;
}

/* A CNAME record of that name, with nothing behind its target? */
static bool
leads_on(const struct cursor *c, const struct record *r, size_t name)
{
	struct cursor target = { c->bytes, c->at, c->at - r->len };

	return (r->type == TYPE_CNAME && r->class == CLASS_IN &&
		dns_name_equal(c->bytes, c->len, r->owner, name) &&
		skip_name(&target) && target.at == target.len);
}

/* Where the name is that the CNAMEs lead to from the question: they may stand
 * in any order, and in a circle. */
static size_t
follow_chain(
    struct dns_message *m, const struct cursor *question_end, unsigned n)
{
	size_t name = HEADER_SIZE, before;
	unsigned turn, i;
	struct record r;

	for (turn = 0; turn <= CHAIN_TURNS; turn++) {
		struct cursor c = *question_end;

		before = name;
		for (i = 0; i < n && take_record(&c, &r); i++) {
			if (!leads_on(&c, &r, name))
				continue;
			name = c.at - r.len;
			lower_ttl(&m->result.ttl, r.ttl);
		}
		if (name == before)
			break;
	}
	return (name);
}

/*
 * The addresses of the family, each once, and the smallest TTL of all that led
 * to them. Of the rest of a long answer nothing is wanted. One that has nothing
 * but addresses that are of another name, or are not addresses, is malformed
 * (RFC 5452 section 6).
 */
static int
take_records(struct dns_message *m, struct cursor *c, unsigned n,
    const struct dns_key *key, bool cut)
{
	unsigned type = dns_message_type(key->family);
	size_t name = follow_chain(m, c, n);
	bool wrong = false;
	struct record r;

	for (; n > 0 && m->result.naddrs < DNS_MESSAGE_ADDRS_MAX; n--) {
		if (!take_record(c, &r))
			return (cut ? 0 : -EBADMSG);
		if (r.type != type)
			continue;
		if (dns_name_equal(c->bytes, c->len, r.owner, name) &&
		    add_addr(m, &r, key->family))
			lower_ttl(&m->result.ttl, r.ttl);
		else
			wrong = true;
	}
	wrong = wrong && m->result.naddrs == 0 && !cut &&
		m->rcode == DNS_RCODE_NONE;
	return (wrong ? -EBADMSG : 0);
}

/* RFC 6891 section 6.1.3. A message has room for few records: each is 11 bytes
 * long at least. */
static unsigned
upper_rcode(const struct cursor *question_end)
{
	struct cursor c = *question_end;
	size_t n = (size_t)get16(c.bytes + 6) + get16(c.bytes + 8) +
		   get16(c.bytes + 10);
	struct record r;

	for (; n > 0 && take_record(&c, &r); n--)
		if (r.type == TYPE_OPT)
			return (r.ttl >> 24 << 4);
	return (0);
}

int
dns_message_read(struct dns_message *m, const uint8_t *bytes, size_t len,
    const struct dns_key *key, bool cut)
{
	struct cursor c = { bytes, len, HEADER_SIZE };
	int error;

	memset(m, 0, offsetof(struct dns_message, addrs));
	m->result.addrs = m->addrs;
	m->result.ttl = CLOCK_NEVER;
	if (!is_answer(bytes, len) || !take_question(&c, key))
		return (-EBADMSG);
	m->id = (uint16_t)get16(bytes);
	m->truncated = (bytes[2] & 2) != 0;
	m->rcode = (bytes[3] & 0xfU) | upper_rcode(&c);
	if (m->rcode != DNS_RCODE_NONE && m->rcode != DNS_RCODE_NXDOMAIN)
		return (0);
	error = take_records(m, &c, get16(bytes + 6), key, cut || m->truncated);
	if (error != 0)
		return (error);
	if (m->rcode == DNS_RCODE_NXDOMAIN)
		m->result.reason = REASON_DNS_NOT_FOUND;
	else if (m->result.naddrs == 0)
		m->result.reason = REASON_DNS_NO_ADDRESS;
	if (m->result.reason != REASON_NONE)
		m->result.naddrs = 0;
	return (0);
}
