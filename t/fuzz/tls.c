/*
 * Whatever a client sends before a handshake is done, through OpenSSL and our
 * callbacks, over a socket. Three bytes choose the limit, the answer and where
 * the stream is cut in two; the rest is the stream.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/shm/ticket_keys.h"
#include "t/unit/keys.h"
#include "worker/tls/client_hello.h"
#include "worker/tls/handshake.h"
#include "worker/tls/intake.h"
#include "worker/tls/stream.h"

#define STREAM_MAX (70 * 1024)
#define RECORD	   22

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buffers buffers;
static const struct tls_bounds bounds[] = { { 256, 300 }, { 1024, 8 * 1024 },
	{ 16 * 1024, 1024 }, { 64 * 1024, 64 * 1024 } };
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static struct tls_context *contexts[BOUNDS];

/* What the first ClientHello of the stream says of its name, by our own way
 * through its bytes. */
struct found {
	bool hello, has_ext;
	enum reason reason;
	const uint8_t *name;
	size_t len;
	uint8_t message[STREAM_MAX];
};

/* One course of a stream. */
struct course {
	const struct found *found;
	struct tls_handshake *tls;
	bool deny;
	/* The verdict, which does not depend on how the stream was cut: */
	unsigned calls;
	enum reason told, failure;
	enum tls_alert alert;
	int result; /* 0; -EAGAIN; -EPIPE: cut; other -errno */
};

static enum tls_alert
hello_cb(void *arg, const uint8_t *name, size_t len, enum reason *told)
{
	enum reason reason = *told;
	struct course *c = arg;
	const struct found *f = c->found;

	c->calls++;
	c->told = reason;
	if (c->calls > 1) {
		assert(c->calls == 2 && reason == REASON_SNI_CHANGED);
		c->alert = TLS_ALERT_ILLEGAL_PARAMETER;
		return (c->alert);
	}
	assert(f->hello);
	assert(reason == (f->has_ext ? f->reason : REASON_SNI_MISSING));
	assert((name != NULL) == (reason == REASON_NONE));
	if (name != NULL)
		assert(len == f->len && memcmp(name, f->name, len) == 0);
	c->alert = TLS_ALERT_NONE;
	if (c->deny)
		c->alert = TLS_ALERT_ACCESS_DENIED;
	else if (reason == REASON_SNI_MALFORMED)
		c->alert = TLS_ALERT_UNRECOGNIZED_NAME;
	return (c->alert);
}

static EVP_PKEY *
certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = key_p256();
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"f", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 1000000);
	X509_set_pubkey(cert, key);
	assert(X509_sign(cert, key, EVP_sha256()) > 0);
	assert(SSL_CTX_use_certificate(ctx, cert) == 1);
	X509_free(cert);
	return (key);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = certify(ctx);
	static const struct ticket_key ticket = { .secret = { 1 } };
	const struct ticket_keys *reader;
	struct ticket_keys *writer;
	size_t i;

	assert(SSL_CTX_use_PrivateKey(ctx, key) == 1);
	assert(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	assert(SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1);
	EVP_PKEY_free(key);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	buffers_init(&buffers, 64 * 1024, tls_slack(64 * 1024));
	for (i = 0; i < BOUNDS; i++)
		assert(tls_context_new(&contexts[i], ctx, &bounds[i], &buffers,
			   hello_cb) == 0);
	assert(ticket_keys_new(&writer, &reader, NULL) == 0);
	ticket_keys_write(writer, &ticket, 1);
	for (i = 0; i < BOUNDS; i++)
		tls_context_tickets(contexts[i], reader, 1);
	return (0);
}

static size_t
get16(const uint8_t *p)
{
	return ((size_t)p[0] << 8 | p[1]);
}

/* The handshake records' bytes, one behind the other. */
static size_t
join(uint8_t *out, const uint8_t *p, size_t len)
{
	size_t n, done = 0;

	while (len >= 5 && len - 5 >= (n = get16(p + 3))) {
		if (p[0] == RECORD) {
			memcpy(out + done, p + 5, n);
			done += n;
		}
		p += 5 + n;
		len -= 5 + n;
	}
	return (done);
}

/* Skips a vector whose length has that many bytes. */
static bool
skip(const uint8_t **p, const uint8_t *end, size_t bytes)
{
	size_t n;

	if ((size_t)(end - *p) < bytes)
		return (false);
	n = bytes == 1 ? **p : get16(*p);
	if ((size_t)(end - *p) - bytes < n)
		return (false);
	*p += bytes + n;
	return (true);
}

