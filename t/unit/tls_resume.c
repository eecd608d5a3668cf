/*
 * What a ticket is worth under other settings than those it was made under:
 * two servers that share their ticket keys, as they would before and after a
 * reload, and a client that resumes at the second what it began at the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/shm/ticket_keys.h"
#include "common/tls/expiry.h"
#include "master/findings.h"
#include "master/tls_load.h"
#include "t/unit/keys.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"
#include "worker/tls/ticket.h"
#include "worker/tls/handshake.h"
#include "worker/tls/stream.h"

#define DAY   (24 * 60 * 60)
#define VALID (100 * DAY)

static struct buffers buffers;

/* An authority, or a client. */
struct party {
	EVP_PKEY *key;
	X509 *cert;
	const struct party *issuer;
};

static struct party mesh, other, below, server;
static struct party client; /* issued by below */

static void
set_name(X509_NAME *n, const char *cn)
{
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext =
	    X509V3_EXT_conf_nid(NULL, NULL, nid, (char *)value);

	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1)
		abort();
	X509_EXTENSION_free(ext);
}

/* padding: so many bytes more of names. */
static void
certify(struct party *p, const char *cn, const struct party *issuer, int serial,
    size_t padding)
{
	bool leaf = serial < 10;
	char *sans;

	p->issuer = issuer != NULL ? issuer : p;
	p->key = key_p256();
	p->cert = X509_new();
	X509_set_version(p->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(p->cert), serial);
	set_name(X509_get_subject_name(p->cert), cn);
	X509_set_issuer_name(p->cert, X509_get_subject_name(p->issuer->cert));
	X509_gmtime_adj(X509_getm_notBefore(p->cert), -DAY);
	X509_gmtime_adj(X509_getm_notAfter(p->cert), VALID);
	X509_set_pubkey(p->cert, p->key);
	extend(p->cert, NID_basic_constraints, leaf ? "CA:FALSE" : "CA:TRUE");
	if (leaf && asprintf(&sans, "DNS:client.example.com%s%0*d",
			padding > 0 ? ",email:" : "", (int)padding, 0) == -1)
		abort();
	if (leaf) {
		sans[strlen(sans) - (padding == 0)] = '\0';
		extend(p->cert, NID_subject_alt_name, sans);
		free(sans);
	}
	if (X509_sign(p->cert, p->issuer->key, EVP_sha256()) == 0)
		abort();
}

static void
decertify(struct party *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->cert);
}

static void
write_cert(const char *name, const struct party *p)
{
	FILE *f = fopen(scratch_path(name), "a");

	if (f == NULL || PEM_write_X509(f, p->cert) != 1)
		abort();
	fclose(f);
}

/* Appends a list that is in force between two times, in seconds from now;
 * revoked: a serial number, 0 for none; until 0: it does not say until when. */
static void
write_crl_since(const char *name, const struct party *p, long since, long until,
    int revoked)
{
	FILE *f = fopen(scratch_path(name), "a");
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	ASN1_TIME *t = X509_gmtime_adj(NULL, since);

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(p->cert));
	X509_CRL_set1_lastUpdate(crl, t);
	ASN1_INTEGER_set(serial, revoked);
	X509_REVOKED_set_serialNumber(entry, serial);
	X509_REVOKED_set_revocationDate(entry, t);
	X509_gmtime_adj(t, until);
	if (until != 0)
		X509_CRL_set1_nextUpdate(crl, t);
	if (revoked != 0)
		X509_CRL_add0_revoked(crl, entry);
	else
		X509_REVOKED_free(entry);
	if (X509_CRL_sign(crl, p->key, EVP_sha256()) == 0 || f == NULL ||
	    PEM_write_X509_CRL(f, crl) != 1)
		abort();
	fclose(f);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
}

static void
write_crl(const char *name, const struct party *p, long until, int revoked)
{
	write_crl_since(name, p, -DAY, until, revoked);
}

/* What a server is set up by: files' names, and client_auth. */
struct setup {
	const char *auth, *ca, *crl;
	uint64_t hello;	  /* 0: 16 KiB */
	int64_t lifetime; /* 0: an hour; -1: none is set */
	const char *ciphers;
	int key;	  /* which key of tickets seals; others are accepted */
	bool keyless;	  /* it has none */
	unsigned tickets; /* 0: one */
};

