/* TLS clients of the load generator. */
#include "t/bench/load/client.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "t/bench/load/upstream.h"

#define NAME_SIZE     256
#define SPREAD	      7919  /* a prime: numbers follow in no order */
#define PER_ADDRESS   20000 /* connections from one address to one port */
#define ADDRESSES_MAX 200

static SSL_CTX *context;

static _Noreturn void
tls_fail(const char *what)
{
	ERR_print_errors_fp(stderr);
	errx(1, "client: %s", what);
}

static int
new_session_cb(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_get_app_data(ssl);

	if (c == NULL || c->session == NULL)
		return (0);
	SSL_SESSION_free(*c->session);
	*c->session = session;
	return (1);
}

static SSL_CTX *
get_context(void)
{
	SSL_CTX *ctx = context;

	if (ctx != NULL)
		return (ctx);
	context = ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519") != 1)
		tls_fail("SSL_CTX_new");
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, new_session_cb);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Not everybody ends with close_notify. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 4 * CLIENT_RECORD);
	return (ctx);
}

static void
server_name(struct server *s, char out[NAME_SIZE])
{
	const char *p;
	size_t len = 0;

	for (p = s->name; *p != '\0' && len < NAME_SIZE - 24; p++) {
		if (*p == '@')
			len += (size_t)snprintf(out + len, NAME_SIZE - len,
			    "%u", upstream_port(s->next));
		else if (*p == '#')
			len +=
			    (size_t)snprintf(out + len, NAME_SIZE - len, "%llu",
				(unsigned long long)(s->next * SPREAD %
						     s->numbers));
		else
			out[len++] = *p;
	}
	out[len] = '\0';
}

/* Many connections need more ports than one address of ours has. */
static void
bind_source(int fd, const struct server *s)
{
	static const int on = 1;
	struct sockaddr_in sin = loopback(0);
	uint64_t i = s->next;

	i = (i / PER_ADDRESS + s->source) % ADDRESSES_MAX;
	if (i == 0)
		return;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "client: bind");
}

int
client_socket(struct server *s)
{
	struct sockaddr_in sin = loopback(s->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		err(1, "client: socket");
	bind_source(fd, s);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 &&
	    errno != EINPROGRESS)
		err(1, "client: connect");
	set_nodelay(fd);
	return (fd);
}

static SSL *
ssl_new(struct server *s)
{
	char name[NAME_SIZE];
	SSL *ssl = SSL_new(get_context());

	server_name(s, name);
	if (ssl == NULL || SSL_set_tlsext_host_name(ssl, name) != 1)
		tls_fail("SSL_new");
	SSL_set_connect_state(ssl);
	return (ssl);
}

static void
client_end(struct client *c, bool well)
{
	if (c->use->closed != NULL)
		c->use->closed(c, well);
	client_drop(c);
}

void
client_drop(struct client *c)
{
	/* OpenSSL 3.0 forgets at an end without close_notify that it has sent
	 * its own, and makes the session not resumable. */
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	watch_free(&c->watch);
}

