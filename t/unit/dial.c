/*
 * The race for the addresses of a target, with a resolver, upstreams and a
 * clock that do what they are told: who is tried when, who wins, what is told
 * of it, and that nothing is left of those who do not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static bool scarce; /* is there no memory? */

#define malloc(size) (scarce ? NULL : malloc(size))
#include "worker/dial/dial.c"
#undef malloc

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "t/unit/fake_clock.h"
#include "t/unit/tap.h"
#include "worker/dns/resolver.h"

#define HOSTS	16
#define TIMEOUT (5 * CLOCK_SEC)
#define MSEC	CLOCK_MSEC
#define NEVER	INT64_C(-1)
#define FILES	256
#define CLIENT	12345 /* for whom it is dialled */

/* What becomes of a connection to an address. */
enum fate {
	HANGS,
	CONNECTS, /* after a while */
	FAILS,	  /* after a while, with an error */
	UNABLE	  /* connect(2) fails at once, with the error */
};

struct host {
	const char *text;
	enum fate fate;
	int64_t after;
	int error;
	const char *local; /* where the connection comes from */
	/* What came of it. */
	int64_t tried; /* NEVER: it was not */
	unsigned times;
	int fd, peer;
	bool over; /* its fate has come */
	struct timer timer;
	struct addr addr;
};

/* An answer of the resolver, per family. */
struct answer {
	int64_t after; /* NEVER: none; 0: at once, from within */
	enum reason reason;
	const char *detail;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
	/* What came of it. */
	unsigned asked;
	struct resolver_query *query; /* waits */
	void (*cb)(struct resolver_query *, const struct resolver_answer *);
	struct timer timer;
};

static struct world {
	struct loop *loop;
	struct guard *guard;
	struct dial_context context;
	struct dial *dial;
	struct rule rule;
	struct target target;
	struct host hosts[HOSTS];
	size_t nhosts;
	struct answer v4, v6;
	int64_t begun;
	/* What was told. */
	unsigned calls;
	bool within, early, free_within;
	struct dial_report report;
	struct facts_try tries[FACTS_TRIED_MAX];
	size_t ntried;
	char detail[128];
	int64_t at;
	int won; /* the descriptor */
	struct loop_fd lfd;
	unsigned most_open; /* connections under way at once */
	bool stuck;
} w;

static struct host *by_fd[FILES];
static int socket_error; /* of socket(2) */

static struct cidr networks[2];

/* In the place of the system. */

static bool
is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) ==
		    0 &&
		type == SOCK_STREAM);
}

static struct host *
host_of(int fd)
{
	struct host *h = fd >= 0 && fd < FILES ? by_fd[fd] : NULL;

	return (h != NULL && h->fd == fd ? h : NULL);
}

/* Another one takes its place before its family is of importance, which the
 * host need not have. */
int
socket(int domain, int type, int protocol)
{
	bool stream = (type & SOCK_STREAM) != 0 && (type & SOCK_DGRAM) == 0;

	if (stream && socket_error != 0) {
		errno = socket_error;
		return (-1);
	}
	if (stream && domain == AF_INET6)
		domain = AF_INET;
	return ((int)syscall(SYS_socket, domain, type, protocol));
}

/* A socket that can be neither read nor written takes the place of fd. */
static void
hang(struct host *h, int fd)
{
	static const char waste[4096];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0 ||
	    dup2(pair[0], fd) != fd || fd >= FILES)
		abort();
	close(pair[0]);
	while (send(fd, waste, sizeof(waste), 0) > 0)
		continue;
	h->fd = fd;
	h->peer = pair[1];
	by_fd[fd] = h;
}

static void
fate_comes(struct host *h)
{
	static char waste[65536];

	if (h->over || h->peer == -1)
		return;
	h->over = true;
	if (h->fate == CONNECTS || h->error == 0)
		while (recv(h->peer, waste, sizeof(waste), MSG_DONTWAIT) > 0)
			continue;
	if (h->fate != CONNECTS)
		fd_close(&h->peer); /* with bytes unread: an error */
}

static void
fate_cb(struct timer *t)
{
	fate_comes(container_of(t, struct host, timer));
}

/* How many connections are under way? */
static void
count_open(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < w.nhosts; i++) {
		struct pollfd p = { .fd = w.hosts[i].peer };

		n += p.fd != -1 && !w.hosts[i].over && poll(&p, 1, 0) == 0;
	}
	w.most_open = n > w.most_open ? n : w.most_open;
}

int
connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct addr addr;
	struct host *h;

	if (!is_stream(fd))
		return ((int)syscall(SYS_connect, fd, sa, len));
	if (addr_from_sockaddr(&addr, sa, len) != 0)
		abort();
	for (h = w.hosts; h < w.hosts + w.nhosts; h++)
		if (addr_equal_ip(&h->addr, &addr))
			break;
	if (h == w.hosts + w.nhosts)
		abort(); /* nothing goes out */
	h->tried = loop_now(w.loop) - w.begun;
	h->times++;
	if (h->fate == UNABLE) {
		errno = h->error;
		if (h->times > 1 && h->after > 0) /* but by another line */
			h->fate = CONNECTS;
		else
			return (-1);
	}
	hang(h, fd);
	count_open();
	if (h->fate != HANGS && h->after == 0)
		fate_comes(h);
	else if (h->fate != HANGS)
		timer_arm(loop_timers(w.loop), &h->timer,
		    loop_now(w.loop) + h->after);
	errno = EINPROGRESS;
	return (-1);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct host *h = host_of(fd);

	if (h != NULL && level == SOL_SOCKET && name == SO_ERROR) {
		memcpy(value, &h->error, sizeof(h->error));
		return (0);
	}
	return ((int)syscall(SYS_getsockopt, fd, level, name, value, len));
}

