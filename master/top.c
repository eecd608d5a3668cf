/*
 * Shows the tunnels that move most, once a second. A screen is plain ANSI, and
 * the terminal is left as it was found.
 */
#include "master/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "master/ask.h"
#include "master/top_view.h"

#define INTERVAL     CLOCK_SEC
#define MESSAGE_SIZE 256

/* Where no terminal says how large it is. */
#define LINES	24
#define COLUMNS 80

#define ENTER	"\033[?1049h\033[?25l\033[2J"
#define LEAVE	"\033[?25h\033[?1049l"

struct top {
	const char *path, *target;
	enum top_order by;
	struct top_list now;
	int64_t at; /* when that was so */
	bool rates; /* it knows them */
	bool keys;  /* standard input has some */
	bool over;
	char message[MESSAGE_SIZE]; /* why there is no news */
	struct termios before;
	int signals;
};

/* What a FILE of memory has; it is closed. NULL: it has nothing. */
static char *
close_text(FILE *f, char **text)
{
	if (fclose(f) == 0)
		return (*text);
	free(*text);
	return (NULL);
}

/* 0, or -errno with the cause in t->message. */
static int
fetch(struct top *t, struct top_list *list)
{
	char *rows = NULL, *errors = NULL;
	size_t nrows = 0, nerrors = 0;
	FILE *out = open_memstream(&rows, &nrows);
	FILE *err = open_memstream(&errors, &nerrors);
	int error = -ENOMEM;

	if (out != NULL && err != NULL)
		error = ask_run(t->path, t->target, out, err);
	if (out != NULL)
		rows = close_text(out, &rows);
	if (err != NULL)
		errors = close_text(err, &errors);
	if (error == 0 && rows == NULL)
		error = -ENOMEM;
	if (error == 0)
		error = top_list_read(list, rows, nrows);
	else
		free(rows);
	snprintf(t->message, sizeof(t->message), "%s",
	    error != 0 && errors != NULL && nerrors > 0 ? errors
	    : error != 0				? strerror(-error)
							: "");
	t->message[strcspn(t->message, "\n")] = '\0';
	free(errors);
	return (error);
}

static int
look(struct top *t)
{
	struct top_list list;
	int error = fetch(t, &list);
	int64_t at = clock_now();

	if (error != 0)
		return (error);
	t->rates = t->at != 0;
	if (t->rates)
		top_list_rates(&list, &t->now, at - t->at);
	top_list_fini(&t->now);
	t->now = list;
	t->at = at;
	return (0);
}

static void
show(struct top *t)
{
	struct winsize size = { .ws_row = 0 };
	struct top_view view = { .list = &t->now,
		.by = t->by,
		.rates = t->rates,
		.message = t->message[0] != '\0' ? t->message : NULL,
		.lines = LINES,
		.columns = COLUMNS };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
	    size.ws_col > 0) {
		view.lines = size.ws_row;
		view.columns = size.ws_col;
	}
	top_list_sort(&t->now, t->by);
	top_view_text(&view, stdout);
	if (fflush(stdout) != 0)
		t->over = true;
}

static void
take_key(struct top *t)
{
	char key;

	/* Nobody is there any more. */
	if (read(STDIN_FILENO, &key, 1) != 1) {
		t->over = true;
		return;
	}
	switch (key) {
	case 'r':
		t->by = TOP_BY_RATE;
		break;
	case 't':
		t->by = TOP_BY_TOTAL;
		break;
	case 'a':
		t->by = TOP_BY_AGE;
		break;
	case 'q':
		t->over = true;
		break;
	}
}

static void
take_signal(struct top *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info) ||
	    info.ssi_signo != SIGWINCH)
		t->over = true;
}

/* Until then, or until it is over. */
static void
wait_until(struct top *t, int64_t until)
{
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int64_t left;

	while (!t->over) {
		left = until - clock_now();
		if (left <= 0 ||
		    poll(fds, 2, (int)(left / CLOCK_MSEC) + 1) <= 0)
			return;
		if (fds[0].revents != 0)
			take_signal(t);
		if (fds[1].revents != 0)
			take_key(t);
		if (!t->over)
			show(t);
	}
}

/* Keys come one by one and are not shown; ^Z would leave the screen behind. */
static void
take_keyboard(struct top *t)
{
	struct termios raw;

	t->keys = tcgetattr(STDIN_FILENO, &t->before) == 0;
	if (!t->keys)
		return;
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	t->keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static int
take_signals(struct top *t)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
		SIGWINCH };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaddset(&set, ends[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return (-errno);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return (t->signals < 0 ? -errno : 0);
}

static int
run_screen(struct top *t)
{
	int error = take_signals(t);

	if (error != 0)
		return (error);
	take_keyboard(t);
	fputs(ENTER, stdout);
	while (!t->over) {
		show(t);
		wait_until(t, clock_now() + INTERVAL);
		/* A service that is gone may come back: that it is gone is
		 * shown. */
		if (!t->over)
			(void)look(t);
	}
	fputs(LEAVE, stdout);
	(void)fflush(stdout);
	if (t->keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	fd_close(&t->signals);
	return (0);
}

static int
run_once(struct top *t, bool json)
{
	struct top_view view = { .list = &t->now, .by = t->by, .rates = true };
	struct timespec second = { .tv_sec = INTERVAL / CLOCK_SEC };
	int error;

	(void)nanosleep(&second, NULL);
	error = look(t);
	if (error != 0)
		return (error);
	top_list_sort(&t->now, t->by);
	if (json)
		top_view_json(&view, stdout);
	else
		top_view_text(&view, stdout);
	return (0);
}

int
top_run(const char *path, const char *target, enum top_order by, bool json,
    FILE *err)
{
	struct top t = { .path = path, .target = target, .by = by };
	int error = look(&t);

	if (error == 0 && (json || !isatty(STDOUT_FILENO)))
		error = run_once(&t, json);
	else if (error == 0)
		error = run_screen(&t);
	if (error != 0)
		fprintf(err, "%s%s\n",
		    strncmp(t.message, "sniport: ", 9) == 0 ? "" : "sniport: ",
		    t.message[0] != '\0' ? t.message : strerror(-error));
	top_list_fini(&t.now);
	return (error);
}
