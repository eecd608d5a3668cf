/* Listening sockets that the service manager keeps, and their names there. */
#include "master/fdstore.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/findings.h"
#include "master/inherited.h"
#include "master/listener.h"
#include "master/notify.h"
#include "master/socket.h"
#include "t/unit/loopback.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

#define KEPT_MAX 16
#define NOW	 (1000 * CLOCK_SEC)
#define LATER	 (NOW + BOOT_SURPLUS_TIME + 2 * CLOCK_SEC)

/* A manager, and what it keeps. */
struct manager {
	int fd;
	struct notify notify;
	struct fdstore store;
	struct {
		char name[FDSTORE_NAME_SIZE];
		int fd;
	} kept[KEPT_MAX];
	size_t nkept;
};

static void
manager_init(struct manager *m, const char *max)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	char name[128];

	*m = (struct manager){ .fd = socket(
				   AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	if (bind(m->fd, (struct sockaddr *)&sun, len) != 0)
		abort();
	len = sizeof(sun);
	if (getsockname(m->fd, (struct sockaddr *)&sun, &len) != 0)
		abort();
	snprintf(name, sizeof(name), "@%.*s",
	    (int)(len - sizeof(sa_family_t)) - 1, sun.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	if (max != NULL)
		setenv("FDSTORE", max, 1);
	notify_open(&m->notify);
	fdstore_open(&m->store, &m->notify);
}

static void
manager_fini(struct manager *m)
{
	while (m->nkept > 0)
		fd_close(&m->kept[--m->nkept].fd);
	fdstore_close(&m->store);
	notify_close(&m->notify);
	close(m->fd);
}

static void
obey(struct manager *m, const char *text, int fd)
{
	char name[FDSTORE_NAME_SIZE];
	size_t i;

	if (sscanf(text, "FDSTOREREMOVE=1\nFDNAME=%63s", name) == 1) {
		for (i = 0; i < m->nkept; i++) {
			if (strcmp(m->kept[i].name, name) != 0)
				continue;
			fd_close(&m->kept[i].fd);
			m->kept[i--] = m->kept[--m->nkept];
		}
	} else if (sscanf(text, "FDSTORE=1\nFDNAME=%63s", name) == 1 &&
		   fd != -1 && m->nkept < KEPT_MAX) {
		memcpy(m->kept[m->nkept].name, name, sizeof(name));
		m->kept[m->nkept++].fd = fd;
		fd = -1;
	}
	if (fd != -1)
		close(fd);
}

/* Takes all messages that have come. */
static void
manage(struct manager *m)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char text[256];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg;
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	for (;;) {
		msg = (struct msghdr){ .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf) };
		n = recvmsg(m->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0)
			return;
		text[n] = '\0';
		fd = -1;
		c = CMSG_FIRSTHDR(&msg);
		if (c != NULL && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		obey(m, text, fd);
	}
}

/* The names of what is kept, in their order. */
static const char *
names(const struct manager *m, char text[KEPT_MAX * FDSTORE_NAME_SIZE])
{
	const char *sorted[KEPT_MAX], *swap;
	size_t i, k, len = 0;

	for (i = 0; i < m->nkept; i++) {
		sorted[i] = m->kept[i].name;
		for (k = i; k > 0 && strcmp(sorted[k], sorted[k - 1]) < 0;
		     k--) {
			swap = sorted[k];
			sorted[k] = sorted[k - 1];
			sorted[k - 1] = swap;
		}
	}
	text[0] = '\0';
	for (i = 0; i < m->nkept; i++)
		len += (size_t)sprintf(
		    text + len, "%s%s", i > 0 ? " " : "", sorted[i]);
	return (text);
}

static void
reads(const char *text, unsigned serial, size_t place, bool dual_stack)
{
	char again[FDSTORE_NAME_SIZE] = "";
	struct fdstore_name name;

	ok(fdstore_read(&name, text, strlen(text)) && name.serial == serial &&
		name.place == place && name.dual_stack == dual_stack,
	    "%s", text);
	fdstore_write(&name, again);
	is_str(again, text, "is written as it is read");
}

static void
naming(void)
{
	static const char *const bad[] = { "", "sniport", "sniport-",
		"sniport-1", "sniport-1-", "sniport--1", "sniport-0-1",
		"sniport-01-1", "sniport-1-01", "sniport-1-1-", "sniport-1-1-d",
		"sniport-1-1-dual-", "sniport-1-1 ", " sniport-1-1",
		"sniport-+1-1", "sniport-65537-1", "sniport-1-65537",
		"sniport-99999999999999999999-1", "sniport.socket",
		"Sniport-1-1" };
	struct fdstore_name name;

	reads("sniport-1-0", 1, 0, false);
	reads("sniport-3-17-dual", 3, 17, true);
	reads("sniport-65536-65536", 65536, 65536, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!fdstore_read(&name, bad[i], strlen(bad[i])), "%s", bad[i]);
	ok(!fdstore_read(&name, "sniport-1-12", 10),
	    "no byte beyond the length is looked at");
}

static void
wanted(const char *max, size_t want)
{
	struct manager m;

	manager_init(&m, max);
	is_int((int64_t)m.store.max, (int64_t)want,
	    max != NULL ? max : "without FDSTORE nothing is kept");
	ok(getenv("FDSTORE") == NULL, "children do not inherit it");
	manager_fini(&m);
}

static int
prepare(struct listener_set *set, const struct conf *conf, size_t nworkers)
{
	struct findings f;
	int error;

	findings_init(&f);
	error = listener_prepare(set, conf, nworkers, &f);
	findings_fini(&f);
	return (error);
}

/* A reload that succeeds, after which the store is up to date. */
static void
change(struct listener_set *set, const struct conf *conf, size_t nworkers,
    struct log *log, struct manager *m)
{
	is_int(prepare(set, conf, nworkers), 0, "prepare");
	listener_commit(set, nworkers, NOW);
	listener_close_removed(set, log);
	is_int(listener_store(set, log, NOW), CLOCK_NEVER, "all is said");
	manage(m);
}

/* Descriptors are inherited from 3 on: nothing else is to be there. */
static void
reserve(void)
{
	for (int fd = 3; fd < 3 + KEPT_MAX; fd++) {
		if (fcntl(fd, F_GETFD) == -1)
			dup2(STDERR_FILENO, fd);
	}
}

static void
start(struct listener_set *set, struct manager *m, const char *max)
{
	reserve();
	manager_init(m, max);
	listener_init(set);
	set->store = &m->store;
}

static void
keeping(struct log *log)
{
	struct conf_listener l[] = { on_loopback(free_port()),
		on_loopback(free_port()) };
	struct conf one = { .listeners = l, .nlisteners = 1 };
	struct conf two = { .listeners = l, .nlisteners = 2 };
	struct conf other = { .listeners = l + 1, .nlisteners = 1 };
	char text[KEPT_MAX * FDSTORE_NAME_SIZE];
	struct worker_set renewed = { 0 };
	struct listener_set set;
	struct manager m;

	start(&set, &m, "8");
	change(&set, &one, 2, log, &m);
	is_str(names(&m, text), "sniport-1-0 sniport-1-1",
	    "all sockets of a listener are kept");
	change(&set, &two, 3, log, &m);
	is_str(names(&m, text),
	    "sniport-1-0 sniport-1-1 sniport-1-2 sniport-2-0 sniport-2-1 "
	    "sniport-2-2",
	    "and those of more workers and more listeners");
	is_int(prepare(&set, &one, 4), 0, "a reload that fails");
	listener_rollback(&set);
	listener_store(&set, log, NOW);
	manage(&m);
	is_int((int64_t)m.nkept, 6, "changes nothing");
	change(&set, &other, 1, log, &m);
	is_str(names(&m, text), "sniport-2-0 sniport-2-1 sniport-2-2",
	    "a listener that is gone is not kept; surplus sockets are");
	listener_tick(&set, LATER);
	listener_store(&set, log, LATER);
	manage(&m);
	is_str(
	    names(&m, text), "sniport-2-0", "until they are closed in the end");
	change(&set, &other, 3, log, &m);
	(void)shutdown(TAILQ_FIRST(&set.groups)->fds[0], SHUT_RDWR);
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	listener_store(&set, log, LATER);
	manage(&m);
	is_str(names(&m, text), "sniport-2-0 sniport-2-1 sniport-2-2",
	    "one that was opened anew is kept in the place of the deaf one");
	for (size_t i = 0; i < m.nkept; i++)
		ok(socket_listens(m.kept[i].fd), "what is kept listens");
	listener_fini(&set);
	manage(&m);
	is_int((int64_t)m.nkept, 3, "the end of the process changes nothing");
	manager_fini(&m);
}

/* All or nothing. */
static void
too_small(struct log *log)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = { .listeners = &l, .nlisteners = 1 };
	struct listener_set set;
	struct manager m;

	start(&set, &m, "2");
	change(&set, &conf, 2, log, &m);
	ok(m.nkept == 2 && listener_is_kept(&set), "two are kept");
	change(&set, &conf, 3, log, &m);
	ok(m.nkept == 0 && !listener_is_kept(&set),
	    "of three none is, where there is room for two");
	change(&set, &conf, 2, log, &m);
	is_int((int64_t)m.nkept, 0, "nor while a third one is surplus");
	listener_tick(&set, LATER);
	listener_store(&set, log, LATER);
	manage(&m);
	ok(m.nkept == 2 && listener_is_kept(&set), "two are kept again");
	listener_fini(&set);
	manager_fini(&m);
}