int
getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct host *h = host_of(fd);
	struct sockaddr_storage ss;
	struct addr addr;

	if (h == NULL || h->local == NULL)
		return ((int)syscall(SYS_getsockname, fd, sa, len));
	if (addr_parse(&addr, h->local, strlen(h->local), 1) != 0)
		abort();
	*len = addr_to_sockaddr(&addr, &ss);
	memcpy(sa, &ss, *len);
	return (0);
}

/* In the place of the resolver. */

static void
tell(struct answer *a)
{
	const struct resolver_answer answer = { .reason = a->reason,
		.addrs = a->addrs,
		.naddrs = a->n,
		.detail = a->detail };
	struct resolver_query *q = a->query;

	a->query = NULL;
	if (q != NULL)
		a->cb(q, &answer);
}

static void
answer_timer_cb(struct timer *t)
{
	tell(container_of(t, struct answer, timer));
}

void
resolver_ask(struct resolver *r, struct resolver_query *q, const char *name,
    int family,
    void (*cb)(struct resolver_query *, const struct resolver_answer *))
{
	struct answer *a = family == AF_INET ? &w.v4 : &w.v6;

	a->asked++;
	a->query = q;
	a->cb = cb;
	if (a->after == 0)
		tell(a);
	else if (a->after > 0)
		timer_arm(loop_timers(w.loop), &a->timer,
		    loop_now(w.loop) + a->after);
}

void
resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	if (w.v4.query == q)
		w.v4.query = NULL;
	if (w.v6.query == q)
		w.v6.query = NULL;
}

bool
resolver_would_ask(struct resolver *r, const char *name, int family)
{
	return ((family == AF_INET ? &w.v4 : &w.v6)->after != 0);
}

/* The world of one race. */

static void
idle(void)
{
	w.stuck = true;
	loop_stop(w.loop);
}

static void
parse(struct addr *addr, const char *text)
{
	if (addr_parse(addr, text, strlen(text), 443) != 0)
		abort();
}

static void
world(enum addr_family family)
{
	w = (struct world){
		.guard = w.guard,
		.won = -1,
		.target = { .host = "name.example",
		    .host_len = 12,
		    .port = 443 },
		.rule = { .networks = networks, .nnetworks = 2 },
	};
	if (loop_new(&w.loop) != 0)
		abort();
	fake_idle = idle;
	w.begun = loop_now(w.loop);
	w.context = (struct dial_context){
		.loop = w.loop,
		.resolver = (struct resolver *)(void *)&w,
		.guard = w.guard,
		.family = family,
		.timeout = TIMEOUT,
		.random = 88172645463325252U,
	};
	races_init(&w.context.races, 100);
	guard_probe_init(&w.context.probe);
	timer_init(&w.v4.timer, answer_timer_cb);
	timer_init(&w.v6.timer, answer_timer_cb);
}

/* One more host, which the answer of its family has. */
static struct host *
host(const char *text, enum fate fate, int64_t after, int error)
{
	struct host *h = &w.hosts[w.nhosts++];
	struct answer *a;

	*h = (struct host){ .text = text,
		.fate = fate,
		.after = after,
		.error = error,
		.tried = NEVER,
		.fd = -1,
		.peer = -1 };
	timer_init(&h->timer, fate_cb);
	parse(&h->addr, text);
	a = h->addr.family == AF_INET ? &w.v4 : &w.v6;
	a->addrs[a->n++] = h->addr;
	return (h);
}

static void
dial_done(void *arg, const struct dial_report *r, struct loop_fd *lfd)
{
	w.early = w.early || w.within;
	w.calls++;
	w.report = *r;
	snprintf(w.detail, sizeof(w.detail), "%s",
	    r->detail != NULL ? r->detail : "");
	w.at = loop_now(w.loop) - w.begun;
	if (lfd != NULL) {
		w.lfd.cb = lfd->cb;
		loop_move(w.loop, lfd, &w.lfd);
		w.won = w.lfd.fd;
	}
	if (w.free_within) {
		dial_free(w.dial);
		w.dial = NULL;
	}
	loop_stop(w.loop);
}

static void
dial_tried(void *arg, size_t place, const struct facts_try *try)
{
	if (place > w.ntried || place >= FACTS_TRIED_MAX)
		abort();
	if (place == w.ntried)
		w.ntried++;
	w.tries[place] = *try;
}

static int
start(void)
{
	const struct dial_request request = { .target = &w.target,
		.rule = &w.rule,
		.client = CLIENT,
		.cb = dial_done,
		.try_cb = dial_tried };
	int error;

	w.within = true;
	error = dial_start(&w.dial, &w.context, &request);
	w.within = false;
	return (error);
}

static const struct facts_try *
try_of(const char *text)
{
	struct addr addr;
	size_t i;

	parse(&addr, text);
	for (i = 0; i < w.ntried; i++)
		if (addr_equal_ip(&w.tries[i].addr, &addr))
			return (&w.tries[i]);
	return (NULL);
}

