/*
 * A crew whose configuration is not there: its workers are heard, watched,
 * counted, drained and written for; only none of them is replaced. The workers
 * are processes of this test.
 */
#include "master/crew.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "common/shm/table.h"
#include "master/cover.h"
#include "master/keep.h"
#include "master/legacy.h"
#include "master/master.h"
#include "master/order.h"
#include "master/supervise.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

#define CLIENTS	 32
#define PATIENCE 60000 /* ms */

struct world {
	struct master m;
	char dir[64];
	int audit, status; /* what is written there */
	struct sink *sink;
};

static void
forget(void *arg)
{
	(void)arg;
}

static const char *
path(const struct world *w, const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", w->dir, name);
	return (text);
}

static int
hear_status(const struct world *w)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", path(w, "status"));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		abort();
	setenv("NOTIFY_SOCKET", to.sun_path, 1);
	return (fd);
}

static void
world_init(struct world *w)
{
	const struct writer_forget nothing = { .call = forget };
	struct master *m = &w->m;

	memset(w, 0, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/sniport-crew-XXXXXX");
	if (mkdtemp(w->dir) == NULL || mkfifo(path(w, "audit"), 0600) != 0)
		abort();
	w->audit = open(path(w, "audit"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	w->status = hear_status(w);
	m->limit_at = m->logs_until = CLOCK_NEVER;
	TAILQ_INIT(&m->crews);
	TAILQ_INIT(&m->legacies);
	listener_init(&m->listeners);
	fetch_init(&m->fetch);
	regain_init(&m->regain);
	findings_init(&m->findings);
	notify_open(&m->notify);
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	logs_init(&m->logs, m->epoll_fd, &nothing);
	if (w->audit < 0 || shm_new(&m->shm) != 0 ||
	    sink_path(&w->sink, path(w, "log")) != 0 ||
	    log_new(&m->log, w->sink, LOG_LEVEL_INFO, "master") != 0)
		abort();
}

static void
world_fini(struct world *w)
{
	struct master *m = &w->m;
	struct crew *crew;

	while ((crew = TAILQ_FIRST(&m->crews)) != NULL) {
		TAILQ_REMOVE(&m->crews, crew, entry);
		crew_free(crew, m->shm);
	}
	legacy_fini(m);
	listener_fini(&m->listeners);
	logs_fini(&m->logs);
	fetch_fini(m);
	regain_fini(&m->regain);
	findings_fini(&m->findings);
	shm_free(m->shm);
	notify_close(&m->notify);
	log_free(m->log);
	sink_close(w->sink);
	close(m->epoll_fd);
	close(w->audit);
	close(w->status);
	unlink(path(w, "audit"));
	unlink(path(w, "status"));
	unlink(path(w, "log"));
	rmdir(w->dir);
}

/* As another process would have got them: bytes. */
static struct terms *
terms(const struct listener_at *at)
{
	static const char names[] = "first\0second\0line";
	size_t size = sizeof(struct terms) + sizeof(names);
	struct terms *t = calloc(1, size), *got = malloc(size);

	if (t == NULL || got == NULL)
		abort();
	*t = (struct terms){ .size = size,
		.watchdog = 10 * CLOCK_SEC,
		.lost = 120 * CLOCK_SEC,
		.drain = 30 * CLOCK_SEC,
		.generations = 32,
		.tunnels = 100,
		.format = AUDIT_JSON,
		.silent_connections = true,
		.nrules = 2,
		.negress = 1,
		.nlisteners = 1,
		.listeners = { *at } };
	memcpy(t->names, names, sizeof(names));
	memcpy(got, t, size);
	memset(t, 0xff, size);
	free(t);
	return (got);
}

static struct crew *
adopt(struct world *w, unsigned number, size_t n, const struct listener_at *at)
{
	struct crew *crew;

	if (crew_new(&crew, number, n, terms(at)) != 0 ||
	    logs_open(&w->m.logs, LOGS_AUDIT, path(w, "audit"), &crew->run_as,
		&crew->audit_log) != 0 ||
	    log_new(&crew->log, w->sink, LOG_LEVEL_INFO, "master") != 0)
		abort();
	TAILQ_INSERT_TAIL(&w->m.crews, crew, entry);
	return (crew);
}

/* Says a word to each connection that it was handed. */
static void
serve_handed(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int fds[CONTROL_FDS_MAX];
	struct control_msg msg;
	size_t n;

	while (poll(&pfd, 1, PATIENCE) == 1 &&
	       control_recv(fd, &msg, fds, &n) == 1) {
		(void)!write(fds[0], "served", 6);
		close(fds[0]);
	}
	close(fd);
}

/* A worker with one tunnel. One that is lazy takes no connection. */
static _Noreturn void
live(int control_fd, int table_fd, bool lazy)
{
	const struct control_msg ready = { .type = CONTROL_READY };
	const struct control_msg pong = { .type = CONTROL_PONG };
	struct pollfd pfd = { .fd = control_fd, .events = POLLIN };
	int fds[CONTROL_FDS_MAX];
	struct tunnel_facts *f;
	struct control_msg msg;
	struct table *table;
	size_t n;

	if (table_open(&table, table_fd) != 0)
		_exit(EXIT_FAILURE);
	f = table_take(table);
	facts_init(f);
	f->rule = 1;
	f->listener = 0;
	f->egress_line = 0;
	table_begin(table, f);
	(void)control_send(control_fd, &ready, NULL, 0);
	while (poll(&pfd, 1, PATIENCE) == 1 &&
	       control_recv(control_fd, &msg, fds, &n) == 1) {
		if (msg.type == CONTROL_PING)
			(void)control_send(control_fd, &pong, NULL, 0);
		if (msg.type == CONTROL_HAND && !lazy)
			serve_handed(fds[0]);
		if (msg.type == CONTROL_DRAIN || msg.type == CONTROL_END)
			_exit(EXIT_SUCCESS);
	}
	_exit(EXIT_FAILURE);
}

static struct child *
man(struct world *w, struct crew *crew, unsigned worker, bool lazy)
{
	struct child *c = calloc(1, sizeof(*c));
	struct pollfd pfd = { .events = POLLIN };
	int pair[2], table;

	crew_init_child(c, worker, clock_now());
	c->slot = shm_take(w->m.shm, crew->nworkers > 1);
	if (c->slot < 0 || control_pair(pair) != 0 ||
	    table_new(table_size(4), &table, &c->table) != 0)
		abort();
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0)
		live(pair[1], table, lazy);
	close(pair[1]);
	close(table);
	c->control_fd = pfd.fd = pair[0];
	crew_seat(crew, c);
	if (c->pid < 0 || poll(&pfd, 1, PATIENCE) != 1)
		abort();
	supervise_receive(&w->m, c, clock_now());
	return (c);
}

/* Waits until a child has ended, and has it reaped. */
static void
reap(struct world *w)
{
	siginfo_t info;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) != 0)
		abort();
	supervise_reap(&w->m, clock_now());
}

