/*
 * The JSON writer: every byte value, every size of buffer, and what is dropped
 * when there is no room.
 */
#include "common/base/json.h"

#include <stdlib.h>

#include "t/unit/json_check.h"
#include "t/unit/tap.h"

static char text[1024];

/* Ends the object; its text with a NUL. */
static const char *
end(struct json *j)
{
	size_t len = json_end(j);

	text[len] = '\0';
	return (text);
}

static void
test_values(void)
{
	struct json j;

	json_init(&j, text, sizeof(text) - 1);
	is_str(end(&j), "{}", "an empty object");
	is_int(json_end(&j), 2, "ending twice does no harm");

	json_init(&j, text, sizeof(text) - 1);
	json_string(&j, "s", "x");
	json_uint(&j, "u", UINT64_MAX);
	json_bool(&j, "t", true);
	json_bool(&j, "f", false);
	json_string(&j, "n", NULL);
	is_str(end(&j),
	    "{\"s\":\"x\",\"u\":18446744073709551615,\"t\":true,\"f\":false,"
	    "\"n\":null}",
	    "one value of each type");
	ok(!j.truncated, "  nothing was dropped");
}

static void
test_arrays(void)
{
	struct json j;

	json_init(&j, text, sizeof(text) - 1);
	json_array_open(&j, "a");
	json_array_close(&j);
	json_array_open(&j, "b");
	json_uint(&j, NULL, 1);
	json_array_open(&j, NULL);
	json_string(&j, NULL, "x");
	json_array_close(&j);
	json_uint(&j, NULL, 2);
	json_array_close(&j);
	json_uint(&j, "c", 3);
	is_str(end(&j), "{\"a\":[],\"b\":[1,[\"x\"],2],\"c\":3}", "arrays");

	json_init(&j, text, sizeof(text) - 1);
	json_array_open(&j, "a");
	json_array_open(&j, NULL);
	is_str(end(&j), "{\"a\":[[]]}", "the end closes what is open");
}

static void
is_msec(int64_t ns, const char *want)
{
	struct json j;

	json_init(&j, text, sizeof(text) - 1);
	json_array_open(&j, "a");
	json_msec(&j, NULL, ns);
	end(&j);
	ok(strncmp(text, "{\"a\":[", 6) == 0 &&
		strncmp(text + 6, want, strlen(want)) == 0 &&
		strcmp(text + 6 + strlen(want), "]}") == 0,
	    "%" PRId64 " ns is %s ms, got %s", ns, want, text);
}

static void
test_msec(void)
{
	is_msec(0, "0.000");
	is_msec(999, "0.000");
	is_msec(1000, "0.001");
	is_msec(1234567, "1.234");
	is_msec(INT64_C(60000000000), "60000.000");
	is_msec(-1, "0.000");
	is_msec(-1500000, "-1.500");
	is_msec(INT64_MAX, "9223372036854.775");
	is_msec(INT64_MIN, "-9223372036854.775");
}

static void
test_escapes(void)
{
	static const char raw[] = "a\"\\\n\t\r\0\x1b\x7f\x80\xff z";
	struct json j;

	json_init(&j, text, sizeof(text) - 1);
	json_string(&j, "s", "a\"\\\n\t\r\x01\x1b\x7f\x80\xc3\xbc z");
	is_str(end(&j),
	    "{\"s\":\"a\\\"\\\\\\n\\t\\u000d\\u0001\\u001b\\u007f"
	    "\\\\x80\\\\xc3\\\\xbc z\"}",
	    "json_string escapes");

	json_init(&j, text, sizeof(text) - 1);
	json_bytes(&j, "b", raw, sizeof(raw) - 1);
	is_str(end(&j),
	    "{\"b\":\"a\\\"\\\\x5c\\\\x0a\\\\x09\\\\x0d\\\\x00\\\\x1b"
	    "\\\\x7f\\\\x80\\\\xff z\"}",
	    "json_bytes escapes");

	json_init(&j, text, sizeof(text) - 1);
	json_bytes(&j, "b", NULL, 0);
	is_str(end(&j), "{\"b\":\"\"}", "no bytes");
}