static enum reason
reason_of(const char *text)
{
	const struct facts_try *t = try_of(text);

	return (t != NULL ? t->reason : REASON_COUNT);
}

static unsigned
files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	closedir(dir);
	return (n);
}

/* Ends the world; what is wrong with what is left of it. */
static const char *
end(unsigned files_before)
{
	const char *wrong = NULL;
	size_t i;

	dial_free(w.dial);
	if (w.context.races.n != 0)
		wrong = "a part in the races is left";
	if (w.v4.query != NULL || w.v6.query != NULL)
		wrong = "a question is left";
	if (w.won != -1) {
		loop_forget(&w.lfd);
		fd_close(&w.won);
	}
	for (i = 0; i < w.nhosts; i++) {
		timer_cancel(loop_timers(w.loop), &w.hosts[i].timer);
		fd_close(&w.hosts[i].peer);
	}
	timer_cancel(loop_timers(w.loop), &w.v4.timer);
	timer_cancel(loop_timers(w.loop), &w.v6.timer);
	if (timer_next(loop_timers(w.loop)) != CLOCK_NEVER)
		wrong = "a timer is left";
	loop_free(w.loop);
	guard_probe_fini(&w.context.probe);
	memset(by_fd, 0, sizeof(by_fd));
	if (w.early)
		wrong = "it is told before it has begun";
	if (w.calls > 1)
		wrong = "it is told twice";
	if (files() != files_before)
		wrong = "a descriptor is left";
	return (wrong);
}

static unsigned before;

/* A race that is run to its end. */
static enum reason
race(void)
{
	if (start() != 0)
		return (REASON_INTERNAL);
	if (loop_run(w.loop, NULL, NULL) != 0 || w.stuck)
		return (REASON_COUNT);
	return (w.report.reason);
}

static void
over(void)
{
	const char *wrong = end(before);

	ok(wrong == NULL, "nothing is left: %s",
	    wrong != NULL ? wrong : "indeed");
}

#define A4 "198.51.100.1"
#define B4 "198.51.100.2"
#define A6 "[2001:db8::1]"
#define B6 "[2001:db8::2]"
#define X4 "203.0.113.1" /* that the guard refuses */
#define Y4 "203.0.113.2"

static void
test_order(void)
{
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 0, ECONNREFUSED);
	host(B6, FAILS, 0, ECONNREFUSED);
	host(A4, FAILS, 0, ECONNREFUSED);
	host(B4, FAILS, 0, ECONNREFUSED);
	is_int(race(), REASON_CONNECT_REFUSED, "all refuse");
	is_int((int64_t)w.ntried, 4, "all were tried");
	ok(w.tries[0].addr.family == AF_INET6 &&
		w.tries[1].addr.family == AF_INET &&
		w.tries[2].addr.family == AF_INET6 &&
		w.tries[3].addr.family == AF_INET,
	    "IPv6 first, the families by turns");
	is_int(w.tries[3].reason, REASON_CONNECT_REFUSED, "and why");
	is_int(w.at, 0, "without a delay, since each had failed");
	is_str(w.detail, "Connection refused", "in the system's words");
	ok(w.report.dns_ns == 0 && w.report.connect_ns == -1,
	    "there were addresses, and no connection");
	over();
	world(ADDR_FAMILY_PREFER_IPV4);
	host(A6, FAILS, 0, ECONNREFUSED);
	host(A4, FAILS, 0, ECONNREFUSED);
	host(B4, FAILS, 0, ECONNREFUSED);
	(void)race();
	ok(w.tries[0].addr.family == AF_INET &&
		w.tries[1].addr.family == AF_INET &&
		w.tries[2].addr.family == AF_INET6,
	    "a family that is preferred comes first as a whole");
	over();
	world(ADDR_FAMILY_IPV4);
	host(A6, CONNECTS, 0, 0);
	host(A4, FAILS, 0, EHOSTUNREACH);
	is_int(race(), REASON_CONNECT_UNREACHABLE, "IPv4 alone");
	is_int(w.v6.asked, 0, "does not ask for the other");
	over();
}