static void
want_output(struct client *c, bool want)
{
	if (c->blocked == want)
		return;
	c->blocked = want;
	watch_change(&c->watch, want ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* An operation failed: is it to be tried again? */
static bool
again(struct client *c, int result)
{
	int error = SSL_get_error(c->ssl, result);

	if (error == SSL_ERROR_WANT_WRITE)
		want_output(c, true);
	return (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE);
}

static void
handshake(struct client *c)
{
	int result = SSL_do_handshake(c->ssl);

	if (result != 1) {
		want_output(c, false);
		if (!again(c, result))
			client_end(c, false);
		return;
	}
	want_output(c, false);
	c->phase = CLIENT_OPEN;
	c->resumed = SSL_session_reused(c->ssl) == 1;
	if (c->use->opened != NULL)
		c->use->opened(c);
}

static void
closing(struct client *c)
{
	uint8_t bytes[CLIENT_RECORD];
	int n;

	while ((n = SSL_read(c->ssl, bytes, sizeof(bytes))) > 0)
		;
	if (!again(c, n))
		client_end(
		    c, SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN);
}

static void
client_ready(struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;

	ERR_clear_error();
	if (c->phase == CLIENT_HANDSHAKE) {
		handshake(c);
	} else if (c->phase == CLIENT_CLOSING) {
		closing(c);
	} else {
		if ((events & EPOLLOUT) != 0 && c->blocked) {
			want_output(c, false);
			if (c->use->output != NULL)
				c->use->output(c);
		}
		if ((events & ~(uint32_t)EPOLLOUT) != 0 && w->ready != NULL &&
		    c->use->input != NULL)
			c->use->input(c);
	}
}

struct client *
client_start(
    struct server *s, const struct client_use *use, SSL_SESSION **session)
{
	struct client *c = must_calloc(1, sizeof(*c));
	int result;

	c->use = use;
	c->session = session;
	c->watch.ready = client_ready;
	c->watch.fd = client_socket(s);
	c->ssl = ssl_new(s);
	if (SSL_set_fd(c->ssl, c->watch.fd) != 1 ||
	    SSL_set_app_data(c->ssl, c) != 1 ||
	    (session != NULL && *session != NULL &&
		SSL_set_session(c->ssl, *session) != 1))
		tls_fail("SSL_set_session");
	s->next++;
	watch_add(&c->watch, EPOLLIN);
	/* Whatever becomes of it comes back as an event. */
	result = SSL_do_handshake(c->ssl);
	if (result == 1)
		want_output(c, true);
	else
		(void)again(c, result);
	return (c);
}

/* How many bytes went; 0: none yet; -1: nor will any. */
static ssize_t
went(struct client *c, int result)
{
	if (result > 0)
		return (result);
	return (again(c, result) ? 0 : -1);
}

/* The same, but a client for which none will go is ended. */
static ssize_t
moved(struct client *c, int result)
{
	ssize_t n = went(c, result);

	if (n < 0)
		client_end(c, false);
	return (n);
}

ssize_t
client_read(struct client *c, void *p, size_t len)
{
	return (moved(c, SSL_read(c->ssl, p, (int)len)));
}

ssize_t
client_try_write(struct client *c, const void *p, size_t len)
{
	return (moved(c, SSL_write(c->ssl, p, (int)len)));
}

size_t
client_write(struct client *c, const void *p, size_t len)
{
	ssize_t n = went(c, SSL_write(c->ssl, p, (int)len));

	if (n < 0)
		tls_fail("write");
	return ((size_t)n);
}

void
client_order(struct client *c, uint8_t order, uint64_t size)
{
	struct {
		struct header header;
		uint8_t message[CLIENT_MESSAGE];
	} out = { .header.order = order };
	size_t len = order == ORDER_ECHO ? sizeof(out) : sizeof(out.header);

	memcpy(out.header.size, &size, sizeof(size));
	if (client_write(c, &out, len) != len)
		tls_fail("an order is not written");
}

void
client_message(struct client *c)
{
	static const uint8_t message[CLIENT_MESSAGE];

	if (client_write(c, message, sizeof(message)) != sizeof(message))
		tls_fail("a message is not written");
}

void
client_close(struct client *c)
{
	c->phase = CLIENT_CLOSING;
	(void)SSL_shutdown(c->ssl);
}

size_t
client_hello(struct server *s, uint8_t *out, size_t size)
{
	SSL *ssl = ssl_new(s);
	BIO *in = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	int n;

	if (in == NULL || to == NULL)
		tls_fail("BIO_new");
	SSL_set_bio(ssl, in, to);
	(void)SSL_do_handshake(ssl);
	ERR_clear_error();
	n = BIO_read(to, out, (int)size);
	if (n <= 0)
		tls_fail("no ClientHello");
	SSL_free(ssl);
	return ((size_t)n);
}
