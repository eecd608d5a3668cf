/* Listening sockets over starts, reloads and changes that fail. */
#include "master/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/findings.h"
#include "master/socket.h"
#include "master/terms.h"
#include "t/unit/loopback.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

#define NOW   (1000 * CLOCK_SEC)
#define LATER (NOW + BOOT_SURPLUS_TIME + 2 * CLOCK_SEC)

static struct conf
conf_of(struct conf_listener *listeners, size_t n)
{
	return ((struct conf){ .listeners = listeners, .nlisteners = n });
}

/* What worker number `worker` of so many inherits. */
static int
inherited(struct listener_set *set, const struct conf *conf, unsigned worker,
    size_t nworkers, struct boot_socket **sockets, size_t *n)
{
	struct terms *terms = terms_new(conf);
	int error =
	    listener_sockets(set, terms, worker, nworkers, NOW, sockets, n);

	free(terms);
	return (error);
}

static uint64_t
gone_between(const struct conf *old, const struct conf *new)
{
	struct terms *a = terms_new(old), *b = terms_new(new);
	uint64_t gone = listener_gone(a, b);

	free(a);
	free(b);
	return (gone);
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

static void
change(struct listener_set *set, const struct conf *conf, size_t nworkers)
{
	is_int(prepare(set, conf, nworkers), 0, "prepare");
	listener_commit(set, nworkers, NOW);
	listener_close_removed(set, NULL);
}

static const struct group *
only_group(const struct listener_set *set)
{
	return (TAILQ_FIRST(&set->groups));
}

static void
starting(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct boot_socket *sockets;
	struct listener_set set;
	int came[LOOPBACK_SOCKETS];
	size_t n;

	listener_init(&set);
	change(&set, &conf, 3);
	is_int(only_group(&set)->nfds, 3, "one socket per worker");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	ok(came[0] > 0 && came[1] > 0 && came[2] > 0,
	    "and every socket takes part");
	is_int(inherited(&set, &conf, 1, 3, &sockets, &n), 0,
	    "sockets of worker 1");
	ok(n == 1 && sockets[0].fd == only_group(&set)->fds[1] &&
		sockets[0].listener == 0 && !sockets[0].surplus,
	    "are the second of each group alone");
	free(sockets);
	is_int(listener_tick(&set, LATER), CLOCK_NEVER, "nothing is surplus");
	listener_fini(&set);
	is_int(socket_probe(&l.addr, false, false), 0,
	    "in the end the port is free");
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return (getsockopt(fd, level, name, &value, &len) == 0 ? value : -1);
}

static void
inheritance(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct pollfd pfd = { .events = POLLIN };
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&l.addr, &ss);
	const char *step;
	int client, fd;

	pfd.fd = socket_listen(&l.addr, false, false, &step);
	client = socket(AF_INET, SOCK_STREAM, 0);
	is_int(connect(client, (struct sockaddr *)&ss, len), 0, "connect");
	poll(&pfd, 1, 5000);
	fd = accept(pfd.fd, NULL, NULL);
	is_int(option(fd, IPPROTO_TCP, TCP_NODELAY), 1,
	    "an accepted socket inherits TCP_NODELAY");
	close(pfd.fd);
	is_int(socket_probe(&l.addr, false, false), 0,
	    "a tunnel that is open does not keep the port from us");
	close(fd);
	close(client);
}

/* Idle time, interval and count of fd's probes. */
static void
probes(int fd, int idle, int interval, int count, const char *name)
{
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle, name);
	is_int(
	    option(fd, IPPROTO_TCP, TCP_KEEPINTVL), interval, "the interval");
	is_int(option(fd, IPPROTO_TCP, TCP_KEEPCNT), count, "the count");
}

/* Accepted sockets inherit that, too. */
static void
keepalive(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct listener_set set;
	int fd;

	listener_init(&set);
	conf.timeouts.lost = 120 * CLOCK_SEC;
	change(&set, &conf, 1);
	fd = only_group(&set)->fds[0];
	is_int(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1,
	    "accepted sockets inherit SO_KEEPALIVE");
	probes(
	    fd, 60, 10, 6, "two minutes of silence: probes from the first on");
	listener_keepalive(&set, 2 * CLOCK_SEC);
	probes(fd, 1, 1, 1, "a socket that stays learns of a new time");
	listener_keepalive(&set, 3600 * CLOCK_SEC);
	probes(fd, 1800, 300, 6, "a long one");
	listener_keepalive(&set, CLOCK_SEC);
	probes(fd, 1, 1, 1, "the kernel has nothing shorter");
	listener_keepalive(&set, 9 * CLOCK_SEC);
	probes(fd, 4, 1, 5, "never more often than each second");
	listener_fini(&set);
}