static void
test_delays(void)
{
	struct host *h;

	world(ADDR_FAMILY_ANY);
	host(A6, HANGS, 0, 0);
	host(A4, HANGS, 0, 0);
	h = host(B6, HANGS, 0, 0);
	is_int(race(), REASON_CONNECT_TIMEOUT, "nobody answers");
	is_int(w.at, TIMEOUT, "until it is too late");
	is_int(w.hosts[1].tried, 250 * MSEC, "the second after a delay");
	is_int(w.hosts[0].tried + h->tried, 500 * MSEC, "the third after two");
	ok(reason_of(A4) == REASON_CONNECT_TIMEOUT &&
		reason_of(A6) == REASON_CONNECT_TIMEOUT,
	    "and all were too late");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, HANGS, 0, 0);
	host(A4, CONNECTS, 30 * MSEC, 0);
	is_int(race(), REASON_NONE, "the second connects");
	is_int(w.at, 280 * MSEC, "when it can");
	is_int(w.report.connect_ns, 280 * MSEC, "which is told");
	ok(addr_equal_ip(&w.report.upstream, &w.hosts[1].addr), "with whom");
	is_int(w.report.upstream.port, 443, "at the target's port");
	is_int(reason_of(A6), REASON_NONE, "the first is still under way");
	is_int(w.won, w.hosts[1].fd, "its socket is the one");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 10 * MSEC, ECONNREFUSED);
	host(A4, CONNECTS, 0, 0);
	is_int(race(), REASON_NONE, "one that is refused");
	is_int(w.hosts[1].tried, 10 * MSEC, "has the next tried at once");
	is_int(reason_of(A6), REASON_CONNECT_REFUSED, "which is told");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, UNABLE, 0, ENETUNREACH);
	host(A4, CONNECTS, 0, 0);
	is_int(race(), REASON_NONE, "so does one that has no route");
	is_int(w.at, 0, "at once");
	is_int(reason_of(A6), REASON_CONNECT_UNREACHABLE, "which is told");
	over();
	world(ADDR_FAMILY_PREFER_IPV4);
	host(A4, HANGS, 0, 0);
	host(A6, FAILS, 10 * MSEC, ECONNREFUSED);
	host("[2001:db8::3]", FAILS, 10 * MSEC, ECONNREFUSED);
	is_int(race(), REASON_CONNECT_TIMEOUT, "while the first hangs");
	is_int(w.hosts[1].tried + w.hosts[2].tried, 510 * MSEC,
	    "the third is tried as soon as the second has failed");
	is_int(reason_of(A6), REASON_CONNECT_REFUSED,
	    "and one that failed before the time was up did not do so by it");
	over();
	world(ADDR_FAMILY_PREFER_IPV4);
	host(A4, HANGS, 0, 0);
	host("[2620::9]", CONNECTS, 0, 0)->local = "[2620::9]";
	host("[2620::8]", CONNECTS, 0, 0)->local = "[2620::8]";
	(void)race();
	is_int(w.hosts[1].tried + w.hosts[2].tried, 500 * MSEC,
	    "or has turned out to be this host");
	over();
}

/* How many addresses were tried by then. */
static unsigned
tried_by(int64_t when)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < w.nhosts; i++)
		n += w.hosts[i].tried != NEVER && w.hosts[i].tried <= when;
	return (n);
}

/* Hosts that hang, in one family, so many. */
static void
silent_hosts(size_t n)
{
	static char text[HOSTS][32];
	size_t i;

	world(ADDR_FAMILY_IPV4);
	for (i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "198.51.100.%zu", 10 + i);
		host(text[i], HANGS, 0, 0);
	}
}

/* RFC 8305 has no word on how many may be under way. */
static void
test_few_at_once(void)
{
	unsigned gone = 0;
	size_t i;

	silent_hosts(12);
	is_int(race(), REASON_CONNECT_TIMEOUT, "many that do not answer");
	is_int(w.at, TIMEOUT, "until it is too late");
	is_int(tried_by(0) + tried_by(1000 * MSEC), 1 + 5, "five at first");
	is_int(tried_by(1249 * MSEC) + tried_by(1250 * MSEC), 5 + 6,
	    "the sixth when the first has had its time");
	is_int(tried_by(2750 * MSEC), 12, "and so on: all are tried");
	is_int(w.most_open, 5, "but five are under way at once");
	for (i = 0; i < w.nhosts; i++)
		gone += w.hosts[i].times == 1;
	is_int(gone, 12, "each once");
	is_int((int64_t)w.ntried, 12, "all are told of");
	is_int(w.tries[0].reason, REASON_CONNECT_TIMEOUT, "were too late");
	over();
	silent_hosts(5);
	is_int(race(), REASON_CONNECT_TIMEOUT, "few that do not answer");
	is_int(w.most_open, 5, "are all given up at the end only");
	over();
	silent_hosts(11);
	host("198.51.100.99", CONNECTS, 1240 * MSEC, 0);
	is_int(race(), REASON_NONE, "one of many that is slow");
	over();
	silent_hosts(8);
	for (i = 0; i < 8; i++) {
		w.hosts[i].fate = FAILS;
		w.hosts[i].after = 100 * MSEC;
		w.hosts[i].error = ECONNREFUSED;
	}
	is_int(race(), REASON_CONNECT_REFUSED, "those that refuse");
	is_int(w.at, 800 * MSEC, "need no place for long");
	over();
}

/* Others have what there is for attempts beyond the first, or this client has
 * its share. */
static void
test_no_races(void)
{
	silent_hosts(4);
	races_take(&w.context.races, CLIENT + 1, 100);
	is_int(race(), REASON_CONNECT_TIMEOUT, "no descriptors for races");
	is_int(w.most_open, 1, "one is under way at a time");
	is_int(tried_by(1249 * MSEC) + tried_by(1250 * MSEC), 1 + 2,
	    "each has its time");
	is_int(tried_by(3750 * MSEC), 4, "and all are tried");
	is_int(w.at, TIMEOUT, "the last is given up at the end only");
	races_give(&w.context.races, CLIENT + 1, 100);
	over();
	silent_hosts(6);
	races_take(&w.context.races, CLIENT, 48);
	is_int(race(), REASON_CONNECT_TIMEOUT, "a client with its share");
	is_int(w.most_open, 3, "has no more than others are left");
	races_give(&w.context.races, CLIENT, 48);
	over();
	silent_hosts(2);
	w.hosts[0].fate = w.hosts[1].fate = FAILS;
	w.hosts[0].error = w.hosts[1].error = ECONNREFUSED;
	w.context.races.most = 0;
	is_int(race(), REASON_CONNECT_REFUSED, "one that is refused");
	ok(w.at == 0 && tried_by(0) == 2, "has the next tried at once");
	over();
}

