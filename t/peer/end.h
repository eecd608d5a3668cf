/*
 * One end of a connection, TCP or TLS, that a test moves step by step: what it
 * is to send waits in memory until the kernel takes it, it reads only when it
 * is told to, and it can end in every way there is.
 */
#ifndef T_PEER_END_H
#define T_PEER_END_H

#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Packets of sockets with this mark are dropped: see ends.c. */
#define END_MARK  99

#define END_CHUNK 16384

struct end {
	int fd;	  /* -1: closed */
	SSL *ssl; /* NULL: plain TCP */
	uint8_t *wire;
	size_t wire_len, wire_size; /* to be sent */
	size_t put, got;	    /* bytes of the stream */
	bool ending;		    /* FIN follows the wire's last byte */
	bool finished;		    /* end_finish() was called */
	bool read_all;		    /* nothing more can come */
	bool broken;		    /* what comes cannot be opened any more */
	const char *saw;	    /* how the other's stream ended */
	bool differs;		    /* what came is not what was sent */
	int seed;
};

/* Byte at of the stream of an end with that seed. */
static inline uint8_t
end_byte(int seed, size_t at)
{
	return ((uint8_t)(at * 7 + (at >> 8) * 31 + (at >> 16) + (size_t)seed));
}

static inline void
end_wire(struct end *e, const void *data, size_t len)
{
	if (e->wire_len + len > e->wire_size) {
		e->wire_size = 2 * (e->wire_len + len);
		e->wire = realloc(e->wire, e->wire_size);
		if (e->wire == NULL)
			err(1, "realloc");
	}
	memcpy(e->wire + e->wire_len, data, len);
	e->wire_len += len;
}

/* What OpenSSL has made goes to the wire. */
static inline void
end_drain(struct end *e)
{
	char *data;
	long len = BIO_get_mem_data(SSL_get_wbio(e->ssl), &data);

	if (len > 0)
		end_wire(e, data, (size_t)len);
	(void)BIO_reset(SSL_get_wbio(e->ssl));
}

/* Sends bytes of no stream. */
static inline void
end_put_raw(struct end *e, const void *data, size_t len)
{
	if (e->ssl == NULL) {
		end_wire(e, data, len);
		return;
	}
	ERR_clear_error();
	if (SSL_write(e->ssl, data, (int)len) != (int)len)
		errx(1, "SSL_write");
	end_drain(e);
}

/* Sends the next len bytes of its stream. */
static inline void
end_put(struct end *e, size_t len)
{
	uint8_t buf[END_CHUNK];
	size_t i, n;

	for (; len > 0; len -= n) {
		n = len < sizeof(buf) ? len : sizeof(buf);
		for (i = 0; i < n; i++)
			buf[i] = end_byte(e->seed, e->put + i);
		end_put_raw(e, buf, n);
		e->put += n;
	}
}

static inline void
end_saw(struct end *e, const char *what)
{
	if (e->saw == NULL)
		e->saw = what;
}

/* Hands the kernel what it takes. True: it took something. */
static inline bool
end_flush(struct end *e)
{
	ssize_t n = 0;

	if (e->fd == -1)
		return (false);
	if (e->wire_len > 0) {
		n = send(
		    e->fd, e->wire, e->wire_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			/* Told once: then a receive shows an end of stream. */
			end_saw(e, "reset");
			e->wire_len = 0;
			e->ending = false;
		}
		if (n <= 0)
			return (false);
		e->wire_len -= (size_t)n;
		memmove(e->wire, e->wire + n, e->wire_len);
	}
	if (e->wire_len == 0 && e->ending) {
		e->ending = false;
		(void)shutdown(e->fd, SHUT_WR);
	}
	return (n > 0);
}

static inline void
end_check(struct end *e, int seed, const uint8_t *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		e->differs |= buf[i] != end_byte(seed, e->got + i);
	e->got += len;
}

/* Opens what has come, the handshake's messages, too. */
static inline void
end_open(struct end *e, int seed, const uint8_t *cipher, size_t len)
{
	uint8_t buf[END_CHUNK];
	int n = 1;

	BIO_write(SSL_get_rbio(e->ssl), cipher, (int)len);
	ERR_clear_error();
	if (!SSL_is_init_finished(e->ssl))
		n = SSL_do_handshake(e->ssl);
	while (n > 0) {
		n = SSL_read(e->ssl, buf, sizeof(buf));
		if (n > 0)
			end_check(e, seed, buf, (size_t)n);
	}
	n = SSL_get_error(e->ssl, n);
	end_drain(e);
	if (n == SSL_ERROR_WANT_READ)
		return;
	end_saw(e, n == SSL_ERROR_ZERO_RETURN ? "close_notify" : "alert");
	e->read_all = true;
}

/* Receives at most max bytes from an end with that seed. True: some came. */
static inline bool
end_receive(struct end *e, int seed, size_t max)
{
	uint8_t buf[END_CHUNK];
	ssize_t n;

	if (e->fd == -1 || e->read_all)
		return (false);
	n = recv(
	    e->fd, buf, max < sizeof(buf) ? max : sizeof(buf), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (false);
	if (n <= 0) {
		end_saw(e, n == 0 ? "fin" : "reset");
		e->read_all = true;
		return (false);
	}
	if (e->ssl != NULL && !e->broken)
		end_open(e, seed, buf, (size_t)n);
	else if (e->ssl == NULL)
		end_check(e, seed, buf, (size_t)n);
	return (true);
}

/* Bytes that were handed to the kernel and not acknowledged; and that came and
 * were not read. */
static inline size_t
end_unsent(const struct end *e)
{
	int n = 0;

	(void)ioctl(e->fd, SIOCOUTQ, &n);
	return ((size_t)n);
}

static inline size_t
end_unread(const struct end *e)
{
	int n = 0;

	(void)ioctl(e->fd, SIOCINQ, &n);
	return ((size_t)n);
}

/* Ends its stream as it should; with fin, TCP's as well as TLS's. */
static inline void
end_finish(struct end *e, bool fin)
{
	if (e->finished || e->fd == -1)
		return;
	e->finished = true;
	e->ending = fin || e->ssl == NULL;
	if (e->ssl != NULL) {
		ERR_clear_error();
		(void)SSL_shutdown(e->ssl);
		end_drain(e);
	}
}

/* Sends a fatal alert: so OpenSSL answers a record that is not genuine. */
static inline void
end_alert(struct end *e)
{
	static const uint8_t bad[5 + 32] = { 23, 3, 3, 0, 32 };
	const char *saw = e->saw;

	end_open(e, 0, bad, sizeof(bad));
	e->saw = saw;
	e->read_all = false;
	e->broken = true;
}

/* Sends a record that was tampered with. */
static inline void
end_tamper(struct end *e)
{
	end_put_raw(e, "tampered", 8);
	e->wire[e->wire_len - 1] ^= 1;
}

static inline void
end_close(struct end *e)
{
	if (e->fd != -1)
		close(e->fd);
	e->fd = -1;
	e->wire_len = 0;
}

static inline void
end_reset(struct end *e)
{
	static const struct linger hard = { .l_onoff = 1 };

	setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	end_close(e);
}

/* From now on no packet leaves it and none comes to it. */
static inline void
end_vanish(struct end *e)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog drop = { .len = 1, .filter = &code };
	int mark = END_MARK;

	if (setsockopt(e->fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop,
		sizeof(drop)) == -1 ||
	    setsockopt(e->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == -1)
		err(1, "vanish");
	e->wire_len = 0;
	e->read_all = true;
}

#endif
