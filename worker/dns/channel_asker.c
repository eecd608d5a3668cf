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
	struct dns_asker *asker;
	LIST_ENTRY(dns_socket) link;
	struct loop_garbage garbage;
};

static struct dns_channel *
channel_of(const struct dns_asker *asker)
{
	return (asker->server->set->channel);
}

/* sockets and time */

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct dns_socket *s = container_of(lfd, struct dns_socket, lfd);
	struct dns_asker *asker = s->asker;
	unsigned ended = asker->ended;
	bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
	bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

	asker->may_read = true;
	ares_process_fd(asker->ares, in ? s->fd : ARES_SOCKET_BAD,
	    out ? s->fd : ARES_SOCKET_BAD);
	if (asker->may_read || asker->ended != ended)
		return;
	asker->strays++;
	dns_server_stray(asker->server);
}

static void
socket_free_cb(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct dns_socket, garbage));
}

static void
socket_drop(struct dns_socket *s)
{
	struct loop *loop = channel_of(s->asker)->loop;

	loop_del(loop, &s->lfd);
	LIST_REMOVE(s, link);
	loop_free_later(loop, &s->garbage);
}

static int
socket_add(struct dns_asker *asker, int fd, uint32_t events)
{
	struct dns_socket *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return (-ENOMEM);
	s->fd = fd;
	s->asker = asker;
	s->lfd.cb = socket_cb;
	s->garbage.free = socket_free_cb;
	error = loop_add(channel_of(asker)->loop, &s->lfd, fd, events);
	if (error != 0)
		free(s);
	else
		LIST_INSERT_HEAD(&asker->sockets, s, link);
	return (error);
}