static SSL_CTX *
load(const struct setup *s, size_t *warnings)
{
	struct conf *conf = NULL;
	struct finding *line;
	struct expiries expiries;
	struct findings f;
	SSL_CTX *ctx = NULL;
	char *text, *errors = NULL;

	if (asprintf(&text,
		"listeners = ( { address = \":8443\"; } ); tls = {"
		" certificates = ( { chain = \"%s\"; key = \"%s\"; } );"
		" client_auth = \"%s\"; client_ca = \"%s\"; %s%s%s ciphers ="
		" \"%s\"; };",
		scratch_path("server.pem"), scratch_path("server.key"), s->auth,
		scratch_path(s->ca), s->crl != NULL ? "crl = \"" : "",
		s->crl != NULL ? scratch_path(s->crl) : "",
		s->crl != NULL ? "\";" : "",
		s->ciphers != NULL ? s->ciphers
				   : "ECDHE-ECDSA-AES128-GCM-SHA256") == -1 ||
	    conf_parse(&conf, text, "test.conf", &errors) != 0)
		abort();
	findings_init(&f);
	if (tls_load(&ctx, conf, &expiries, &f) != 0)
		ctx = NULL;
	*warnings = 0;
	STAILQ_FOREACH (line, &f.list, entry) {
		(*warnings)++;
		printf("# %s\n", line->text);
	}
	findings_fini(&f);
	conf_free(conf);
	free(text);
	return (ctx);
}

static SSL_SESSION *kept;
static int nkept;

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	nkept++;
	SSL_SESSION_free(kept);
	kept = session;
	return (1);
}

static SSL *
client_new(SSL_CTX *ctx, int fd, const struct party *p, SSL_SESSION *session)
{
	SSL *ssl = SSL_new(ctx);

	if (p != NULL && (SSL_use_certificate(ssl, p->cert) != 1 ||
			     SSL_use_PrivateKey(ssl, p->key) != 1 ||
			     SSL_add1_chain_cert(ssl, below.cert) != 1))
		abort();
	SSL_set_tlsext_host_name(ssl, "a.test:443");
	SSL_set_fd(ssl, fd);
	SSL_set_connect_state(ssl);
	if (session != NULL)
		SSL_set_session(ssl, session);
	return (ssl);
}

static enum tls_alert
take_hello(void *arg, const uint8_t *name, size_t len, enum reason *reason)
{
	return (TLS_ALERT_NONE);
}

/* How a handshake went at the server. */
struct outcome {
	bool done, resumed;
	size_t identities;
	SSL_SESSION *session; /* for the next; NULL: no ticket came */
};

static void
shake(struct tls_handshake *handshake, SSL *ssl, struct outcome *out)
{
	const struct identity *names;
	struct tls_stream *tls;
	const char *why;
	struct io io = { .outcome = IO_TURN };
	char byte = 'x';
	int i;

	for (i = 0; i < 100 && io.outcome != IO_DONE &&
		    io.outcome != IO_BROKEN && io.outcome != IO_CUT;
	     i++) {
		(void)SSL_do_handshake(ssl);
		io = tls_handshake_run(handshake, false);
	}
	out->done = io.outcome == IO_DONE;
	if (!out->done) {
		tls_handshake_free(handshake);
		return;
	}
	out->resumed = tls_handshake_resumed(handshake);
	if (tls_handshake_identities(
		handshake, &names, &out->identities, &why) != 0)
		abort();
	tls = tls_handshake_take(handshake);
	/* The ticket comes with the first bytes at the latest. */
	(void)SSL_do_handshake(ssl);
	if (tls_send(tls, (uint8_t *)&byte, 1).n != 1)
		abort();
	for (i = 0; i < 100 && SSL_read(ssl, &byte, 1) != 1; i++)
		continue;
	tls_stream_free(tls);
}

/* Two keys, in that order. */
static struct ticket_keys *writer;
static const struct ticket_keys *reader;

static void
set_keys(const struct setup *s)
{
	struct ticket_key keys[2];

	memset(keys, 'k', sizeof(keys));
	keys[0].secret[0] = keys[0].name[0] = (uint8_t)s->key;
	keys[1].secret[0] = keys[1].name[0] = (uint8_t)!s->key;
	ticket_keys_write(writer, keys, s->keyless ? 0 : 2);
}

