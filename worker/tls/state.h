/* The state of sessions; private to the files of tls. */
#ifndef WORKER_TLS_STATE_H
#define WORKER_TLS_STATE_H

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/tls/library.h"
#include "worker/tls/client_hello.h"
#include "worker/tls/handshake.h"
#include "worker/tls/identity.h"
#include "worker/tls/intake.h"
#include "worker/tls/pace.h"
#include "worker/tls/stream.h"

struct tls_context {
	SSL_CTX *ctx;
	struct tls_bounds bounds;
	int64_t lifetime; /* see tls_context_trust() */
	BIO_METHOD *method;
	BIO *bio;		   /* of all sessions */
	struct tls_stream *caller; /* whose call the library is in */
	struct buffers *buffers;
	tls_hello_cb *hello;
	struct intake_room room;
	void *tickets; /* of tickets_openssl.c */
	/* See tls_context_tickets(); NULL: there are none. */
	const struct ticket_keys *keys;
	unsigned ntickets;
	uint8_t *message;  /* room for a hello that came in pieces */
	uint64_t failures; /* alloc_failures() before the call */
};

/* What has come of the hellos. */
struct hello {
	struct client_hello_scan scan;
	uint64_t fed;  /* bytes of the stream that the library took */
	uint64_t max;  /* how many it may take, to the end of what is awaited */
	uint8_t minor; /* version of our records */
	bool awaited;  /* what comes next must be a hello */
	bool behind;   /* ... and cannot be one any more */
};

/* What is known of a session until its handshake is done. */
struct tls_handshake {
	struct tls_stream *stream;
	void *arg; /* of the context's hello callback */
	struct intake in;
	struct hello hello;
	bool silent; /* no byte has come */
	uint8_t *name;
	size_t name_len;
	bool has_name;
	struct tls_identity identity;
	const char *unverified; /* why our own rules refuse the certificates */
	bool refused;		/* it was not verified, whoever's rules */
	uint8_t *note;		/* for the ticket */
	size_t note_len;
	bool no_ticket;	   /* what it would be asked for does not fit, or there
			    * is no key */
	unsigned ntickets; /* else: how many it gets in TLS 1.3 */
	enum reason failure;
	bool alerted; /* it failed where an alert is right */
	bool left;    /* it failed since the client ended it */
};

struct tls_stream {
	SSL *ssl; /* NULL until there is a hello that may go on */
	struct tls_context *context;
	struct tls_handshake *handshake; /* NULL: it is done */
	uint8_t *kept; /* ciphertext that came with the end of the handshake */
	struct buffer in;  /* ciphertext; lent beyond tls_receive() only where
			    * that had enough before all of it was opened */
	struct buffer out; /* ciphertext to be sent */
	uint8_t *ticket;   /* sealed; goes before all else that is sent */
	char *error;
	size_t moved; /* bytes that the library was given in this call */
	uint32_t kept_len, ticket_len;
	uint32_t header;       /* bytes of a record's header that were taken */
	uint32_t body;	       /* bytes of a record's body that are to come */
	uint32_t answers;      /* bytes in out that records asked for */
	uint32_t goodbye;      /* bytes of close_notify */
	unsigned idle_records; /* how many more than data has made up for */
	unsigned made_up;      /* bytes of data not yet set against one */
	unsigned work;	       /* of this call; see TLS_WORK_MAX */
	struct pace pace;
	int fd;
	int io_error;	/* -errno of a receive, or -ENOMEM */
	int send_error; /* -errno of a send, kept: the kernel tells it once */
	int broken;	/* -errno: the session is of no more use */
	bool drained;	/* the socket holds no more bytes */
	bool empty;	/* ... and no end either: it said so itself */
	bool eof;	/* the client's FIN was seen */
	bool received;	/* in this call of tls_receive() */
	bool finished;	/* close_notify was sealed */
	bool answering; /* what is sealed was asked for by records */
};

/* As a tunnel: the next size is 192. */
_Static_assert(sizeof(struct tls_stream) <= 160, "a stream is small");

/* Tickets, as records, that are kept back. Each holds the client's
 * certificate, if there is one. */
#define TLS_TICKET_MAX (16 * 1024)

/*
 * What may lie unsent of what a client made us answer: to a KeyUpdate 27 bytes,
 * to a renegotiation 31. Honest clients ask seldom, and read.
 */
#define TLS_ANSWERS_MAX (4 * 1024)

/* So often one call receives: a record needs that often where chunks are of 4
 * KiB, the smallest. */
#define TLS_RECEIVES_MAX 8

/*
 * The largest frame of a record: TLS 1.2 with AES-CBC and HMAC-SHA384 has a
 * header, an explicit IV, the MAC and a block of padding (RFC 5246 section
 * 6.2.3.2). AEAD ciphers take 29 bytes at most, TLS 1.3 takes 22.
 */
