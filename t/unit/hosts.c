/*
 * The hosts file: usual and odd lines, many addresses, large files, and what it
 * answers.
 */
#include "common/net/hosts.h"

#include <netinet/in.h>

#include <stdlib.h>

#include "t/unit/tap.h"

static struct hosts *
parse(const char *text, size_t len)
{
	/* A copy of its own, so that a sanitizer sees the end. */
	char *copy = malloc(len > 0 ? len : 1);
	struct hosts *h;

	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	if (hosts_new(&h, copy, len) != 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	free(copy);
	return (h);
}

/* want: addresses with spaces between, "-": known without any, NULL: not
 * known. */
static void
finds(const struct hosts *h, const char *name, int family, const char *want)
{
	char got[512] = "";
	struct addr addrs[8];
	bool known, same;
	size_t n, i, len = 0;

	n = hosts_find(h, name, family, addrs, 8, &known);
	for (i = 0; i < n; i++) {
		if (i > 0)
			got[len++] = ' ';
		len += addr_format_ip(&addrs[i], got + len);
		if (addrs[i].port != 0 || addrs[i].family != family)
			ok(false, "port 0 and the family asked for");
	}
	if (n == 0 && known)
		strcpy(got, "-");
	same = want != NULL ? known && strcmp(got, want) == 0 : n + known == 0;
	ok(same, "%s %s: %s, got '%s'", name,
	    family == AF_INET ? "IPv4" : "IPv6",
	    want != NULL ? want : "not known", got);
}

static void
test_file(void)
{
	static const char text[] =
	    "# comment\n"
	    "127.0.0.1 localhost\n"
	    "::1\tlocalhost ip6-localhost # rest\n"
	    "\n"
	    "  192.0.2.1\t db.example.com   DB alias.example.com.\r\n"
	    "192.0.2.2\v\fdb.example.com#glued\n"
	    "2001:db8::1 db.example.com\n"
	    "#192.0.2.9 db.example.com\n"
	    "::ffff:192.0.2.3 mapped\n"
	    "192.0.2.4 last";
	struct hosts *h = parse(text, sizeof(text) - 1);

	finds(h, "localhost", AF_INET, "127.0.0.1");
	finds(h, "localhost", AF_INET6, "::1");
	finds(h, "ip6-localhost", AF_INET6, "::1");
	finds(h, "ip6-localhost", AF_INET, "-");
	finds(h, "db.example.com", AF_INET, "192.0.2.1 192.0.2.2");
	finds(h, "db.example.com", AF_INET6, "2001:db8::1");
	finds(h, "db", AF_INET, "192.0.2.1");
	finds(h, "alias.example.com", AF_INET, "192.0.2.1");
	finds(h, "mapped", AF_INET, "192.0.2.3");
	finds(h, "last", AF_INET, "192.0.2.4");
	finds(h, "glued", AF_INET, NULL);
	finds(h, "rest", AF_INET, NULL);
	finds(h, "comment", AF_INET, NULL);
	finds(h, "example.com", AF_INET, NULL);
	finds(h, "db.example.co", AF_INET, NULL);
	finds(h, "db.example.comm", AF_INET, NULL);
	finds(h, "", AF_INET, NULL);
	finds(h, "zzz", AF_INET, NULL);
	hosts_free(h);
}

static void
test_bad_lines(void)
{
	static const char text[] = "127.1 short\n"
				   "fe80::1%lo0 scoped\n"
				   "host 192.0.2.1\n"
				   "192.0.2.1\n"
				   "192.0.2.1:80 withport\n"
				   "192.0.2.1 a..b -x 10.0.0.1 good * b\xff"
				   "d after\0nul fine\n"
				   "999.0.0.1 big\n"
				   "192.0.2.2 next\n";
	struct hosts *h = parse(text, sizeof(text) - 1);

	finds(h, "short", AF_INET, NULL);
	finds(h, "scoped", AF_INET6, NULL);
	finds(h, "192.0.2.1", AF_INET, NULL);
	finds(h, "withport", AF_INET, NULL);
	finds(h, "10.0.0.1", AF_INET, NULL);
	finds(h, "good", AF_INET, "192.0.2.1");
	finds(h, "after", AF_INET, NULL);
	finds(h, "fine", AF_INET, "192.0.2.1");
	finds(h, "big", AF_INET, NULL);
	finds(h, "next", AF_INET, "192.0.2.2");
	hosts_free(h);
}

static void
test_many_addresses(void)
{
	static const char text[] = "192.0.2.3 a\n192.0.2.1 a\n2001:db8::1 a\n"
				   "192.0.2.3 a a\n192.0.2.2 a\n";
	struct hosts *h = parse(text, sizeof(text) - 1);
	struct addr addrs[2];
	bool known = false;

	finds(h, "a", AF_INET, "192.0.2.3 192.0.2.1 192.0.2.2");
	finds(h, "a", AF_INET6, "2001:db8::1");
	is_int(hosts_find(h, "a", AF_INET, addrs, 2, NULL), 2,
	    "at most max; known may be NULL");
	is_int(addrs[1].ip[3], 1, "  in the order of the file");
	is_int(hosts_find(h, "a", AF_INET, addrs, 0, &known), 0, "max of 0");
	ok(known, "  still says that the name is known");
	hosts_free(h);
}

static void
test_empty(void)
{
	static const char *const texts[] = { "", "\n", "#", " \t", "\n\n#x\n" };
	struct hosts *h;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		h = parse(texts[i], strlen(texts[i]));
		finds(h, "localhost", AF_INET, NULL);
		hosts_free(h);
	}
	hosts_free(NULL);
}