/* A client (NULL: without certificate) at a server of that setup. */
static struct outcome
meet(const struct setup *s, int version, const struct party *p,
    SSL_SESSION *session)
{
	const struct tls_bounds bounds = { s->hello != 0 ? s->hello : 16384,
		64 * 1024 };
	struct outcome out = { .done = false };
	struct tls_context *context;
	size_t warnings;
	SSL_CTX *ctx = load(s, &warnings), *its;
	struct tls_handshake *handshake;
	SSL *ssl;
	int fds[2];

	its = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(its, version);
	SSL_CTX_set_max_proto_version(its, version);
	/* A hello of OpenSSL 3.5 has more than 1 KiB of key share else. */
	SSL_CTX_set1_groups_list(its, "X25519:P-256");
	SSL_CTX_set_session_cache_mode(
	    its, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(its, keep_session);
	if (ctx == NULL ||
	    tls_context_new(&context, ctx, &bounds, &buffers, take_hello) !=
		0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		fds) != 0 ||
	    tls_handshake_new(&handshake, context, fds[0], NULL) != 0)
		abort();
	if (s->lifetime >= 0)
		tls_context_trust(
		    context, s->lifetime != 0 ? s->lifetime : 3600 * CLOCK_SEC);
	set_keys(s);
	tls_context_tickets(context, reader, s->tickets != 0 ? s->tickets : 1);
	kept = NULL;
	nkept = 0;
	ssl = client_new(its, fds[1], p, session);
	shake(handshake, ssl, &out);
	out.session = kept;
	/* Else its session would be of no more use (OpenSSL 3.0). */
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
	SSL_free(ssl);
	SSL_CTX_free(its);
	tls_context_free(context);
	SSL_CTX_free(ctx);
	close(fds[0]);
	close(fds[1]);
	return (out);
}

enum want {
	RESUMED,
	ANEW,
	REFUSED
};

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* A session of the one setup at the other. */
static void
move(const char *title, const struct setup *from, const struct setup *to,
    const struct party *p, enum want want)
{
	struct outcome first, next;
	size_t i, names = p != NULL ? 1 : 0;

	for (i = 0; i < 2; i++) {
		first = meet(from, versions[i], p, NULL);
		ok(first.done && first.session != NULL &&
			first.identities == names,
		    "1.%zu: %s: a session", i + 2, title);
		next = meet(to, versions[i], p, first.session);
		ok(next.done == (want != REFUSED) &&
			next.resumed == (want == RESUMED) &&
			(want == REFUSED || next.identities == names),
		    "1.%zu: %s: %s", i + 2, title,
		    want == RESUMED ? "is resumed"
		    : want == ANEW  ? "is not resumed, and its client served"
				    : "is not resumed, and its client refused");
		SSL_SESSION_free(first.session);
		SSL_SESSION_free(next.session);
	}
}

static void
moves(void)
{
	const struct setup plain = { .auth = "required", .ca = "mesh.pem" };
	const struct setup lists = {
		.auth = "required", .ca = "mesh.pem", .crl = "good.crl"
	};
	const struct setup optional = { .auth = "optional", .ca = "mesh.pem" };
	struct setup to = lists;

	move("the same setup", &plain, &plain, &client, RESUMED);
	move("the same setup with lists", &lists, &lists, &client, RESUMED);
	to.crl = "renewed.crl";
	move("renewed lists", &lists, &to, &client, RESUMED);
	to.crl = "revoked.crl";
	move("the client is revoked", &lists, &to, &client, REFUSED);
	to.crl = "below.crl";
	move("its authority is revoked", &lists, &to, &client, REFUSED);
	to.crl = "late.crl";
	move("a list is out of date", &lists, &to, &client, REFUSED);
	to.crl = "half.crl";
	move(
	    "an authority has no list any more", &lists, &to, &client, REFUSED);
	to.crl = "late_and_good.crl";
	move("a list in force, and an older one out of date", &lists, &to,
	    &client, RESUMED);
	to.crl = "good_and_next.crl";
	move("a list in force, and one of the future", &lists, &to, &client,
	    ANEW);
	to.crl = "endless.crl";
	move("lists that do not say until when", &lists, &to, &client, RESUMED);
	move("lists where there were none", &plain, &lists, &client, ANEW);
	move("no lists any more", &lists, &plain, &client, ANEW);
	to = plain;
	to.ca = "both.pem";
	move("one more authority", &plain, &to, &client, ANEW);
	to.ca = "other.pem";
	move("another authority", &plain, &to, &client, REFUSED);
	move("from optional to required", &optional, &plain, &client, ANEW);
	move("from required to optional", &plain, &optional, &client, ANEW);
	move("nobody", &optional, &optional, NULL, RESUMED);
	move("nobody, where a certificate is required", &optional, &plain, NULL,
	    REFUSED);
	to = plain;
	to.lifetime = -1;
	move("no lifetime is set", &plain, &to, &client, ANEW);
	to = plain;
	to.key = 1;
	move("a new key, and the old one", &plain, &to, &client, RESUMED);
	move("a key that others seal with already", &to, &plain, &client,
	    RESUMED);
	to = plain;
	to.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
	move("other ciphers", &plain, &to, &client, ANEW);
	to = plain;
	to.keyless = true;
	move("no key any more", &plain, &to, &client, ANEW);
}

