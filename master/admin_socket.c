/* Binds the sockets of the admin process, and takes their files away again. */
#include "master/admin_socket.h"

#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "master/findings.h"
#include "master/privilege.h"
#include "master/service.h"

#define BACKLOG 128

/* Who was killed a moment ago may still have it. */
#define BUSY_TRIES 20
#define BUSY_MSEC  10

_Static_assert(
    sizeof(((struct sockaddr_un *)NULL)->sun_path) == ADMIN_PLACE_SIZE &&
	CONF_SOCKET_PATH_MAX == ADMIN_PLACE_SIZE - 1,
    "every path has room");

static const struct admin_socket none = { .fd = -1 };

void
admin_sockets_init(struct admin_sockets *s)
{
	size_t i;

	for (i = 0; i < ADMIN_DOORS; i++)
		s->now[i] = s->next[i] = none;
}

/* Another sniport may have its own there by now. */
static bool
is_ours(const struct admin_socket *a)
{
	struct stat st;

	return (a->fd != -1 && a->path && lstat(a->place, &st) == 0 &&
		st.st_dev == a->device && st.st_ino == a->inode);
}

static void
close_socket(struct admin_socket *a)
{
	if (is_ours(a))
		(void)unlink(a->place);
	fd_close(&a->fd);
	*a = none;
}

void
admin_sockets_fini(struct admin_sockets *s)
{
	size_t i;

	admin_sockets_rollback(s);
	for (i = 0; i < ADMIN_DOORS; i++)
		close_socket(&s->now[i]);
}

static int
make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return (fd < 0 ? -errno : fd);
}

static int
bind_tcp(const char *place)
{
	struct sockaddr_storage ss;
	struct addr addr;
	socklen_t len;
	int fd, error = 0, on = 1;

	if (addr_parse(&addr, place, strlen(place), 0) != 0)
		return (-EINVAL);
	len = addr_to_sockaddr(&addr, &ss);
	fd = make_socket(addr.family);
	if (fd < 0)
		return (fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (addr.family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) !=
		    0) ||
	    bind(fd, (const struct sockaddr *)&ss, len) != 0 ||
	    listen(fd, BACKLOG) != 0)
		error = -errno;
	if (error != 0)
		fd_close(&fd);
	return (error != 0 ? error : fd);
}

/* Does somebody listen there? */
static bool
is_alive(const struct sockaddr_un *un)
{
	int fd = make_socket(AF_UNIX);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)un,
				     sizeof(*un)) == 0 ||
				    errno == EAGAIN);

	if (fd >= 0)
		fd_close(&fd);
	return (alive);
}

/* What a sniport that was killed has left is taken away. -EADDRINUSE: there is
 * one that lives; -EEXIST: it is another thing. */
static int
clear_place(const struct sockaddr_un *un)
{
	struct stat st;
	int i;

	if (lstat(un->sun_path, &st) != 0)
		return (errno == ENOENT ? 0 : -errno);
	if (!S_ISSOCK(st.st_mode))
		return (-EEXIST);
	for (i = 0; is_alive(un); i++) {
		if (i == BUSY_TRIES)
			return (-EADDRINUSE);
		(void)poll(NULL, 0, BUSY_MSEC);
	}
	return (unlink(un->sun_path) == 0 || errno == ENOENT ? 0 : -errno);
}

/* The mode is there before anybody can connect. */
static int
bind_path(const char *place, struct admin_socket *a)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, error;

	memcpy(un.sun_path, place, strlen(place) + 1);
	error = clear_place(&un);
	if (error != 0)
		return (error);
	fd = make_socket(AF_UNIX);
	if (fd < 0)
		return (fd);
	mask = umask(0117);
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) != 0)
		error = -errno;
	(void)umask(mask);
	if (error == 0 && (listen(fd, BACKLOG) != 0 || lstat(place, &st) != 0))
		error = -errno;
	if (error != 0) {
		fd_close(&fd);
		return (error);
	}
	a->path = true;
	a->device = st.st_dev;
	a->inode = st.st_ino;
	return (fd);
}

static int
bind_place(const char *place, struct admin_socket *a)
{
	int fd;

	*a = none;
	snprintf(a->place, sizeof(a->place), "%s", place);
	fd = place[0] == '/' ? bind_path(place, a) : bind_tcp(place);
	if (fd < 0)
		return (fd);
	a->fd = fd;
	return (0);
}

/* Its group may ask; whose it is, and root, may do more. */
static void
share(const struct admin_socket *a, const struct conf *conf,
    const struct run_as *run_as, struct findings *f)
{
	if (!a->path || !run_as->change ||
	    (conf->user == NULL && conf->group == NULL) ||
	    lchown(a->place, (uid_t)-1, run_as->gid) == 0)
		return;
	findings_add(f, LOG_LEVEL_WARNING,
	    "%s cannot be given to the group %u, which may not ask there: %s",
	    a->place, (unsigned)run_as->gid, strerror(errno));
}

