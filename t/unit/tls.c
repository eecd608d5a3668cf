/*
 * A session with a client in the same process, and a TLS library that can be
 * made to answer as it never should: what stands here in the place of its
 * functions counts the calls, and passes them on or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/shm/ticket_keys.h"
#include "t/unit/server_ctx.h"
#include "t/unit/tap.h"
#include "worker/loop/buffer.h"
#include "worker/tls/handshake.h"
#include "worker/tls/stream.h"

#define CHUNK 65536

/* What the linker (--wrap) calls by these names. */
int __real_SSL_read_ex(SSL *, void *, size_t, size_t *);
int __wrap_SSL_read_ex(SSL *, void *, size_t, size_t *);
int __real_SSL_get_error(const SSL *, int);
int __wrap_SSL_get_error(const SSL *, int);
int __real_SSL_shutdown(SSL *);
int __wrap_SSL_shutdown(SSL *);
int __real_SSL_accept(SSL *);
int __wrap_SSL_accept(SSL *);

static unsigned reads, shutdowns;
static int lie; /* what SSL_get_error() says of each SSL_read_ex(), if not 0 */
static size_t
    answer; /* bytes of each one's answer, whether it goes out or not */

static SSL *server;

/* A request to renegotiate and a byte of data behind it: no record is
 * needed. */
static int
answer_then_read(SSL *ssl, uint8_t *buf, size_t *n)
{
	static const uint8_t sealed[64];

	BIO_write(SSL_get_wbio(ssl), sealed, (int)answer);
	*buf = 'x';
	*n = 1;
	return (1);
}

int
__wrap_SSL_read_ex(SSL *ssl, void *buf, size_t size, size_t *n)
{
	if (ssl != server)
		return (__real_SSL_read_ex(ssl, buf, size, n));
	reads++;
	if (answer > 0)
		return (answer_then_read(ssl, buf, n));
	return (lie != 0 ? 0 : __real_SSL_read_ex(ssl, buf, size, n));
}

int
__wrap_SSL_get_error(const SSL *ssl, int ret)
{
	return (
	    ssl == server && lie != 0 ? lie : __real_SSL_get_error(ssl, ret));
}

int
__wrap_SSL_shutdown(SSL *ssl)
{
	shutdowns += ssl == server;
	return (__real_SSL_shutdown(ssl));
}

int
__wrap_SSL_accept(SSL *ssl)
{
	server = ssl;
	return (__real_SSL_accept(ssl));
}

static enum tls_alert
hello_cb(void *arg, const uint8_t *name, size_t len, enum reason *reason)
{
	return (TLS_ALERT_NONE);
}

struct pair {
	SSL_CTX *ctx;
	SSL *client;
	struct tls_stream *tls;
	size_t padding; /* records are padded to so many bytes, if not 0 */
	int fds[2];
};

/* AWS-LC does not pad. */
#ifdef OPENSSL_IS_AWSLC
#define PADS 0

static void
set_padding(SSL *ssl, size_t padding)
{
}
#else
#define PADS 1

static void
set_padding(SSL *ssl, size_t padding)
{
	SSL_set_block_padding(ssl, padding);
}
#endif

static void
begin_pair(struct pair *p, struct tls_context *context,
    struct tls_handshake **handshake)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds) != 0)
		abort();
	p->ctx = SSL_CTX_new(TLS_client_method());
	p->client = SSL_new(p->ctx);
	SSL_set_fd(p->client, p->fds[1]);
	/* OpenSSL 3.5 heeds it only here. */
	set_padding(p->client, p->padding);
	SSL_set_tlsext_host_name(p->client, "a.test:1");
	if (tls_handshake_new(handshake, context, p->fds[0], NULL) != 0)
		abort();
}

static void
open_pair(struct pair *p, struct tls_context *context)
{
	struct tls_handshake *handshake;
	enum io_outcome ret = IO_TURN;
	int done = 0, i;

	begin_pair(p, context, &handshake);
	for (i = 0; i < 10 && (done != 1 || ret != IO_DONE); i++) {
		if (done != 1)
			done = SSL_connect(p->client);
		if (ret != IO_DONE)
			ret = tls_handshake_run(handshake, false).outcome;
	}
	p->tls = tls_handshake_take(handshake);
	ok(done == 1 && ret == IO_DONE, "a session");
	reads = shutdowns = 0;
}

static void
close_pair(struct pair *p)
{
	lie = 0;
	tls_stream_free(p->tls);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
	close(p->fds[0]);
	close(p->fds[1]);
}

