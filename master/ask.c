/*
 * A small client of the admin process: one request of HTTP/1.1 over a UNIX
 * socket, whose answer has its length, comes in chunks, or goes on until the
 * end.
 */
#include "master/ask.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"

/* Of a service that says nothing. */
#define PATIENCE  10
#define LINE_SIZE 8192
#define FIELDS	  64

static int
copy_path(char path[ASK_PATH_SIZE], const char *from, FILE *err)
{
	if (from[0] == '\0') {
		fprintf(err, "sniport: admin.control is empty: there is no "
			     "socket to ask on\n");
		return (-EINVAL);
	}
	if (strlen(from) >= ASK_PATH_SIZE) {
		fprintf(err, "sniport: %s: is longer than %d bytes\n", from,
		    ASK_PATH_SIZE - 1);
		return (-EINVAL);
	}
	strcpy(path, from);
	return (0);
}

int
ask_find(
    char path[ASK_PATH_SIZE], const char *file, const char *named, FILE *err)
{
	struct conf *conf = NULL;
	char *control = NULL, *errors = NULL;
	int error;

	if (named != NULL)
		return (copy_path(path, named, err));
	/* Whatever else is wrong in it. */
	error = conf_peek(file, "admin.control", &control);
	if (error == 0 || strcmp(file, CONF_DEFAULT_FILE) == 0) {
		error = copy_path(
		    path, control != NULL ? control : ASK_DEFAULT_PATH, err);
		free(control);
		return (error);
	}
	if (conf_load(&conf, file, NULL, &errors) == 0)
		conf_free(conf);
	fprintf(err,
	    "%ssniport: %s does not say where to ask; give the socket with "
	    "--control\n",
	    errors != NULL ? errors : "", file);
	free(errors);
	return (-EINVAL);
}

static int
dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return (-errno);
	strcpy(sun.sun_path, path);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == 0 &&
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return (fd);
	error = -errno;
	fd_close(&fd);
	return (error);
}

static int
send_request(int fd, const char *method, const char *target)
{
	char request[LINE_SIZE];
	ssize_t n;
	int len;

	len = snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: sniport\r\n\r\n", method, target);
	if (len < 0 || (size_t)len >= sizeof(request))
		return (-EINVAL);
	/* The buffer of a new socket has room for it. */
	n = send(fd, request, (size_t)len, MSG_NOSIGNAL);
	if (n < 0)
		return (-errno);
	return (n == len ? 0 : -EIO);
}

/* Why nothing more came. */
static int
cause(FILE *in)
{
	if (!ferror(in))
		return (-EPROTO);
	return (errno == EAGAIN ? -ETIMEDOUT : -errno);
}

/* Lines end with CRLF, which is taken off. */
static int
read_line(FILE *in, char line[LINE_SIZE])
{
	size_t len;

	if (fgets(line, LINE_SIZE, in) == NULL)
		return (cause(in));
	len = strlen(line);
	if (len < 2 || strcmp(line + len - 2, "\r\n") != 0)
		return (-EPROTO);
	line[len - 2] = '\0';
	return (0);
}

static int
read_head(struct ask *a)
{
	FILE *in = a->in;
	char line[LINE_SIZE];
	int i, error;

	error = read_line(in, line);
	if (error == 0 && sscanf(line, "HTTP/1.%*1d %3d", &a->status) != 1)
		error = -EPROTO;
	a->length = -1;
	a->chunked = false;
	for (i = 0; error == 0 && i < FIELDS; i++) {
		error = read_line(in, line);
		if (error != 0 || line[0] == '\0')
			return (error);
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			a->length = atoll(line + 15);
		if (strcasecmp(line, "Transfer-Encoding: chunked") == 0)
			a->chunked = true;
	}
	return (error != 0 ? error : -EPROTO);
}

/* An admin process that was broken into may send what a terminal obeys. */
static void
mask(char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (((uint8_t)bytes[i] < ' ' && bytes[i] != '\n' &&
			bytes[i] != '\t') ||
		    bytes[i] == 0x7f)
			bytes[i] = '?';
}

