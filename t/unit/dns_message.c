/* Questions and answers, byte by byte. */
#include "worker/dns/message.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"

#define A     1
#define CNAME 5
#define AAAA  28

static const struct dns_key key = { "db.example.com", AF_INET };
static const struct dns_key key6 = { "db.example.com", AF_INET6 };

/* An answer in the making. */
struct text {
	uint8_t bytes[8192];
	size_t len;
};

static void
begin(struct text *t, const struct dns_key *k)
{
	t->len = dns_message_ask(t->bytes, k, 0x1234);
	t->bytes[2] |= 0x80;
}

/* A record whose name is at that place. */
static void
record_at(struct text *t, size_t owner, unsigned type, uint32_t ttl,
    const char *data, size_t len)
{
	const uint8_t head[] = { (uint8_t)(0xc0 | owner >> 8), (uint8_t)owner,
		0, (uint8_t)type, 0, 1, (uint8_t)(ttl >> 24),
		(uint8_t)(ttl >> 16), (uint8_t)(ttl >> 8), (uint8_t)ttl, 0,
		(uint8_t)len };
	unsigned n = ((unsigned)t->bytes[6] << 8 | t->bytes[7]) + 1;

	memcpy(t->bytes + t->len, head, sizeof(head));
	memcpy(t->bytes + t->len + sizeof(head), data, len);
	t->len += sizeof(head) + len;
	t->bytes[6] = (uint8_t)(n >> 8);
	t->bytes[7] = (uint8_t)n;
}

static void
record(
    struct text *t, unsigned type, uint32_t ttl, const char *data, size_t len)
{
	record_at(t, 12, type, ttl, data, len);
}

/* A CNAME record; returns where its target is. */
static size_t
alias(struct text *t, size_t owner, uint32_t ttl, const char *label)
{
	char target[] = { 1, label[0], (char)0xc0, 12 };

	record_at(t, owner, CNAME, ttl, target, sizeof(target));
	return (t->len - sizeof(target));
}

/* Of a copy of its own, so that a sanitizer sees the end. */
static int
take(struct dns_message *m, const struct text *t, size_t len,
    const struct dns_key *k, bool cut)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int error;

	if (copy == NULL)
		abort();
	memcpy(copy, t->bytes, len);
	error = dns_message_read(m, copy, len, k, cut);
	free(copy);
	return (error);
}