static void
make_folder(const char *place)
{
	char path[ADMIN_PLACE_SIZE];
	mode_t mask;

	if (geteuid() != 0)
		return;
	snprintf(path, sizeof(path), "%s", place);
	mask = umask(022);
	(void)mkdir(dirname(path), 0755);
	(void)umask(mask);
}

/* The place that a door is to have; NULL: none. */
static const char *
wanted(const struct conf *conf, size_t door)
{
	const char *place =
	    door == ADMIN_HTTP ? conf->admin.address : conf->admin.control;

	return (place != NULL && place[0] != '\0' ? place : NULL);
}

static const char *
advice(int error, bool path)
{
	if (error == -EADDRINUSE && path)
		return ("; another sniport listens there: give each a path of "
			"its own, or none");
	if (error == -EADDRINUSE)
		return ("; another process, such as another sniport, has it");
	if (error == -ENOENT)
		return ("; its folder must be there");
	return ("");
}

/* sniport serves without the default one as well as it did before there was
 * one. */
static int
tell(const struct conf *conf, size_t door, const char *place, int error,
    struct findings *f)
{
	char *const *setting =
	    door == ADMIN_HTTP ? &conf->admin.address : &conf->admin.control;
	bool chosen = door == ADMIN_HTTP || conf_is_chosen(conf, setting);

	findings_add_at(f, chosen ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, conf,
	    setting, "%s cannot be listened on: %s%s", place, strerror(-error),
	    advice(error, place[0] == '/'));
	return (chosen ? error : 0);
}

static int
try_place(const char *place, const struct service *service)
{
	char path[ADMIN_PLACE_SIZE];
	int fd;

	if (place[0] != '/') {
		fd = bind_tcp(place);
		/* It may be the running service that has it. */
		if (fd < 0)
			return (fd == -EADDRINUSE ? 0 : fd);
		fd_close(&fd);
		return (0);
	}
	snprintf(path, sizeof(path), "%s", place);
	if (access(dirname(path), W_OK | X_OK) == 0)
		return (0);
	/* A unit may make its folder. */
	return (errno == ENOENT && service->user[0] != '\0' ? 0 : -errno);
}

void
admin_sockets_try(
    const struct conf *conf, const struct service *service, struct findings *f)
{
	const char *place;
	size_t i;
	int error;

	for (i = 0; i < ADMIN_DOORS; i++) {
		place = wanted(conf, i);
		if (place == NULL ||
		    (i == ADMIN_OPERATOR &&
			!conf_is_chosen(conf, &conf->admin.control)))
			continue;
		error = try_place(place, service);
		if (error != 0)
			(void)tell(conf, i, place, error, f);
	}
}

static int
prepare(struct admin_sockets *s, size_t door, const struct conf *conf,
    const struct run_as *run_as, struct findings *f)
{
	const char *place = wanted(conf, door);
	struct admin_socket *next = &s->next[door];
	int error;

	*next = none;
	if (place == NULL)
		return (0);
	if (strcmp(place, s->now[door].place) == 0 && s->now[door].fd != -1 &&
	    (!s->now[door].path || is_ours(&s->now[door]))) {
		*next = s->now[door];
		share(next, conf, run_as, f);
		return (0);
	}
	if (door == ADMIN_OPERATOR &&
	    !conf_is_chosen(conf, &conf->admin.control))
		make_folder(place);
	error = bind_place(place, next);
	if (error != 0)
		return (tell(conf, door, place, error, f));
	share(next, conf, run_as, f);
	return (0);
}

int
admin_sockets_prepare(struct admin_sockets *s, const struct conf *conf,
    const struct run_as *run_as, struct findings *f)
{
	int error;

	error = prepare(s, ADMIN_HTTP, conf, run_as, f);
	if (error == 0)
		error = prepare(s, ADMIN_OPERATOR, conf, run_as, f);
	if (error != 0)
		admin_sockets_rollback(s);
	return (error);
}

void
admin_sockets_commit(struct admin_sockets *s)
{
	size_t i;

	for (i = 0; i < ADMIN_DOORS; i++) {
		if (s->next[i].fd != s->now[i].fd)
			close_socket(&s->now[i]);
		s->now[i] = s->next[i];
		s->next[i] = none;
	}
}

void
admin_sockets_rollback(struct admin_sockets *s)
{
	size_t i;

	for (i = 0; i < ADMIN_DOORS; i++) {
		if (s->next[i].fd != s->now[i].fd)
			close_socket(&s->next[i]);
		s->next[i] = none;
	}
}