/* c-ares wants to know of these; neither: it closes the socket now. */
static void
socket_state_cb(void *data, ares_socket_t fd, int readable, int writable)
{
	struct dns_asker *asker = data;
	struct dns_channel *ch = channel_of(asker);
	struct dns_socket *s;
	uint32_t events =
	    (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
	int error = 0;

	LIST_FOREACH (s, &asker->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s != NULL && events == 0)
		socket_drop(s);
	else if (s != NULL)
		error = loop_mod(ch->loop, &s->lfd, events);
	else if (events != 0)
		error = socket_add(asker, fd, events);
	if (error == 0)
		return;
	/* c-ares cannot be told, so the question ends by its time-out. */
	asker->deaf = true;
	log_write_rate(ch->log, &ch->socket_rate, LOG_LEVEL_ERROR,
	    "resolver: a socket to a name server cannot be watched: %s",
	    strerrordesc_np(-error));
}

/*
 * Arms the timer for when c-ares wants to be called. Not done per question
 * and answer, since ares_timeout() of 1.18 looks at all questions.
 */
static void
asker_arm(struct dns_asker *asker, int64_t within)
{
	struct loop *loop = channel_of(asker)->loop;
	int64_t when = loop_now(loop) + within;

	if (!asker->timer.armed || when < asker->timer.when)
		timer_arm(loop_timers(loop), &asker->timer, when);
}

static void
asker_timer_cb(struct timer *timer)
{
	struct dns_asker *asker = container_of(timer, struct dns_asker, timer);
	struct timeval tv = { 0 };
	int64_t within = CLOCK_MSEC; /* at least: it may be early by a hair */

	ares_process_fd(asker->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (asker->questions == 0 ||
	    ares_timeout(asker->ares, NULL, &tv) == NULL)
		return;
	within += tv.tv_sec * CLOCK_SEC + tv.tv_usec * CLOCK_USEC;
	asker_arm(asker, within);
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
asker_init(struct dns_asker *asker)
{
	char lookups[] = "b", nothing[] = "/dev/null";
	struct in_addr server = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 ARES_FLAG_IGNTC | ARES_FLAG_NOCHECKRESP |
			 (asker->edns ? ARES_FLAG_EDNS : 0),
		.timeout = (int)(asker->timeout / CLOCK_MSEC),
		.tries = 1,
		.ndots = 1,
		.servers = &server,
		.nservers = 1,
		.ndomains = 0,
		.lookups = lookups,
		.sock_state_cb = socket_state_cb,
		.sock_state_cb_data = asker,
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
	    status_to_error(ares_init_options(&asker->ares, &options, mask)));
}

int
dns_asker_new(struct dns_asker **out, struct dns_server *server, bool again)
{
	struct dns_asker *asker = calloc(1, sizeof(*asker));
	int error;

	if (asker == NULL)
		return (-ENOMEM);
	asker->server = server;
	asker->timeout = server->set->channel->conf->timeout;
	if (again)
		asker->timeout *= 2;
	asker->edns = !server->plain;
	asker->refused = -1;
	asker->refused_task.cb = dns_socket_refused_task;
	timer_init(&asker->timer, asker_timer_cb);
	LIST_INIT(&asker->sockets);
	error = asker_init(asker);
	if (error != 0) {
		free(asker);
		return (error);
	}
	ares_set_socket_functions(asker->ares, &dns_socket_functions, asker);
	*out = asker;
	return (0);
}

void
dns_asker_free(struct dns_asker *asker)
{
	struct dns_socket *s;

	if (asker == NULL)
		return;
	timer_cancel(loop_timers(channel_of(asker)->loop), &asker->timer);
	loop_undefer(channel_of(asker)->loop, &asker->refused_task);
	ares_destroy(asker->ares);
	while ((s = LIST_FIRST(&asker->sockets)) != NULL)
		socket_drop(s);
	free(asker);
}

/* questions */

/* What a status says that came without an answer. */
static const char *
explain(const struct dns_asker *asker, int status)
{
	switch (status) {
	case ARES_ECONNREFUSED: /* whatever kept it from being asked */
		if (asker->error == ECONNREFUSED)
			return ("nobody listens there (Connection refused)");
		if (asker->error != 0)
			return (strerrordesc_np(asker->error));
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
	struct dns_asker *asker = q->asker;

	q->asker = NULL;
	asker->questions--;
	asker->ended++;
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
		q->shortage = q->shortage || asker->deaf;
		/* 1.34 lowers its time-outs where answers are quick. */
		if (q->course->timed_out(q) && !asker->former && !asker->deaf)
			dns_server_unheard(asker->server, q->key.family);
		return;
	}
	q->no_memory = q->no_memory || status == ARES_ENOMEM;
	if (bytes == NULL && dns_error_shortage(asker->error))
		q->shortage = true;
	if (bytes != NULL)
		dns_server_heard(asker->server, q->key.family);
	else if (status == ARES_ECONNREFUSED && asker->error == ECONNREFUSED &&
		 !asker->former)
		dns_server_refused(asker->server);
	if (bytes != NULL)
		q->course->answered(q, asker->message, asker->message_len,
		    asker->edns ? DNS_BY_EDNS : DNS_BY_UDP);
	else
		q->course->failed(q, explain(asker, status));
}

static void
probe_cb(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct dns_asker *asker = arg;

	asker->questions--;
	asker->ended++;
	asker->server->probing = false;
	if (bytes != NULL)
		dns_server_heard(asker->server, asker->server->probed);
}

static void
ask(struct dns_asker *asker, const struct dns_key *key, ares_callback cb,
    void *arg)
{
	asker->questions++;
	asker->worn++;
	asker_arm(asker, asker->timeout + CLOCK_MSEC);
	ares_query(asker->ares, key->name, CLASS_IN,
	    (int)dns_message_type(key->family), cb, arg);
}

void
dns_asker_ask(struct dns_asker *asker, struct dns_question *q)
{
	int64_t now = loop_now(channel_of(asker)->loop);

	q->asker = asker;
	if (q->until <= now) /* else it is one more part of a try */
		q->until = now + asker->timeout;
	ask(asker, &q->key, question_cb, q);
}

void
dns_asker_probe(struct dns_asker *asker, const struct dns_key *key)
{
	asker->server->probing = true;
	asker->server->probed = key->family;
	ask(asker, key, probe_cb, asker);
}

/* c-ares closes a socket by which nothing is asked. */
bool
dns_asker_worn(const struct dns_asker *asker)
{
	int64_t now = loop_now(channel_of(asker)->loop);

	return (asker->questions != 0 && (asker->worn >= WORN_QUESTIONS ||
					     asker->strays >= WORN_STRAYS ||
					     now >= asker->since + WORN_TIME));
}