static bool
has_line(const struct world *w, const char *words)
{
	char text[65536];
	int fd = open(path(w, "log"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return (strstr(text, words) != NULL);
}

/* The log's writer may take its time. */
static void
read_audit(const struct world *w, char *text, size_t size)
{
	struct pollfd pfd = { .fd = w->audit, .events = POLLIN };
	ssize_t n = -1;

	if (poll(&pfd, 1, PATIENCE) == 1)
		n = read(w->audit, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
}

/* The last that was said. */
static bool
status_is(const struct world *w, const char *words)
{
	char text[1024] = "";
	ssize_t n;

	while ((n = recv(w->status, text, sizeof(text) - 1, 0)) > 0)
		text[n] = '\0';
	if (strstr(text, words) == NULL)
		printf("# %s\n", text);
	return (strstr(text, words) != NULL);
}

static struct listener_at
listen_for(struct world *w, size_t n)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct listener_at at = { .name = "127.0.0.1:port" };
	const char *step;
	struct group *g;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0 ||
	    addr_from_sockaddr(&at.addr, (struct sockaddr *)&sin, len) != 0)
		abort();
	close(fd);
	g = group_new(&at);
	if (g == NULL || group_grow(g, n, CLOCK_SEC, &step) != 0)
		abort();
	g->live = g->open = n;
	TAILQ_INSERT_TAIL(&w->m.listeners.groups, g, entry);
	return (at);
}

static void
connect_all(const struct listener_at *at, int fds[CLIENTS])
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&at->addr, &ss);
	size_t i;

	for (i = 0; i < CLIENTS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (struct sockaddr *)&ss, len) != 0)
			abort();
	}
}

