/*
 * Heads of HTTP requests, any bytes: what is taken is made of the bytes that
 * came, and is taken in the same way whatever follows and however it is cut.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/admin/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
within(struct piece p, const char *bytes, size_t len)
{
	assert(p.len == 0 || (p.s >= bytes && p.s + p.len <= bytes + len));
}

static void
check_query(struct piece query)
{
	char *buf = malloc(query.len + 1);
	struct http_params params;
	size_t i, j;

	if (buf == NULL)
		abort();
	if (http_query(&params, query, buf) == 0) {
		assert(params.n <= HTTP_PARAMS_MAX);
		for (i = 0; i < params.n; i++) {
			within(params.list[i].name, buf, query.len);
			within(params.list[i].value, buf, query.len);
			for (j = 0; j < params.list[i].value.len; j++)
				assert(
				    (unsigned char)params.list[i].value.s[j] >=
				    ' ');
		}
	}
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r, again;
	const char *bytes = (const char *)data;
	int status = http_read(&r, bytes, size), early;
	size_t i;

	assert(status == 0 || status == -EAGAIN ||
	       strcmp(http_status_text(status), "Unknown") != 0);
	if (status != 0)
		return (0);
	within(r.method, bytes, size);
	within(r.path, bytes, size);
	within(r.query, bytes, size);
	assert(r.method.len > 0 && r.path.len > 0 && r.path.s[0] == '/');
	/* Before it is whole it is waited for, and never taken for another. */
	for (i = 0; i < size && i < HTTP_HEAD_MAX; i += 1 + size / 64) {
		early = http_read(&again, bytes, i);
		assert(early == -EAGAIN ||
		       (early == 0 && again.path.len == r.path.len));
	}
	check_query(r.query);
	return (0);
}
