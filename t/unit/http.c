/* Heads of HTTP requests: what is taken, and what is refused, and how. */
#include "worker/admin/http.h"

#include <errno.h>

#include "t/unit/tap.h"

#define HOST "Host: a\r\n"

static const struct {
	const char *head;
	int status;
} heads[] = {
	{ "GET / HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "GET /metrics?a=b HTTP/1.1\r\nhOST:\tx \r\nA:\r\n\r\nrest", 0 },
	{ "POST /close?id=1-2-3 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
	    0 },
	{ "GET /%41 HTTP/1.1\r\n" HOST "X: \xff\r\n\r\n", 0 },
	{ "", -EAGAIN },
	{ "G", -EAGAIN },
	{ "GET / HTTP/1.1\r\n" HOST, -EAGAIN },
	{ "GET / HTTP/1.1\r\n" HOST "\r", -EAGAIN },
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
	{ "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "\x16\x03\x01", 400 },
	{ "GET / HTTP/1.1\n" HOST "\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400 },
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", 400 },
	{ "GET / http/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET\r\n\r\n", 400 },
	{ "G(T / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET * HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET http://a/ HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /#a HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n: a\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST " b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST "X: \x01\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n"
	  "Content-Length: 0\r\n\r\n",
	    400 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na", 413 },
	{ "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 501 },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "GET / HTTP/0.9\r\n" HOST "\r\n", 505 },
	{ "GET / HTTP/1.12\r\n" HOST "\r\n", 400 },
};

static void
test_heads(void)
{
	struct http_request r;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const char *head = heads[i].head;

		is_int(http_read(&r, head, strlen(head)), heads[i].status,
		    "status of a head");
	}
	is_int(http_read(&r, "GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 27), 400,
	    "a NUL");
}

static void
test_pieces(void)
{
	static const char head[] =
	    "GET /a/b?x=1&y=%41 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct http_request r;

	is_int(http_read(&r, head, strlen(head)), 0, "a request");
	ok(piece_is(r.method, "GET"), "its method");
	ok(piece_is(r.path, "/a/b"), "its path");
	ok(piece_is(r.query, "x=1&y=%41"), "its query");
	ok(r.chunks, "may be answered in chunks");
	is_int(http_read(&r, "GET /a? HTTP/1.0\r\n\r\n", 20), 0, "another");
	ok(piece_is(r.path, "/a") && r.query.len == 0, "has an empty query");
	ok(!r.chunks, "and knows no chunks");
}

static void
test_bounds(void)
{
	static char head[2 * HTTP_HEAD_MAX];
	struct http_request r;
	size_t i, len;

	len = (size_t)sprintf(head, "GET / HTTP/1.1\r\n" HOST "X: ");
	memset(head + len, 'a', sizeof(head) - len);
	is_int(http_read(&r, head, HTTP_HEAD_MAX - 1), -EAGAIN,
	    "as long as a head may be, it is waited for");
	is_int(http_read(&r, head, HTTP_HEAD_MAX), 431, "then no more");
	memcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	is_int(http_read(&r, head, HTTP_HEAD_MAX), 0, "the longest head");
	len = (size_t)sprintf(head, "GET / HTTP/1.1\r\n" HOST);
	for (i = 1; i < HTTP_FIELDS_MAX; i++)
		len += (size_t)sprintf(head + len, "X:\r\n");
	(void)sprintf(head + len, "\r\n");
	is_int(http_read(&r, head, len + 2), 0, "as many fields as may be");
	len += (size_t)sprintf(head + len, "X:\r\n\r\n");
	is_int(http_read(&r, head, len), 431, "one more");
}

static int
query(struct http_params *p, const char *text)
{
	static char buf[256];

	return (http_query(p, (struct piece){ text, strlen(text) }, buf));
}

static void
test_query(void)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%4g", "%zz=1",
		"a=%00", "a=%0a", "a=%7f" };
	struct http_params p;
	char many[4 * HTTP_PARAMS_MAX + 4] = "";
	size_t i;

	is_int(query(&p, ""), 0, "no query");
	is_int(p.n, 0, "has no parameters");
	is_int(query(&p, "a=1&b&&c%3D=x+y%2Bz%c3%a4&a=2"), 0, "some");
	is_int(p.n, 4, "are counted");
	ok(piece_is(http_param(&p, "a"), "1"), "the first of a name");
	ok(http_param(&p, "b").len == 0 && http_param(&p, "b").s != NULL,
	    "one without a value");
	ok(piece_is(http_param(&p, "c="), "x y+z\xc3\xa4"), "decoded");
	ok(http_param(&p, "d").s == NULL, "one that is not there");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(query(&p, bad[i]), -EINVAL, bad[i]);
	for (i = 0; i < HTTP_PARAMS_MAX; i++)
		strcat(many, "a=1&");
	is_int(query(&p, many), 0, "as many as may be");
	strcat(many, "a");
	is_int(query(&p, many), -EINVAL, "one more");
}

int
main(void)
{
	test_heads();
	test_pieces();
	test_bounds();
	test_query();
	is_str(http_status_text(404), "Not Found", "a status has a text");
	return (done_testing());
}