/* It hears nothing for a while. */
static void
busy(struct log *log)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = { .listeners = &l, .nlisteners = 1 };
	struct conf none = { .nlisteners = 0 };
	char text[KEPT_MAX * FDSTORE_NAME_SIZE];
	struct listener_set set;
	struct manager m;
	int i;

	start(&set, &m, "8");
	for (i = 0; i < 100000; i++) {
		if (notify_pass(&m.notify, -1, "WATCHDOG=1\n") != 0)
			break;
	}
	is_int(prepare(&set, &conf, 2), 0, "prepare");
	listener_commit(&set, 2, NOW);
	ok(listener_store(&set, log, NOW) > NOW, "it is to be tried again");
	manage(&m);
	is_int((int64_t)m.nkept, 0, "nothing was heard");
	is_int(listener_store(&set, log, NOW), CLOCK_NEVER, "then it is");
	manage(&m);
	is_str(names(&m, text), "sniport-1-0 sniport-1-1", "all of it");
	for (i = 0; i < 100000; i++) {
		if (notify_pass(&m.notify, -1, "WATCHDOG=1\n") != 0)
			break;
	}
	is_int(prepare(&set, &none, 2), 0, "prepare");
	listener_commit(&set, 2, NOW);
	listener_close_removed(&set, log);
	manage(&m);
	is_int((int64_t)m.nkept, 2, "what is to be taken out as well");
	is_int(listener_store(&set, log, NOW), CLOCK_NEVER, "is told later");
	manage(&m);
	is_int((int64_t)m.nkept, 0, "and taken out");
	listener_fini(&set);
	manager_fini(&m);
}