static void
test_question(void)
{
	static const uint8_t want[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0"
				      "\2db\7example\3com\0\0\1\0";
	char label[65], name[260] = "";
	uint8_t out[DNS_MESSAGE_QUESTION_SIZE];
	int i;

	is_int(dns_message_ask(out, &key, 0x1234), sizeof(want), "length");
	ok(memcmp(out, want, sizeof(want) - 1) == 0 &&
		out[sizeof(want) - 1] == 1,
	    "RFC 1035 section 4");
	is_int(dns_message_ask(out, &key6, 0), sizeof(want), "AAAA");
	is_int(out[sizeof(want) - 3], AAAA, "is another type");
	memset(label, 'a', 64);
	label[64] = '\0';
	is_int(dns_message_ask(out, &(struct dns_key){ label, AF_INET }, 0), 0,
	    "a label of 64 bytes");
	is_int(dns_message_ask(out, &(struct dns_key){ "a..b", AF_INET }, 0), 0,
	    "an empty label");
	for (i = 0; i < 126; i++)
		strcat(name, "a.");
	strcat(name, "a");
	ok(dns_message_ask(out, &(struct dns_key){ name, AF_INET }, 0) != 0,
	    "253 bytes are a name");
	strcat(name, "bc");
	is_int(dns_message_ask(out, &(struct dns_key){ name, AF_INET }, 0), 0,
	    "255 are not");
}

static void
test_answers(void)
{
	struct dns_message m;
	struct text t;

	begin(&t, &key);
	t.bytes[13] = 'D'; /* as others spell it */
	record(&t, A, 60, "\x7f\0\0\2", 4);
	record(&t, A, 60, "\x7f\0\0\2", 4);
	record(&t, A, 0x80000000, "\x7f\0\0\3", 4);
	record(&t, A, 60, "\x7f\0\0", 3);
	record(&t, AAAA, 1, "0123456789abcdef", 16);
	record(&t, 16, 1, "\3txt", 4);
	is_int(take(&m, &t, t.len, &key, false), 0, "an answer");
	is_int(m.id, 0x1234, "its id");
	is_int(m.result.reason, REASON_NONE, "has addresses");
	is_int(m.result.naddrs, 2, "each once, and of this family");
	is_int(m.addrs[1].ip[3], 3, "in their order");
	is_int(m.result.ttl, 0, "TTL beyond 2^31 is 0");
	is_int(take(&m, &t, t.len, &key6, false), -EBADMSG,
	    "is no answer to the other type");

	begin(&t, &key6);
	record_at(&t, alias(&t, 12, 30, "x"), AAAA, 60,
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	is_int(take(&m, &t, t.len, &key6, false), 0, "an IPv4-mapped address");
	is_int(m.addrs[0].family, AF_INET6, "stays one");
	is_int(m.result.ttl, 30 * CLOCK_SEC, "the smallest TTL");

	begin(&t, &key);
	is_int(take(&m, &t, t.len, &key, false), 0, "no record");
	is_int(m.result.reason, REASON_DNS_NO_ADDRESS, "is no address");
	record(&t, A, 60, "\x7f\0\0\2", 4);
	t.bytes[3] |= DNS_RCODE_NXDOMAIN;
	is_int(take(&m, &t, t.len, &key, false), 0, "NXDOMAIN");
	is_int(m.result.reason, REASON_DNS_NOT_FOUND, "is what it says");
	is_int(m.result.naddrs, 0, "whatever comes with it");
	t.bytes[3] = DNS_RCODE_REFUSED;
	is_int(take(&m, &t, t.len - 1, &key, false), 0, "of a failure");
	is_int(m.rcode, DNS_RCODE_REFUSED, "nothing but the code is read");
}

/* Names as RFC 1035 section 4.1.4 compresses them. */
static void
test_chain(void)
{
	struct dns_message m;
	struct text t;
	size_t at, i;

	begin(&t, &key);
	for (i = 0, at = 12; i < 26; i++)
		at = alias(&t, at, 100 - (uint32_t)i,
		    &"abcdefghijklmnopqrstuvwxyz"[i]);
	record_at(&t, at, A, 200, "\x7f\0\0\2", 4);
	record(&t, A, 1, "\x7f\0\0\3", 4);
	is_int(take(&m, &t, t.len, &key, false), 0, "a chain of CNAMEs");
	is_int(m.result.naddrs, 1, "leads to what is at its end");
	is_int(m.addrs[0].ip[3], 2, "alone");
	is_int(m.result.ttl, 75 * CLOCK_SEC, "the smallest TTL on the way");

	begin(&t, &key);
	at = t.len + 12; /* where the first target will be */
	alias(&t, 12, 60, "y");
	record_at(&t, alias(&t, at, 60, "x"), A, 60, "\x7f\0\0\2", 4);
	t.bytes[at + 1] = 'Y';
	is_int(take(&m, &t, t.len, &key, false), 0, "spelt otherwise");
	is_int(m.result.naddrs, 1, "it is the same name");

	begin(&t, &key);
	at = t.len + 12;
	record(&t, 16, 60, "\1z\xc0\x0c", 4);
	record_at(&t, at, A, 60, "\x7f\0\0\2", 4);
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG,
	    "an address of a name that nothing leads to");
	alias(&t, 12, 30, "z");
	is_int(take(&m, &t, t.len, &key, false), 0, "a CNAME behind it does");
	is_int(m.result.naddrs, 1, "so that it is taken");

	begin(&t, &key);
	at = alias(&t, 12, 60, "x");
	record_at(&t, at, CNAME, 60, "\xc0\x0c", 2);
	is_int(take(&m, &t, t.len, &key, false), 0, "a chain in a circle ends");
	is_int(m.result.reason, REASON_DNS_NO_ADDRESS, "at no address");
	record_at(&t, t.len + 40, A, 60, "\x7f\0\0\2", 4);
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG,
	    "a name that is a pointer out of the message");
}

