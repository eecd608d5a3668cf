/* Reads the hosts file once, and answers look-ups from it. */
#include "common/net/hosts.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/hostname.h"

struct hosts_entry {
	const char *name; /* canonical, in names */
	struct addr addr;
	size_t line_order; /* qsort(3) is not stable */
};

/* Sorted by name, then by place in the file. */
struct hosts {
	struct hosts_entry *entries;
	size_t nentries, size;
	char *names;
	size_t names_len;
};

/* A cursor over words of the text. */
struct words {
	const char *at, *end;
};

static bool
is_blank(char c)
{
	return (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f');
}

static bool
next_word(struct words *line, const char **word, size_t *len)
{
	while (line->at < line->end && is_blank(*line->at))
		line->at++;
	*word = line->at;
	while (line->at < line->end && !is_blank(*line->at))
		line->at++;
	*len = line->at - *word;
	return (*len > 0);
}

/* Cuts the next line off the text, without its comment and newline. */
static struct words
next_line(struct words *text)
{
	struct words line = { text->at, text->end };
	const char *end;

	end = memchr(line.at, '\n', line.end - line.at);
	text->at = end != NULL ? end + 1 : text->end;
	if (end != NULL)
		line.end = end;
	end = memchr(line.at, '#', line.end - line.at);
	if (end != NULL)
		line.end = end;
	return (line);
}

static int
add_entry(struct hosts *h, const struct addr *addr, const char *s, size_t len)
{
	char name[HOSTNAME_SIZE];
	struct hosts_entry *bigger;
	size_t size;
	int n = hostname_canonical(name, s, len);

	if (n < 0)
		return (0);
	if (h->nentries == h->size) {
		size = h->size > 0 ? h->size * 2 : 16;
		bigger = reallocarray(h->entries, size, sizeof(*bigger));
		if (bigger == NULL)
			return (-ENOMEM);
		h->entries = bigger;
		h->size = size;
	}
	memcpy(h->names + h->names_len, name, n + 1);
	h->entries[h->nentries] = (struct hosts_entry){
		.name = h->names + h->names_len,
		.addr = *addr,
		.line_order = h->nentries,
	};
	h->nentries++;
	h->names_len += n + 1;
	return (0);
}

static int
add_line(struct hosts *h, struct words line)
{
	struct addr addr;
	const char *word;
	size_t len;
	int r;

	if (!next_word(&line, &word, &len) ||
	    addr_parse_ip(&addr, word, len) != 0)
		return (0);
	while (next_word(&line, &word, &len)) {
		r = add_entry(h, &addr, word, len);
		if (r != 0)
			return (r);
	}
	return (0);
}

static int
compare_entries(const void *va, const void *vb)
{
	const struct hosts_entry *a = va, *b = vb;
	int order = strcmp(a->name, b->name);

	if (order != 0)
		return (order);
	return (
	    (a->line_order > b->line_order) - (a->line_order < b->line_order));
}

int
hosts_new(struct hosts **hosts, const char *text, size_t len)
{
	struct words all = { text, text + len };
	struct hosts *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL)
		return (-ENOMEM);
	/* A canonical name is no longer than its word, and what follows the
	 * word leaves room for the NUL. */
	h->names = malloc(len + 1);
	r = h->names != NULL ? 0 : -ENOMEM;
	while (r == 0 && all.at < all.end)
		r = add_line(h, next_line(&all));
	if (r != 0) {
		hosts_free(h);
		return (r);
	}
	if (h->nentries > 0)
		qsort(h->entries, h->nentries, sizeof(*h->entries),
		    compare_entries);
	*hosts = h;
	return (0);
}

void
hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	free(h->entries);
	free(h->names);
	free(h);
}

/* Index of the first entry that is not before the name. */
static size_t
lower_bound(const struct hosts *h, const char *name)
{
	size_t low = 0, high = h->nentries, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(h->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return (low);
}

static bool
has_addr(const struct addr *addrs, size_t n, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (addr_equal_ip(&addrs[i], addr))
			return (true);
	return (false);
}

size_t
hosts_find(const struct hosts *h, const char *name, int family,
    struct addr *out, size_t max, bool *known)
{
	size_t i = lower_bound(h, name), n = 0;
	const struct hosts_entry *e;

	if (known != NULL)
		*known =
		    i < h->nentries && strcmp(h->entries[i].name, name) == 0;
	for (; i < h->nentries && n < max; i++) {
		e = &h->entries[i];
		if (strcmp(e->name, name) != 0)
			break;
		if (e->addr.family == family && !has_addr(out, n, &e->addr))
			out[n++] = e->addr;
	}
	return (n);
}

static bool
is_localhost(const char *name)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(name);

	return (strcmp(name, suffix + 1) == 0 ||
		(len >= sizeof(suffix) &&
		    strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0));
}

size_t
hosts_answer(const struct hosts *h, const char *name, int family,
    struct addr *out, size_t max, bool *known)
{
	const char *loopback = family == AF_INET ? "127.0.0.1" : "::1";
	size_t n = 0;

	*known = false;
	if (h != NULL)
		n = hosts_find(h, name, family, out, max, known);
	if (*known || !is_localhost(name))
		return (n);
	*known = true;
	return (max > 0 && addr_parse_ip(out, loopback, strlen(loopback)) == 0);
}
