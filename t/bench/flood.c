/*
 * One client that sends what costs it little, as fast as it can, and comes
 * back whenever it is thrown out:
 *
 *	flood KIND PORT NAME SECONDS
 *
 * prints how many connections it made and how many records it sent. Records
 * are sealed here, since no TLS library would send them (RFC 8446 5.2).
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define BATCH	   (16 * 1024)
#define RECORD_MAX 64
#define TAG	   16
#define HASH	   32
#define HELLO	   16000

struct flood;

struct kind {
	const char *name;
	void (*connection)(struct flood *, int fd);
	bool update; /* KeyUpdates, or empty records */
	bool data;   /* a byte of data after each */
};

struct flood {
	const struct kind *kind;
	const char *name;
	uint16_t port;
	int64_t end;
	SSL_CTX *ctx;
	unsigned long connections, records;
	/* of the writing direction */
	uint8_t secret[HASH], key[16], iv[12];
	uint64_t sequence;
	EVP_CIPHER_CTX *cipher;
};

static int
dial(uint16_t port)
{
	static const struct timeval limit = { .tv_sec = 2 };
	static const int on = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "flood: connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return (fd);
}

/* Sends all, throwing away what comes meanwhile. False: thrown out. */
static bool
put(int fd, const uint8_t *p, size_t len)
{
	static uint8_t waste[256 * 1024];
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return (false);
		(void)recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
	}
	return (true);
}

/* HKDF-Expand-Label with an empty context (RFC 8446 7.1). */
static void
expand(const struct flood *f, const char *label, uint8_t *out, size_t len)
{
	uint8_t info[64], hash[HASH];
	int n = snprintf((char *)info + 3, sizeof(info) - 3, "tls13 %s", label);

	info[0] = 0;
	info[1] = (uint8_t)len;
	info[2] = (uint8_t)n;
	info[3 + n] = 0;
	info[4 + n] = 1;
	if (HMAC(EVP_sha256(), f->secret, HASH, info, (size_t)n + 5, hash,
		NULL) == NULL)
		errx(1, "HMAC");
	memcpy(out, hash, len);
}

static void
take_secret(struct flood *f)
{
	expand(f, "key", f->key, sizeof(f->key));
	expand(f, "iv", f->iv, sizeof(f->iv));
	f->sequence = 0;
	if (EVP_EncryptInit_ex(
		f->cipher, EVP_aes_128_gcm(), NULL, f->key, NULL) != 1)
		errx(1, "AES-GCM");
}