/* Addresses that are none, and names that are none. */
static void
test_wrong(void)
{
	struct dns_message m;
	struct text t;
	size_t i, taken = 0;

	for (i = 0; i <= 5; i++) {
		begin(&t, &key);
		record(&t, A, 60, "\x7f\0\0\2\1", i);
		taken += take(&m, &t, t.len, &key, false) == 0;
	}
	is_int(taken, 1, "an address of another length is not one");
	record(&t, A, 60, "\x7f\0\0\2", 4);
	is_int(take(&m, &t, t.len, &key, false), 0, "but with one");
	is_int(m.result.naddrs, 1, "that alone is taken");
	begin(&t, &key);
	record(&t, A, 60, "\x7f\0\0\2", 4);
	t.bytes[t.len - 11] = 3; /* CHAOS */
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG, "of another class");
	t.bytes[3] |= DNS_RCODE_NXDOMAIN;
	is_int(take(&m, &t, t.len, &key, false), 0,
	    "it does not matter where the name does not exist");
	for (i = 0, taken = 0; i < 8; i++) {
		begin(&t, &key);
		record_at(&t, t.len + i, A, 60, "\x7f\0\0\2", 4);
		taken += take(&m, &t, t.len, &key, false) == 0;
	}
	is_int(taken, 0, "a pointer to itself, or ahead, is not a name");
	begin(&t, &key);
	record(&t, CNAME, 60, "\xc0\x0c\0", 3);
	record(&t, A, 60, "\x7f\0\0\2", 4);
	is_int(take(&m, &t, t.len, &key, false), 0,
	    "nor does a CNAME with more than a name lead on");
	is_int(m.result.naddrs, 1, "so that its own address is taken");
}

static void
test_malformed(void)
{
	struct dns_message m;
	struct text t;
	size_t i, whole, wrong = 0;

	begin(&t, &key);
	record(&t, A, 60, "\x7f\0\0\2", 4);
	whole = t.len;
	for (i = 0; i < whole; i++)
		wrong += take(&m, &t, i, &key, false) != -EBADMSG;
	is_int(wrong, 0, "shorter by any number of bytes");
	is_int(take(&m, &t, whole - 1, &key, true), 0, "unless it is cut");
	is_int(m.result.naddrs, 0, "and has no address then");
	t.bytes[2] |= 2;
	is_int(take(&m, &t, whole - 1, &key, false), 0, "or truncated");
	ok(m.truncated, "as it says");
	t.bytes[2] = 0x01;
	is_int(take(&m, &t, whole, &key, false), -EBADMSG, "a question");
	t.bytes[2] = 0x81 | 4 << 3;
	is_int(take(&m, &t, whole, &key, false), -EBADMSG, "a NOTIFY");
	begin(&t, &key);
	t.bytes[5] = 2;
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG, "two questions");
	begin(&t, &(struct dns_key){ "dc.example.com", AF_INET });
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG, "another name");
	begin(&t, &key);
	record(&t, A, 60, "\x7f\0\0\2", 4);
	t.bytes[t.len - 16] = 0x80;
	is_int(take(&m, &t, t.len, &key, false), -EBADMSG,
	    "a label of a kind that there is not");
}