/* A ticket that would not fit into a hello is not given. */
static void
sizes(void)
{
	struct setup s = { .auth = "required", .ca = "mesh.pem" };
	struct outcome first, next;
	struct party fat;
	size_t i;

	certify(&fat, "fat", &below, 2, 9000);
	for (i = 0; i < 2; i++) {
		first = meet(&s, versions[i], &fat, NULL);
		ok(first.done && first.session == NULL,
		    "1.%zu: no ticket with a certificate of 9 KiB", i + 2);
		next = meet(&s, versions[i], &fat, first.session);
		ok(next.done && !next.resumed, "1.%zu: once more", i + 2);
		SSL_SESSION_free(first.session);
		SSL_SESSION_free(next.session);
	}
	s.hello = 1024;
	first = meet(&s, TLS1_3_VERSION, &client, NULL);
	ok(first.done && first.session == NULL,
	    "no ticket that limits.client_hello has no room for");
	decertify(&fat);
}

/* How many tickets there are: of the first handshake, and of one that resumes
 * its session. */
static void
numbers(void)
{
	struct setup s = { .auth = "optional", .ca = "mesh.pem" };
	struct outcome first, next;
	struct party fat;
	unsigned n;

	for (n = 1; n <= 4; n++) {
		s.tickets = n;
		first = meet(&s, TLS1_3_VERSION, NULL, NULL);
		is_int(nkept, n, "as many tickets as are wanted");
		next = meet(&s, TLS1_3_VERSION, NULL, first.session);
		ok(next.resumed, "the last is good");
		is_int(nkept, 1, "it brings one");
		SSL_SESSION_free(first.session);
		SSL_SESSION_free(next.session);
	}
	first = meet(&s, TLS1_3_VERSION, &client, NULL);
	is_int(nkept, 4, "so many with a certificate");
	next = meet(&s, TLS1_3_VERSION, &client, first.session);
	ok(next.resumed && nkept == 1, "and the last is good");
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(next.session);
	certify(&fat, "fat", &below, 2, 6000);
	first = meet(&s, TLS1_3_VERSION, &fat, NULL);
	is_int(nkept, 2, "as many as are kept back, with one of 6 KiB");
	next = meet(&s, TLS1_3_VERSION, &fat, first.session);
	ok(next.resumed, "and the last is good");
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(next.session);
	decertify(&fat);
	first = meet(&s, TLS1_2_VERSION, NULL, NULL);
	is_int(nkept, 1, "one in TLS 1.2");
	SSL_SESSION_free(first.session);
	s.keyless = true;
	for (n = TLS1_2_VERSION; n <= TLS1_3_VERSION; n++) {
		first = meet(&s, (int)n, NULL, NULL);
		ok(first.done && nkept == 0, "none without a key");
	}
}

/* A chain whose names do not fit into a note. */
static void
long_names(void)
{
	uint8_t note[TLS_TICKET_NOTE_MAX];
	STACK_OF(X509) *chain = sk_X509_new_null();
	size_t len;
	int i;

	for (i = 0; i < 3; i++)
		sk_X509_push(chain, i < 2 ? client.cert : mesh.cert);
	len = tls_ticket_note(note, chain, 1000);
	ok(len > 17 && len < 200, "a note of three certificates: %zu", len);
	for (i = 0; i < 200; i++)
		sk_X509_push(chain, mesh.cert);
	is_int(tls_ticket_note(note, chain, 1000), 0,
	    "a chain of 203 certificates gets none");
	sk_X509_free(chain);
}