static void
test_resolution(void)
{
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	host(A4, CONNECTS, 0, 0);
	w.v6.after = 30 * MSEC;
	is_int(race(), REASON_NONE, "an answer that comes soon");
	is_int(w.hosts[1].tried, NEVER, "is waited for");
	is_int(w.at, 30 * MSEC, "until it is there");
	is_int(w.report.dns_ns, 0, "there were others before");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	host(A4, CONNECTS, 0, 0);
	w.v4.after = 5 * MSEC;
	w.v6.after = 500 * MSEC;
	is_int(race(), REASON_NONE, "an answer that comes late");
	is_int(w.at, 55 * MSEC, "is waited for no longer than 50 ms");
	is_int(w.hosts[0].tried, NEVER, "and not needed then");
	is_int(w.report.dns_ns, 5 * MSEC, "when there was an address");
	is_int(w.report.connect_ns, 50 * MSEC, "and a connection after that");
	over();
	world(ADDR_FAMILY_ANY);
	host(A4, CONNECTS, 0, 0);
	w.v6.after = 20 * MSEC;
	w.v6.reason = REASON_DNS_FAILED;
	is_int(race(), REASON_NONE, "no address of the preferred family");
	is_int(w.at, 20 * MSEC, "and one need not wait");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	w.v4.after = NEVER;
	is_int(race(), REASON_NONE, "the preferred family's answer");
	is_int(w.at, 0, "waits for nobody");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 0, ECONNREFUSED);
	host(A4, CONNECTS, 0, 0);
	w.v4.after = 400 * MSEC;
	is_int(race(), REASON_NONE, "the last hope");
	is_int(w.at, 400 * MSEC, "is waited for");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 0, ECONNREFUSED);
	w.v4.after = NEVER;
	is_int(race(), REASON_CONNECT_REFUSED, "for as long as there is time");
	is_int(w.at, TIMEOUT, "and no longer");
	over();
	world(ADDR_FAMILY_ANY);
	w.v4.after = w.v6.after = NEVER;
	is_int(race(), REASON_DNS_TIMEOUT, "no answer at all");
	is_int(w.at, TIMEOUT, "ends the dial, too");
	ok(w.report.dns_ns == -1 && w.ntried == 0, "nothing was tried");
	over();
}

static void
test_no_address(void)
{
	world(ADDR_FAMILY_ANY);
	w.v4.reason = w.v6.reason = REASON_DNS_NO_ADDRESS;
	is_int(race(), REASON_DNS_NO_ADDRESS, "there is no address");
	over();
	world(ADDR_FAMILY_ANY);
	w.v4.reason = REASON_DNS_TIMEOUT;
	w.v4.detail = "three tries";
	w.v4.after = 10 * MSEC;
	w.v6.reason = REASON_DNS_NO_ADDRESS;
	is_int(race(), REASON_DNS_TIMEOUT, "what says more is told");
	is_str(w.detail, "three tries", "with what was said");
	over();
	world(ADDR_FAMILY_ANY);
	w.v4.reason = REASON_DNS_FAILED;
	w.v6.reason = REASON_NO_MEMORY;
	is_int(race(), REASON_NO_MEMORY, "our own fault comes first");
	over();
}

static void
test_guard(void)
{
	world(ADDR_FAMILY_IPV4);
	host(X4, CONNECTS, 0, 0);
	host(A4, CONNECTS, 0, 0);
	is_int(race(), REASON_NONE, "one is refused by the guard");
	is_int(w.hosts[0].tried, NEVER, "it is never connected to");
	ok(addr_equal_ip(&w.report.upstream, &w.hosts[1].addr), "but another");
	over();
	world(ADDR_FAMILY_IPV4);
	host(X4, CONNECTS, 0, 0);
	host(Y4, CONNECTS, 0, 0);
	is_int(race(), REASON_GUARD, "all are refused");
	is_int((int64_t)w.ntried, 2, "each is told of");
	is_int(reason_of(Y4), REASON_GUARD, "and why");
	ok(w.detail[0] != '\0', "and the name of its range");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 0, ECONNREFUSED);
	host(X4, CONNECTS, 0, 0);
	is_int(race(), REASON_CONNECT_REFUSED,
	    "a connection that is refused says more than the guard");
	is_int(reason_of(X4), REASON_GUARD, "which is told, too");
	over();
	world(ADDR_FAMILY_IPV4);
	host("127.0.0.1:8443", CONNECTS, 0, 0);
	w.target.port = 8443;
	is_int(race(), REASON_OWN_LISTENER, "sniport itself");
	is_int(w.hosts[0].tried, NEVER, "is never connected to");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0)->local = A6;
	host(A4, CONNECTS, 0, 0);
	w.rule.nnetworks = 1; /* that of A4 */
	is_int(race(), REASON_NONE, "where the guard refuses the first");
	is_int(w.hosts[0].tried, NEVER, "it is not tried");
	over();
}

/* A connection that has both its ends here. */
static void
test_leads_here(void)
{
	world(ADDR_FAMILY_IPV4);
	host("9.9.9.9", CONNECTS, 0, 0)->local = "9.9.9.9";
	is_int(race(), REASON_GUARD, "it turned out to lead to this host");
	is_int(w.won, -1, "and is not used");
	is_int(reason_of("9.9.9.9"), REASON_GUARD, "which is told");
	over();
	world(ADDR_FAMILY_ANY);
	host("[2620::9]", CONNECTS, 0, 0)->local = "[2620::9]";
	host(A4, CONNECTS, 0, 0)->local = "192.0.2.7";
	is_int(race(), REASON_NONE, "then another one is tried");
	is_int(w.at, 0, "at once");
	is_int(reason_of("[2620::9]"), REASON_GUARD, "the first is told of");
	is_int(w.report.egress.family, AF_INET, "and whence the other came");
	over();
}

