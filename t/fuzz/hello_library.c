/*
 * Our reader of ClientHellos and the TLS library's, given the same bytes: what
 * one takes and the other refuses is listed here, and meant.
 */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/tls/client_hello.h"

#define MAX (16 * 1024)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static SSL_CTX *ctx;

/* What the library makes of the bytes. */
struct library {
	bool called;  /* it has a hello, and showed it */
	bool refused; /* it has none, and wants no more bytes */
	int error;    /* its reason; 0: it keeps it to itself */
	const char *text;
	bool has_name;
	enum reason reason;
	uint8_t name[MAX];
	size_t len;
};

/* Ours. */
struct own {
	enum client_hello_progress progress;
	bool whole; /* ... and good */
	struct client_hello_fault fault;
	struct client_hello hello;
};

/* We refuse it, and the library (OpenSSL 3.0, 3.5) may not. */
static bool
stricter(const struct client_hello_fault *fault)
{
	static const char *const meant[] = {
		/* RFC 8446 section 5.1; OpenSSL takes some in a row. */
		"an empty record",
		/* Nor does it look at the type of those. */
		"a record of another type in place of a hello",
		/* It would keep the rest for later. */
		"a record goes on after the hello",
		/* RFC 8446 section 4.2; it looks at those that it knows. */
		"the hello has an extension twice",
		/* Section 4.2.11; AWS-LC looks at that after its callback. */
		"the hello goes on after its pre_shared_key",
		/* It looks at ciphers and compressions after its callback. */
		"the hello is cut short, or goes on after its end",
	};
	size_t i;

	for (i = 0; i < sizeof(meant) / sizeof(meant[0]); i++)
		if (fault->why != NULL && strcmp(fault->why, meant[i]) == 0)
			return (true);
	/* Our bound is lower than its own. */
	return (fault->reason == REASON_CLIENT_HELLO_TOO_BIG ||
		/* It would serve the TLS 1.2 that such a hello can offer. */
		fault->reason == REASON_TLS_VERSION);
}

/*
 * We take it, and the library does not, which is for the handshake to find: an
 * extension that it knows, and that is not of a TLS hello, such as DTLS's
 * use_srtp.
 */
#ifdef OPENSSL_IS_AWSLC
/* It looks at the name before its callback, and does not say what is wrong
 * (5.12). No such name is a target, so the handshake never comes to it. */
static bool
name_displeases(const struct client_hello *hello)
{
	return (hello->reason == REASON_SNI_MALFORMED ||
		(hello->name != NULL &&
		    (hello->name_len == 0 ||
			hello->name_len > TLSEXT_MAXLEN_host_name ||
			memchr(hello->name, '\0', hello->name_len) != NULL)));
}

static bool
laxer(const struct library *l, const struct own *o)
{
	return (l->error == SSL_R_ERROR_PARSING_EXTENSION ||
		l->error == SSL_R_PARSE_TLSEXT ||
		/* encrypted_client_hello, too, before its callback */
		l->error == SSL_R_DECODE_ERROR ||
		(l->error == 0 && name_displeases(&o->hello)));
}
#else
static bool
laxer(const struct library *l, const struct own *o)
{
	return (l->error == SSL_R_BAD_EXTENSION);
}
#endif

static int
hello_cb(SSL *ssl, int *alert, void *arg)
{
	struct library *l = SSL_get_app_data(ssl);
	const uint8_t *ext, *name = NULL;
	size_t len, name_len = 0;

	l->called = true;
	l->reason = REASON_SNI_MISSING;
	if (SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_server_name, &ext, &len) == 1)
		l->reason =
		    client_hello_server_name(ext, len, &name, &name_len);
	l->has_name = name != NULL;
	l->len = name_len;
	if (name != NULL)
		memcpy(l->name, name, name_len);
	*alert = SSL_AD_ACCESS_DENIED;
	return (SSL_CLIENT_HELLO_ERROR);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	ctx = SSL_CTX_new(TLS_server_method());
	assert(ctx != NULL);
	SSL_CTX_set_client_hello_cb(ctx, hello_cb, NULL);
	return (0);
}

static void
ask_library(struct library *l, const uint8_t *data, size_t len)
{
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new_mem_buf(data, (int)len), *out = BIO_new(BIO_s_mem());

	assert(ssl != NULL && in != NULL && out != NULL);
	l->called = false;
	l->refused = false;
	l->error = 0;
	l->text = "";
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	SSL_set_app_data(ssl, l);
	ERR_clear_error();
	if (SSL_accept(ssl) != 1 && !l->called)
		l->refused = SSL_get_error(ssl, -1) != SSL_ERROR_WANT_READ;
	if (l->refused && ERR_peek_error() != 0) {
		l->error = ERR_GET_REASON(ERR_peek_error());
		l->text = ERR_reason_error_string(ERR_peek_error());
	}
	SSL_free(ssl);
}

static void
ask_own(struct own *o, const uint8_t *data, size_t len)
{
	static uint8_t room[MAX];
	struct client_hello_scan scan = { 0 };

	o->whole = false;
	o->progress = client_hello_follow(&scan, data, len, MAX, &o->fault);
	if (o->progress == CLIENT_HELLO_WHOLE)
		o->whole = client_hello_read(&o->hello,
		    client_hello_message(&scan, data, room), scan.length,
		    &o->fault);
}

static void
disagree(const struct library *l, const struct own *o, const char *what)
{
	fprintf(stderr, "%s: library: %s, error %d (%s); own: %d, %s\n", what,
	    l->called	 ? "a hello"
	    : l->refused ? "refused"
			 : "more",
	    l->error, l->text, o->progress,
	    o->whole || o->fault.why == NULL ? "good" : o->fault.why);
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct library l;
	static struct own o;

	if (len > MAX)
		return (0);
	ask_library(&l, data, len);
	ask_own(&o, data, len);
	if (o.progress == CLIENT_HELLO_MORE) {
		if (l.called || l.refused)
			disagree(&l, &o, "we want more");
	} else if (!o.whole) {
		/* Or it wants more, where we have seen enough. */
		if (l.called && !stricter(&o.fault))
			disagree(&l, &o, "we refuse");
	} else if (!l.called) {
		if (l.refused && laxer(&l, &o))
			return (0);
		disagree(&l, &o, "we take it");
	} else if (o.hello.reason != l.reason ||
		   (o.hello.name != NULL) != l.has_name ||
		   (l.has_name &&
		       (o.hello.name_len != l.len ||
			   memcmp(o.hello.name, l.name, l.len) != 0))) {
		disagree(&l, &o, "another name");
	}
	return (0);
}
