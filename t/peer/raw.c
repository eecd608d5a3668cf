/*
 * A TLS client that seals its own records, at the speed of C, for what no TLS
 * library would send:
 *
 *     raw -p PORT -s NAME -v 1.2 | 1.3 -k KIND [-n COUNT] [-d BYTES] [-i MSEC]
 *         [-r]
 *
 * After the handshake it sends COUNT records of that KIND, each followed by
 * BYTES of data, then close_notify; with -i it waits that long after each. With
 * -r it reads what comes and does not look at it; without, it never reads, and
 * has a small buffer.
 *
 *     ask          a KeyUpdate that asks for one in return
 *     update       a KeyUpdate that does not
 *     split        one that asks, a byte in each record
 *     renegotiate  the head of a ClientHello
 *     warning      a user_canceled alert
 *     empty        a record of data without data
 *     ccs          a ChangeCipherSpec
 *     ticket       a NewSessionTicket, which is not for clients to send
 *     data         nothing but the data
 *
 * Prints a line: its port, how many it sent, and what became of it: "reset",
 * "fin", "sent" (all, and no end seen) or "stuck" (the server takes no more).
 * ChaCha20-Poly1305 alone. Stands alone, since it is the judge.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET	   32
#define MASTER	   48
#define IV	   12
#define TAG	   16
#define ROOM	   4096 /* for what comes, where it is not read */
#define STUCK_MSEC 10000
#define END_MSEC   1500 /* where a FIN may hide behind what is not read */
#define DATA_MAX   16384

enum {
	CHANGE_CIPHER_SPEC = 20,
	ALERT = 21,
	HANDSHAKE = 22,
	DATA = 23
};

struct client {
	int fd;
	bool reads, old; /* old: TLS 1.2 */
	size_t data;
	EVP_CIPHER_CTX *cipher;
	uint8_t secret[SECRET], key[SECRET], iv[IV];
	uint64_t sequence;
	uint8_t out[8 * (DATA_MAX + 64)];
	size_t len;
};

/* How many times slower than in use the other side may be. */
static int
slowness(void)
{
	return (getenv("SNIPORT_VALGRIND") != NULL ? 5 : 1);
}

static uint8_t logged[2][64]; /* random, secret */

static size_t
unhex(uint8_t *out, size_t size, const char *text)
{
	size_t n;
	unsigned byte;

	for (n = 0; n < size && sscanf(text + 2 * n, "%2x", &byte) == 1; n++)
		out[n] = (uint8_t)byte;
	return (n);
}

static void
keylog_cb(const SSL *ssl, const char *line)
{
	if (strncmp(line, "CLIENT_RANDOM ", 14) != 0 &&
	    strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) != 0)
		return;
	line = strchr(line, ' ') + 1;
	unhex(logged[0], 32, line);
	unhex(logged[1], MASTER, strchr(line, ' ') + 1);
}

static void
hmac(const uint8_t *key, size_t key_len, const uint8_t *text, size_t len,
    uint8_t out[32])
{
	unsigned n = 32;

	if (HMAC(EVP_sha256(), key, (int)key_len, text, len, out, &n) == NULL)
		errx(1, "HMAC");
}

/* HKDF-Expand-Label, with an empty context. */
static void
expand(const uint8_t *secret, const char *label, uint8_t *out, size_t len)
{
	uint8_t info[64], block[32];
	size_t n = strlen(label);

	info[0] = 0;
	info[1] = (uint8_t)len;
	info[2] = (uint8_t)(6 + n);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n);
	info[9 + n] = 0;
	info[10 + n] = 1;
	hmac(secret, SECRET, info, 11 + n, block);
	memcpy(out, block, len);
}

static void
take_secret(struct client *c)
{
	expand(c->secret, "key", c->key, sizeof(c->key));
	expand(c->secret, "iv", c->iv, sizeof(c->iv));
	c->sequence = 0;
}

