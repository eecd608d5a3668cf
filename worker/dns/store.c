/* Writes what is known of names to memory that outlives a worker. */
#include "worker/dns/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "worker/dns/store_layout.h"

struct dns_store {
	uint8_t *map;
	size_t size, half;
	/* Where is written; of a half that is not published yet, too. */
	uint64_t turn, servers;
	size_t used;
	bool published;
};

static struct dns_store_head *
head_of(const struct dns_store *s)
{
	return ((struct dns_store_head *)s->map);
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
	s->half = dns_store_half(s->size);
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

size_t
dns_store_cost(const struct dns_record *r)
{
	size_t size = sizeof(struct dns_store_record) + strlen(r->key.name) +
		      r->result.naddrs * dns_store_addr_size(r->key.family);

	return (
	    (size + DNS_STORE_ALIGN - 1) / DNS_STORE_ALIGN * DNS_STORE_ALIGN);
}

size_t
dns_store_room(const struct dns_store *s)
{
	return (s->half - s->used);
}

static enum dns_store_what
what_of(enum reason reason)
{
	if (reason == REASON_NONE)
		return (DNS_STORE_ADDRESSES);
	return (reason == REASON_DNS_NOT_FOUND ? DNS_STORE_NOT_FOUND
					       : DNS_STORE_NO_ADDRESS);
}

static void
write_record(uint8_t *at, const struct dns_record *r)
{
	const struct dns_store_record head = {
		.size = (uint32_t)dns_store_cost(r),
		.what = (uint8_t)what_of(r->result.reason),
		.ipv6 = r->key.family == AF_INET6,
		.name_len = (uint8_t)strlen(r->key.name),
		.naddrs = (uint8_t)r->result.naddrs,
		.expires = r->expires,
	};
	size_t i, size = dns_store_addr_size(r->key.family);

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
	write_record(s->map + dns_store_offset(s->half, s->turn) + s->used, r);
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
	struct dns_store_head *head = head_of(s);
	unsigned half = s->turn & 1;

	atomic_store_explicit(
	    &head->halves[half].servers, s->servers, memory_order_relaxed);
	atomic_store_explicit(
	    &head->halves[half].used, s->used, memory_order_relaxed);
	atomic_store_explicit(&head->turn, s->turn, memory_order_release);
	atomic_store_explicit(
	    &head->magic, DNS_STORE_MAGIC, memory_order_release);
	s->published = true;
	/* The other half's memory goes back. */
	(void)madvise(s->map + dns_store_offset(s->half, s->turn + 1), s->half,
	    MADV_REMOVE);
}

uint64_t
dns_store_servers(const struct dns_store *s)
{
	return (s->servers);
}
