/* Reads what other workers have left of names, and trusts none of it. */
#include "worker/dns/store_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/dns/store_layout.h"

/* A copy that was overtaken by its writer is made again, so often. */
#define COPY_TRIES 3

/* What a head says of the good half. */
struct head_read {
	uint64_t servers, turn, used;
};

static int
read_head(int fd, struct head_read *h)
{
	uint64_t words[sizeof(struct dns_store_head) / sizeof(uint64_t)];
	ssize_t n = pread(fd, words, sizeof(words), 0);
	uint64_t turn = words[1];

	if (n == -1)
		return (-errno);
	if (n != sizeof(words) || words[0] != DNS_STORE_MAGIC)
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
		    (off_t)(dns_store_offset(half, h->turn) + at));
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
	if (h.servers != servers || h.used > dns_store_half((size_t)st.st_size))
		return (-ENOENT);
	*bytes = malloc(h.used + 1);
	if (*bytes == NULL)
		return (-ENOMEM);
	error = copy_half(fd, dns_store_half((size_t)st.st_size), &h, *bytes);
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
take_what(const struct dns_store_record *head, enum reason *reason)
{
	switch (head->what) {
	case DNS_STORE_ADDRESSES:
		*reason = REASON_NONE;
		return (
		    head->naddrs > 0 && head->naddrs <= DNS_MESSAGE_ADDRS_MAX);
	case DNS_STORE_NOT_FOUND:
		*reason = REASON_DNS_NOT_FOUND;
		return (head->naddrs == 0);
	case DNS_STORE_NO_ADDRESS:
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
	struct dns_store_record head;
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
	size = dns_store_addr_size(r->record.key.family);
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
