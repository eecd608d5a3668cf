/*
 * An established session under whatever a client does with it: data, key
 * updates, bytes that are no records, reading or not; and whatever the relay
 * asks of it meanwhile. Each call ends, no block is left, and no byte of the
 * client's is lost, changed or invented. The first byte chooses the version
 * and how much the sockets hold; each two that follow are a deed and how much
 * of it.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/shm/ticket_keys.h"
#include "t/unit/server_ctx.h"
#include "worker/loop/buffer.h"
#include "worker/tls/handshake.h"
#include "worker/tls/stream.h"

#define CHUNK 4096
#define UNIT  173 /* bytes, of what a deed's number counts */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buffers buffers;
static struct tls_context *context;
static SSL_CTX *client_ctx;

struct session {
	SSL *client;
	struct tls_stream *tls;
	int fds[2];
	uint64_t sent, offered;	 /* by the client */
	uint64_t received;	 /* by us */
	uint64_t sealed, opened; /* by us, by the client */
	bool over;		 /* tls_receive() said so */
	bool finished;		 /* by us */
	bool raw;		 /* bytes that are no records were sent */
};

static enum tls_alert
hello_cb(void *arg, const uint8_t *name, size_t len, enum reason *reason)
{
	return (TLS_ALERT_NONE);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct tls_bounds bounds = { 16384, 16384 };
	static const struct ticket_key key = { .secret = { 1 } };
	const struct ticket_keys *reader;
	struct ticket_keys *writer;
	SSL_CTX *ctx = server_ctx();

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	buffers_init(&buffers, CHUNK, tls_slack(CHUNK));
	assert(
	    tls_context_new(&context, ctx, &bounds, &buffers, hello_cb) == 0);
	assert(ticket_keys_new(&writer, &reader, NULL) == 0);
	ticket_keys_write(writer, &key, 1);
	tls_context_tickets(context, reader, 1);
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(client_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return (0);
}

/* The byte at that place of a stream. */
static uint8_t
content(uint64_t at)
{
	return ((uint8_t)(at * 7 + at / 251));
}

static void
fill(uint8_t *buf, uint64_t at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = content(at + i);
}

static void
check(const uint8_t *buf, uint64_t at, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		assert(buf[i] == content(at + i));
}

static bool
open_session(struct session *s, bool old, int room)
{
	struct tls_handshake *handshake;
	enum io_outcome ret = IO_TURN;
	int done = 0, i;

	assert(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s->fds) == 0);
	s->client = SSL_new(client_ctx);
	if (old)
		SSL_set_max_proto_version(s->client, TLS1_2_VERSION);
	SSL_set_fd(s->client, s->fds[1]);
	assert(tls_handshake_new(&handshake, context, s->fds[0], NULL) == 0);
	for (i = 0; i < 10 && (done != 1 || ret != IO_DONE); i++) {
		if (done != 1)
			done = SSL_connect(s->client);
		if (ret != IO_DONE)
			ret = tls_handshake_run(handshake, false).outcome;
	}
	assert(done != 1 || ret == IO_DONE);
	s->tls = tls_handshake_take(handshake);
	setsockopt(s->fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(s->fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	return (done == 1 && ret == IO_DONE);
}

static void
client_write(struct session *s, size_t n)
{
	uint8_t buf[256 * UNIT];
	size_t done;

	fill(buf, s->sent, n);
	/* A record that does not go at once may go with the next. */
	if (s->offered < s->sent + n)
		s->offered = s->sent + n;
	if (n > 0 && SSL_write_ex(s->client, buf, n, &done) == 1)
		s->sent += done;
}

static void
client_read(struct session *s)
{
	uint8_t buf[16384];
	size_t n;

	while (SSL_read_ex(s->client, buf, sizeof(buf), &n) == 1) {
		check(buf, s->opened, n);
		s->opened += n;
		assert(s->opened <= s->sealed);
	}
}

static void
receive(struct session *s)
{
	static uint8_t buf[CHUNK + 64 * 1024];
	struct io io = tls_receive(s->tls, buf, buffers.size, s->over);

	assert(io.cost >= io.n && io.cost <= 1024 * 1024);
	if (io.n > 0) {
		assert(io.outcome == IO_DONE || io.outcome == IO_WAIT_READ);
		assert(!s->over && io.n <= buffers.size);
		check(buf, s->received, io.n);
		s->received += (uint64_t)io.n;
		assert(s->received <= s->offered);
		return;
	}
	assert(io.outcome != IO_DONE && io.outcome != IO_WAIT_WRITE);
	if (io.outcome == IO_END || io.outcome == IO_BROKEN)
		s->over = true;
	if (io.outcome != IO_BROKEN)
		return;
	assert(io.error == -EPROTO || io.error == -EOVERFLOW ||
	       io.error == -EDQUOT);
	assert(s->raw || io.error != -EPROTO);
}

static void
send_some(struct session *s, size_t n)
{
	uint8_t buf[CHUNK];
	struct io io;

	n = n < 1 ? 1 : n > CHUNK ? CHUNK : n;
	fill(buf, s->sealed, n);
	io = tls_send(s->tls, buf, n);
	assert(io.n == 0 || io.n == n);
	s->sealed += (uint64_t)io.n;
}

static void
act(struct session *s, uint8_t deed, uint8_t much)
{
	uint8_t junk[256];

	switch (deed % 9) {
	case 0:
		client_write(s, (size_t)much * UNIT);
		break;
	case 1:
		(void)SSL_key_update(s->client, SSL_KEY_UPDATE_REQUESTED);
		client_write(s, much);
		break;
	case 2:
		(void)SSL_key_update(s->client, SSL_KEY_UPDATE_NOT_REQUESTED);
		client_write(s, much);
		break;
	case 3:
		if (much % 16 != 0)
			break;
		memset(junk, 20 + much / 16 % 5, sizeof(junk));
		s->raw = true;
		(void)send(s->fds[1], junk, much, MSG_NOSIGNAL);
		break;
	case 4:
		client_read(s);
		break;
	case 5:
		if (much % 8 == 0)
			(void)SSL_shutdown(s->client);
		break;
	case 6:
		receive(s);
		break;
	case 7:
		if (!s->over && !s->finished)
			send_some(s, (size_t)much * 16);
		break;
	default:
		if (much % 8 == 0 && !s->over) {
			(void)tls_finish(s->tls);
			s->finished = true;
		} else {
			(void)tls_flush(s->tls);
		}
	}
	assert(buffers.nlent <= 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session s = { 0 };
	size_t i;

	if (size < 3)
		return (0);
	if (open_session(&s, data[0] % 2, 2048 << data[0] / 2 % 6))
		for (i = 1; i + 1 < size; i += 2)
			act(&s, data[i], data[i + 1]);
	tls_part(s.tls);
	tls_stream_free(s.tls);
	SSL_free(s.client);
	assert(buffers.nlent == 0);
	close(s.fds[0]);
	close(s.fds[1]);
	return (0);
}
