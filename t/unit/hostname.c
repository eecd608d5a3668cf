/* DNS names: what is taken, what is refused, and the canonical spelling. */
#include "common/net/hostname.h"

#include <errno.h>

#include "t/unit/tap.h"

static void
good(const char *in, const char *want)
{
	char out[HOSTNAME_SIZE];
	int len = hostname_canonical(out, in, strlen(in));

	if (ok(len == (int)strlen(want), "'%s' is a name", in))
		is_str(out, want, "  its canonical form");
}

static void
bad_bytes(const char *in, size_t len, const char *what)
{
	char out[HOSTNAME_SIZE] = "untouched";

	is_int(hostname_canonical(out, in, len), -EINVAL, what);
	if (strcmp(out, "untouched") != 0)
		is_str(out, "untouched", "  out is left alone");
}

static void
bad(const char *in)
{
	bad_bytes(in, strlen(in), in);
}

static void
test_names(void)
{
	good("example.com", "example.com");
	good("EXAMPLE.Com", "example.com");
	good("example.com.", "example.com");
	good("localhost", "localhost");
	good("a", "a");
	good("_srv._udp.example.com", "_srv._udp.example.com");
	good("a_b.example.com", "a_b.example.com");
	good("_", "_");
	good("xn--mnchen-3ya.de", "xn--mnchen-3ya.de");
	good("1.2.3.4.example.com", "1.2.3.4.example.com");
	good("3com.com", "3com.com");
	good("a--b.c", "a--b.c");
	good("1a", "1a");
	good("example.0xyz", "example.0xyz");
	good("example.x0", "example.x0");
	good("0x7f.com", "0x7f.com");
	good("example.be", "example.be");
	good("example.1xab", "example.1xab");
	good("example.0bad", "example.0bad");
}

static void
test_shape(void)
{
	bad("");
	bad(".");
	bad("..");
	bad(".example.com");
	bad("example.com..");
	bad("a..b");
	bad("-a.example.com");
	bad("a-.example.com");
	bad("example.-com");
	bad("example.com-");
	bad("example.com-.");
	bad("xn--.de");
	bad("-");
}

static void
test_numeric(void)
{
	bad("1.2.3.4");
	bad("1.2.3.4.");
	bad("127.1");
	bad("0");
	bad("2130706433");
	bad("0x7f.1");
	bad("1.0x7f");
	bad("1.0X7F");
	bad("example.0x");
	bad("example.0xabcdef");
	bad("example.123");
	bad("example.123.");
	bad("017700000001");
}

static void
test_bytes(void)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	char name[] = "a?b.example.com", out[HOSTNAME_SIZE];
	bool right = true;
	int c, len;

	for (c = 0; c < 256; c++) {
		name[1] = c;
		len = hostname_canonical(out, name, strlen("a?b.example.com"));
		if ((len > 0) != (c != 0 && strchr(allowed, c) != NULL)) {
			right = false;
			printf("# byte 0x%02x\n", c);
		}
	}
	ok(right, "letters, digits, '-', '_' and nothing else");
	bad_bytes("example.com\0", 12, "NUL at the end");
	bad_bytes("example\0.com", 12, "NUL inside");
	bad("[::1]");
	bad("example.com ");
	bad(" example.com");
	bad("*.example.com");
}

/* A name of len bytes out of labels of 63. */
static const char *
long_name(char *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = i % 64 == 63 ? '.' : 'a';
	buf[len] = '\0';
	return (buf);
}

static void
test_lengths(void)
{
	char buf[300], out[HOSTNAME_SIZE];

	long_name(buf, 63);
	is_int(hostname_canonical(out, buf, 63), 63, "label of 63 bytes");
	memset(buf, 'a', 64);
	bad_bytes(buf, 64, "label of 64 bytes");
	memcpy(buf + 64, ".com", 5);
	bad_bytes(buf, 68, "label of 64 bytes in front");
	long_name(buf, 253);
	is_int(hostname_canonical(out, buf, 253), 253, "name of 253 bytes");
	is_int(strlen(out), 253, "  with its NUL");
	buf[253] = '.';
	is_int(hostname_canonical(out, buf, 254), 253, "253 bytes and a dot");
	long_name(buf, 254);
	bad_bytes(buf, 254, "name of 254 bytes");
	bad_bytes(buf, 0, "no bytes");
	is_int(hostname_canonical(out, "example.comX", 11), 11,
	    "reads no further than len");
}

/* Canonicalising twice is the same as once. */
static void
test_in_place(void)
{
	char name[HOSTNAME_SIZE] = "EXAMPLE.com.";

	is_int(hostname_canonical(name, name, 12), 11, "in and out the same");
	is_str(name, "example.com", "  canonical");
}

int
main(void)
{
	test_names();
	test_shape();
	test_numeric();
	test_bytes();
	test_lengths();
	test_in_place();
	return (done_testing());
}