/* Puts what the manager keeps where it would be in a process that it starts. */
static void
hand_over(struct manager *m)
{
	char list[1024] = "", number[32];
	size_t i, len = 0;

	for (i = 0; i < m->nkept; i++) {
		len += (size_t)sprintf(
		    list + len, "%s%s", i > 0 ? ":" : "", m->kept[i].name);
		dup2(m->kept[i].fd, 3 + (int)i);
	}
	sprintf(number, "%zu", m->nkept);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", list, 1);
	sprintf(number, "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
}

/* Where each socket stands in the kernel's list is known of those that were
 * taken up: a worker that is away gets nothing. */
static void
taking_up(struct log *log)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = { .listeners = &l, .nlisteners = 1 };
	int came[LOOPBACK_SOCKETS];
	struct worker_set who, renewed = { 0 };
	struct listener_set set;
	const struct group *g;
	struct manager m;
	size_t i;

	start(&set, &m, "8");
	change(&set, &conf, 4, log, &m);
	(void)shutdown(TAILQ_FIRST(&set.groups)->fds[1], SHUT_RDWR);
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	listener_store(&set, log, NOW);
	manage(&m);
	is_int((int64_t)m.nkept, 4, "four are kept, in another order");
	listener_fini(&set);

	hand_over(&m);
	listener_init(&set);
	set.store = &m.store;
	inherited_take(&set, &m.store, log);
	g = TAILQ_FIRST(&set.groups);
	ok(g != NULL && g->nfds == 4, "four are taken up");
	ok(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL &&
		getenv("LISTEN_FDNAMES") == NULL,
	    "children do not inherit how many they were");
	change(&set, &conf, 4, log, &m);
	ok(TAILQ_FIRST(&set.groups) == g, "by the listener of that address");
	is_int((int64_t)m.nkept, 4, "and they are kept still");
	is_int(connect_many(g, came), LOOPBACK_CLIENTS, "they serve");
	for (i = 0; i < 4; i++) {
		who = (struct worker_set){ 0 };
		worker_set_add(&who, i);
		is_int(listener_away(&set, &who), 0, "one is away");
		is_int(
		    connect_many(g, came), LOOPBACK_CLIENTS, "all are served");
		is_int(came[i], 0, "by others");
	}
	change(&set, &conf, 6, log, &m);
	is_int(
	    connect_many(g, came), LOOPBACK_CLIENTS, "more workers join them");
	ok(came[4] > 0 && came[5] > 0, "which take part");
	is_int((int64_t)m.nkept, 6, "and are kept");
	change(&set, &conf, 1, log, &m);
	listener_tick(&set, LATER);
	is_int(connect_many(g, came), LOOPBACK_CLIENTS,
	    "one serves all in the end");
	listener_fini(&set);
	manager_fini(&m);
}