/* A block list of the usual size: every name of it is found. */
static void
test_large(void)
{
	enum {
		LINES = 100000,
		LINE_SIZE = 48
	};
	char *text = malloc(LINES * LINE_SIZE), name[32];
	size_t len = 0, found = 0;
	struct hosts *h;
	struct addr a;
	unsigned i;

	if (text == NULL)
		abort();
	for (i = 0; i < LINES; i++)
		len += snprintf(text + len, LINE_SIZE,
		    "10.%u.%u.%u h%u.example.com\n", i >> 16, i >> 8 & 255,
		    i & 255, i);
	h = parse(text, len);
	for (i = 0; i < LINES; i++) {
		snprintf(name, sizeof(name), "h%u.example.com", i);
		if (hosts_find(h, name, AF_INET, &a, 1, NULL) == 1 &&
		    a.ip[1] == i >> 16 && a.ip[2] == (i >> 8 & 255) &&
		    a.ip[3] == (i & 255))
			found++;
	}
	is_int(found, LINES, "each of 100,000 names has its address");
	finds(h, "h100000.example.com", AF_INET, NULL);
	hosts_free(h);
	free(text);
}

/* What is answered: the only address, "-" where the name has none of the
 * family, NULL where a name server is to be asked. */
static void
answers(const struct hosts *h, const char *name, int family, const char *want)
{
	char text[ADDR_TEXT_SIZE] = "-";
	struct addr a;
	bool known;

	if (hosts_answer(h, name, family, &a, 1, &known) == 1)
		addr_format_ip(&a, text);
	is_str(known ? text : NULL, want, name);
}

static void
test_answers(void)
{
	static const char file[] = "192.0.2.1 a.test b.localhost\n";
	struct hosts *h = parse(file, strlen(file));

	answers(h, "a.test", AF_INET, "192.0.2.1");
	answers(h, "a.test", AF_INET6, "-");
	answers(h, "c.test", AF_INET, NULL);
	answers(h, "localhost", AF_INET, "127.0.0.1");
	answers(h, "localhost", AF_INET6, "::1");
	answers(h, "a.localhost", AF_INET, "127.0.0.1");
	answers(h, "b.localhost", AF_INET, "192.0.2.1");
	answers(h, "b.localhost", AF_INET6, "-");
	answers(h, "xlocalhost", AF_INET, NULL);
	answers(h, "localhost.test", AF_INET, NULL);
	answers(NULL, "localhost", AF_INET, "127.0.0.1");
	answers(NULL, "a.test", AF_INET, NULL);
	hosts_free(h);
}

int
main(void)
{
	test_file();
	test_bad_lines();
	test_many_addresses();
	test_empty();
	test_large();
	test_answers();
	return (done_testing());
}