/* Fills the way to the client, so that nothing more goes out. */
static void
stuff(struct pair *p)
{
	static uint8_t data[CHUNK];
	int i;

	for (i = 0; i < 1000; i++)
		if (tls_send(p->tls, data, sizeof(data)).outcome != IO_DONE)
			break;
}

/* Reads all that is there; the bytes of data. */
static size_t
drain(struct pair *p)
{
	static uint8_t data[CHUNK];
	size_t n, sum = 0;

	while (SSL_read_ex(p->client, data, sizeof(data), &n) == 1)
		sum += n;
	return (sum);
}

/* What a session was set up with is not kept once it is there, where the
 * library can let go of it. */
static void
test_shed(struct tls_context *context, const struct buffers *buffers)
{
	static uint8_t data[2 * CHUNK];
	struct pair p = { 0 };

	open_pair(&p, context);
#ifdef OPENSSL_IS_AWSLC
	/* It answers so without a configuration (5.12). */
	is_int(SSL_set_ocsp_response(server, NULL, 0), 0,
	    "the handshake's configuration is gone");
#endif
	SSL_write(p.client, "x", 1);
	is_int(tls_receive(p.tls, data, buffers->size, false).n, 1,
	    "and data comes through");
	close_pair(&p);
}

static void
test_finish(struct tls_context *context)
{
	struct io io = { .outcome = IO_WAIT_WRITE };
	struct pair p = { 0 };
	int i;

	open_pair(&p, context);
	stuff(&p);
	is_int(tls_finish(p.tls).outcome, IO_WAIT_WRITE,
	    "nothing can be sent: to be flushed");
	is_int(tls_finish(p.tls).outcome, IO_WAIT_WRITE, "again");
	is_int(shutdowns, 0, "close_notify waits for what is before it");
	for (i = 0; i < 1000 && io.outcome == IO_WAIT_WRITE; i++) {
		drain(&p);
		io = tls_finish(p.tls);
	}
	is_int(io.outcome, IO_DONE, "it is sent when there is room");
	is_int(tls_finish(p.tls).outcome, IO_DONE, "once more");
	is_int(shutdowns, 1, "SSL_shutdown was called once");
	is_int(reads, 0, "and nothing was read");
	ok(io.n > 0, "it took some bytes");
	drain(&p);
	is_int(SSL_get_shutdown(p.client), SSL_RECEIVED_SHUTDOWN,
	    "the client sees it");
	close_pair(&p);
}

static void
test_stuck(struct tls_context *context, struct buffers *buffers, int error)
{
	static uint8_t data[2 * CHUNK];
	struct pair p = { 0 };
	struct io io;

	open_pair(&p, context);
	SSL_write(p.client, "hello", 5);
	lie = error;
	io = tls_receive(p.tls, data, buffers->size, false);
	is_int(io.outcome, IO_BROKEN,
	    "a library that wants to wait, and takes nothing: broken");
	is_int(io.error, -EPROTO, "for a fault of TLS");
	ok(reads <= 10000, "after %u calls", reads);
	lie = 0;
	is_int(tls_receive(p.tls, data, buffers->size, false).outcome,
	    IO_BROKEN, "and remains so");
	close_pair(&p);
}

static void
test_answers(struct tls_context *context, struct buffers *buffers)
{
	static uint8_t data[2 * CHUNK];
	struct pair p = { 0 };

	open_pair(&p, context);
	stuff(&p);
	answer = 32;
	is_int(tls_receive(p.tls, data, buffers->size, false).n, 4096 / 32,
	    "as much data as there is room for answers");
	is_int(tls_receive(p.tls, data, buffers->size, false).error, -EDQUOT,
	    "then too many, though the library has data that is behind");
	answer = 0;
	SSL_write(p.client, "hello", 5);
	is_int(tls_receive(p.tls, data, buffers->size, false).error, -EDQUOT,
	    "and remains so");
	close_pair(&p);
}

static void
test_ticket(struct tls_context *context, struct buffers *buffers)
{
	uint8_t byte;
	struct pair p = { 0 };

	open_pair(&p, context);
	is_int(recv(p.fds[1], &byte, 1, MSG_PEEK), -1,
	    "nothing is sent behind the handshake");
	is_int(buffers->nlent, 0, "nor is a block held for it");
	is_int(tls_send(p.tls, (const uint8_t *)"x", 1).n, 1, "a first byte");
	is_int(drain(&p), 1, "comes");
	close_pair(&p);
	open_pair(&p, context);
	tls_part(p.tls);
	is_int(recv(p.fds[1], &byte, 1, MSG_PEEK), 1,
	    "the ticket is sent to whom nothing else will be");
	tls_part(p.tls);
	close_pair(&p);
}