static void
test_every_byte(void)
{
	char s[2] = "?";
	bool bytes = true, string = true;
	struct json j;
	size_t len;
	int c;

	for (c = 0; c < 256; c++) {
		s[0] = c;
		json_init(&j, text, sizeof(text) - 1);
		json_bytes(&j, "b", s, 1);
		len = json_end(&j);
		bytes = bytes && json_check(text, len) && !j.truncated;
		json_init(&j, text, sizeof(text) - 1);
		json_string(&j, "s", s);
		len = json_end(&j);
		string = string && json_check(text, len) && !j.truncated;
	}
	ok(bytes, "json_bytes of every byte is ASCII JSON");
	ok(string, "json_string of every byte is ASCII JSON");
}

/* Everything at once; the return is the length. */
static size_t
write_all(struct json *j, char *buf, size_t size)
{
	json_init(j, buf, size);
	json_string(j, "first", "some \"text\"\n");
	json_array_open(j, "list");
	json_uint(j, NULL, 12345);
	json_array_open(j, NULL);
	json_bytes(j, NULL, "\xff\\\0", 3);
	json_array_close(j);
	json_uint(j, NULL, 7);
	json_array_open(j, NULL);
	json_array_open(j, NULL);
	json_bool(j, NULL, true);
	json_array_close(j);
	json_array_close(j);
	json_array_close(j);
	json_msec(j, "t", 123456789);
	json_uint(j, "x", 1);
	return (json_end(j));
}

/* Each size has its own allocation, so that a sanitizer sees its end. */
static void
test_every_size(void)
{
	static const char last[] = ",\"x\":1}";
	bool formed = true, bounded = true, flagged = true, late = false;
	size_t whole, size, len;
	struct json j;
	char *buf;

	whole = write_all(&j, text, sizeof(text));
	ok(!j.truncated && json_check(text, whole), "all of it fits");
	for (size = 2; size <= whole + 8; size++) {
		buf = malloc(size);
		if (buf == NULL)
			abort();
		len = write_all(&j, buf, size);
		formed = formed && json_check(buf, len);
		bounded = bounded && len <= size;
		flagged = flagged && j.truncated == (size < whole);
		if (j.truncated && len > strlen(last) &&
		    memcmp(buf + len - strlen(last), last, strlen(last)) == 0)
			late = true;
		free(buf);
	}
	ok(formed, "well-formed in a buffer of any size");
	ok(bounded, "never longer than the buffer");
	ok(flagged, "truncated is set just where something was dropped");
	ok(late, "what is small enough fits behind a dropped field");
}

static void
test_dropped(void)
{
	struct json j;

	json_init(&j, text, 12);
	json_string(&j, "long", "0123456789");
	ok(j.truncated, "a field without room sets truncated");
	json_uint(&j, "a", 1);
	is_str(end(&j), "{\"a\":1}", "  and leaves nothing behind");

	json_init(&j, text, 12);
	json_array_open(&j, "a long key of an array");
	json_uint(&j, NULL, 1);
	json_array_open(&j, NULL);
	json_array_close(&j);
	json_uint(&j, NULL, 2);
	json_array_close(&j);
	json_uint(&j, "b", 3);
	is_str(
	    end(&j), "{\"b\":3}", "a dropped array takes its elements along");

	json_init(&j, text, 10);
	json_string(&j, "a", "12");
	is_str(
	    end(&j), "{\"a\":\"12\"}", "the last byte of the buffer is used");
	ok(!j.truncated, "  and that is no truncation");
}

int
main(void)
{
	test_values();
	test_arrays();
	test_msec();
	test_escapes();
	test_every_byte();
	test_every_size();
	test_dropped();
	return (done_testing());
}
