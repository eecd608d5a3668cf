/* Writes and reads what is known of names, in memory that outlives a worker. */
#include "worker/dns/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/shm/store.h"

#define MAGIC UINT64_C(0x31736e2074726f70)
#define ALIGN 8

/* A copy that was overtaken by its writer is made again, so often. */
#define COPY_TRIES 3

/* The first bytes of a store. */
struct head {
	_Atomic uint64_t magic; /* 0: nothing was published yet */
	_Atomic uint64_t turn;	/* its lowest bit: which half is the good one */
	struct {
		_Atomic uint64_t servers;
		_Atomic uint64_t used; /* bytes */
	} halves[2];
};

/* In front of a record's name and addresses, of 4 or 16 bytes each. */
struct record_head {
	uint32_t size; /* of all of it, a multiple of ALIGN */
	uint8_t what;
	uint8_t ipv6;
	uint8_t name_len;
	uint8_t naddrs;
	int64_t expires;
};

enum what {
	WHAT_ADDRESSES = 1,
	WHAT_NOT_FOUND,
	WHAT_NO_ADDRESS
};

struct dns_store {
	uint8_t *map;
	size_t size, half;
	/* Where is written; of a half that is not published yet, too. */
	uint64_t turn, servers;
	size_t used;
	bool published;
};

static size_t
half_of(size_t size)
{
	return (size > STORE_HEAD_SIZE ? (size - STORE_HEAD_SIZE) / 2 : 0);
}

static struct head *
head_of(const struct dns_store *s)
{
	return ((struct head *)s->map);
}

static size_t
offset_of(size_t half, uint64_t turn)
{
	return (STORE_HEAD_SIZE + (turn & 1) * half);
}

int
dns_store_new(struct dns_store **out, int fd)
{
	struct dns_store *s = calloc(1, sizeof(*s));
	struct stat st;
	int error = 0;

	if (s == NULL)
		return (-ENOMEM);
	if (fstat(fd, &st) == -1)
		error = -errno;
	else
		s->size = (size_t)st.st_size;
	s->half = half_of(s->size);
	if (error == 0 && s->half == 0)
		error = -EINVAL;
	if (error == 0) {
		s->map = mmap(
		    NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (s->map == MAP_FAILED)
			error = -errno;
	}
	if (error != 0) {
		free(s);
		return (error);
	}
	/* A hole that goes to a core file is filled for it. */
	(void)madvise(s->map, s->size, MADV_DONTDUMP);
	*out = s;
	return (0);
}

void
dns_store_free(struct dns_store *s)
{
	if (s == NULL)
		return;
	munmap(s->map, s->size);
	free(s);
}

/* writing */

static size_t
addr_size(int family)
{
	return (family == AF_INET6 ? 16 : 4);
}

size_t
dns_store_cost(const struct dns_record *r)
{
	size_t size = sizeof(struct record_head) + strlen(r->key.name) +
		      r->result.naddrs * addr_size(r->key.family);

	return ((size + ALIGN - 1) / ALIGN * ALIGN);
}

size_t
dns_store_room(const struct dns_store *s)
{
	return (s->half - s->used);
}

static enum what
what_of(enum reason reason)
{
	if (reason == REASON_NONE)
		return (WHAT_ADDRESSES);
	return (
	    reason == REASON_DNS_NOT_FOUND ? WHAT_NOT_FOUND : WHAT_NO_ADDRESS);
}

static void
write_record(uint8_t *at, const struct dns_record *r)
{
	const struct record_head head = {
		.size = (uint32_t)dns_store_cost(r),
		.what = (uint8_t)what_of(r->result.reason),
		.ipv6 = r->key.family == AF_INET6,
		.name_len = (uint8_t)strlen(r->key.name),
		.naddrs = (uint8_t)r->result.naddrs,
		.expires = r->expires,
	};
	size_t i, size = addr_size(r->key.family);

	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, r->key.name, head.name_len);
	at += head.name_len;
	for (i = 0; i < r->result.naddrs; i++, at += size)
		memcpy(at, r->result.addrs[i].ip, size);
}

/* Who dies while it writes a record has not told of it. */
bool
dns_store_put(struct dns_store *s, const struct dns_record *r)
{
	size_t cost = dns_store_cost(r);

	if (cost > dns_store_room(s))
		return (false);
	write_record(s->map + offset_of(s->half, s->turn) + s->used, r);
	s->used += cost;
	if (s->published)
		atomic_store_explicit(&head_of(s)->halves[s->turn & 1].used,
		    s->used, memory_order_release);
	return (true);
}

void
dns_store_begin(struct dns_store *s, uint64_t servers)
{
	s->turn++;
	s->used = 0;
	s->servers = servers;
	s->published = false;
}

