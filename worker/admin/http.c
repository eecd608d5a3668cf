/* Reads the head of an HTTP request, strictly. */
#include "worker/admin/http.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define BAD 400

/* Of a name of a field, or of a method. */
static bool
is_token(char c)
{
	return (isalnum((unsigned char)c) ||
		(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL));
}

static bool
all_are(struct piece p, bool (*is)(char))
{
	size_t i;

	for (i = 0; i < p.len; i++)
		if (!is(p.s[i]))
			return (false);
	return (true);
}

static bool
is_graph(char c)
{
	return (c > ' ' && c < 0x7f);
}

/* Of the value of a field: no control character but a tab. */
static bool
is_text(char c)
{
	return (c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f));
}

/* Takes what stands before the character, and that. False: it is not there. */
static bool
cut_at(struct piece *rest, char c, struct piece *front)
{
	const char *at = rest->len > 0 ? memchr(rest->s, c, rest->len) : NULL;

	if (at == NULL)
		return (false);
	*front = piece_cut(rest, (size_t)(at - rest->s));
	piece_cut(rest, 1);
	return (true);
}

/* A line without its CR LF; no other CR or LF is in one. */
static bool
cut_line(struct piece *rest, struct piece *line)
{
	if (!cut_at(rest, '\n', line) || line->len == 0 ||
	    line->s[line->len - 1] != '\r')
		return (false);
	line->len--;
	return (true);
}

static struct piece
trim(struct piece p)
{
	while (p.len > 0 && (p.s[0] == ' ' || p.s[0] == '\t'))
		piece_cut(&p, 1);
	while (p.len > 0 && (p.s[p.len - 1] == ' ' || p.s[p.len - 1] == '\t'))
		p.len--;
	return (p);
}

static int
read_target(struct http_request *r, struct piece target)
{
	if (target.len == 0 || target.s[0] != '/' ||
	    !all_are(target, is_graph) || piece_has(target, '#'))
		return (BAD);
	if (!cut_at(&target, '?', &r->path)) {
		r->path = target;
		target.len = 0;
	}
	r->query = target;
	return (0);
}

static int
read_version(struct http_request *r, struct piece version)
{
	r->chunks = piece_is(version, "HTTP/1.1");
	if (r->chunks || piece_is(version, "HTTP/1.0"))
		return (0);
	if (version.len == 8 && memcmp(version.s, "HTTP/", 5) == 0 &&
	    isdigit((unsigned char)version.s[5]) && version.s[6] == '.' &&
	    isdigit((unsigned char)version.s[7]))
		return (505);
	return (BAD);
}

static int
read_first_line(struct http_request *r, struct piece line)
{
	struct piece target;

	if (!cut_at(&line, ' ', &r->method) || r->method.len == 0 ||
	    !all_are(r->method, is_token) || !cut_at(&line, ' ', &target) ||
	    read_target(r, target) != 0)
		return (BAD);
	return (read_version(r, line));
}

static bool
is_field(struct piece name, const char *text)
{
	return (name.len == strlen(text) &&
		strncasecmp(name.s, text, name.len) == 0);
}

/* What the fields say together. */
struct fields {
	unsigned hosts, lengths;
};

static int
read_field(struct piece line, struct fields *f)
{
	struct piece name, value;
	size_t i;

	/* A line that goes on the one before begins with a blank. */
	if (!cut_at(&line, ':', &name) || name.len == 0 ||
	    !all_are(name, is_token) || !all_are(line, is_text))
		return (BAD);
	value = trim(line);
	f->hosts += is_field(name, "host");
	if (is_field(name, "transfer-encoding"))
		return (501);
	if (!is_field(name, "content-length"))
		return (0);
	if (++f->lengths > 1 || value.len == 0)
		return (BAD);
	for (i = 0; i < value.len; i++)
		if (!isdigit((unsigned char)value.s[i]))
			return (BAD);
	for (i = 0; i < value.len; i++)
		if (value.s[i] != '0')
			return (413);
	return (0);
}

static int
read_fields(const struct http_request *r, struct piece rest)
{
	struct fields f = { 0, 0 };
	struct piece line;
	int status = 0;
	unsigned n = 0;

	while (status == 0) {
		if (!cut_line(&rest, &line))
			return (BAD);
		if (line.len == 0)
			break;
		if (++n > HTTP_FIELDS_MAX)
			return (431);
		status = read_field(line, &f);
	}
	/* RFC 9112, 3.2. */
	if (status == 0 && (f.hosts > 1 || (r->chunks && f.hosts == 0)))
		status = BAD;
	return (status);
}

int
http_read(struct http_request *r, const char *bytes, size_t len)
{
	static const char end[] = "\r\n\r\n";
	struct piece rest = { bytes, len }, line;
	const char *at;
	int status;

	*r = (struct http_request){ .chunks = false };
	if (len == 0)
		return (-EAGAIN);
	if (!is_token(bytes[0]))
		return (BAD);
	at = memmem(bytes, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX, end,
	    sizeof(end) - 1);
	if (at == NULL)
		return (len < HTTP_HEAD_MAX ? -EAGAIN : 431);
	rest.len = (size_t)(at - bytes) + sizeof(end) - 1;
	if (!cut_line(&rest, &line))
		return (BAD);
	status = read_first_line(r, line);
	return (status == 0 ? read_fields(r, rest) : status);
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	return (c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

/* Takes one character of the front; -1: it is not well written. */
static int
decode(struct piece *p)
{
	struct piece front = piece_cut(p, 1);
	int high, low, c = (unsigned char)front.s[0];

	if (c == '+')
		return (' ');
	if (c == '%') {
		if (p->len < 2)
			return (-1);
		front = piece_cut(p, 2);
		high = hex(front.s[0]);
		low = hex(front.s[1]);
		if (high < 0 || low < 0)
			return (-1);
		c = high * 16 + low;
	}
	return (c >= ' ' && c != 0x7f ? c : -1);
}

/* Puts the decoded piece to *at. */
static int
decode_all(struct piece *p, char **at)
{
	struct piece rest = *p;
	int c;

	p->s = *at;
	while (rest.len > 0) {
		c = decode(&rest);
		if (c < 0)
			return (-EINVAL);
		*(*at)++ = (char)c;
	}
	p->len = (size_t)(*at - p->s);
	return (0);
}

int
http_query(struct http_params *params, struct piece query, char *buf)
{
	struct http_param *param;
	struct piece part;

	params->n = 0;
	while (query.len > 0) {
		if (!cut_at(&query, '&', &part))
			part = piece_cut(&query, query.len);
		if (part.len == 0)
			continue;
		if (params->n == HTTP_PARAMS_MAX)
			return (-EINVAL);
		param = &params->list[params->n++];
		if (!cut_at(&part, '=', &param->name)) {
			param->name = part;
			part.len = 0;
		}
		param->value = part;
		if (decode_all(&param->name, &buf) != 0 ||
		    decode_all(&param->value, &buf) != 0)
			return (-EINVAL);
	}
	return (0);
}

struct piece
http_param(const struct http_params *params, const char *name)
{
	size_t i;

	for (i = 0; i < params->n; i++)
		if (piece_is(params->list[i].name, name))
			return (params->list[i].value);
	return ((struct piece){ NULL, 0 });
}

const char *
http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return (texts[i].text);
	return ("Unknown");
}
