/*
 * The head of an HTTP request, of which little is taken: what curl, Prometheus,
 * health checks and sniport itself send, spelled as RFC 9112 has it. Pure.
 */
#ifndef WORKER_ADMIN_HTTP_H
#define WORKER_ADMIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/piece.h"

#define HTTP_HEAD_MAX	8192
#define HTTP_FIELDS_MAX 64
#define HTTP_PARAMS_MAX 64

/* All pieces are of the bytes that were read. */
struct http_request {
	struct piece method;
	struct piece path;  /* from '/' on, as it was written */
	struct piece query; /* behind '?'; empty: there is none */
	bool chunks;	    /* HTTP/1.1: may be answered in chunks */
};

/*
 * Reads a head that begins with these bytes. 0 and *request is the whole of it;
 * -EAGAIN: more has to come; else the status that it deserves: 400, 413 (it has
 * a body, which no request of ours needs), 431 (longer than HTTP_HEAD_MAX, or
 * too many fields), 501 or 505.
 */
int http_read(struct http_request *request, const char *bytes, size_t len);

struct http_param {
	struct piece name, value;
};

struct http_params {
	struct http_param list[HTTP_PARAMS_MAX];
	size_t n;
};

/*
 * Takes a query apart: NAME=VALUE, joined by '&', in which %XX is the byte of
 * that number and '+' a blank. The decoded bytes go to buf, of at least
 * query.len; none of them is a control character. 0 or -EINVAL.
 */
int http_query(struct http_params *, struct piece query, char *buf);

/* The value of the first of that name; s NULL: there is none. */
struct piece http_param(const struct http_params *, const char *name);

/* "Not Found" */
const char *http_status_text(int status);

#endif