static void
test_reset(void)
{
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 20 * MSEC, ECONNRESET);
	host(A4, CONNECTS, 0, 0);
	is_int(race(), REASON_NONE, "connected, and reset before we looked");
	is_int(w.report.error, -ECONNRESET, "is told");
	ok(w.won != -1, "its bytes may still be read");
	is_int(w.hosts[1].tried, NEVER, "no other is tried for it");
	over();
	world(ADDR_FAMILY_IPV4);
	host(A4, FAILS, 0, 0);
	is_int(race(), REASON_CONNECT_FAILED, "ended without an error");
	over();
}

static void
test_ties(void)
{
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 300 * MSEC, 0);
	host(A4, CONNECTS, 50 * MSEC, 0);
	is_int(race(), REASON_NONE, "two connect in one turn");
	is_int(w.at, 300 * MSEC, "the very same");
	is_int(w.calls, 1, "one of them wins");
	ok(reason_of(A6) == REASON_NONE && reason_of(A4) == REASON_NONE,
	    "neither has failed");
	is_int((int64_t)w.ntried, 2, "both are told of");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, FAILS, 300 * MSEC, ECONNREFUSED);
	host(A4, FAILS, 50 * MSEC, ECONNREFUSED);
	is_int(race(), REASON_CONNECT_REFUSED, "two fail in one turn");
	is_int(w.calls, 1, "which is told once");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	w.free_within = true;
	is_int(race(), REASON_NONE, "the dial is freed by who is told");
	ok(w.dial == NULL && w.won != -1, "who keeps the socket");
	over();
}

/* Stops the loop at a moment of a race. */
static void
stop_cb(struct timer *t)
{
	loop_stop(w.loop);
}

static void
give_up_after(int64_t when, bool resolved, size_t ntried)
{
	struct dial_report r;
	struct timer stop;

	world(ADDR_FAMILY_ANY);
	host(A6, HANGS, 0, 0);
	host(X4, HANGS, 0, 0);
	host(B6, FAILS, 10 * MSEC, ECONNREFUSED);
	w.v6.after = 60 * MSEC;
	w.v4.after = 30 * MSEC;
	is_int(start(), 0, "a dial that is given up");
	timer_init(&stop, stop_cb);
	timer_arm(loop_timers(w.loop), &stop, w.begun + when);
	(void)loop_run(w.loop, NULL, NULL);
	dial_progress(w.dial, &r);
	ok((r.dns_ns != -1) == resolved, "what is known by then: addresses");
	is_int((int64_t)w.ntried, (int64_t)ntried, "and tries");
	is_int(r.connect_ns, -1, "and no connection");
	is_int(w.calls, 0, "nobody is told");
	over();
}

static void
test_give_up(void)
{
	give_up_after(0, false, 0);
	give_up_after(40 * MSEC, true, 0);
	give_up_after(61 * MSEC, true, 1);
	give_up_after(400 * MSEC, true, 3);
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	is_int(start(), 0, "a dial that has its answer, and is given up");
	dial_free(w.dial);
	w.dial = NULL;
	(void)loop_run(w.loop, NULL, NULL);
	is_int(w.hosts[0].tried, 0, "has begun to connect");
	is_int(w.calls, 0, "and tells nobody any more");
	over();
}

static void
test_no_memory(void)
{
	world(ADDR_FAMILY_ANY);
	scarce = true;
	is_int(start(), -ENOMEM, "no memory for a dial");
	scarce = false;
	ok(w.v4.asked == 0 && w.calls == 0, "nothing is asked, nobody is told");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	host(A4, CONNECTS, 0, 0);
	socket_error = ENOBUFS;
	is_int(race(), REASON_NO_MEMORY, "no memory for a socket");
	is_int((int64_t)w.ntried, 2, "of any address");
	over();
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	socket_error = EMFILE;
	is_int(race(), REASON_CONNECT_FAILED, "no descriptor");
	socket_error = 0;
	over();
}

static void
test_one_address(void)
{
	world(ADDR_FAMILY_ANY);
	host(A4, CONNECTS, 0, 0);
	w.target.addr = w.hosts[0].addr;
	w.v4.after = NEVER;
	ok(!dial_asks(&w.context, &w.target, &w.rule), "an address as target");
	is_int(race(), REASON_NONE, "needs no resolver");
	ok(w.v4.asked + w.v6.asked == 0, "and asks none");
	over();
	world(ADDR_FAMILY_IPV4);
	host(X4, CONNECTS, 0, 0);
	w.v6.after = NEVER;
	ok(!dial_asks(&w.context, &w.target, &w.rule), "what is known");
	w.v4.after = NEVER;
	ok(dial_asks(&w.context, &w.target, &w.rule), "or not");
	w.rule.connect_to = w.hosts[0].addr;
	ok(!dial_asks(&w.context, &w.target, &w.rule), "the operator's word");
	is_int(race(), REASON_NONE, "stands above the guard");
	over();
}