static size_t
seal(struct flood *f, uint8_t *out, uint8_t type, const void *p, size_t len)
{
	uint8_t nonce[12], inside[RECORD_MAX];
	int n;

	memcpy(nonce, f->iv, sizeof(nonce));
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(f->sequence >> 8 * i);
	f->sequence++;
	memcpy(inside, p, len);
	inside[len++] = type;
	memcpy(out, (uint8_t[]){ 23, 3, 3, 0, (uint8_t)(len + TAG) }, 5);
	if (EVP_EncryptInit_ex(f->cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(f->cipher, NULL, &n, out, 5) != 1 ||
	    EVP_EncryptUpdate(f->cipher, out + 5, &n, inside, (int)len) != 1 ||
	    EVP_EncryptFinal_ex(f->cipher, out + 5 + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(
		f->cipher, EVP_CTRL_GCM_GET_TAG, TAG, out + 5 + len) != 1)
		errx(1, "AES-GCM");
	f->records++;
	return (5 + len + TAG);
}

static size_t
seal_update(struct flood *f, uint8_t *out)
{
	static const uint8_t ask[] = { 24, 0, 0, 1, 1 };
	size_t n = seal(f, out, 22, ask, sizeof(ask));

	expand(f, "traffic upd", f->secret, HASH);
	take_secret(f);
	return (n);
}

static void
keylog_cb(const SSL *ssl, const char *line)
{
	static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
	struct flood *f = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	size_t n;

	if (hex == NULL || strncmp(line, label, strlen(label)) != 0)
		return;
	if (OPENSSL_hexstr2buf_ex(f->secret, HASH, &n, hex + 1, '\0') != 1)
		errx(1, "no secret of %d bytes", HASH);
}

static SSL *
handshake(struct flood *f, int fd)
{
	SSL *ssl = SSL_new(f->ctx);

	if (ssl == NULL || SSL_set_app_data(ssl, f) != 1 ||
	    SSL_set_fd(ssl, fd) != 1 ||
	    SSL_set_tlsext_host_name(ssl, f->name) != 1 ||
	    SSL_connect(ssl) != 1)
		errx(1, "flood: handshake");
	return (ssl);
}

static void
records(struct flood *f, int fd)
{
	/* As t/bench/load's upstream has it: swallow what comes. */
	uint8_t header[9] = { 'k', [8] = 0x7f }, batch[BATCH];
	SSL *ssl = handshake(f, fd);
	size_t n;

	SSL_free(ssl);
	take_secret(f);
	n = seal(f, batch, 23, header, sizeof(header));
	do {
		while (n < BATCH - 2 * RECORD_MAX) {
			n += f->kind->update ? seal_update(f, batch + n)
					     : seal(f, batch + n, 23, "", 0);
			if (f->kind->data)
				n += seal(f, batch + n, 23, "x", 1);
		}
		if (!put(fd, batch, n))
			return;
		n = 0;
	} while (clock_now() < f->end);
}

static void
renegotiate(struct flood *f, int fd)
{
	SSL *ssl = handshake(f, fd);

	do {
		f->records++;
	} while (SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1 &&
		 clock_now() < f->end);
	SSL_free(ssl);
}

static void
wait_end(int fd)
{
	char waste[4096];

	while (recv(fd, waste, sizeof(waste), 0) > 0)
		;
}

/* More than limits.client_hello, in whole records. */
static void
hellos(struct flood *f, int fd)
{
	static uint8_t bytes[5 + HELLO];
	int i;

	memcpy(bytes, (uint8_t[]){ 22, 3, 1, HELLO >> 8, HELLO & 0xff }, 5);
	/* What is declared is within the limit, what comes is not. */
	memcpy(bytes + 5, (uint8_t[]){ 1, 0, 0x40, 0 }, 4);
	for (i = 0; i < 3 && put(fd, bytes, sizeof(bytes)); i++)
		f->records++;
	wait_end(fd);
}

/* As much as is allowed, in records of one byte. */
static void
fragments(struct flood *f, int fd)
{
	static uint8_t bytes[6 * 2720];
	size_t i;

	for (i = 0; i < sizeof(bytes); i += 6)
		memcpy(bytes + i, (uint8_t[]){ 22, 3, 1, 0, 1, 0 }, 6);
	memcpy(bytes + 5, "\1", 1);
	bytes[2 * 6 + 5] = 0x30;
	f->records += sizeof(bytes) / 6;
	if (put(fd, bytes, sizeof(bytes)))
		(void)shutdown(fd, SHUT_WR);
	wait_end(fd);
}

static const struct kind kinds[] = {
	{ "updates", records, true, false },
	{ "updates-data", records, true, true },
	{ "empty", records, false, false },
	{ "empty-data", records, false, true },
	{ "renegotiate", renegotiate, false, false },
	{ "hellos", hellos, false, false },
	{ "fragments", fragments, false, false },
};

static void
make_context(struct flood *f)
{
	int version = f->kind->connection == renegotiate ? TLS1_2_VERSION
							 : TLS1_3_VERSION;

	f->ctx = SSL_CTX_new(TLS_client_method());
	f->cipher = EVP_CIPHER_CTX_new();
	if (f->ctx == NULL || f->cipher == NULL ||
	    SSL_CTX_set_min_proto_version(f->ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(f->ctx, version) != 1 ||
	    SSL_CTX_set_ciphersuites(f->ctx, "TLS_AES_128_GCM_SHA256") != 1)
		errx(1, "SSL_CTX_new");
	SSL_CTX_set_keylog_callback(f->ctx, keylog_cb);
}

int
main(int argc, char **argv)
{
	struct flood f = { .kind = NULL };
	size_t i;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (argc == 5 && strcmp(argv[1], kinds[i].name) == 0)
			f.kind = &kinds[i];
	if (f.kind == NULL)
		errx(2, "KIND PORT NAME SECONDS");
	alarm((unsigned)atoi(argv[4]) + 10);
	f.port = (uint16_t)atoi(argv[2]);
	f.name = argv[3];
	f.end = clock_now() + atoi(argv[4]) * CLOCK_SEC;
	make_context(&f);
	for (; clock_now() < f.end; close(fd)) {
		fd = dial(f.port);
		f.connections++;
		f.kind->connection(&f, fd);
	}
	printf("%lu %lu\n", f.connections, f.records);
	return (0);
}
