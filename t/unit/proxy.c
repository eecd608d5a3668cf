/*
 * The PROXY protocol: every header at every length, refused at the very byte
 * that is wrong; headers of another implementation; and what is written.
 */
#include "t/unit/tap.h"

#include <errno.h>

#include "common/net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* A literal that may hold NULs: its bytes and how many. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void
text_of(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
	if (a->family == 0)
		strcpy(buf, "unknown");
	else
		addr_format(a, buf);
}

/* How many bytes are wanted before the first error; len + 1: there is none. */
static size_t
refused_at(const uint8_t *bytes, size_t len)
{
	struct proxy_header h;
	size_t n;

	for (n = 0; n <= len; n++)
		if (proxy_parse(&h, bytes, n) < 0)
			break;
	return (n);
}

static void
good(const char *what, const uint8_t *bytes, size_t len, bool local,
    const char *source, const char *destination)
{
	char text[ADDR_TEXT_SIZE];
	uint8_t more[PROXY_HEADER_MAX + 8];
	struct proxy_header h, untouched;
	size_t n, wanting = 0;

	memset(&h, 0xee, sizeof(h));
	untouched = h;
	for (n = 0; n < len; n++)
		wanting += proxy_parse(&h, bytes, n) == 0;
	is_int(wanting, len, what);
	ok(memcmp(&h, &untouched, sizeof(h)) == 0, "  not touched before");
	is_int(proxy_parse(&h, bytes, len), len, "  is a header");
	ok(h.local == local, "  %s", local ? "local" : "not local");
	text_of(&h.source, text);
	is_str(text, source, "  its source");
	text_of(&h.destination, text);
	is_str(text, destination, "  its destination");
	memcpy(more, bytes, len);
	memset(more + len, 0x16, 8);
	is_int(proxy_parse(&h, more, len + 8), len, "  and no longer");
}

/* at: the length at which it is refused. */
static void
bad(const char *what, const uint8_t *bytes, size_t len, size_t at, int error)
{
	struct proxy_header h, untouched;
	size_t n, same = 0;

	memset(&h, 0xee, sizeof(h));
	untouched = h;
	is_int(refused_at(bytes, len), at, what);
	for (n = at; n <= len; n++)
		same += proxy_parse(&h, bytes, n) == error;
	is_int(same, len + 1 - at, "  and stays so");
	ok(memcmp(&h, &untouched, sizeof(h)) == 0, "  not touched");
}

static void
good_line(const char *line, const char *source, const char *destination)
{
	good(line, (const uint8_t *)line, strlen(line), source == NULL,
	    source != NULL ? source : "unknown",
	    source != NULL ? destination : "unknown");
}

/* refused: the part up to and with the wrong byte. */
static void
bad_line(const char *refused, const char *rest)
{
	char line[512];

	snprintf(line, sizeof(line), "%s%s", refused, rest);
	bad(line, (const uint8_t *)line, strlen(line), strlen(refused),
	    -EPROTO);
}

static void
test_v1(void)
{
	good_line("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
	    "192.0.2.1:56324", "198.51.100.7:443");
	good_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
	    "255.255.255.255:65535", "255.255.255.255:65535");
	good_line(
	    "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0", "0.0.0.0:0");
	good_line("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n",
	    "[2001:db8::1]:1", "[2001:db8::2]:2");
	good_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	good_line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6407 1 2\r\n",
	    "192.0.2.1:1", "198.51.100.7:2");
	/* as HAProxy 2.6 writes an IPv6 client of an IPv4 listener */
	good_line("PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 36498 54329\r\n",
	    "[2001:db8::1]:36498", "127.0.0.1:54329");
	good_line("PROXY UNKNOWN\r\n", NULL, NULL);
	good_line("PROXY UNKNOWN \r\n", NULL, NULL);
	good_line("PROXY UNKNOWN TCP4 \t\x01\xff whatever\r\n", NULL, NULL);
	good_line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
	    NULL, NULL);
}