/* The key block of TLS 1.2 (RFC 5246 section 6.3). */
static void
take_master(struct client *c, const SSL *ssl)
{
	uint8_t seed[13 + 64], a[32 + sizeof(seed)], block[96];
	size_t done, a_len;

	memcpy(seed, "key expansion", 13);
	SSL_get_server_random(ssl, seed + 13, 32);
	memcpy(seed + 45, logged[0], 32);
	memcpy(a, seed, sizeof(seed));
	a_len = sizeof(seed);
	for (done = 0; done < sizeof(block); done += 32) {
		hmac(logged[1], MASTER, a, a_len, a);
		a_len = 32;
		memcpy(a + 32, seed, sizeof(seed));
		hmac(logged[1], MASTER, a, 32 + sizeof(seed), block + done);
	}
	memcpy(c->key, block, 32);
	memcpy(c->iv, block + 64, IV);
	c->sequence = 1; /* Finished was the first */
}

static void
seal(struct client *c, uint8_t type, const void *content, size_t len)
{
	uint8_t nonce[IV], inside[DATA_MAX + 1], aad[13], *p = c->out + c->len;
	uint8_t *head = c->old ? aad + 8 : aad;
	size_t aad_len = c->old ? 13 : 5, size = c->old ? len : len + 1;
	int i, n;

	memcpy(inside, content, len);
	inside[len] = type;
	memcpy(nonce, c->iv, IV);
	for (i = 0; i < 8; i++) {
		nonce[4 + i] ^= (uint8_t)(c->sequence >> (56 - 8 * i));
		if (c->old)
			aad[i] = (uint8_t)(c->sequence >> (56 - 8 * i));
	}
	c->sequence++;
	p[0] = c->old ? type : DATA;
	p[1] = p[2] = 3;
	p[3] = (uint8_t)((size + TAG) >> 8);
	p[4] = (uint8_t)(size + TAG);
	memcpy(head, p, 5);
	if (c->old) {
		head[3] = (uint8_t)(size >> 8);
		head[4] = (uint8_t)size;
	}
	if (EVP_EncryptInit_ex(
		c->cipher, EVP_chacha20_poly1305(), NULL, c->key, nonce) != 1 ||
	    EVP_EncryptUpdate(c->cipher, NULL, &n, aad, (int)aad_len) != 1 ||
	    EVP_EncryptUpdate(c->cipher, p + 5, &n, inside, (int)size) != 1 ||
	    EVP_EncryptFinal_ex(c->cipher, p + 5 + size, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(
		c->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, p + 5 + size) != 1)
		errx(1, "EVP");
	c->len += 5 + size + TAG;
}

static void
key_update(struct client *c, uint8_t request, bool split)
{
	const uint8_t message[5] = { 24, 0, 0, 1, request };
	int i;

	if (!split)
		seal(c, HANDSHAKE, message, sizeof(message));
	for (i = 0; split && i < 5; i++)
		seal(c, HANDSHAKE, message + i, 1);
	expand(c->secret, "traffic upd", c->secret, SECRET);
	take_secret(c);
}

static void
ask(struct client *c)
{
	key_update(c, 1, false);
}

static void
update(struct client *c)
{
	key_update(c, 0, false);
}

static void
split(struct client *c)
{
	key_update(c, 1, true);
}

static void
renegotiate(struct client *c)
{
	seal(c, HANDSHAKE, "\1\0\0\0", 4);
}

static void
warning(struct client *c)
{
	seal(c, ALERT, "\1\x5a", 2);
}

static void
empty(struct client *c)
{
	seal(c, DATA, "", 0);
}

static void
ccs(struct client *c)
{
	if (c->old) {
		seal(c, CHANGE_CIPHER_SPEC, "\1", 1);
		return;
	}
	memcpy(c->out + c->len, "\x14\3\3\0\1\1", 6);
	c->len += 6;
}

static void
ticket(struct client *c)
{
	seal(c, HANDSHAKE, "\4\0\0\6\0\0\0\0\0\0", 10);
}

static void
data(struct client *c)
{
}

static const struct {
	const char *name;
	void (*seal)(struct client *);
} kinds[] = {
	{ "ask", ask },
	{ "update", update },
	{ "split", split },
	{ "renegotiate", renegotiate },
	{ "warning", warning },
	{ "empty", empty },
	{ "ccs", ccs },
	{ "ticket", ticket },
	{ "data", data },
};

/* Reads what is there. False: the end, which *saw tells then. */
static bool
read_all(struct client *c, const char **saw)
{
	uint8_t buf[65536];
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		;
	if (n == -1 && errno == EAGAIN)
		return (true);
	*saw = n == 0 ? "fin" : "reset";
	return (false);
}

/* Sends what is sealed. NULL: all of it; or what became of the connection. */
static const char *
flush(struct client *c)
{
	struct pollfd pfd = { .fd = c->fd };
	const char *saw;
	size_t done = 0;
	ssize_t n;

	while (done < c->len) {
		pfd.events = (short)(POLLOUT | (c->reads ? POLLIN : 0));
		if (poll(&pfd, 1, STUCK_MSEC * slowness()) == 0)
			return ("stuck");
		if (c->reads && !read_all(c, &saw))
			return (saw);
		n = send(c->fd, c->out + done, c->len - done,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN)
			return ("reset");
		done += n > 0 ? (size_t)n : 0;
	}
	c->len = 0;
	return (NULL);
}

static const char *
wait_end(struct client *c)
{
	struct pollfd pfd = { .fd = c->fd,
		.events = (short)(POLLRDHUP | (c->reads ? POLLIN : 0)) };
	const char *saw = "sent";

	while (poll(&pfd, 1, slowness() * (c->reads ? STUCK_MSEC : END_MSEC)) >
	       0) {
		if ((pfd.revents & (POLLERR | POLLHUP)) == POLLHUP + POLLERR)
			return ("reset");
		if (!c->reads)
			return ((pfd.revents & POLLERR) != 0 ? "reset" : "fin");
		if (!read_all(c, &saw))
			break;
	}
	return (saw);
}

/* The library has done all that it is for when this returns: from now on
 * records are sealed here. */
static void
handshake(struct client *c, uint16_t port, const char *name)
{
	static const int room = ROOM, one = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int version = c->old ? TLS1_2_VERSION : TLS1_3_VERSION;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!c->reads)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connect");
	SSL_CTX_set_keylog_callback(ctx, keylog_cb);
	if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-CHACHA20-POLY1305") !=
		1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_CHACHA20_POLY1305_SHA256") !=
		1 ||
	    (ssl = SSL_new(ctx)) == NULL || SSL_set_fd(ssl, c->fd) != 1 ||
	    SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_connect(ssl) != 1)
		errx(1, "no handshake");
	c->cipher = EVP_CIPHER_CTX_new();
	if (c->old) {
		take_master(c, ssl);
	} else {
		memcpy(c->secret, logged[1], SECRET);
		take_secret(c);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

int
main(int argc, char *argv[])
{
	static struct client c;
	static uint8_t text[DATA_MAX];
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	const char *name = "", *saw = NULL, *kind = "data";
	unsigned long count = 1, i;
	int pause = 0;
	uint16_t port = 0;
	size_t k = 0;
	int opt;

	while ((opt = getopt(argc, argv, "d:i:k:n:p:rs:v:")) != -1) {
		switch (opt) {
		case 'd':
			c.data = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			pause = atoi(optarg);
			break;
		case 'k':
			kind = optarg;
			break;
		case 'n':
			count = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			port = (uint16_t)atoi(optarg);
			break;
		case 'r':
			c.reads = true;
			break;
		case 's':
			name = optarg;
			break;
		case 'v':
			c.old = strcmp(optarg, "1.2") == 0;
			break;
		default:
			return (2);
		}
	}
	while (strcmp(kinds[k].name, kind) != 0)
		if (++k == sizeof(kinds) / sizeof(kinds[0]))
			errx(2, "no kind %s", kind);
	if (c.data > DATA_MAX)
		errx(2, "at most %d bytes of data", DATA_MAX);
	signal(SIGPIPE, SIG_IGN);
	handshake(&c, port, name);
	if (getsockname(c.fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "getsockname");
	memset(text, 'x', sizeof(text));
	for (i = 0; saw == NULL && i < count; i++) {
		kinds[k].seal(&c);
		if (c.data > 0)
			seal(&c, DATA, text, c.data);
		if (pause > 0 || c.len > 4 * DATA_MAX || i + 1 == count)
			saw = flush(&c);
		if (pause > 0 && saw == NULL)
			(void)poll(NULL, 0, pause);
	}
	if (saw == NULL) {
		seal(&c, ALERT, "\1\0", 2);
		saw = flush(&c);
	}
	if (saw == NULL)
		saw = wait_end(&c);
	printf("%u %lu %s\n", ntohs(sin.sin_port), i, saw);
	EVP_CIPHER_CTX_free(c.cipher);
	return (0);
}
