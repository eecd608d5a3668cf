/*
 * A question by TCP, on a connection of its own: whatever a server does to it,
 * no other question is touched. Of the answer no more is read than its
 * beginning, which holds more addresses than are wanted.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "worker/dns/channel_state.h"

#define PREFIX_SIZE 2 /* RFC 1035 section 4.2.2: the length */

struct dns_stream {
	struct loop_fd lfd;
	struct timer timer;
	struct loop_garbage garbage;
	struct dns_question *question;
	struct dns_server *server;
	TAILQ_ENTRY(dns_stream) link;
	int64_t since;
	uint16_t id;
	bool sent;
	size_t out_len, got;
	uint8_t out[PREFIX_SIZE + DNS_MESSAGE_QUESTION_SIZE];
	uint8_t in[PREFIX_SIZE + DNS_TCP_MAX];
};

static void
garbage_free(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct dns_stream, garbage));
}

void
dns_stream_free(struct dns_stream *s)
{
	struct dns_channel *ch = s->server->set->channel;
	int fd = s->lfd.fd;

	loop_del(ch->loop, &s->lfd);
	fd_close(&fd);
	timer_cancel(loop_timers(ch->loop), &s->timer);
	TAILQ_REMOVE(&ch->streams, s, link);
	ch->nstreams--;
	dns_clients_unhold(s->question);
	s->question->stream = NULL;
	if (ch->in_line != 0)
		loop_defer(ch->loop, &ch->places_task);
	s->garbage.free = garbage_free;
	loop_free_later(ch->loop, &s->garbage);
}

void
dns_stream_abort_all(struct dns_channel *ch)
{
	struct dns_stream *s;
	struct dns_question *q;

	while ((s = TAILQ_FIRST(&ch->streams)) != NULL) {
		q = s->question;
		dns_stream_free(s);
		q->course->end(q, NULL);
	}
}

static void
stream_failed(struct dns_stream *s, const char *said)
{
	struct dns_question *q = s->question;

	dns_stream_free(s);
	q->course->failed(q, q->tries, said);
}

static void
stream_error(struct dns_stream *s, int error)
{
	if (dns_error_shortage(error))
		s->question->shortage = true;
	stream_failed(s, strerrordesc_np(error));
}

bool
dns_stream_place(const struct dns_channel *ch)
{
	return (ch->nstreams < BOOT_FILES_DNS_TCP);
}

struct dns_question *
dns_stream_oldest(const struct dns_channel *ch, size_t places, int64_t *since)
{
	const struct dns_stream *s;

	TAILQ_FOREACH (s, &ch->streams, link) {
		if (s->question->who->places < places)
			continue;
		*since = s->since;
		return (s->question);
	}
	return (NULL);
}

struct dns_question *
dns_stream_newest(const struct dns_channel *ch, size_t places)
{
	const struct dns_stream *s, *found = NULL;
	size_t most = places > 0 ? places - 1 : 0;

	TAILQ_FOREACH_REVERSE(s, &ch->streams, dns_stream_list, link)
	{
		if (s->question->who->places <= most)
			continue;
		most = s->question->who->places;
		found = s;
	}
	return (found == NULL ? NULL : found->question);
}

static void
timer_cb(struct timer *timer)
{
	stream_failed(
	    container_of(timer, struct dns_stream, timer), "no answer by TCP");
}

/* A question fits any socket's buffer. 0; -EAGAIN: it is not connected yet;
 * -errno. */
static int
stream_send(struct dns_stream *s)
{
	ssize_t n = send(s->lfd.fd, s->out, s->out_len, MSG_NOSIGNAL);

	if (n == -1)
		return (-errno);
	if ((size_t)n != s->out_len)
		return (-EMSGSIZE);
	s->sent = true;
	return (loop_mod(s->server->set->channel->loop, &s->lfd, EPOLLIN));
}

/* How many bytes of the answer are wanted, with the length before it. */
static size_t
wanted(const struct dns_stream *s)
{
	size_t len;

	if (s->got < PREFIX_SIZE)
		return (PREFIX_SIZE);
	len = (size_t)s->in[0] << 8 | s->in[1];
	return (PREFIX_SIZE + (len < DNS_TCP_MAX ? len : DNS_TCP_MAX));
}

/* All that is wanted is there. */
static void
stream_done(struct dns_stream *s)
{
	struct dns_question *q = s->question;
	const uint8_t *message = s->in + PREFIX_SIZE;
	size_t len = s->got - PREFIX_SIZE;
	bool ours = len >= 2 && message[0] == s->id >> 8 &&
		    message[1] == (s->id & 0xff);

	if (!ours) {
		stream_failed(s, "malformed answer");
		return;
	}
	dns_stream_free(s); /* its memory stays until the end of the turn */
	q->course->answered(q, q->tries, message, len, DNS_BY_TCP);
}

static void
stream_receive(struct dns_stream *s)
{
	size_t want;
	ssize_t n;

	while ((want = wanted(s)) > s->got) {
		n = recv(s->lfd.fd, s->in + s->got, want - s->got, 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n == -1) {
			stream_error(s, errno);
			return;
		}
		if (n == 0) {
			stream_failed(
			    s, "ended the TCP connection without an answer");
			return;
		}
		s->got += (size_t)n;
	}
	stream_done(s);
}

static void
stream_cb(struct loop_fd *lfd, uint32_t events)
{
	struct dns_stream *s = container_of(lfd, struct dns_stream, lfd);
	int error;

	if (!s->sent) {
		error = stream_send(s);
		if (error == -EAGAIN || error == -EINTR)
			return;
		if (error != 0) {
			stream_error(s, -error);
			return;
		}
	}
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
		stream_receive(s);
}

static int
stream_connect(struct dns_stream *s)
{
	struct dns_channel *ch = s->server->set->channel;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, error = nameserver_to_sockaddr(&s->server->where, &ss, &len);

	if (error != 0)
		return (error);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (fd == -1)
		return (-errno);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		error = -errno;
	if (error == 0)
		error = loop_add(ch->loop, &s->lfd, fd, EPOLLIN | EPOLLOUT);
	if (error != 0)
		fd_close(&fd);
	return (error);
}

static int
stream_write_question(struct dns_stream *s)
{
	size_t len;

	if (getrandom(&s->id, sizeof(s->id), GRND_NONBLOCK) != sizeof(s->id))
		return (-EAGAIN);
	len = dns_message_ask(s->out + PREFIX_SIZE, &s->question->key, s->id);
	if (len == 0)
		return (-EINVAL);
	s->out[0] = (uint8_t)(len >> 8);
	s->out[1] = (uint8_t)len;
	s->out_len = PREFIX_SIZE + len;
	return (0);
}

int
dns_stream_ask(struct dns_question *q, struct dns_server *server)
{
	struct dns_channel *ch = server->set->channel;
	struct dns_stream *s;
	int error;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (-ENOMEM);
	s->question = q;
	s->server = server;
	s->lfd = (struct loop_fd){ .fd = -1, .cb = stream_cb };
	error = stream_write_question(s);
	if (error == 0)
		error = stream_connect(s);
	if (error != 0) {
		free(s);
		return (error);
	}
	TAILQ_INSERT_TAIL(&ch->streams, s, link);
	ch->nstreams++;
	q->stream = s;
	dns_server_asked(server);
	dns_clients_hold(q);
	s->since = loop_now(ch->loop);
	timer_init(&s->timer, timer_cb);
	timer_arm(loop_timers(ch->loop), &s->timer,
	    loop_now(ch->loop) + 2 * ch->conf->timeout);
	return (0);
}