static struct worker_set
only(size_t worker)
{
	struct worker_set set = { 0 };

	worker_set_add(&set, worker);
	return (set);
}

/* Those who are away get nothing, unless nobody else is there. */
static void
away(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct worker_set who = only(1);
	struct listener_set set;
	int came[LOOPBACK_SOCKETS], i;

	listener_init(&set);
	change(&set, &conf, 4);
	is_int(listener_away(&set, &who), 0, "a worker is away");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	ok(came[0] > 0 && came[1] == 0 && came[2] > 0 && came[3] > 0,
	    "by the others");
	worker_set_add(&who, 0);
	worker_set_add(&who, 3);
	is_int(listener_away(&set, &who), 0, "more of them");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	is_int(came[2], LOOPBACK_CLIENTS, "by the only one");
	worker_set_add(&who, 2);
	is_int(listener_away(&set, &who), 0, "all of them");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all come to somebody's socket");
	who = (struct worker_set){ 0 };
	is_int(listener_away(&set, &who), 0, "none");
	connect_many(only_group(&set), came);
	for (i = 0; i < 4; i++)
		ok(came[i] > 0, "each is served again");
	who = only(0);
	is_int(listener_away(&set, &who), 0, "one is away");
	is_int(prepare(&set, &conf, 6), 0, "while the group grows");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	is_int(came[0] + came[4] + came[5], 0, "by those who are there");
	listener_commit(&set, 6, NOW);
	connect_many(only_group(&set), came);
	ok(came[0] > 0 && came[4] > 0, "a commit brings all");
	listener_fini(&set);
}

static void
deafen(const struct listener_set *set, size_t i)
{
	(void)shutdown(only_group(set)->fds[i], SHUT_RDWR);
}

static void
healing(struct log *log)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct worker_set renewed = { 0 }, who;
	struct listener_set set;
	int came[LOOPBACK_SOCKETS], fds[4];
	size_t i, place = 0;

	listener_init(&set);
	change(&set, &conf, 4);
	memcpy(fds, only_group(&set)->fds, sizeof(fds));
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	ok(memcmp(fds, only_group(&set)->fds, sizeof(fds)) == 0 &&
		!worker_set_has(&renewed, 0),
	    "nothing is wrong: nothing is done");
	deafen(&set, 1);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "the kernel has the others serve");
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	ok(!worker_set_has(&renewed, 0) && worker_set_has(&renewed, 1) &&
		!worker_set_has(&renewed, 2) && !worker_set_has(&renewed, 3),
	    "the deaf one is opened anew");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	for (i = 0; i < 4; i++)
		ok(came[i] > 0, "by each");
	for (i = 0; i < 4; i++) {
		who = only(i);
		listener_away(&set, &who);
		connect_many(only_group(&set), came);
		is_int(came[i], 0, "the kernel's list is known");
	}
	who = (struct worker_set){ 0 };
	listener_away(&set, &who);

	deafen(&set, 0);
	deafen(&set, 2);
	renewed = (struct worker_set){ 0 };
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	ok(worker_set_has(&renewed, 0) && worker_set_has(&renewed, 1),
	    "two at once: nobody knows the list, all are opened anew");
	who = only(3);
	listener_away(&set, &who);
	connect_many(only_group(&set), came);
	ok(came[0] > 0 && came[1] > 0 && came[2] > 0 && came[3] == 0,
	    "then it is known again");

	who = (struct worker_set){ 0 };
	listener_away(&set, &who);
	is_int(socket_steer(only_group(&set)->fds[2], &place, 1), 0,
	    "a program of somebody else");
	connect_many(only_group(&set), came);
	is_int(came[0], LOOPBACK_CLIENTS, "which draws all to one socket");
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	connect_many(only_group(&set), came);
	ok(came[0] > 0 && came[1] > 0, "does not stay");
	deafen(&set, 1);
	change(&set, &conf, 2);
	listener_heal(&set, CLOCK_SEC, log, &renewed);
	listener_tick(&set, LATER);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "and those that are left serve all");
	ok(came[0] > 0 && came[1] > 0, "each of them");
	listener_fini(&set);
}