/* Whatever is cut of a note, it holds no more. */
static void
notes(void)
{
	const struct setup s = {
		.auth = "required", .ca = "mesh.pem", .crl = "good.crl"
	};
	uint8_t note[TLS_TICKET_NOTE_MAX];
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct tls_ticket_terms terms = { .now = time(NULL), .lifetime = 3600 };
	size_t warnings, len, i, held = 0;
	SSL_CTX *ctx = load(&s, &warnings);

	is_int((int64_t)warnings, 0, "no warning of good files");
	terms.store = SSL_CTX_get_cert_store(ctx);
	sk_X509_push(chain, client.cert);
	sk_X509_push(chain, below.cert);
	sk_X509_push(chain, mesh.cert);
	len = tls_ticket_note(note, chain, terms.now - 60);
	ok(tls_ticket_holds(note, len, &terms), "a note holds");
	for (i = 0; i < len; i++)
		held += tls_ticket_holds(note, i, &terms);
	is_int((int64_t)held, 3, "cut, it holds where certificates end alone");
	is_int(tls_ticket_left(note, len, &terms), 3540, "for the lifetime");
	terms.lifetime = 61;
	ok(tls_ticket_holds(note, len, &terms), "within its lifetime");
	is_int(tls_ticket_left(note, len, &terms), 1, "for a second");
	terms.lifetime = 2 * VALID;
	ok(tls_ticket_left(note, len, &terms) <= VALID, "or for its chain's");
	terms.lifetime = 60;
	ok(!tls_ticket_holds(note, len, &terms), "at the end of its lifetime");
	terms.lifetime = 3600;
	terms.now -= 61;
	ok(!tls_ticket_holds(note, len, &terms), "before it was made");
	terms.now += 61 + VALID;
	terms.lifetime = 2 * VALID;
	ok(!tls_ticket_holds(note, len, &terms), "the chain has expired");
	note[0]++;
	terms.now -= VALID;
	ok(!tls_ticket_holds(note, len, &terms), "a note of another version");
	sk_X509_free(chain);
	SSL_CTX_free(ctx);
}

static void
write_files(void)
{
	FILE *f = fopen(scratch_path("server.key"), "w");

	certify(&mesh, "mesh", NULL, 10, 0);
	certify(&other, "other", NULL, 11, 0);
	certify(&below, "below", &mesh, 12, 0);
	certify(&client, "client", &below, 1, 0);
	certify(&server, "server", NULL, 1, 0);
	if (f == NULL ||
	    PEM_write_PrivateKey(f, server.key, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	fclose(f);
	chmod(scratch_path("server.key"), 0600);
	write_cert("server.pem", &server);
	write_cert("mesh.pem", &mesh);
	write_cert("other.pem", &other);
	write_cert("both.pem", &mesh);
	write_cert("both.pem", &other);
	write_crl("good.crl", &mesh, DAY, 0);
	write_crl("good.crl", &below, DAY, 0);
	write_crl("renewed.crl", &mesh, 2 * DAY, 0);
	write_crl("renewed.crl", &below, 2 * DAY, 5);
	write_crl("revoked.crl", &mesh, DAY, 0);
	write_crl("revoked.crl", &below, DAY, 1);
	write_crl("below.crl", &mesh, DAY, 12);
	write_crl("below.crl", &below, DAY, 0);
	write_crl("late.crl", &mesh, DAY, 0);
	write_crl("late.crl", &below, -60, 0);
	write_crl("half.crl", &mesh, DAY, 0);
	write_crl("late_and_good.crl", &mesh, DAY, 0);
	write_crl_since("late_and_good.crl", &below, -2 * DAY, -60, 0);
	write_crl("late_and_good.crl", &below, DAY, 0);
	write_crl("good_and_next.crl", &mesh, DAY, 0);
	write_crl("good_and_next.crl", &below, DAY, 0);
	write_crl_since("good_and_next.crl", &below, DAY, 2 * DAY, 0);
	write_crl("endless.crl", &mesh, 0, 0);
	write_crl("endless.crl", &below, 0, 0);
}

int
main(void)
{
	scratch_open();
	buffers_init(&buffers, 64 * 1024, tls_slack(64 * 1024));
	write_files();
	if (ticket_keys_new(&writer, &reader, NULL) != 0)
		abort();
	moves();
	sizes();
	numbers();
	long_names();
	notes();
	ticket_keys_free(writer, reader);
	buffers_fini(&buffers);
	decertify(&mesh);
	decertify(&other);
	decertify(&below);
	decertify(&client);
	decertify(&server);
	scratch_close();
	return (done_testing());
}
