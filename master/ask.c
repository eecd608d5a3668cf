/*
 * A small client of the admin process: one request of HTTP/1.0 over a UNIX
 * socket, whose answer has its length or goes on until the end.
 */
#include "master/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"

#define DEFAULT_PATH "/run/sniport/control.sock"

/* Of a service that says nothing. */
#define PATIENCE  10
#define HEAD_SIZE 8192

/* The beginning of an answer, and what of its body has come with it. */
struct answer {
	char bytes[HEAD_SIZE + 1];
	size_t len, body; /* where it begins */
	int status;
	long long length; /* of the body; -1: not told */
};

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
	char *errors = NULL;
	int error;

	if (named != NULL)
		return (copy_path(path, named, err));
	if (conf_load(&conf, file, &errors) == 0) {
		error = copy_path(path, conf->admin.control, err);
	} else if (strcmp(file, CONF_DEFAULT_FILE) == 0) {
		error = copy_path(path, DEFAULT_PATH, err);
	} else {
		fprintf(err,
		    "%ssniport: %s does not say where to ask; give the socket "
		    "with --control\n",
		    errors != NULL ? errors : "", file);
		error = -EINVAL;
	}
	free(errors);
	conf_free(conf);
	return (error);
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
send_request(int fd, const char *target)
{
	char request[512];
	ssize_t n;
	int len;

	len = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.0\r\nHost: sniport\r\n\r\n", target);
	if (len < 0 || (size_t)len >= sizeof(request))
		return (-EINVAL);
	/* The buffer of a new socket has room for it. */
	n = send(fd, request, (size_t)len, MSG_NOSIGNAL);
	if (n < 0)
		return (-errno);
	return (n == len ? 0 : -EIO);
}

/* 0: the end. */
static ssize_t
receive(int fd, char *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buf, size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return (errno == EAGAIN ? -ETIMEDOUT : -errno);
	return (n);
}

static int
parse_head(struct answer *a)
{
	const char *end = strstr(a->bytes, "\r\n\r\n"), *field;

	if (sscanf(a->bytes, "HTTP/1.%*1d %3d", &a->status) != 1)
		return (-EPROTO);
	a->body = (size_t)(end - a->bytes) + 4;
	a->length = -1;
	for (field = strstr(a->bytes, "\r\n"); field != NULL && field < end;
	     field = strstr(field + 2, "\r\n"))
		if (strncasecmp(field + 2, "Content-Length:", 15) == 0)
			a->length = atoll(field + 17);
	return (0);
}

static int
read_head(int fd, struct answer *a)
{
	ssize_t n;

	a->len = 0;
	do {
		if (a->len == HEAD_SIZE)
			return (-EPROTO);
		n = receive(fd, a->bytes + a->len, HEAD_SIZE - a->len);
		if (n <= 0)
			return (n < 0 ? (int)n : -EPROTO);
		a->len += (size_t)n;
		a->bytes[a->len] = '\0';
	} while (strstr(a->bytes, "\r\n\r\n") == NULL);
	return (parse_head(a));
}

static int
copy_body(int fd, const struct answer *a, FILE *out)
{
	long long left = a->length - (long long)(a->len - a->body);
	char buf[16384];
	ssize_t n;

	fwrite(a->bytes + a->body, 1, a->len - a->body, out);
	while ((n = receive(fd, buf, sizeof(buf))) > 0) {
		fwrite(buf, 1, (size_t)n, out);
		left -= n;
	}
	if (n < 0)
		return ((int)n);
	return (a->length >= 0 && left != 0 ? -EPROTO : 0);
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
ask_run(const char *path, const char *target, FILE *out, FILE *err)
{
	struct answer a = { .status = 0 };
	int fd, error;

	fd = dial(path);
	error = fd < 0 ? fd : send_request(fd, target);
	if (error == 0)
		error = read_head(fd, &a);
	if (error == 0 && a.status != 200) {
		fprintf(err, "sniport: %s: answered %d: ", path, a.status);
		(void)copy_body(fd, &a, err);
		error = -EPROTO;
	} else if (error == 0) {
		error = copy_body(fd, &a, out);
		if (error != 0)
			fprintf(err, "sniport: %s: the answer is cut short\n",
			    path);
	} else {
		fprintf(err, "sniport: %s: %s%s\n", path, strerror(-error),
		    advice(error));
	}
	if (fd >= 0)
		fd_close(&fd);
	return (error);
}
