/* Puts descriptors into the service manager's store, and takes them out. */
#include "master/fdstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/notify.h"

#define PREFIX "sniport-"
#define DUAL   "-dual"

/* More are never to be taken out at once; beyond that they are left. */
#define GONE_MAX 65536

/* All that can be listened on: sockets of 64 listeners and 1024 workers. */
#define NUMBER_MAX 65536

void
fdstore_open(struct fdstore *s, const struct notify *notify)
{
	const char *max = getenv("FDSTORE");
	char *end;
	unsigned long n;

	*s = (struct fdstore){ .notify = notify };
	if (max != NULL && notify->fd >= 0 && *max >= '0' && *max <= '9') {
		errno = 0;
		n = strtoul(max, &end, 10);
		if (errno == 0 && *end == '\0')
			s->max = n;
	}
	unsetenv("FDSTORE");
}

void
fdstore_close(struct fdstore *s)
{
	free(s->gone);
	s->gone = NULL;
	s->ngone = 0;
	s->max = 0;
}

void
fdstore_write(const struct fdstore_name *name, char text[FDSTORE_NAME_SIZE])
{
	snprintf(text, FDSTORE_NAME_SIZE, PREFIX "%u-%zu%s", name->serial,
	    name->place, name->dual_stack ? DUAL : "");
}

/* Takes digits from the front of *text. */
static bool
read_number(const char **text, const char *end, size_t *value)
{
	const char *p = *text;
	size_t n = 0;

	while (p < end && *p >= '0' && *p <= '9' && n <= NUMBER_MAX)
		n = n * 10 + (size_t)(*p++ - '0');
	if (p == *text || n > NUMBER_MAX)
		return (false);
	*text = p;
	*value = n;
	return (true);
}

bool
fdstore_read(struct fdstore_name *name, const char *text, size_t len)
{
	const char *end = text + len, *p = text + strlen(PREFIX);
	char again[FDSTORE_NAME_SIZE];
	size_t serial, place;

	if (len < strlen(PREFIX) || memcmp(text, PREFIX, strlen(PREFIX)) != 0 ||
	    !read_number(&p, end, &serial) || serial == 0 || p == end ||
	    *p++ != '-' || !read_number(&p, end, &place))
		return (false);
	*name = (struct fdstore_name){ .serial = (unsigned)serial,
		.place = place,
		.dual_stack = p < end };
	/* Which leaves one spelling of each. */
	fdstore_write(name, again);
	return (strlen(again) == len && memcmp(again, text, len) == 0);
}

static int
send_gone(struct fdstore *s, const struct fdstore_name *name)
{
	char text[FDSTORE_NAME_SIZE];

	fdstore_write(name, text);
	return (
	    notify_pass(s->notify, -1, "FDSTOREREMOVE=1\nFDNAME=%s\n", text));
}

static bool
is_busy(int error)
{
	return (error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM ||
		error == -ETOOMANYREFS);
}

int
fdstore_flush(struct fdstore *s)
{
	size_t i, n = 0;
	int error = 0;

	while (n < s->ngone) {
		error = send_gone(s, &s->gone[n]);
		if (is_busy(error))
			break;
		n++;
	}
	for (i = n; i < s->ngone; i++)
		s->gone[i - n] = s->gone[i];
	s->ngone -= n;
	return (s->ngone > 0 ? -EAGAIN : 0);
}

int
fdstore_put(struct fdstore *s, const struct fdstore_name *name, int fd)
{
	char text[FDSTORE_NAME_SIZE];
	int error = fdstore_flush(s);

	if (error != 0)
		return (error);
	fdstore_write(name, text);
	error = notify_pass(s->notify, fd, "FDSTORE=1\nFDNAME=%s\n", text);
	return (is_busy(error) ? -EAGAIN : error);
}

void
fdstore_drop(struct fdstore *s, const struct fdstore_name *name)
{
	struct fdstore_name *gone;

	if (fdstore_flush(s) == 0 && !is_busy(send_gone(s, name)))
		return;
	if (s->ngone == GONE_MAX)
		return;
	gone = reallocarray(s->gone, s->ngone + 1, sizeof(*gone));
	if (gone == NULL)
		return;
	s->gone = gone;
	gone[s->ngone++] = *name;
}