static void
shrinking(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct boot_socket *sockets;
	struct listener_set set;
	int came[LOOPBACK_SOCKETS];
	size_t n;

	listener_init(&set);
	change(&set, &conf, 4);
	change(&set, &conf, 2);
	is_int(only_group(&set)->nfds, 4, "surplus sockets stay for a while");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	is_int(came[2] + came[3], 0, "and nobody comes to the surplus");
	ok(came[0] > 0 && came[1] > 0, "but to both of the others");
	is_int(inherited(&set, &conf, 1, 2, &sockets, &n), 0,
	    "sockets of worker 1");
	ok(n == 2 && sockets[0].fd == only_group(&set)->fds[1] &&
		!sockets[0].surplus &&
		sockets[1].fd == only_group(&set)->fds[3] && sockets[1].surplus,
	    "are its own, and the surplus one of worker 3");
	free(sockets);
	is_int(listener_tick(&set, NOW), NOW + BOOT_SURPLUS_TIME + CLOCK_SEC,
	    "they are closed a second after the workers have closed them");
	is_int(only_group(&set)->nfds, 4, "and not before");
	is_int(listener_tick(&set, LATER), CLOCK_NEVER, "then");
	is_int(only_group(&set)->nfds, 2, "they are gone");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	listener_fini(&set);
}

/* A worker that still holds a surplus socket must not get connections. */
static void
late_worker(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct listener_set set;
	int came[LOOPBACK_SOCKETS], held;

	listener_init(&set);
	change(&set, &conf, 2);
	held = dup(only_group(&set)->fds[1]);
	change(&set, &conf, 1);
	listener_tick(&set, LATER);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "none goes to a closed surplus socket of which a copy is held");
	change(&set, &conf, 2);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "nor does its place confuse the group when it grows again");
	ok(came[0] > 0 && came[1] > 0, "both are used");
	close(held);
	listener_fini(&set);
}

static void
growing(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct listener_set set;
	int came[LOOPBACK_SOCKETS];

	listener_init(&set);
	change(&set, &conf, 2);
	is_int(prepare(&set, &conf, 4), 0, "more workers: prepare");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	is_int(came[2] + came[3], 0, "by the old sockets until the commit");
	listener_rollback(&set);
	is_int(only_group(&set)->nfds, 2, "a change that fails leaves nothing");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	change(&set, &conf, 4);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	ok(came[0] > 0 && came[1] > 0 && came[2] > 0 && came[3] > 0,
	    "after the commit by all sockets");
	listener_fini(&set);
}

static void
growing_again(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct boot_socket *sockets;
	struct listener_set set;
	int came[LOOPBACK_SOCKETS], fds[4];
	size_t n;

	listener_init(&set);
	change(&set, &conf, 4);
	memcpy(fds, only_group(&set)->fds, sizeof(fds));
	change(&set, &conf, 1);
	is_int(prepare(&set, &conf, 3), 0, "more again within the time");
	is_int(listener_tick(&set, LATER), CLOCK_NEVER,
	    "what a change reuses is not closed beneath it");
	is_int(inherited(&set, &conf, 0, 3, &sockets, &n), 0,
	    "sockets of worker 0");
	ok(n == 2 && sockets[1].fd == fds[3] && sockets[1].surplus,
	    "the fourth is still surplus");
	free(sockets);
	listener_commit(&set, 3, NOW);
	ok(memcmp(only_group(&set)->fds, fds, sizeof(fds)) == 0,
	    "the sockets are the same ones");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	ok(came[1] > 0 && came[2] > 0 && came[3] == 0, "by the first three");
	listener_tick(&set, LATER);
	is_int(only_group(&set)->nfds, 3, "then the fourth is closed");
	listener_fini(&set);
}

