/* Reads what the service manager hands over, and looks what it is. */
#include "master/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/log/log.h"
#include "master/fdstore.h"
#include "master/listener.h"

/* sd_listen_fds(3). */
#define FIRST	  3
#define FDS_MAX	  65536
#define TEXT_SIZE 128

struct found {
	int fd; /* -1: it was closed */
	bool stored;
	struct fdstore_name name; /* if it was stored */
	struct listener_at at;
};

/* Of an environment variable; 0: it is not that. */
static unsigned long
number(const char *name)
{
	const char *s = getenv(name);
	unsigned long n;
	char *end;

	if (s == NULL || *s < '0' || *s > '9')
		return (0);
	errno = 0;
	n = strtoul(s, &end, 10);
	return (errno == 0 && *end == '\0' ? n : 0);
}

static int
option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return (getsockopt(fd, level, name, &value, &len) == 0 ? value : -1);
}

/* Where it listens; false: it does not, or not by TCP. */
static bool
find_place(int fd, struct listener_at *at)
{
	static const uint8_t any[sizeof(at->addr.ip)];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	*at = (struct listener_at){ .dual_stack = false };
	if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
	    option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    addr_from_sockaddr(&at->addr, (struct sockaddr *)&ss, len) != 0)
		return (false);
	at->dual_stack = at->addr.family == AF_INET6 &&
			 memcmp(at->addr.ip, any, sizeof(any)) == 0 &&
			 option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
	return (true);
}

/* Those of a store may be of a kernel without IPv6. */
static void
name_place(struct found *f)
{
	if (f->stored && f->name.dual_stack && !f->at.dual_stack) {
		f->at.dual_stack = true;
		f->at.addr = (struct addr){ .family = AF_INET6,
			.port = f->at.addr.port };
	}
	if (f->at.dual_stack)
		snprintf(
		    f->at.name, sizeof(f->at.name), ":%u", f->at.addr.port);
	else
		(void)addr_format(&f->at.addr, f->at.name);
}

static void
discard(struct found *f, struct fdstore *store)
{
	if (f->stored)
		fdstore_drop(store, &f->name);
	fd_close(&f->fd);
}

/* Has it as our own would be. */
static int
set_up(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return (-errno);
	return (fd_tunnel_options(fd, NULL));
}

/* Looks at one, whose name in the list has so many bytes. */
static void
look(struct found *f, const char *name, size_t len, struct fdstore *store,
    struct log *log)
{
	int error;

	f->stored = fdstore_read(&f->name, name, len);
	(void)fcntl(f->fd, F_SETFD, FD_CLOEXEC);
	if (!find_place(f->fd, &f->at)) {
		log_write(log, LOG_LEVEL_WARNING,
		    "descriptor %d%s%.*s of the service manager is not a "
		    "listening TCP socket: closed",
		    f->fd, len > 0 ? ", " : "",
		    (int)(len < TEXT_SIZE ? len : TEXT_SIZE), name);
		discard(f, store);
		return;
	}
	name_place(f);
	error = set_up(f->fd);
	if (error == 0)
		return;
	log_write(log, LOG_LEVEL_WARNING,
	    "listener %s of the service manager: %s: closed", f->at.name,
	    strerror(-error));
	discard(f, store);
}

/* Those of a store first, by group and place. */
static int
compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->stored != y->stored)
		return (x->stored ? -1 : 1);
	if (x->name.serial != y->name.serial)
		return (x->name.serial < y->name.serial ? -1 : 1);
	return (
	    (x->name.place > y->name.place) - (x->name.place < y->name.place));
}

/* Are they one group, whole? */
static bool
is_whole(const struct found *f, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (f[i].fd == -1 || f[i].name.place != i ||
		    !listener_same(&f[i].at, &f[0].at) ||
		    option(f[i].fd, SOL_SOCKET, SO_REUSEPORT) != 1)
			return (false);
	}
	return (true);
}

static int
adopt(struct listener_set *set, const struct found *f, size_t n)
{
	int *fds, error;
	size_t i;

	if (n == 1 && f->fd == -1)
		return (0);
	if (f->stored && !is_whole(f, n))
		return (-EINVAL);
	fds = calloc(n, sizeof(*fds));
	if (fds == NULL)
		return (-ENOMEM);
	for (i = 0; i < n; i++)
		fds[i] = f[i].fd;
	error =
	    listener_adopt(set, &f->at, f->stored ? f->name.serial : 0, fds, n);
	free(fds);
	return (error);
}

/* One address's, or what was stored under one serial. Of a group of which some
 * are missing nobody knows the kernel's list. */
static void
take_group(struct found *f, size_t n, struct listener_set *set,
    struct fdstore *store, struct log *log)
{
	int error = adopt(set, f, n);
	size_t i;

	if (error == 0)
		return;
	log_write(log, LOG_LEVEL_WARNING,
	    "listener %s: %s: closed, with what waits there", f->at.name,
	    error == -EEXIST   ? "the service manager has more than one"
	    : error == -EINVAL ? "the service manager has only a part of it"
			       : strerror(-error));
	for (i = 0; i < n; i++)
		discard(&f[i], store);
}

static void
list(struct found *f, size_t n, struct fdstore *store, struct log *log)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t i, len;

	if (names == NULL)
		names = "";
	for (i = 0; i < n; i++) {
		f[i] = (struct found){ .fd = FIRST + (int)i };
		len = strcspn(names, ":");
		look(&f[i], names, len, store, log);
		names += len + (names[len] == ':');
	}
	qsort(f, n, sizeof(*f), compare);
}

void
inherited_take(struct listener_set *set, struct fdstore *store, struct log *log)
{
	unsigned long n = number("LISTEN_FDS");
	struct found *f = NULL;
	size_t i, k;

	if (number("LISTEN_PID") != (unsigned long)getpid() || n > FDS_MAX)
		n = 0;
	if (n > 0)
		f = calloc(n, sizeof(*f));
	if (f != NULL)
		list(f, n, store, log);
	for (i = 0; f != NULL && i < n; i = k) {
		k = i + 1;
		while (k < n && f[i].stored && f[k].stored &&
		       f[k].name.serial == f[i].name.serial)
			k++;
		take_group(&f[i], k - i, set, store, log);
	}
	free(f);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}