static void
test_v1_keyword(void)
{
	bad_line("\x16", "\x03\x01\x02");
	bad_line("G", "ET / HTTP/1.0\r\n");
	bad_line("p", "roxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
	bad_line(" ", "PROXY UNKNOWN\r\n");
	bad_line("PRI", " * HTTP/2.0\r\n");
	bad_line("PROXY\t", "UNKNOWN\r\n");
	bad_line("PROXY\r", "\n");
	bad_line("PROXY  ", "UNKNOWN\r\n");
	bad_line("PROXY t", "cp4");
	bad_line("PROXY UD", "P4");
	bad_line("PROXY TCP5", " ");
	bad_line("PROXY TCP ", "192.0.2.1 192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4\r", "\n");
	bad_line("PROXY TCP46", " 192.0.2.1 192.0.2.2 1 2\r\n");
	bad_line("PROXY UNKNOWNS", "\r\n");
	bad_line("PROXY UNKNOWN\n", "");
	bad_line("PROXY UNKNOWN\r\r", "\n");
	bad_line("PROXY UNKNOWN\r ", "\r\n");
	bad_line("PROXY UNKNOWN a\n", "\r\n");
	bad_line("PROXY UNKNOWN a\rb", "\r\n");
}

static void
test_v1_fields(void)
{
	bad_line("PROXY TCP4  ", "192.0.2.1 192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1  ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1\t", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1,", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.01 ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.256 ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2 ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1. ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 2001:", "db8::1 192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 a", "\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2\r", "\n");
	bad_line("PROXY TCP6 192.0.2.1 ", "192.0.2.2 1 2\r\n");
	bad_line("PROXY TCP6 2001:db8::1 192.0.2.2 ", "1 2\r\n");
	bad_line("PROXY TCP6 2001:db8::g", " ::1 1 2\r\n");
	bad_line("PROXY TCP6 1::2::3 ", "::1 1 2\r\n");
	bad_line("PROXY TCP6 1:2:3:4:5:6:7 ", "::1 1 2\r\n");
	bad_line("PROXY TCP6 12345:: ", "::1 1 2\r\n");
	bad_line("PROXY TCP6 [", "::1] ::1 1 2\r\n");
	bad_line("PROXY TCP6 fe80::1%", "lo ::1 1 2\r\n");
	bad_line("PROXY TCP6 0000:0000:0000:0000:0000:0000:0000:0000:000000",
	    "0 ::1 1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 01 ", "2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 00 ", "2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 +", "1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 -", "1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 0x", "1 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 65536 ", "2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 100000", " 2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1  ", "2\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1\r", "\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r", "\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 02\r", "\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r", "\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ", "\r\n");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r", "\n");
	bad("a NUL in an address", BYTES("PROXY TCP4 192.0\0.2.1 "), 17,
	    -EPROTO);
	bad("a NUL behind a port",
	    BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n"), 35, -EPROTO);
}

static void
test_v1_length(void)
{
	static const char begin[] = "PROXY UNKNOWN ";
	uint8_t line[PROXY_V1_MAX + 16];

	memset(line, 'x', sizeof(line));
	memcpy(line, begin, sizeof(begin) - 1);
	memcpy(line + PROXY_V1_MAX - 2, "\r\n", 2);
	good("a line of 107 bytes", line, PROXY_V1_MAX, true, "unknown",
	    "unknown");
	memcpy(line + PROXY_V1_MAX - 2, "x\r\n", 3);
	bad("no CR as the 106th byte", line, sizeof(line), PROXY_V1_MAX - 1,
	    -EPROTO);
	/* Addresses of valid forms can be too long together. */
	bad("a line of 108 bytes",
	    BYTES("PROXY TCP6 1111:2222:3333:4444:5555:6666:123.123.123.123 "
		  "1111:2222:3333:4444:5555:6666:123.123.123 1 12\r\n"),
	    99, -EPROTO);
	bad("  of well-formed addresses",
	    BYTES("PROXY TCP6 1111:2222:3333:4444:5555:6666:123.123.123.123 "
		  "1111:2222:3333:4444:5555:6666:1.1.1.123 65535 65535\r\n"),
	    106, -EPROTO);
}

static void
test_v2(void)
{
	/* HAProxy 2.6: crc32c, authority, unique-id, ssl, cert-cn */
	good("HAProxy, TLS",
	    BYTES(SIGNATURE "\x21\x11\x00\x50\x7f\x00\x00\x01\x7f\x00\x00\x01"
			    "\x8c\x38\xd2\x99\x03\x00\x04\xf8\xa4\x26\x5a"
			    "\x02\x00\x10"
			    "example.com:9443\x05\x00\x00\x20\x00\x24\x07"
			    "\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x12"
			    "client.example.com"),
	    false, "127.0.0.1:35896", "127.0.0.1:53913");
	good("HAProxy, IPv6 to IPv4",
	    BYTES(SIGNATURE "\x21\x21\x00\x2b\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0"
			    "\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0"
			    "\x01\xca\x08\x96\x89\x03\x00\x04\xf8\xe4\x99"
			    "\x47"),
	    false, "[2001:db8::1]:51720", "127.0.0.1:38537");
	good("no TLVs",
	    BYTES(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07"
			    "\x00\x00\xff\xff"),
	    false, "192.0.2.1:0", "198.51.100.7:65535");
	good("NOOP and unknown TLVs",
	    BYTES(SIGNATURE "\x21\x11\x00\x19\xc0\x00\x02\x01\xc6\x33\x64\x07"
			    "\x00\x01\x00\x02\x04\x00\x04\0\0\0\0\x04\0\0"
			    "\xee\x00\x00"),
	    false, "192.0.2.1:1", "198.51.100.7:2");
	good("LOCAL", BYTES(SIGNATURE "\x20\x00\x00\x00"), true, "unknown",
	    "unknown");
	good("LOCAL with addresses",
	    BYTES(SIGNATURE "\x20\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07"
			    "\x00\x01\x00\x02"),
	    true, "unknown", "unknown");
	good("LOCAL with any family and bytes",
	    BYTES(SIGNATURE "\x20\xff\x00\x04\x03\x00\xff\x00"), true,
	    "unknown", "unknown");
	good("an unspecified family", BYTES(SIGNATURE "\x21\x00\x00\x00"),
	    false, "unknown", "unknown");
	good("an unspecified family with a TLV",
	    BYTES(SIGNATURE "\x21\x00\x00\x04\x02\x00\x01x"), false, "unknown",
	    "unknown");
}

static void
test_v2_fixed(void)
{
	uint8_t bytes[64] = SIGNATURE "\x21\x11\x00\x0c";
	struct proxy_header h;
	unsigned i;

	for (i = 0; i < 12; i++) {
		bytes[i] ^= 1;
		is_int(refused_at(bytes, 28), i + 1, "wrong signature");
		bytes[i] ^= 1;
	}
	for (i = 0; i < 256; i++) {
		bytes[12] = i;
		if (i != 0x20 && i != 0x21)
			ok(refused_at(bytes, 28) == 13,
			    "version and command %02x", i);
	}
	bytes[12] = 0x21;
	for (i = 0; i < 256; i++) {
		bytes[13] = i;
		if (i != 0x00 && i != 0x11 && i != 0x21 && i != 0x31)
			ok(refused_at(bytes, 28) == 14,
			    "family and protocol %02x", i);
	}
	bytes[12] = 0x20;
	for (i = 0; i < 256; i++) {
		bytes[13] = i;
		ok(proxy_parse(&h, bytes, 28) == 28 && h.local,
		    "LOCAL, family and protocol %02x", i);
	}
}

static void
test_v2_length(void)
{
	uint8_t bytes[PROXY_HEADER_MAX + 16] = SIGNATURE "\x21\x11\x00\x0b";

	bad("11 bytes of IPv4 addresses", bytes, 40, 16, -EPROTO);
	memcpy(bytes + 12, "\x21\x21\x00\x23", 4);
	bad("35 bytes of IPv6 addresses", bytes, 60, 16, -EPROTO);
	memcpy(bytes + 12, "\x21\x31\x00\xd7", 4);
	bad("215 bytes of AF_UNIX addresses", bytes, 300, 16, -EPROTO);
	memcpy(bytes + 12, "\x21\x31\x00\xd8", 4);
	good("AF_UNIX", bytes, 16 + 216, false, "unknown", "unknown");
	memcpy(bytes + 12, "\x20\x00\x07\xf0", 4);
	good("LOCAL of 2048 bytes", bytes, 2048, true, "unknown", "unknown");
	memcpy(bytes + 12, "\x20\x00\x07\xf1", 4);
	bad("LOCAL of 2049 bytes", bytes, 2060, 16, -EMSGSIZE);
	memcpy(bytes + 12, "\x21\x11\xff\xff", 4);
	bad("65551 bytes", bytes, 2060, 16, -EMSGSIZE);
	/* 2048 - 28 - 3 bytes in a NOOP */
	memcpy(bytes + 12, "\x21\x11\x07\xf0", 4);
	memcpy(bytes + 28, "\x04\x07\xe1", 3);
	good("PROXY of 2048 bytes", bytes, 2048, false, "0.0.0.0:0",
	    "0.0.0.0:0");
	bytes[30]++;
	bad("a TLV one byte too long", bytes, 2048, 31, -EPROTO);
	bytes[30] -= 2;
	bad("one byte behind the last TLV", bytes, 2048, 31, -EPROTO);
	bytes[30]--;
	bad("two bytes behind the last TLV", bytes, 2048, 31, -EPROTO);
	bytes[30]--;
	good("an empty TLV is the last", bytes, 2048, false, "0.0.0.0:0",
	    "0.0.0.0:0");
	memcpy(bytes + 12, "\x21\x00\x00\x02", 4);
	bad("two bytes of TLVs", bytes, 18, 16, -EPROTO);
}

static void
test_crc32c(void)
{
	uint8_t bytes[] =
	    SIGNATURE "\x21\x11\x00\x50\x7f\x00\x00\x01\x7f\x00\x00\x01"
		      "\x8c\x38\xd2\x99\x03\x00\x04\xf8\xa4\x26\x5a"
		      "\x02\x00\x10"
		      "example.com:9443\x05\x00\x00\x20\x00\x24\x07"
		      "\x00\x00\x00\x00\x21\x00\x07TLSv1.3\x22\x00\x12"
		      "client.example.com";
	size_t len = sizeof(bytes) - 1, i;
	struct proxy_header h;

	is_int(proxy_parse(&h, bytes, len), len, "a right checksum");
	for (i = 0; i < len; i++) {
		/* Without the type of its TLV there is no checksum. */
		if (i == 28)
			continue;
		bytes[i] ^= 0x40;
		ok(proxy_parse(&h, bytes, len) <= 0, "byte %zu damaged", i);
		bytes[i] ^= 0x40;
	}
	bad("a checksum of three bytes",
	    BYTES(SIGNATURE "\x21\x00\x00\x06\x03\x00\x03\x00\x00\x00"), 19,
	    -EPROTO);
	bad("a checksum of five bytes",
	    BYTES(SIGNATURE "\x21\x00\x00\x08\x03\x00\x05\0\0\0\0\0"), 19,
	    -EPROTO);
	bad("two checksums",
	    BYTES(SIGNATURE
		"\x21\x00\x00\x0e\x03\x00\x04\0\0\0\0\x03\x00\x04\0\0\0\0"),
	    26, -EPROTO);
	bad("a wrong checksum",
	    BYTES(SIGNATURE "\x21\x00\x00\x07\x03\x00\x04\0\0\0\0"), 23,
	    -EPROTO);
}

static struct proxy_info
info_of(const char *source, const char *destination)
{
	struct proxy_info info;

	memset(&info, 0, sizeof(info));
	if (source != NULL)
		addr_parse(&info.source, source, strlen(source), 0);
	if (destination != NULL)
		addr_parse(
		    &info.destination, destination, strlen(destination), 0);
	return (info);
}

static void
writes_line(const char *source, const char *destination, const char *want)
{
	struct proxy_info info = info_of(source, destination);
	uint8_t buf[PROXY_HEADER_MAX];
	size_t len = proxy_format(&info, 1, buf);
	char text[PROXY_HEADER_MAX + 1];

	memcpy(text, buf, len);
	text[len] = '\0';
	is_str(text, want, "version 1");
	if (source != NULL && destination != NULL)
		good("  read again", buf, len, false, source, destination);
	else
		good("  read again", buf, len, true, "unknown", "unknown");
}

static void
writes(const char *what, const struct proxy_info *info, const uint8_t *want,
    size_t want_len)
{
	char source[ADDR_TEXT_SIZE], destination[ADDR_TEXT_SIZE];
	bool known = info->source.family != 0 && info->destination.family != 0;
	uint8_t buf[PROXY_HEADER_MAX];
	size_t len = proxy_format(info, 2, buf);

	is_int(len, want_len + 7, what);
	/* The length field and the checksum are the reader's to verify. */
	ok(memcmp(buf, want, 14) == 0 &&
		memcmp(buf + 16, want + 16, want_len - 16) == 0,
	    "  the bytes");
	ok(memcmp(buf + len - 7, "\x03\x00\x04", 3) == 0, "  a checksum");
	text_of(&info->source, source);
	text_of(&info->destination, destination);
	good("  read again", buf, len, false, known ? source : "unknown",
	    known ? destination : "unknown");
	buf[len - 1] ^= 1;
	bad("  with another checksum", buf, len, len, -EPROTO);
}

static void
test_write_addresses(void)
{
	struct proxy_info info;

	writes_line("192.0.2.1:56324", "198.51.100.7:443",
	    "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
	writes_line("[2001:db8::1]:1", "[2001:db8::2]:65535",
	    "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
	writes_line("192.0.2.1:1", "[2001:db8::2]:2",
	    "PROXY TCP6 ::ffff:c000:201 2001:db8::2 1 2\r\n");
	writes_line("[2001:db8::1]:1", "0.0.0.7:2",
	    "PROXY TCP6 2001:db8::1 ::ffff:0:7 1 2\r\n");
	writes_line(NULL, NULL, "PROXY UNKNOWN\r\n");
	writes_line("192.0.2.1:1", NULL, "PROXY UNKNOWN\r\n");
	writes_line(NULL, "[2001:db8::2]:2", "PROXY UNKNOWN\r\n");

	info = info_of("192.0.2.1:258", "198.51.100.7:443");
	writes("IPv4", &info,
	    BYTES(SIGNATURE "\x21\x11..\xc0\x00\x02\x01\xc6\x33\x64\x07"
			    "\x01\x02\x01\xbb"));
	info = info_of("[2001:db8::1]:258", "[2001:db8::2]:443");
	writes("IPv6", &info,
	    BYTES(SIGNATURE "\x21\x21..\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
			    "\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
			    "\x01\x02\x01\xbb"));
	info = info_of("192.0.2.1:258", "[2001:db8::2]:443");
	writes("IPv4 to IPv6", &info,
	    BYTES(SIGNATURE "\x21\x21..\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00"
			    "\x02\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
			    "\x02\x01\x02\x01\xbb"));
	info = info_of("[2001:db8::1]:258", "192.0.2.1:443");
	writes("IPv6 to IPv4", &info,
	    BYTES(SIGNATURE "\x21\x21..\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
			    "\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
			    "\x01\x02\x01\xbb"));
	info = info_of("192.0.2.1:258", NULL);
	writes("one address", &info, BYTES(SIGNATURE "\x21\x00.."));
}

static void
test_write_strings(void)
{
	struct proxy_info info = info_of(NULL, NULL);

	info.authority = "example.com:9443";
	writes("authority", &info,
	    BYTES(SIGNATURE "\x21\x00..\x02\x00\x10"
			    "example.com:9443"));
	info.authority = "";
	info.tls_version = "TLSv1.3";
	writes("no client certificate", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x0f\x01\x00\x00\x00\x01\x21"
			    "\x00\x07TLSv1.3"));
	info.identity = "spiffe://a/b";
	writes("an identity that was not verified", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x0f\x01\x00\x00\x00\x01\x21"
			    "\x00\x07TLSv1.3"));
	info.verified = true;
	writes("a verified one", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x1e\x07\x00\x00\x00\x00\x21"
			    "\x00\x07TLSv1.3\x22\x00\x0cspiffe://a/b"));
	info.resumed = true;
	writes("verified when the session was new", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x1e\x05\x00\x00\x00\x00\x21"
			    "\x00\x07TLSv1.3\x22\x00\x0cspiffe://a/b"));
	info.verified = false;
	writes("resumed without a client certificate", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x0f\x01\x00\x00\x00\x01\x21"
			    "\x00\x07TLSv1.3"));
	info.verified = true;
	info.resumed = false;
	info.identity = NULL;
	writes("a verified certificate without identity", &info,
	    BYTES(SIGNATURE "\x21\x00..\x20\x00\x0f\x07\x00\x00\x00\x00\x21"
			    "\x00\x07TLSv1.3"));
	info.tls_version = NULL;
	info.identity = "spiffe://a/b";
	writes("no TLS version", &info, BYTES(SIGNATURE "\x21\x00.."));
}

static void
test_write_longest(void)
{
	char text[PROXY_STRING_MAX + 2];
	struct proxy_info info = info_of("[2001:db8::1]:1", "192.0.2.1:2");
	uint8_t buf[PROXY_HEADER_MAX];
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	info.authority = info.identity = info.tls_version = text + 1;
	info.verified = true;
	len = proxy_format(&info, 2, buf);
	is_int(len, 16 + 36 + 3 + 255 + 3 + 5 + 2 * (3 + 255) + 7,
	    "strings of 255 bytes");
	good("  read again", buf, len, false, "[2001:db8::1]:1", "192.0.2.1:2");
	info.authority = info.identity = text;
	info.tls_version = "TLSv1.2";
	is_int(proxy_format(&info, 2, buf), 16 + 36 + 3 + 5 + 3 + 7 + 7,
	    "strings of 256 bytes are left out");
}

int
main(void)
{
	test_v1();
	test_v1_keyword();
	test_v1_fields();
	test_v1_length();
	test_v2();
	test_v2_fixed();
	test_v2_length();
	test_crc32c();
	test_write_addresses();
	test_write_strings();
	test_write_longest();
	return (done_testing());
}
