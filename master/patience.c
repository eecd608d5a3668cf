/* Feeds the watchdog from a signal handler while the loop does not run. */
#include "master/patience.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "master/notify.h"

/* Nothing that goes well takes longer; then the watchdog may bite. */
#define MOST (10 * 60 * CLOCK_SEC)

/* So often, unless the watchdog wants it more often. */
#define EVERY (5 * CLOCK_SEC)

static void
alarm_cb(int sig, siginfo_t *info, void *context)
{
	/* For a start, and a reload that somebody waits for. */
	static const char text[] = "WATCHDOG=1\n"
				   "EXTEND_TIMEOUT_USEC=15000000\n";
	struct patience *p = info->si_value.sival_ptr;
	const struct notify *n;
	int error = errno;

	/* Others may send this signal as well. */
	if (info->si_code != SI_TIMER || p == NULL || p->left <= 0)
		return;
	p->left--;
	n = p->notify;
	(void)sendto(n->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT,
	    (const struct sockaddr *)&n->to, n->to_len);
	errno = error;
}

void
patience_begin(struct patience *p, const struct notify *n)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
		.sigev_value.sival_ptr = p };
	struct sigaction sa = { .sa_sigaction = alarm_cb,
		.sa_flags = SA_RESTART | SA_SIGINFO };
	struct itimerspec when = { .it_value.tv_sec = 0 };
	int64_t every = EVERY;

	*p = (struct patience){ .notify = n };
	if (n->fd < 0)
		return;
	if (n->watchdog > 0 && n->watchdog / 2 < every)
		every = n->watchdog / 2;
	if (every < CLOCK_MSEC)
		every = CLOCK_MSEC;
	p->left = (sig_atomic_t)(MOST / every);
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGALRM, &sa, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &p->timer) != 0)
		return;
	p->runs = true;
	when.it_interval.tv_sec = every / CLOCK_SEC;
	when.it_interval.tv_nsec = every % CLOCK_SEC;
	when.it_value = when.it_interval;
	(void)timer_settime(p->timer, 0, &when, NULL);
}

void
patience_hold(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	(void)sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void
patience_end(struct patience *p)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	if (p->runs)
		(void)timer_delete(p->timer);
	p->runs = false;
	/* One that is pending is dropped with its handler. */
	if (p->notify->fd >= 0)
		(void)sigaction(SIGALRM, &sa, NULL);
}
