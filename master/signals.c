/* Takes the signals that the master answers, and begins what they ask for. */
#include "master/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "master/master.h"
#include "master/stop.h"
#include "master/totals.h"

static const int signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT,
	SIGQUIT, SIGCHLD };

int
signals_open(struct master *m)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigaction(SIGPIPE, &sa, NULL);
	/* Over RLIMIT_FSIZE, EFBIG says it, too. */
	sigaction(SIGXFSZ, &sa, NULL);
	sigemptyset(&set);
	sa.sa_handler = SIG_DFL; /* an ignored SIGCHLD leaves nobody to reap */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &sa, NULL);
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
		return (-errno);
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return (m->signal_fd < 0 ? -errno : 0);
}

/* A new file begins with the totals of the one before it. */
static void
reopen_logs(struct master *m)
{
	if (m->done)
		return;
	logs_reopen(&m->logs, m->log);
	totals_log(m->shm, m->log);
}

static void
take_signal(struct master *m, uint32_t signo)
{
	switch (signo) {
	case SIGHUP:
		report_want(m, 0);
		break;
	case SIGUSR1:
		reopen_logs(m);
		break;
	case SIGUSR2:
		upgrade_want(m, 0);
		break;
	case SIGTERM:
	case SIGINT:
		if (m->phase == MASTER_RUNNING)
			stop_gently(m);
		else
			stop_at_once(m);
		break;
	case SIGQUIT:
		stop_at_once(m);
		break;
	case SIGCHLD:
		m->reap_wanted = true;
		break;
	}
}

void
signals_take(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info))
		take_signal(m, info.ssi_signo);
}