/* The turn is the last to be stored, so that one half is good all the time. */
void
dns_store_publish(struct dns_store *s)
{
	struct head *head = head_of(s);
	unsigned half = s->turn & 1;

	atomic_store_explicit(
	    &head->halves[half].servers, s->servers, memory_order_relaxed);
	atomic_store_explicit(
	    &head->halves[half].used, s->used, memory_order_relaxed);
	atomic_store_explicit(&head->turn, s->turn, memory_order_release);
	atomic_store_explicit(&head->magic, MAGIC, memory_order_release);
	s->published = true;
	/* The other half's memory goes back. */
	(void)madvise(
	    s->map + offset_of(s->half, s->turn + 1), s->half, MADV_REMOVE);
}

uint64_t
dns_store_servers(const struct dns_store *s)
{
	return (s->servers);
}

/* reading */

/* What a head says of the good half. */
struct head_read {
	uint64_t servers, turn, used;
};

static int
read_head(int fd, struct head_read *h)
{
	uint64_t words[sizeof(struct head) / sizeof(uint64_t)];
	ssize_t n = pread(fd, words, sizeof(words), 0);
	uint64_t turn = words[1];

	if (n == -1)
		return (-errno);
	if (n != sizeof(words) || words[0] != MAGIC)
		return (-ENOENT);
	*h = (struct head_read){
		.turn = turn,
		.servers = words[2 + 2 * (turn & 1)],
		.used = words[3 + 2 * (turn & 1)],
	};
	return (0);
}

/* 0; -EAGAIN: it was overtaken. Reading takes no memory where there is none,
 * and cannot fault. */
static int
copy_half(int fd, size_t half, const struct head_read *h, uint8_t *bytes)
{
	struct head_read after;
	size_t at = 0;
	ssize_t n;

	while (at < h->used) {
		n = pread(fd, bytes + at, h->used - at,
		    (off_t)(offset_of(half, h->turn) + at));
		if (n <= 0)
			return (n == -1 ? -errno : -EIO);
		at += (size_t)n;
	}
	if (read_head(fd, &after) != 0 || after.turn != h->turn)
		return (-EAGAIN);
	return (0);
}

static int
copy_once(int fd, uint64_t servers, uint8_t **bytes, size_t *len)
{
	struct head_read h;
	struct stat st;
	int error = read_head(fd, &h);

	if (error != 0)
		return (error);
	if (fstat(fd, &st) == -1)
		return (-errno);
	if (h.servers != servers || h.used > half_of((size_t)st.st_size))
		return (-ENOENT);
	*bytes = malloc(h.used + 1);
	if (*bytes == NULL)
		return (-ENOMEM);
	error = copy_half(fd, half_of((size_t)st.st_size), &h, *bytes);
	if (error != 0) {
		free(*bytes);
		*bytes = NULL;
		return (error);
	}
	*len = h.used;
	return (0);
}

int
dns_store_copy(int fd, uint64_t servers, uint8_t **bytes, size_t *len)
{
	int i, error = -EAGAIN;

	*bytes = NULL;
	*len = 0;
	for (i = 0; i < COPY_TRIES && error == -EAGAIN; i++)
		error = copy_once(fd, servers, bytes, len);
	return (error);
}

/* The reason that a record stands for; false: there is no such thing. */
static bool
take_what(const struct record_head *head, enum reason *reason)
{
	switch (head->what) {
	case WHAT_ADDRESSES:
		*reason = REASON_NONE;
		return (
		    head->naddrs > 0 && head->naddrs <= DNS_MESSAGE_ADDRS_MAX);
	case WHAT_NOT_FOUND:
		*reason = REASON_DNS_NOT_FOUND;
		return (head->naddrs == 0);
	case WHAT_NO_ADDRESS:
		*reason = REASON_DNS_NO_ADDRESS;
		return (head->naddrs == 0);
	default:
		return (false);
	}
}

static bool
take_name(struct dns_record_read *r, const uint8_t *at, size_t len)
{
	int n = hostname_canonical(r->name, (const char *)at, len);

	r->record.key.name = r->name;
	return (n > 0 && (size_t)n == len && memcmp(r->name, at, len) == 0);
}

bool
dns_store_read(
    const uint8_t *bytes, size_t len, size_t *at, struct dns_record_read *r)
{
	struct record_head head;
	size_t i, size;

	if (len - *at < sizeof(head))
		return (false);
	memcpy(&head, bytes + *at, sizeof(head));
	r->record = (struct dns_record){
		.key.family = head.ipv6 != 0 ? AF_INET6 : AF_INET,
		.result = { .addrs = r->addrs, .naddrs = head.naddrs },
		.expires = head.expires,
	};
	if (!take_what(&head, &r->record.result.reason) || head.ipv6 > 1 ||
	    head.expires < 0 || head.size > len - *at)
		return (false);
	size = addr_size(r->record.key.family);
	bytes += *at + sizeof(head);
	if (sizeof(head) + head.name_len + head.naddrs * size > head.size ||
	    !take_name(r, bytes, head.name_len) ||
	    head.size != dns_store_cost(&r->record))
		return (false);
	bytes += head.name_len;
	for (i = 0; i < head.naddrs; i++) {
		r->addrs[i] =
		    (struct addr){ .family = (uint16_t)r->record.key.family };
		memcpy(r->addrs[i].ip, bytes + i * size, size);
	}
	*at += head.size;
	return (true);
}
