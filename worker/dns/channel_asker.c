/* c-ares on the loop: questions to one name server by UDP. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "worker/dns/channel_state.h"

#define CLASS_IN 1

/* So many questions go by one socket, or for so long; or until so many answers
 * came by it that fit none. */
#define WORN_QUESTIONS 64
#define WORN_TIME      CLOCK_SEC
#define WORN_STRAYS    16

/* A socket of c-ares. */
struct dns_socket {
	struct loop_fd lfd;
	int fd;
	struct dns_line *line;
	LIST_ENTRY(dns_socket) link;
	struct loop_garbage garbage;
};

static struct dns_channel *
channel_of(const struct dns_line *line)
{
	return (line->server->set->channel);
}

/* sockets and time */

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct dns_socket *s = container_of(lfd, struct dns_socket, lfd);
	struct dns_line *line = s->line;
	unsigned ended = line->ended;
	bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
	bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

	line->may_read = true;
	ares_process_fd(line->ares, in ? s->fd : ARES_SOCKET_BAD,
	    out ? s->fd : ARES_SOCKET_BAD);
	if (line->may_read || line->ended != ended)
		return;
	line->strays++;
	dns_server_stray(line->server);
}

static void
socket_free_cb(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct dns_socket, garbage));
}

static void
socket_drop(struct dns_socket *s)
{
	struct loop *loop = channel_of(s->line)->loop;

	loop_del(loop, &s->lfd);
	LIST_REMOVE(s, link);
	loop_free_later(loop, &s->garbage);
}

static int
socket_add(struct dns_line *line, int fd, uint32_t events)
{
	struct dns_socket *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return (-ENOMEM);
	s->fd = fd;
	s->line = line;
	s->lfd.cb = socket_cb;
	s->garbage.free = socket_free_cb;
	error = loop_add(channel_of(line)->loop, &s->lfd, fd, events);
	if (error != 0)
		free(s);
	else
		LIST_INSERT_HEAD(&line->sockets, s, link);
	return (error);
}