/* Nobody knows its list. */
static void
not_whole(struct log *log)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = { .listeners = &l, .nlisteners = 1 };
	struct listener_set set;
	struct manager m;

	start(&set, &m, "8");
	change(&set, &conf, 3, log, &m);
	listener_fini(&set);
	for (size_t i = 0; i < m.nkept; i++) {
		if (strcmp(m.kept[i].name, "sniport-1-1") == 0)
			strcpy(m.kept[i].name, "sniport-1-5");
	}
	hand_over(&m);
	listener_init(&set);
	set.store = &m.store;
	inherited_take(&set, &m.store, log);
	manage(&m);
	ok(TAILQ_EMPTY(&set.groups), "a group that is not whole is not used");
	is_int((int64_t)m.nkept, 0, "nor kept");
	change(&set, &conf, 3, log, &m);
	is_int((int64_t)m.nkept, 3, "a new one is made");
	listener_fini(&set);
	manager_fini(&m);
}

static void
not_wanted(struct log *log)
{
	struct conf_listener l[] = { on_loopback(free_port()),
		on_loopback(free_port()) };
	struct conf conf = { .listeners = l, .nlisteners = 2 };
	struct conf one = { .listeners = l + 1, .nlisteners = 1 };
	char text[KEPT_MAX * FDSTORE_NAME_SIZE];
	struct listener_set set;
	struct manager m;

	start(&set, &m, "8");
	change(&set, &conf, 2, log, &m);
	listener_fini(&set);
	hand_over(&m);
	listener_init(&set);
	set.store = &m.store;
	inherited_take(&set, &m.store, log);
	is_int(prepare(&set, &one, 1), 0, "a start that fails");
	listener_rollback(&set);
	manage(&m);
	is_int((int64_t)m.nkept, 4, "leaves all for the next one");
	change(&set, &one, 2, log, &m);
	is_str(names(&m, text), "sniport-2-0 sniport-2-1",
	    "what nobody wants any more is taken out");
	is_int(socket_probe(&l[0].addr, false, false), 0, "and closed");
	listener_fini(&set);
	manager_fini(&m);
}

int
main(void)
{
	struct sink *sink;
	struct log *log;

	reserve();
	if (sink_path(&sink, "/dev/null") != 0 ||
	    log_new(&log, sink, LOG_LEVEL_ERROR, "fdstore") != 0)
		return (1);
	naming();
	wanted(NULL, 0);
	wanted("", 0);
	wanted("12", 12);
	wanted("-1", 0);
	wanted("1x", 0);
	keeping(log);
	too_small(log);
	busy(log);
	taking_up(log);
	not_whole(log);
	not_wanted(log);
	log_free(log);
	sink_close(sink);
	return (done_testing());
}
