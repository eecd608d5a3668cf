#include "worker/dns_channel_servers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/fd.h"

/* A socket of c-ares. */
struct dns_socket {
	struct loop_fd lfd;
	int fd;
	struct dns_servers *servers;
	LIST_ENTRY(dns_socket) link;
	struct loop_garbage garbage;
};

/* sockets and time */

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct dns_socket *s = container_of(lfd, struct dns_socket, lfd);
	bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
	bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

	ares_process_fd(s->servers->ares, in ? s->fd : ARES_SOCKET_BAD,
	    out ? s->fd : ARES_SOCKET_BAD);
}

static void
socket_free_cb(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct dns_socket, garbage));
}

static void
socket_drop(struct dns_socket *s)
{
	struct loop *loop = s->servers->channel->loop;

	loop_del(loop, &s->lfd);
	LIST_REMOVE(s, link);
	loop_free_later(loop, &s->garbage);
}

static int
socket_add(struct dns_servers *sv, int fd, uint32_t events)
{
	struct dns_socket *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return (-ENOMEM);
	s->fd = fd;
	s->servers = sv;
	s->lfd.cb = socket_cb;
	s->garbage.free = socket_free_cb;
	error = loop_add(sv->channel->loop, &s->lfd, fd, events);
	if (error != 0)
		free(s);
	else
		LIST_INSERT_HEAD(&sv->sockets, s, link);
	return (error);
}

/* c-ares wants to know of these; neither: it closes the socket now. */
static void
socket_state_cb(void *data, ares_socket_t fd, int readable, int writable)
{
	struct dns_servers *sv = data;
	struct dns_channel *ch = sv->channel;
	struct dns_socket *s;
	uint32_t events =
	    (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
	int error = 0;

	LIST_FOREACH (s, &sv->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s != NULL && events == 0)
		socket_drop(s);
	else if (s != NULL)
		error = loop_mod(ch->loop, &s->lfd, events);
	else if (events != 0)
		error = socket_add(sv, fd, events);
	/* c-ares cannot be told, so the question ends by its time-out. */
	if (error != 0)
		log_write_rate(ch->log, &ch->socket_rate, LOG_LEVEL_ERROR,
		    "resolver: socket towards a name server not watched: %s",
		    strerror(-error));
}

/*
 * Arms the timer for when c-ares wants to be called. Not done per question
 * and answer, since ares_timeout() of 1.18 looks at all questions.
 */
static void
servers_arm(struct dns_servers *sv, int64_t within)
{
	struct loop *loop = sv->channel->loop;
	int64_t when = loop_now(loop) + within;

	if (!sv->timer.armed || when < sv->timer.when)
		timer_arm(loop_timers(loop), &sv->timer, when);
}

static void
servers_timer_cb(struct timer *timer)
{
	struct dns_servers *sv = container_of(timer, struct dns_servers, timer);
	struct timeval tv = { 0 };
	int64_t within = CLOCK_MSEC; /* at least: it may be early by a hair */

	ares_process_fd(sv->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (sv->questions == 0 || ares_timeout(sv->ares, NULL, &tv) == NULL)
		return;
	within += tv.tv_sec * CLOCK_SEC + tv.tv_usec * CLOCK_USEC;
	servers_arm(sv, within);
}

/* name servers */

static int
status_to_error(int status)
{
	if (status == ARES_SUCCESS)
		return (0);
	return (status == ARES_ENOMEM ? -ENOMEM : -EIO);
}

/* The configured servers instead of those of resolv.conf. */
static int
servers_configure(struct dns_servers *sv, const struct conf_dns *conf)
{
	size_t i, len = 0;
	char *csv;
	int status;

	if (conf->nservers == 0)
		return (0);
	csv = malloc(conf->nservers * (ADDR_TEXT_SIZE + 1));
	if (csv == NULL)
		return (-ENOMEM);
	for (i = 0; i < conf->nservers; i++) {
		if (i != 0)
			csv[len++] = ',';
		len += addr_format(&conf->servers[i], csv + len);
	}
	status = ares_set_servers_ports_csv(sv->ares, csv);
	free(csv);
	return (status_to_error(status));
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

static int
servers_init(struct dns_servers *sv, const struct dns_channel *ch)
{
	char lookups[] = "b"; /* DNS alone, hosts are our own */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = (int)(ch->conf->timeout / CLOCK_MSEC),
		.tries = (int)ch->conf->tries,
		.ndomains = 0, /* 1.18 heeds NOSEARCH only in ares_search() */
		.lookups = lookups,
		.sock_state_cb = socket_state_cb,
		.sock_state_cb_data = sv,
		.udp_port = ch->resolv_conf->port,
		.tcp_port = ch->resolv_conf->port,
		.resolvconf_path = (char *)ch->resolv_conf->path, /* copied */
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_UDP_PORT |
		   ARES_OPT_TCP_PORT | ARES_OPT_RESOLVCONF;
	int error = check_random();

	if (error != 0)
		return (error);
	mask |= disable_query_cache(&options);
	return (status_to_error(ares_init_options(&sv->ares, &options, mask)));
}

void
dns_servers_free(struct dns_servers *sv)
{
	struct dns_socket *s;

	timer_cancel(loop_timers(sv->channel->loop), &sv->timer);
	ares_destroy(sv->ares);
	while ((s = LIST_FIRST(&sv->sockets)) != NULL)
		socket_drop(s);
	LIST_REMOVE(sv, link);
	free(sv);
}

int
dns_servers_new(struct dns_channel *ch)
{
	struct dns_servers *sv = calloc(1, sizeof(*sv));
	int error;

	if (sv == NULL)
		return (-ENOMEM);
	sv->channel = ch;
	timer_init(&sv->timer, servers_timer_cb);
	LIST_INIT(&sv->sockets);
	error = servers_init(sv, ch);
	if (error != 0) {
		free(sv);
		return (error);
	}
	LIST_INSERT_HEAD(&ch->list, sv, link);
	error = servers_configure(sv, ch->conf);
	if (error != 0) {
		dns_servers_free(sv);
		return (error);
	}
	ares_set_socket_functions(sv->ares, &dns_socket_functions, NULL);
	return (0);
}

/* questions */

static void
answer_cb(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct dns_question *q = arg;
	struct dns_servers *sv = q->servers;
	struct addr addrs[DNS_CHANNEL_ADDRS_MAX];
	struct dns_result result;

	sv->questions--;
	sv->channel->questions--;
	q->servers = NULL;
	result = dns_channel_answer(status, ai, q->key.family, addrs);
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	q->cb(q, status == ARES_EDESTRUCTION ? NULL : &result);
}

void
dns_servers_ask(struct dns_servers *sv, struct dns_question *q)
{
	const struct ares_addrinfo_hints hints = {
		/* NOSORT: RFC 6724's order costs a socket per address */
		.ai_flags = ARES_AI_NOSORT | ARES_AI_NUMERICSERV,
		.ai_family = q->key.family,
		.ai_socktype = SOCK_STREAM,
	};

	q->servers = sv;
	sv->questions++;
	sv->channel->questions++;
	ares_getaddrinfo(sv->ares, q->key.name, NULL, &hints, answer_cb, q);
	servers_arm(sv, sv->channel->conf->timeout + CLOCK_MSEC);
}