/* c-ares wants to know of these; neither: it closes the socket now. */
static void
socket_state_cb(void *data, ares_socket_t fd, int readable, int writable)
{
	struct dns_line *line = data;
	struct dns_channel *ch = channel_of(line);
	struct dns_socket *s;
	uint32_t events =
	    (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
	int error = 0;

	LIST_FOREACH (s, &line->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s != NULL && events == 0)
		socket_drop(s);
	else if (s != NULL)
		error = loop_mod(ch->loop, &s->lfd, events);
	else if (events != 0)
		error = socket_add(line, fd, events);
	if (error == 0)
		return;
	/* c-ares cannot be told, so the question ends by its time-out. */
	line->deaf = true;
	log_write_rate(ch->log, &ch->socket_rate, LOG_LEVEL_ERROR,
	    "resolver: a socket to a name server cannot be watched: %s",
	    strerrordesc_np(-error));
}

/*
 * Arms the timer for when c-ares wants to be called. Not done per question
 * and answer, since ares_timeout() of 1.18 looks at all questions.
 */
static void
line_arm(struct dns_line *line, int64_t within)
{
	struct loop *loop = channel_of(line)->loop;
	int64_t when = loop_now(loop) + within;

	if (!line->timer.armed || when < line->timer.when)
		timer_arm(loop_timers(loop), &line->timer, when);
}

static void
line_timer_cb(struct timer *timer)
{
	struct dns_line *line = container_of(timer, struct dns_line, timer);
	struct timeval tv = { 0 };
	int64_t within = CLOCK_MSEC; /* at least: it may be early by a hair */

	ares_process_fd(line->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (line->questions == 0 || ares_timeout(line->ares, NULL, &tv) == NULL)
		return;
	within += tv.tv_sec * CLOCK_SEC + tv.tv_usec * CLOCK_USEC;
	line_arm(line, within);
}

/* beginning and end */

static int
status_to_error(int status)
{
	if (status == ARES_SUCCESS)
		return (0);
	return (status == ARES_ENOMEM ? -ENOMEM : -EIO);
}

#ifdef ARES_OPT_QUERY_CACHE
/* Of 1.31 and later; it would answer beyond our bounds of a TTL. */
static int
disable_query_cache(struct ares_options *options)
{
	options->qcache_max_ttl = 0;
	return (ARES_OPT_QUERY_CACHE);
}
#else
static int
disable_query_cache(struct ares_options *options)
{
	return (0);
}
#endif

/*
 * Where c-ares before 1.19.1 may not open this it takes its query ids from an
 * unseeded rand(3), and says nothing (CVE-2023-31147).
 */
static int
check_random(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return (-errno);
	fd_close(&fd);
	return (0);
}

/*
 * All of it is set, so that 1.18 reads no file and heeds no variable of the
 * environment. Of an answer that is truncated, or says that the server failed,
 * more is to be known than c-ares would tell.
 */
static int
line_init(struct dns_line *line)
{
	char lookups[] = "b", nothing[] = "/dev/null";
	struct in_addr server = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 ARES_FLAG_IGNTC | ARES_FLAG_NOCHECKRESP |
			 (line->edns ? ARES_FLAG_EDNS : 0),
		.timeout = (int)(line->timeout / CLOCK_MSEC),
		.tries = 1,
		.ndots = 1,
		.servers = &server,
		.nservers = 1,
		.ndomains = 0,
		.lookups = lookups,
		.sock_state_cb = socket_state_cb,
		.sock_state_cb_data = line,
		.nsort = 0,
		.ednspsz = DNS_UDP_MAX,
		.resolvconf_path = nothing, /* copied */
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
		   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
		   ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF |
		   ARES_OPT_NOROTATE;
	int error = check_random();

	if (error != 0)
		return (error);
	mask |= disable_query_cache(&options);
	return (
	    status_to_error(ares_init_options(&line->ares, &options, mask)));
}

int
dns_line_new(struct dns_line **out, struct dns_server *server, bool again)
{
	struct dns_line *line = calloc(1, sizeof(*line));
	int error;

	if (line == NULL)
		return (-ENOMEM);
	line->server = server;
	line->timeout = server->set->channel->conf->timeout;
	if (again)
		line->timeout *= 2;
	line->edns = !server->plain;
	line->refused = -1;
	line->refused_task.cb = dns_socket_refused_task;
	timer_init(&line->timer, line_timer_cb);
	LIST_INIT(&line->sockets);
	error = line_init(line);
	if (error != 0) {
		free(line);
		return (error);
	}
	ares_set_socket_functions(line->ares, &dns_socket_functions, line);
	*out = line;
	return (0);
}

void
dns_line_free(struct dns_line *line)
{
	struct dns_socket *s;

	if (line == NULL)
		return;
	timer_cancel(loop_timers(channel_of(line)->loop), &line->timer);
	loop_undefer(channel_of(line)->loop, &line->refused_task);
	ares_destroy(line->ares);
	while ((s = LIST_FIRST(&line->sockets)) != NULL)
		socket_drop(s);
	free(line);
}

/* questions */

/* What a status says that came without an answer. */
static const char *
explain(const struct dns_line *line, int status)
{
	switch (status) {
	case ARES_ECONNREFUSED: /* whatever kept it from being asked */
		if (line->error == ECONNREFUSED)
			return ("nobody listens there (Connection refused)");
		if (line->error != 0)
			return (strerrordesc_np(line->error));
		/* FALLTHROUGH */
	default:
		return (ares_strerror(status));
	}
}

static bool
is_end(int status)
{
	return (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED);
}

static void
question_cb(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	static const struct dns_result not_found = {
		.reason = REASON_DNS_NOT_FOUND,
	};
	struct dns_question *q = arg;
	struct dns_line *line = q->line;

	q->line = NULL;
	line->questions--;
	line->ended++;
	if (is_end(status)) {
		q->course->end(q, NULL);
		return;
	}
	if (bytes == NULL && status == ARES_ENOTFOUND) {
		/* RFC 7686: nobody is asked for what is below onion. */
		q->course->end(q, &not_found);
		return;
	}
	if (status == ARES_ETIMEOUT) {
		q->shortage = q->shortage || line->deaf;
		/* 1.34 lowers its time-outs where answers are quick. */
		if (q->course->timed_out(q) && !line->former && !line->deaf)
			dns_server_unheard(line->server, q->key.family);
		return;
	}
	q->no_memory = q->no_memory || status == ARES_ENOMEM;
	if (bytes == NULL && dns_error_shortage(line->error))
		q->shortage = true;
	if (bytes != NULL)
		dns_server_heard(line->server, q->key.family);
	else if (status == ARES_ECONNREFUSED && line->error == ECONNREFUSED &&
		 !line->former)
		dns_server_refused(line->server);
	if (bytes != NULL)
		q->course->answered(q, line->message, line->message_len,
		    line->edns ? DNS_BY_EDNS : DNS_BY_UDP);
	else
		q->course->failed(q, explain(line, status));
}

static void
probe_cb(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct dns_line *line = arg;

	line->questions--;
	line->ended++;
	line->server->probing = false;
	if (bytes != NULL)
		dns_server_heard(line->server, line->server->probed);
}

static void
ask(struct dns_line *line, const struct dns_key *key, ares_callback cb,
    void *arg)
{
	line->questions++;
	line->worn++;
	line_arm(line, line->timeout + CLOCK_MSEC);
	ares_query(line->ares, key->name, CLASS_IN,
	    (int)dns_message_type(key->family), cb, arg);
}

void
dns_line_ask(struct dns_line *line, struct dns_question *q)
{
	int64_t now = loop_now(channel_of(line)->loop);

	q->line = line;
	if (q->until <= now) /* else it is one more part of a try */
		q->until = now + line->timeout;
	ask(line, &q->key, question_cb, q);
}

void
dns_line_probe(struct dns_line *line, const struct dns_key *key)
{
	line->server->probing = true;
	line->server->probed = key->family;
	ask(line, key, probe_cb, line);
}

/* c-ares closes a socket by which nothing is asked. */
bool
dns_line_worn(const struct dns_line *line)
{
	int64_t now = loop_now(channel_of(line)->loop);

	return (line->questions != 0 &&
		(line->worn >= WORN_QUESTIONS || line->strays >= WORN_STRAYS ||
		    now >= line->since + WORN_TIME));
}