/* So many bytes; -1: all until the end. */
static int
copy(FILE *in, long long left, FILE *out)
{
	char buf[16384];
	size_t n, want;

	while (left != 0) {
		want = left > 0 && left < (long long)sizeof(buf) ? (size_t)left
								 : sizeof(buf);
		n = fread(buf, 1, want, in);
		mask(buf, n);
		fwrite(buf, 1, n, out);
		if (left > 0)
			left -= (long long)n;
		if (n < want)
			return (left < 0 && !ferror(in) ? 0 : cause(in));
	}
	return (0);
}

static int
copy_chunks(FILE *in, FILE *out)
{
	char line[LINE_SIZE], *end;
	unsigned long size;
	int error;

	do {
		error = read_line(in, line);
		if (error != 0)
			return (error);
		size = strtoul(line, &end, 16);
		if (end == line || size > INT_MAX)
			return (-EPROTO);
		error = copy(in, (long long)size, out);
		/* What ends the chunk; behind the last one, the body. */
		if (error == 0)
			error = read_line(in, line);
		if (error == 0 && line[0] != '\0')
			error = -EPROTO;
	} while (error == 0 && size != 0);
	return (error);
}

static const char *
advice(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return ("; is sniport running?");
	case -EACCES:
		return ("; its owner, its group and root may ask");
	default:
		return ("");
	}
}

int
ask_begin(
    struct ask *a, const char *path, const char *method, const char *target)
{
	int fd = dial(path), error;

	*a = (struct ask){ .in = NULL };
	if (fd < 0)
		return (fd);
	error = send_request(fd, method, target);
	if (error == 0) {
		a->in = fdopen(fd, "r");
		error = a->in == NULL ? -errno : 0;
	}
	if (error != 0) {
		fd_close(&fd);
		return (error);
	}
	return (read_head(a));
}

int
ask_body(struct ask *a, FILE *out)
{
	return (
	    a->chunked ? copy_chunks(a->in, out) : copy(a->in, a->length, out));
}

void
ask_end(struct ask *a)
{
	if (a->in != NULL)
		fclose(a->in);
	a->in = NULL;
}

void
ask_tell(FILE *err, const char *path, int error)
{
	fprintf(
	    err, "sniport: %s: %s%s\n", path, strerror(-error), advice(error));
}

int
ask_run(const char *path, const char *target, FILE *out, FILE *err)
{
	struct ask a;
	int error = ask_begin(&a, path, "GET", target);

	if (error != 0) {
		ask_tell(err, path, error);
	} else if (a.status != 200) {
		fprintf(err, "sniport: %s: answered %d: ", path, a.status);
		(void)ask_body(&a, err);
		error = -EPROTO;
	} else {
		error = ask_body(&a, out);
		if (error != 0)
			fprintf(err, "sniport: %s: the answer is cut short\n",
			    path);
	}
	ask_end(&a);
	return (error);
}

int
ask_post(const char *path, const char *target, bool json, FILE *out, FILE *err)
{
	bool answered;
	struct ask a;
	int error = ask_begin(&a, path, "POST", target);

	if (error == 0) {
		answered =
		    a.status == 200 || a.status == 404 || a.status == 504;
		if (a.status != 200 && !(json && answered))
			out = err;
		if (!json || !answered)
			fprintf(out, "sniport: ");
		error = ask_body(&a, out);
	}
	if (error != 0)
		ask_tell(err, path, error);
	ask_end(&a);
	return (error != 0 ? error : a.status);
}

/* What stands for itself in a query. */
static bool
is_plain(char c)
{
	return (c != '\0' && strchr("abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~:/*",
				 c) != NULL);
}

int
ask_add(char target[ASK_TARGET_SIZE], const char *word)
{
	const char *equals = strchr(word, '='), *c;
	size_t len = strlen(target);

	if (ASK_TARGET_SIZE - len < sizeof("&id="))
		return (-ENAMETOOLONG);
	len += (size_t)snprintf(target + len, ASK_TARGET_SIZE - len, "&%s",
	    equals == NULL ? "id=" : "");
	for (c = word; *c != '\0'; c++) {
		if (ASK_TARGET_SIZE - len < sizeof("%00"))
			return (-ENAMETOOLONG);
		if (is_plain(*c) || c == equals)
			target[len++] = *c;
		else
			len += (size_t)snprintf(target + len,
			    ASK_TARGET_SIZE - len, "%%%02X", (uint8_t)*c);
	}
	target[len] = '\0';
	return (0);
}
