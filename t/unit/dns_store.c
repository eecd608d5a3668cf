/* What a worker leaves to others of what it knows of names. */
#include "worker/dns/store.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/shm/store.h"
#include "t/unit/tap.h"
#include "worker/dns/store_read.h"

#define SERVERS 7

static struct addr addrs[DNS_MESSAGE_ADDRS_MAX];

static struct dns_record
record(const char *name, int family, size_t n)
{
	size_t i;

	for (i = 0; i < DNS_MESSAGE_ADDRS_MAX; i++)
		addrs[i] = (struct addr){ .family = (uint16_t)family,
			.ip = { 192, 0, 2, (uint8_t)i } };
	return ((struct dns_record){
	    .key = { name, family },
	    .result = { .addrs = addrs,
		.naddrs = n,
		.reason = n > 0 ? REASON_NONE : REASON_DNS_NOT_FOUND },
	    .expires = 1234,
	});
}

static void
open_store(struct dns_store **s, int *reader)
{
	int writer;

	if (store_new("sniport-test", store_size(1), &writer, reader) != 0 ||
	    dns_store_new(s, writer) != 0) {
		printf("Bail out! no store\n");
		exit(1);
	}
	fd_close(&writer);
}

static bool
same(const struct dns_record *a, const struct dns_record *b)
{
	size_t i;

	for (i = 0; i < a->result.naddrs && i < b->result.naddrs; i++)
		if (!addr_equal(&a->result.addrs[i], &b->result.addrs[i]))
			return (false);
	return (strcmp(a->key.name, b->key.name) == 0 &&
		a->key.family == b->key.family &&
		a->result.reason == b->result.reason &&
		a->result.naddrs == b->result.naddrs &&
		a->expires == b->expires);
}

/* How many records there are to be read; -errno. */
static int
count(int reader, uint64_t servers, const struct dns_record *first)
{
	struct dns_record_read r;
	uint8_t *bytes;
	size_t len, at = 0;
	int n = 0, error = dns_store_copy(reader, servers, &bytes, &len);

	if (error != 0)
		return (error);
	while (dns_store_read(bytes, len, &at, &r))
		if (n++ == 0 && first != NULL)
			ok(same(&r.record, first), "the first is the same");
	is_int(at, (int64_t)len, "all of it was read");
	free(bytes);
	return (n);
}

static void
test_records(void)
{
	struct dns_record r = record("a.test", AF_INET, 3);
	struct dns_store *s;
	int reader;

	open_store(&s, &reader);
	is_int(count(reader, SERVERS, NULL), -ENOENT, "nothing yet");
	dns_store_begin(s, SERVERS);
	ok(dns_store_put(s, &r), "a record");
	is_int(count(reader, SERVERS, NULL), -ENOENT, "is not published");
	dns_store_publish(s);
	is_int(count(reader, SERVERS, &r), 1, "is");
	is_int(count(reader, SERVERS + 1, NULL), -ENOENT,
	    "but is of no use to who asks other servers");
	r = record("b.test", AF_INET6, DNS_MESSAGE_ADDRS_MAX);
	ok(dns_store_put(s, &r), "another one");
	is_int(count(reader, SERVERS, NULL), 2, "is seen at once");
	r = record("c.test", AF_INET, 0);
	dns_store_begin(s, SERVERS);
	is_int(dns_store_servers(s), SERVERS, "a new half");
	ok(dns_store_put(s, &r), "has another one");
	is_int(count(reader, SERVERS, NULL), 2, "who dies now has left two");
	dns_store_publish(s);
	is_int(count(reader, SERVERS, &r), 1, "and now one");
	dns_store_free(s);
	is_int(count(reader, SERVERS, &r), 1, "which outlives its writer");
	fd_close(&reader);
}

static void
test_full(void)
{
	struct dns_record r = record("a.test", AF_INET6, 32);
	size_t before, n = 0;
	struct dns_store *s;
	int reader;

	open_store(&s, &reader);
	dns_store_begin(s, SERVERS);
	before = dns_store_room(s);
	while (dns_store_put(s, &r))
		n++;
	is_int(n, (int64_t)(before / dns_store_cost(&r)), "until it is full");
	dns_store_publish(s);
	is_int(count(reader, SERVERS, NULL), (int64_t)n, "all are there");
	dns_store_begin(s, SERVERS);
	is_int(dns_store_room(s), (int64_t)before, "another half is empty");
	dns_store_free(s);
	fd_close(&reader);
}

/* Bytes that no worker of good will has written. */
static void
test_hostile(void)
{
	struct dns_record r = record("abc.test", AF_INET, 2);
	struct dns_record_read read;
	struct dns_store *s;
	uint8_t *bytes;
	size_t len, at, i, taken = 0, shorter = 0;
	int reader;

	open_store(&s, &reader);
	dns_store_begin(s, SERVERS);
	ok(dns_store_put(s, &r), "a record");
	dns_store_publish(s);
	is_int(dns_store_copy(reader, SERVERS, &bytes, &len), 0, "is copied");
	for (i = 0; i < len; i++) {
		at = 0;
		shorter += dns_store_read(bytes, i, &at, &read) || at != 0;
	}
	is_int(shorter, 0, "shorter it is none");
	for (i = 0; i < 8 * 8; i++) { /* all but the time */
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		at = 0;
		taken += dns_store_read(bytes, len, &at, &read);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(taken, 0, "nor with any bit of its head changed");
	bytes[15] = 0x80;
	at = 0;
	ok(!dns_store_read(bytes, len, &at, &read), "nor before all time");
	bytes[15] = 0;
	bytes[16] = 'A';
	ok(!dns_store_read(bytes, len, &at, &read),
	    "nor with a name that is not canonical");
	bytes[16] = '\0';
	ok(!dns_store_read(bytes, len, &at, &read), "or is no name");
	free(bytes);
	dns_store_free(s);
	fd_close(&reader);
}

/* A head that promises more than there is. */
static void
test_hostile_head(void)
{
	const uint64_t huge = UINT64_MAX;
	struct dns_record r = record("a.test", AF_INET, 2);
	struct dns_store *s;
	uint8_t *bytes;
	int writer, reader, i;
	size_t len;

	if (store_new("sniport-test", store_size(1), &writer, &reader) != 0 ||
	    dns_store_new(&s, writer) != 0)
		return;
	dns_store_begin(s, SERVERS);
	(void)dns_store_put(s, &r);
	dns_store_publish(s);
	for (i = 0; i < 2; i++)
		is_int(pwrite(writer, &huge, sizeof(huge), 24 + 16 * i),
		    sizeof(huge), "a length");
	is_int(dns_store_copy(reader, SERVERS, &bytes, &len), -ENOENT,
	    "more than there is");
	ok(bytes == NULL && len == 0, "is not copied");
	is_int(pwrite(writer, &huge, sizeof(huge), 0), sizeof(huge), "a magic");
	is_int(dns_store_copy(reader, SERVERS, &bytes, &len), -ENOENT,
	    "nor what has another form");
	dns_store_free(s);
	fd_close(&writer);
	is_int(dns_store_new(&s, reader), -EACCES, "a reader cannot write");
	fd_close(&reader);
}

int
main(void)
{
	test_records();
	test_full();
	test_hostile();
	test_hostile_head();
	return (done_testing());
}