/* How many of the clients were served; closes those. */
static size_t
count_served(int fds[CLIENTS])
{
	size_t i, n = 0;
	char word[8];

	for (i = 0; i < CLIENTS; i++) {
		if (fds[i] == -1 || recv(fds[i], word, 8, MSG_DONTWAIT) != 6)
			continue;
		close(fds[i]);
		fds[i] = -1;
		n++;
	}
	return (n);
}

/* Runs the master's time until the condition holds, or too long. */
static void
wait_served(struct world *w, int fds[CLIENTS], size_t want, size_t *n)
{
	int64_t end = clock_now() + PATIENCE * CLOCK_MSEC;
	struct epoll_event ev;

	while (*n < want && clock_now() < end) {
		(void)supervise_tick(&w->m, clock_now());
		(void)epoll_wait(w->m.epoll_fd, &ev, 1, 5);
		*n += count_served(fds);
	}
}

int
main(void)
{
	struct world w;
	struct master *m = &w.m;
	struct crew *old, *new;
	struct listener_at at;
	struct child *a, *b;
	int fds[CLIENTS], i;
	int64_t now, later;
	size_t n = 0, queued;
	char text[4096];

	world_init(&w);
	at = listen_for(&w, 2);
	old = adopt(&w, 3, 2, &at);
	m->current = old;
	a = man(&w, old, 0, false);
	is_int(a->state, CHILD_SERVING, "a worker is heard");
	ok(status_is(&w, "1 of 2 workers, 1 listener, 2 rules, generation 3"),
	    "and counted, with what its configuration had");
	b = man(&w, old, 1, true);
	ok(status_is(&w, "Serving: 2 workers,"), "as is another");

	connect_all(&at, fds);
	now = clock_now();
	b->alive = now + 3600 * CLOCK_SEC;
	later = now + 20 * CLOCK_SEC;
	(void)supervise_tick(m, later);
	is_int(a->killed, CREW_NOT_KILLED, "one that stands still is doubted");
	ok(b->asked, "and all are asked whether they take messages");
	while (b->asked)
		supervise_receive(m, b, later);
	(void)supervise_tick(m, later + 20 * CLOCK_SEC);
	is_int(a->killed, CREW_NO_HEARTBEAT, "then killed");
	reap(&w);
	ok(old->seats[0].child == NULL, "it is gone");
	ok(has_line(&w, "worker 0: is not replaced"), "and not replaced");
	ok(old->seats[0].covered, "the other serves what waits for it");
	ok(status_is(&w, "1 of 2 workers"), "the status says so");

	while (legacy_waits(m, NULL))
		reap(&w);
	read_audit(&w, text, sizeof(text));
	ok(strstr(text, "\"rule\":\"second\"") != NULL &&
		strstr(text, "\"egress_line\":\"line\"") != NULL &&
		strstr(text, "\"listener\":\"127.0.0.1:port\"") != NULL &&
		strstr(text, "\"reason\":\"worker_died\"") != NULL,
	    "its tunnel has its line, with the names of its configuration");

	/* What waited for the dead one is on its way to the lazy one. */
	(void)supervise_tick(m, clock_now());
	(void)supervise_tick(m, clock_now());
	queued = b->hand.n;
	ok(queued > 0 && b->hand.sent, "it was handed what waited");
	new = adopt(&w, 4, 1, &at);
	m->current = new;
	order_drain(m, old, REASON_RETIRED, CLOCK_NEVER, 0);
	is_int(b->state, CHILD_DRAINING, "an old crew drains");
	(void)man(&w, new, 0, false);
	b = NULL;
	reap(&w);
	ok(has_line(&w, "generation 3: gone"),
	    "when all have ended it is gone");
	ok(TAILQ_FIRST(&m->crews) == new, "and forgotten");
	wait_served(&w, fds, queued, &n);
	is_int((int64_t)n, (int64_t)queued,
	    "what it was handed and had not taken the newest serves");

	order_end(m, new, REASON_STOPPED, CLOCK_SEC);
	reap(&w);
	ok(TAILQ_EMPTY(&new->children), "the newest can be ended");
	for (i = 0; i < CLIENTS; i++)
		if (fds[i] != -1)
			close(fds[i]);
	while (legacy_waits(m, NULL))
		reap(&w);
	world_fini(&w);
	return (done_testing());
}