/* A client that sends its Finished and data in one flight: what came along is
 * kept, no more is taken, and nothing is lost. */
static void
test_flight(struct tls_context *context, struct buffers *buffers, size_t len)
{
	static uint8_t sent[4 * CHUNK], data[2 * CHUNK], got[4 * CHUNK];
	struct tls_handshake *handshake;
	size_t done = 0, i;
	struct pair p = { 0 };
	struct io io;
	int left;

	for (i = 0; i < len; i++)
		sent[i] = (uint8_t)(i * 7 >> 3);
	begin_pair(&p, context, &handshake);
	SSL_connect(p.client);
	is_int(tls_handshake_run(handshake, false).outcome, IO_WAIT_READ,
	    "the server has answered");
	is_int(SSL_connect(p.client), 1, "the client's handshake is done");
	is_int(SSL_write(p.client, sent, (int)len), (int64_t)len,
	    "and it sends at once");
	is_int(tls_handshake_run(handshake, false).outcome, IO_DONE,
	    "so is the server's");
	if (ioctl(p.fds[0], FIONREAD, &left) != 0)
		abort();
	ok(len < 1024 ? left == 0 : left > (int)len - 16384,
	    "a piece was taken, and the rest is where it was: %d", left);
	is_int(buffers->nlent, 0, "no block is held for it");
	p.tls = tls_handshake_take(handshake);
	for (i = 0; i < 100 && done < len; i++) {
		io = tls_receive(p.tls, data, buffers->size, false);
		memcpy(got + done, data, io.n);
		done += io.n;
		if (io.n == 0 && io.outcome != IO_TURN)
			break;
	}
	is_int((int64_t)done, (int64_t)len, "all of it comes");
	ok(memcmp(sent, got, len) == 0, "as it was");
	is_int(tls_receive(p.tls, data, buffers->size, false).outcome,
	    IO_WAIT_READ, "and nothing else");
	close_pair(&p);
}

static void
test_cost(struct tls_context *context, struct buffers *buffers)
{
	static uint8_t data[2 * CHUNK];
	struct pair p = { .padding = 8192 };
	struct io io;
	int i;

	open_pair(&p, context);
	for (i = 0; i < 4; i++)
		SSL_write(p.client, "x", 1);
	io = tls_receive(p.tls, data, buffers->size, false);
	is_int(io.n, 4,
	    "four bytes in records of their own, padded if they can be");
	ok(io.cost >= (PADS ? 4 * 8192 : 4 * 1024),
	    "cost what there was to open");
	is_int(io.outcome, IO_WAIT_READ, "and there are no more");
	SSL_write(p.client, "x", 1);
	io = tls_receive(p.tls, data, buffers->size, true);
	is_int(io.outcome, IO_DONE,
	    "where epoll has told of an end behind them, there may be");
	close_pair(&p);
}

int
main(void)
{
	static const size_t chunks[] = { 4096, 65536, 1 << 20, 16 << 20 };
	static const struct tls_bounds bounds = { 16384, 16384 };
	static const struct ticket_key key = { .secret = { 1 } };
	const struct ticket_keys *reader;
	struct ticket_keys *writer;
	struct tls_context *context;
	struct buffers buffers;
	SSL_CTX *ctx = server_ctx();
	size_t i;

	alarm(60);
	buffers_init(&buffers, CHUNK, tls_slack(CHUNK));
	if (tls_context_new(&context, ctx, &bounds, &buffers, hello_cb) != 0)
		abort();
	if (ticket_keys_new(&writer, &reader, NULL) != 0)
		abort();
	ticket_keys_write(writer, &key, 1);
	tls_context_tickets(context, reader, 1);
	test_shed(context, &buffers);
	test_finish(context);
	test_stuck(context, &buffers, SSL_ERROR_WANT_READ);
	test_stuck(context, &buffers, SSL_ERROR_WANT_WRITE);
	test_answers(context, &buffers);
	test_ticket(context, &buffers);
	test_flight(context, &buffers, 100);
	test_flight(context, &buffers, 2 * CHUNK);
	test_cost(context, &buffers);
	/* AES-CBC with SHA-384 in fragments of 512 bytes takes the most. */
	for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		ok(tls_slack(chunks[i]) >= chunks[i] / 512 * 85 + BUFFER_SLACK,
		    "slack of a chunk of %zu bytes", chunks[i]);
	is_int(buffers.nlent, 0, "no block is left");
	tls_context_free(context);
	ticket_keys_free(writer, reader);
	buffers_fini(&buffers);
	SSL_CTX_free(ctx);
	return (done_testing());
}