static void
test_egress(void)
{
	struct addr sources[2];
	struct conf_egress egress = { .source = sources, .nsource = 1 };

	parse(&sources[0], "127.0.0.1");
	parse(&sources[1], "127.0.0.2");
	sources[0].port = sources[1].port = 0;
	world(ADDR_FAMILY_ANY);
	host(A6, CONNECTS, 0, 0);
	host(A4, FAILS, 0, ECONNREFUSED);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_CONNECT_REFUSED,
	    "that a line is not for a family says least");
	is_int(w.hosts[0].tried, NEVER, "it is not left by another");
	is_int(reason_of(A6), REASON_EGRESS_FAILED, "which is told");
	over();
	world(ADDR_FAMILY_PREFER_IPV4);
	host(A4, FAILS, 0, ECONNREFUSED);
	host(A6, CONNECTS, 0, 0);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_CONNECT_REFUSED, "also when it comes last");
	over();
	world(ADDR_FAMILY_IPV6);
	host(A6, CONNECTS, 0, 0);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_EGRESS_FAILED, "but it is all that there is");
	over();
	egress.nsource = 2;
	world(ADDR_FAMILY_IPV4);
	host(A4, UNABLE, 1, EADDRNOTAVAIL);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_NONE, "one source has no port");
	is_int(w.hosts[0].times, 2, "another one has");
	over();
	world(ADDR_FAMILY_IPV4);
	host(A4, UNABLE, 0, EADDRNOTAVAIL);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_CONNECT_NO_PORT, "none has");
	is_int(w.hosts[0].times, 2, "though both were tried");
	over();
}

/* Source addresses that this host does not have. */
static void
test_missing(void)
{
	struct addr sources[2];
	struct conf_egress egress = { .source = sources, .nsource = 1 };
	uint64_t seed;

	parse(&sources[0], "192.0.2.77");
	parse(&sources[1], "127.0.0.1");
	sources[0].port = sources[1].port = 0;
	world(ADDR_FAMILY_IPV4);
	host(A4, CONNECTS, 0, 0);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_EGRESS_MISSING, "the source is not here");
	is_int(w.hosts[0].tried, NEVER, "and no other one is taken");
	over();
	egress.nsource = 2;
	for (seed = 1; seed <= 4; seed++) {
		world(ADDR_FAMILY_IPV4);
		w.context.random = seed;
		host(A4, CONNECTS, 0, 0);
		w.rule.egress_line = &egress;
		is_int(race(), REASON_NONE, "another one of the line is");
		over();
		world(ADDR_FAMILY_IPV4);
		w.context.random = seed;
		host(A4, UNABLE, 0, EADDRNOTAVAIL);
		w.rule.egress_line = &egress;
		is_int(race(), REASON_CONNECT_NO_PORT,
		    "but has no port, which says more");
		over();
	}
	egress.source = &sources[1];
	egress.nsource = 1;
	world(ADDR_FAMILY_IPV4);
	host(A4, UNABLE, 0, ENETUNREACH);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_CONNECT_UNREACHABLE,
	    "no route from one that is here");
	over();
	egress.source = NULL;
	egress.nsource = 0;
	egress.device = (char[]){ "none0" };
	world(ADDR_FAMILY_IPV4);
	host(A4, CONNECTS, 0, 0);
	w.rule.egress_line = &egress;
	is_int(race(), REASON_EGRESS_MISSING, "the device is not here");
	over();
}

/* More addresses than are told of. */
static void
test_many(void)
{
	struct addr *addrs = w.v4.addrs;
	size_t i, n = FACTS_TRIED_MAX + 4;

	world(ADDR_FAMILY_IPV4);
	for (i = 0; i < n; i++) {
		parse(&addrs[i], X4);
		addrs[i].ip[3] = (uint8_t)(i + 1);
	}
	w.v4.n = n;
	is_int(race(), REASON_GUARD, "many addresses, all refused");
	is_int((int64_t)w.ntried, FACTS_TRIED_MAX, "some are told of");
	over();
	world(ADDR_FAMILY_IPV4);
	host(A4, FAILS, 0, ECONNREFUSED);
	for (i = 1; i < n; i++) {
		parse(&addrs[i], X4);
		addrs[i].ip[3] = (uint8_t)(i + 1);
	}
	w.v4.n = n;
	is_int(race(), REASON_CONNECT_REFUSED, "and one that was tried");
	is_int(reason_of(A4), REASON_CONNECT_REFUSED, "is among them");
	over();
}

/* The last place is shared: an address that was tried keeps it. */
static void
test_last_place(void)
{
	size_t i, seed, n = FACTS_TRIED_MAX - 1;
	bool kept = true;

	for (seed = 1; seed <= 4; seed++) {
		world(ADDR_FAMILY_PREFER_IPV6);
		w.context.random = seed;
		for (i = 0; i < n; i++) {
			parse(&w.v6.addrs[i], "[fd00::1]");
			w.v6.addrs[i].ip[15] = (uint8_t)i;
		}
		w.v6.n = n;
		host(A4, FAILS, 0, ECONNREFUSED);
		host(X4, CONNECTS, 0, 0);
		(void)race();
		kept = kept && reason_of(A4) == REASON_CONNECT_REFUSED;
		if (end(before) != NULL)
			kept = false;
	}
	ok(kept, "the last of many that are told of is one that was tried");
}