#define TLS_FRAME_MAX (5 + 16 + 48 + 16)

/* The smallest fragment that a client can ask for (RFC 6066 section 4), and the
 * largest that there is. */
#define TLS_FRAGMENT_MIN 512
#define TLS_FRAGMENT_MAX (16 * 1024)

/* What len bytes are once they are sealed, at most. */
static inline size_t
tls_sealed_max(size_t len)
{
	return (len + (len / TLS_FRAGMENT_MIN + 1) * TLS_FRAME_MAX);
}

/* Units of tls->work. A record without data can cost as much as some with:
 * a KeyUpdate derives keys. */
#define TLS_WORK_DATA 1
#define TLS_WORK_IDLE 8

/* No more is done in one call. Handshakes count their reads instead. */
#define TLS_WORK_MAX 256

static inline bool
tls_sated(const struct tls_stream *tls)
{
	return (tls->work >= TLS_WORK_MAX);
}

/* With our Finished a client of TLS 1.3 has all that it needs: it may take the
 * handshake for done, though we have yet to see its certificate. */
static inline bool
tls_sent_finished(const struct tls_stream *tls)
{
	return (library_sent_finished(tls->ssl));
}

static inline bool
tls_unsent(const struct tls_stream *tls)
{
	return (tls->out.data != NULL);
}

/* stream.c */
/* On the socket, for a handshake that is to begin. 0 or -ENOMEM. */
int tls_stream_new(
    struct tls_stream **, struct tls_handshake *, struct tls_context *, int fd);

/* Gives it its session. 0 or -ENOMEM. */
int tls_stream_begin(struct tls_stream *);

/* BROKEN with that -errno, and why if it is a fault of TLS. */
struct io tls_broken(const struct tls_stream *, int error);

/* seal.c: sends what is sealed. 0: nothing is left; -EAGAIN; -errno. */
int tls_flush_out(struct tls_stream *);

/* error.c: keeps the text of a fault of TLS. */
void tls_set_error(struct tls_stream *, const char *text);

/* Before each call that reads or writes by the BIO, or of which tls_result() is
 * to find the cause. */
void tls_enter(struct tls_stream *);

/* What an SSL_* call that did not succeed, with ret, means to our callers:
 * -EAGAIN; -EPROTO with its text; -EOVERFLOW: too many records without data;
 * -ENOMEM; other -errno of the socket. */
int tls_result(struct tls_stream *, int ret);

/* bio.c: takes note of what a receive of the socket brought: fd_recv()'s
 * answer, and whether that was all that it asked for. */
void tls_received(struct tls_stream *, ssize_t n, bool full);

/* Makes the BIO between the library and the blocks of the worker, and its
 * method; the context frees both. 0 or -ENOMEM. */
int tls_bio_new(struct tls_context *);

/*
 * hello.c: goes on with the hello that is awaited. 0: the library may have the
 * bytes to in.may; -EAGAIN: more must come first; -EPROTO: it was refused, and
 * the client was told so where it may be.
 */
int tls_hello_take(struct tls_stream *);

/* The library has had its turn: is another hello awaited? */
void tls_hello_next(struct tls_stream *);

/* There is none to come: what does is the rest of the handshake. */
void tls_hello_behind(struct tls_stream *);

/* verify.c: for SSL_CTX_set_msg_callback(). */
void tls_judge(
    int sent, int version, int type, const void *, size_t, SSL *, void *);

/* For SSL_CTX_set_cert_verify_callback(). */
int tls_verify(X509_STORE_CTX *, void *);

/* forget.c: frees what the session holds of the client's certificates, of which
 * no more is to be asked. */
void tls_forget_certificates(struct tls_stream *);

/* resume.c: a session begins: is there a key for its tickets? */
void tls_resume_begin(struct tls_stream *);

/* Before the library goes on with the handshake: tells it how many tickets the
 * session gets. */
void tls_resume_count(struct tls_stream *);

/* The client's chain was verified. 0 or -ENOMEM. */
int tls_resume_note(struct tls_stream *, STACK_OF(X509) *);
/* What is known of a session whose ticket was opened: its note, NULL if it has
 * none, and whether the client had shown a certificate. */
struct tls_resumed {
	const uint8_t *note;
	size_t len;
	bool certificate;
};

/* May it be resumed? Then its note is kept for its one next ticket. */
bool tls_resume_allowed(SSL *, const struct tls_resumed *);

/* For how many seconds more a ticket with this note is good; 0 or less: no
 * more, or there is no telling. */
int64_t tls_resume_left(const SSL *, const uint8_t *note, size_t len);

/* Does the session get a ticket? Then with that note, borrowed; NULL: none. */
bool tls_resume_ticket(const SSL *, const uint8_t **note, size_t *len);

#endif