static void
test_head(void)
{
	uint8_t out[DNS_MESSAGE_QUESTION_SIZE];
	size_t question, i, heads = 0;
	struct text t;

	begin(&t, &key);
	question = t.len;
	record(&t, A, 60, "\x7f\0\0", 3); /* malformed */
	t.bytes[3] = 0x80 | DNS_RCODE_REFUSED;
	is_int(dns_message_head(out, t.bytes, t.len), (int64_t)question,
	    "the head of an answer is its question");
	is_int(out[3], DNS_RCODE_SERVFAIL, "of a server that failed");
	is_int(out[7], 0, "without records");
	ok(memcmp(out + 12, t.bytes + 12, question - 12) == 0, "as it was");
	for (i = 0; i < question; i++)
		heads += dns_message_head(out, t.bytes, i) != 0;
	is_int(heads, 0, "there is none in fewer bytes");
	t.bytes[12] = 0xc0;
	is_int(dns_message_head(out, t.bytes, t.len), 0, "nor by a pointer");
}

/* The cost of an answer does not grow with what nobody wants of it. */
static void
test_long(void)
{
	struct dns_message m;
	struct text t;
	unsigned i;

	begin(&t, &key);
	for (i = 0; i < DNS_MESSAGE_ADDRS_MAX; i++)
		record(&t, A, 60, (char[]){ 127, 0, 1, (char)i }, 4);
	t.bytes[6] = 0xff;
	is_int(take(&m, &t, t.len, &key, false), 0,
	    "65,000 records, of which the first are enough");
	is_int(m.result.naddrs, DNS_MESSAGE_ADDRS_MAX, "are taken");
}

/* The code's upper bits are in the OPT record, behind all others. */
static void
test_upper_code(void)
{
	static const uint8_t opt[] = { 0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 0 };
	uint8_t t[DNS_MESSAGE_QUESTION_SIZE];
	size_t len = dns_message_ask(t, &key, 7), i, upper = 0;
	struct dns_message m;

	t[2] = 0x81;
	t[11] = 1; /* ARCOUNT */
	memcpy(t + len, opt, sizeof(opt));
	is_int(dns_message_read(&m, t, len + sizeof(opt), &key, false), 0,
	    "an answer with an OPT record");
	is_int(m.rcode, DNS_RCODE_BADVERS, "has the code of both");
	for (i = len; i < len + sizeof(opt); i++)
		if (dns_message_read(&m, t, i, &key, false) == 0)
			upper += m.rcode != DNS_RCODE_NONE;
	is_int(upper, 0, "and of one that is cut nothing is read");
}

static void
test_complete(void)
{
	uint8_t asked[DNS_MESSAGE_QUESTION_SIZE], out[sizeof(asked)];
	uint8_t bare[12] = { 0, 7, 0x81, DNS_RCODE_FORMERR };
	size_t len = dns_message_ask(asked, &key, 7);
	struct dns_message m;

	is_int(dns_message_complete(out, bare, sizeof(bare), asked, len),
	    (int64_t)len, "an answer without its question gets it");
	is_int(dns_message_read(&m, out, len, &key, false), 0, "and is read");
	is_int(m.rcode, DNS_RCODE_FORMERR, "as what it says");
	is_int(dns_message_complete(out, bare, sizeof(bare) - 1, asked, len), 0,
	    "not a part of one");
	is_int(dns_message_complete(out, bare, sizeof(bare), asked, len - 1), 0,
	    "nor by a part of a question");
	bare[1] = 8;
	is_int(dns_message_complete(out, bare, sizeof(bare), asked, len), 0,
	    "nor by another question");
	bare[1] = 7;
	bare[3] = DNS_RCODE_NONE;
	is_int(dns_message_complete(out, bare, sizeof(bare), asked, len), 0,
	    "nor where nothing failed");
}

int
main(void)
{
	test_question();
	test_answers();
	test_chain();
	test_wrong();
	test_malformed();
	test_long();
	test_head();
	test_upper_code();
	test_complete();
	return (done_testing());
}