static void
find_extension(struct found *f, const uint8_t *p, const uint8_t *end)
{
	size_t n;

	while (end - p >= 4) {
		n = get16(p + 2);
		if ((size_t)(end - p) - 4 < n)
			return;
		if (get16(p) == TLSEXT_TYPE_server_name) {
			f->has_ext = true;
			f->reason = client_hello_server_name(
			    p + 4, n, &f->name, &f->len);
			return;
		}
		p += 4 + n;
	}
}

static void
find(struct found *f, const uint8_t *data, size_t len)
{
	const uint8_t *p = f->message, *end;
	size_t n, got;

	f->hello = f->has_ext = false;
	got = join(f->message, data, len);
	if (got < 4 || p[0] != 1)
		return;
	n = (size_t)p[1] << 16 | get16(p + 2);
	if (n > got - 4 || n < 34)
		return;
	f->hello = true;
	end = p + 4 + n;
	p += 4 + 34; /* version, random */
	/* session id, cipher suites, compression methods */
	if (skip(&p, end, 1) && skip(&p, end, 2) && skip(&p, end, 1) &&
	    end - p >= 2)
		find_extension(f, p + 2, end);
}

static void
put(int fd, const uint8_t *data, size_t len)
{
	/* An empty piece would be none. */
	if (len > 0)
		assert(send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* The alert that was asked for is the last that the client sees. */
static void
check_alert(int fd, enum tls_alert alert)
{
	static uint8_t answer[256 * 1024];
	ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	const uint8_t *last = answer + n - 7;

	assert(n >= 7);
	assert(last[0] == 21 && last[1] == 3 && get16(last + 3) == 2);
	assert(last[5] == 2 && last[6] == alert);
}

/* Behind the first hello that was taken, a second one or the rest follows. */
static void
check_limit(
    const struct course *c, int fd, size_t sent, const struct tls_bounds *b)
{
	size_t taken, max = b->hello;
	int left;

	if (c->calls > 0)
		max += b->hello + b->rest;
	assert(ioctl(fd, FIONREAD, &left) == 0);
	taken = sent - (size_t)left;
	/* What one receive brings beyond it is kept, and is bounded too. */
	assert(taken <= max + INTAKE_PIECE);
	if (taken > max)
		assert(c->result == -EPROTO);
	assert(c->failure != REASON_HANDSHAKE_TOO_BIG || c->calls > 0);
	if (c->result != -EAGAIN)
		return;
	assert(left == 0 && sent <= max);
	assert(c->failure == REASON_TLS_HANDSHAKE); /* that is, none */
	assert(c->alert == TLS_ALERT_NONE);
}

static int
handshake(struct course *c)
{
	struct io io = tls_handshake_run(c->tls, false);

	switch (io.outcome) {
	case IO_DONE:
		return (0);
	case IO_CUT:
		return (-EPIPE);
	case IO_BROKEN:
		return (io.error);
	default:
		/* Nothing of it fails to be sent. */
		assert(io.outcome != IO_WAIT_WRITE);
		return (-EAGAIN);
	}
}

/* cut: the length of the first piece. */
static void
run(struct course *c, const uint8_t *data, size_t len, size_t cut, size_t which)
{
	const struct tls_bounds *b = &bounds[which];
	static const int room = 512 * 1024;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		   0, fds) == 0);
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert(tls_handshake_new(&c->tls, contexts[which], fds[0], c) == 0);
	put(fds[1], data, cut);
	c->result = handshake(c);
	c->failure = tls_handshake_failure(c->tls);
	check_limit(c, fds[0], cut, b);
	if (c->result == -EAGAIN) {
		put(fds[1], data + cut, len - cut);
		c->result = handshake(c);
		c->failure = tls_handshake_failure(c->tls);
		check_limit(c, fds[0], len, b);
	}
	/* Nobody has the keys by chance. */
	assert(c->result == -EAGAIN || c->result == -EPROTO);
	if (c->alert != TLS_ALERT_NONE)
		check_alert(fds[1], c->alert);
	if (c->result == -EAGAIN) {
		assert(shutdown(fds[1], SHUT_WR) == 0);
		assert(handshake(c) == -EPIPE);
	}
	tls_handshake_free(c->tls);
	assert(buffers.nlent == 0);
	close(fds[0]);
	close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found found;
	struct course whole = { .found = &found }, cut;
	size_t which, at;

	if (size < 3 || size - 3 > STREAM_MAX)
		return (0);
	which = data[0] % BOUNDS;
	whole.deny = (data[0] & 4) != 0;
	cut = whole;
	at = get16(data + 1);
	data += 3;
	size -= 3;
	find(&found, data, size);
	run(&whole, data, size, size, which);
	run(&cut, data, size, at < size ? at : size, which);
	assert(whole.result == cut.result && whole.failure == cut.failure);
	assert(whole.calls == cut.calls && whole.told == cut.told);
	return (0);
}