static void
shrink_that_fails(void)
{
	struct conf_listener l = on_loopback(free_port());
	struct conf conf = conf_of(&l, 1);
	struct listener_set set;
	int came[LOOPBACK_SOCKETS];

	listener_init(&set);
	change(&set, &conf, 3);
	is_int(prepare(&set, &conf, 1), 0, "fewer workers: prepare");
	listener_rollback(&set);
	is_int(listener_tick(&set, LATER), CLOCK_NEVER, "nothing is surplus");
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "all are served");
	ok(came[0] > 0 && came[1] > 0 && came[2] > 0, "by all three again");
	listener_fini(&set);
}

static void
removing(void)
{
	struct conf_listener old[] = { on_loopback(free_port()),
		on_loopback(free_port()) };
	struct conf_listener new[] = { old[1] };
	struct conf conf_old = conf_of(old, 2), conf_new = conf_of(new, 1);
	struct listener_set set;

	listener_init(&set);
	change(&set, &conf_old, 1);
	is_int(prepare(&set, &conf_new, 1), 0, "an address less: prepare");
	listener_commit(&set, 1, NOW);
	is_int(socket_probe(&old[0].addr, false, false), -EADDRINUSE,
	    "it is open until the old workers have been told");
	listener_close_removed(&set, NULL);
	is_int(
	    socket_probe(&old[0].addr, false, false), 0, "then it is closed");
	is_int(socket_probe(&old[1].addr, false, false), -EADDRINUSE,
	    "and the other is not");
	listener_fini(&set);
}

static void
gone(void)
{
	struct conf_listener a[] = { on_loopback(1), on_loopback(2),
		on_loopback(3) };
	struct conf_listener b[] = { on_loopback(3), on_loopback(1),
		on_loopback(4) };
	struct conf old = conf_of(a, 3), new = conf_of(b, 3);

	is_int(gone_between(&old, &new), 1 << 1,
	    "a bit for each address that is gone, in the old one's order");
	is_int(gone_between(&old, &old), 0, "none where all are kept");
	b[1].dual_stack = true;
	is_int(gone_between(&old, &new), 1 << 0 | 1 << 1,
	    "the same port in another way is another listener");
}

static void
in_use(void)
{
	struct conf_listener l[] = { on_loopback(free_port()),
		on_loopback(free_port()) };
	struct conf one = conf_of(l, 1), both = conf_of(l, 2);
	struct listener_set set;
	struct findings f;
	static const char said[] =
	    "configuration: 127.0.0.1:port: bind: Address already in use; ";
	const char *step;
	int fd;

	/* As a second sniport of the same uid would have it. */
	fd = socket_listen(&l[1].addr, false, false, &step);
	listener_init(&set);
	change(&set, &one, 2);
	findings_init(&f);
	is_int(listener_prepare(&set, &both, 3, &f), -EADDRINUSE,
	    "SO_REUSEPORT does not make us share a port with others");
	ok(strncmp(findings_first_error(&f), said, strlen(said)) == 0,
	    "which is said with the address");
	findings_fini(&f);
	ok(only_group(&set)->nfds == 2 &&
		TAILQ_NEXT(only_group(&set), entry) == NULL,
	    "and the set is as before");
	close(fd);
	is_int(prepare(&set, &both, 3), 0, "once it is free it is ours");
	listener_fini(&set);
}

static void
overlapping(void)
{
	struct conf_listener l = on_loopback(free_port()), any = l;
	struct conf conf = conf_of(&l, 1), conf_any = conf_of(&any, 1);
	struct listener_set set;
	int came[LOOPBACK_SOCKETS];

	memset(any.addr.ip, 0, sizeof(any.addr.ip));
	listener_init(&set);
	change(&set, &conf, 1);
	change(&set, &conf_any, 1);
	is_int(connect_many(only_group(&set), came), LOOPBACK_CLIENTS,
	    "from one address to all of them on the same port");
	change(&set, &conf, 1);
	is_int(
	    connect_many(only_group(&set), came), LOOPBACK_CLIENTS, "and back");
	listener_fini(&set);
}

int
main(void)
{
	struct sink *sink;
	struct log *log;

	if (sink_path(&sink, "/dev/null") != 0 ||
	    log_new(&log, sink, LOG_LEVEL_ERROR, "listener") != 0)
		return (1);
	starting();
	inheritance();
	keepalive();
	away();
	healing(log);
	shrinking();
	late_worker();
	growing();
	growing_again();
	shrink_that_fails();
	removing();
	gone();
	in_use();
	overlapping();
	log_free(log);
	sink_close(sink);
	return (done_testing());
}