/* Fates of a host, for every race that there can be. */
static const struct {
	enum fate fate;
	int64_t after;
	int error;
	bool refused; /* by the guard */
} fates[] = {
	{ HANGS, 0, 0, false },
	{ CONNECTS, 0, 0, false },
	{ CONNECTS, 100 * MSEC, 0, false },
	{ CONNECTS, 250 * MSEC, 0, false },
	{ CONNECTS, 0, 0, true },
	{ FAILS, 0, ECONNREFUSED, false },
	{ FAILS, 250 * MSEC, EHOSTUNREACH, false },
	{ FAILS, 100 * MSEC, ECONNRESET, false },
	{ UNABLE, 0, ENETUNREACH, false },
};
#define FATES (sizeof(fates) / sizeof(fates[0]))

static const struct {
	int64_t v6, v4;
} answers[] = { { 0, 0 }, { 30 * MSEC, 0 }, { 300 * MSEC, 0 },
	{ 0, 250 * MSEC }, { NEVER, 10 * MSEC }, { 10 * MSEC, NEVER } };
#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

static bool
ends_well(const struct host *h)
{
	return (h->fate == CONNECTS || h->error == ECONNRESET);
}

/* Is what was told true? */
static const char *
untrue(bool any_good)
{
	bool won = w.report.reason == REASON_NONE;
	enum reason reason;
	struct host *h;

	if (w.stuck || w.calls != 1)
		return ("it does not end");
	if (won != (w.won != -1))
		return ("a socket and a reason, or neither");
	if (won != any_good)
		return ("not the best is made of it");
	if (w.at > TIMEOUT)
		return ("it takes too long");
	for (h = w.hosts; h < w.hosts + w.nhosts; h++) {
		reason = reason_of(h->text);
		if (h->text[0] == '2' && h->tried != NEVER)
			return ("one that the guard refuses is tried");
		if (h->tried != NEVER && reason == REASON_COUNT)
			return ("one that was tried is not told of");
		if (h->tried == NEVER && reason != REASON_COUNT &&
		    reason != REASON_GUARD)
			return ("one that was not tried is told of");
		if (h->times > 1)
			return ("one is tried twice");
		if (won && h->fd == w.won && by_fd[w.won] == h &&
		    !addr_equal_ip(&h->addr, &w.report.upstream))
			return ("it is another's socket");
	}
	return (NULL);
}

/* Two attempts are never closer than the delay, but behind one that failed. */
static bool
hasty(void)
{
	const struct host *a, *b, *c;
	bool excused;

	for (a = w.hosts; a < w.hosts + w.nhosts; a++)
		for (b = w.hosts; b < w.hosts + w.nhosts; b++) {
			excused = a == b || a->tried == NEVER ||
				  b->tried == NEVER || a->tried > b->tried ||
				  b->tried - a->tried >= 250 * MSEC;
			for (c = w.hosts; c < w.hosts + w.nhosts; c++)
				excused =
				    excused ||
				    (c->tried != NEVER && c->error != 0 &&
					c->tried + (c->fate == FAILS ? c->after
								     : 0) <=
					    b->tried);
			if (!excused)
				return (true);
		}
	return (false);
}

static const char *
race_of(size_t seed)
{
	static const char *const good[] = { A6, A4, B4 };
	static const char *const bad[] = { "203.0.113.6", X4, Y4 };
	size_t i, k, an = seed % ANSWERS;
	bool any_good = false, v4;
	const char *wrong;
	struct host *h;

	seed /= ANSWERS;
	world(ADDR_FAMILY_ANY);
	w.v6.after = answers[an].v6;
	w.v4.after = answers[an].v4;
	for (i = 0; i < 3; i++, seed /= FATES) {
		k = seed % FATES;
		h = host(fates[k].refused ? bad[i] : good[i], fates[k].fate,
		    fates[k].after, fates[k].error);
		v4 = h->addr.family == AF_INET;
		any_good =
		    any_good || (!fates[k].refused && ends_well(h) &&
				    (v4 ? &w.v4 : &w.v6)->after != NEVER);
	}
	(void)race();
	wrong = untrue(any_good);
	if (wrong == NULL && hasty())
		wrong = "two are tried too soon after each other";
	if (wrong == NULL)
		return (end(before));
	(void)end(before);
	return (wrong);
}

static void
test_all(void)
{
	size_t seed, n = ANSWERS * FATES * FATES * FATES;
	const char *wrong = NULL;

	for (seed = 0; seed < n && wrong == NULL; seed++)
		wrong = race_of(seed);
	ok(wrong == NULL, "every race: %s (%zu of %zu)",
	    wrong != NULL ? wrong : "all is well", seed, n);
}

int
main(void)
{
	struct addr own[1];

	alarm(100);
	parse(&own[0], "127.0.0.1:8443");
	if (guard_new(&w.guard, NULL, 0, own, 1) != 0 ||
	    cidr_parse(&networks[0], "198.51.100.0/24", 15) != 0 ||
	    cidr_parse(&networks[1], "2001:db8::/32", 13) != 0)
		abort();
	before = files();
	test_order();
	test_delays();
	test_few_at_once();
	test_no_races();
	test_resolution();
	test_no_address();
	test_guard();
	test_leads_here();
	test_reset();
	test_ties();
	test_give_up();
	test_no_memory();
	test_one_address();
	test_egress();
	test_missing();
	test_many();
	test_last_place();
	test_all();
	guard_free(w.guard);
	return (done_testing());
}
