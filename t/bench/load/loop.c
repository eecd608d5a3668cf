/* The loop of the load generator, and what all its files need. */
#include "t/bench/load/loop.h"

#include <sys/epoll.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"

#define EVENTS 128

static int epfd;
static bool may_spin, busy;
static struct watch *dead;
static int64_t (*ticker)(int64_t);

void
loop_init(bool spin)
{
	may_spin = spin;
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd == -1)
		err(1, "epoll_create1");
}

static void
control(int op, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(epfd, op, w->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

void
watch_add(struct watch *w, uint32_t events)
{
	control(EPOLL_CTL_ADD, w, events);
}

void
watch_change(struct watch *w, uint32_t events)
{
	control(EPOLL_CTL_MOD, w, events);
}

void
watch_free(struct watch *w)
{
	close(w->fd);
	w->ready = NULL;
	w->next = dead;
	dead = w;
}

void
loop_tick(int64_t (*tick)(int64_t))
{
	ticker = tick;
}

void
loop_busy(bool yes)
{
	busy = yes;
}

static void
bury(void)
{
	struct watch *w;

	while ((w = dead) != NULL) {
		dead = w->next;
		free(w);
	}
}

static int
await(struct epoll_event *events, int64_t until)
{
	struct timespec ts = { 0 };
	bool spin = may_spin && (busy || ticker != NULL);
	int64_t left;

	if (spin || until == CLOCK_NEVER)
		return (epoll_wait(epfd, events, EVENTS, spin ? 0 : -1));
	left = until - clock_now();
	if (left > 0) {
		ts.tv_sec = left / CLOCK_SEC;
		ts.tv_nsec = left % CLOCK_SEC;
	}
	return (epoll_pwait2(epfd, events, EVENTS, &ts, NULL));
}

void
loop_run(void)
{
	struct epoll_event events[EVENTS];
	struct watch *w;
	int64_t until;
	int i, n;

	for (;;) {
		until = ticker != NULL ? ticker(clock_now()) : CLOCK_NEVER;
		n = await(events, until);
		for (i = 0; i < n; i++) {
			w = events[i].data.ptr;
			if (w->ready != NULL)
				w->ready(w, events[i].events);
		}
		bury();
	}
}

void
say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

struct sockaddr_in
loopback(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return (sin);
}

void
set_nodelay(int fd)
{
	static const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "TCP_NODELAY");
}

uint64_t
number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || n > max)
		errx(2, "not a number up to %llu: %s", (unsigned long long)max,
		    text);
	return (n);
}

void *
must_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (p == NULL)
		err(1, "calloc");
	return (p);
}
