/*
 * When files are loaded that have changed: once they are left alone and fit
 * together, or after a while; and not twice in the same state.
 */
#include "master/renewal.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/epoll.h>

#include "common/conf/conf.h"
#include "t/unit/keys.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define START (1000 * CLOCK_SEC)

/* A certificate and its key, each in a file of that name. */
static void
write_pair(const char *cert_name, const char *key_name)
{
	FILE *f = fopen(scratch_path(cert_name), "w");
	EVP_PKEY *key = key_p256();
	X509 *cert = X509_new();

	if (f == NULL || key == NULL || cert == NULL)
		abort();
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"a", -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	if (X509_sign(cert, key, EVP_sha256()) == 0 ||
	    PEM_write_X509(f, cert) != 1)
		abort();
	fclose(f);
	f = fopen(scratch_path(key_name), "w");
	if (f == NULL ||
	    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	fclose(f);
	chmod(scratch_path(key_name), 0600);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
move(const char *from, const char *to)
{
	if (rename(scratch_path(from), scratch_path(to)) != 0)
		abort();
}

static struct conf *
make_conf(const char *more)
{
	struct conf *conf = NULL;
	char text[1024], *errors = NULL;

	snprintf(text, sizeof(text),
	    "listeners = ( { address = \":8443\"; } );\n"
	    "tls = { certificates = ( { chain = \"%s\"; key = \"%s\"; } ); "
	    "%s };\n",
	    scratch_path("cert"), scratch_path("key"), more);
	if (conf_parse(&conf, text, "test.conf", &errors) != 0)
		abort();
	return (conf);
}

/* A run of the loop, which waits for nothing. */
static bool
receive(struct renewal *r, int64_t now)
{
	struct epoll_event ev;

	return (epoll_wait(r->epoll_fd, &ev, 1, 0) == 1 &&
		renewal_receive(r, ev.data.ptr, now));
}

static int
look(struct renewal *r, const struct conf *conf, int64_t now)
{
	struct renewal_file what;

	return ((int)renewal_look(r, conf, now, &what));
}

static void
test_off(struct renewal *r)
{
	struct conf *conf = make_conf("");
	struct renewal_marks marks = { 0 };

	is_int(renewal_begin(r, conf, &marks, START), 0, "where it is off");
	is_int(r->due, CLOCK_NEVER, "nothing is to be done");
	ok(!r->on && r->folders.fd == -1, "and nothing is watched");
	conf_free(conf);
}

static void
test_quiet(struct renewal *r, const struct conf *conf)
{
	struct renewal_marks marks;
	struct renewal_file what;
	int64_t now = START;

	renewal_marks_take(&marks, conf);
	is_int(renewal_begin(r, conf, &marks, now), 0, "it is on");
	is_int(r->due, CLOCK_NEVER, "nothing has changed");
	write_pair("cert.new", "key.new");
	move("cert.new", "cert");
	ok(receive(r, now), "the first is exchanged");
	is_int(r->due, now + RENEWAL_QUIET, "it is looked at in a moment");
	now += RENEWAL_QUIET / 2;
	move("key.new", "key");
	ok(receive(r, now), "the second");
	is_int(r->due, now + RENEWAL_QUIET, "a moment later");
	now += RENEWAL_QUIET;
	is_int(renewal_look(r, conf, now, &what), RENEWAL_WANTED,
	    "both are loaded");
	is_str(what.setting, "tls.certificates.chain", "what has changed");
	is_int(r->due, CLOCK_NEVER, "that was it");
	move("key", "key.new");
	move("key.new", "key");
	ok(receive(r, now), "one goes and comes");
	is_int(look(r, conf, now + RENEWAL_QUIET), RENEWAL_NOTHING,
	    "which changes nothing");
}

static void
test_busy(struct renewal *r, const struct conf *conf)
{
	int64_t now = START;

	write_pair("cert", "key");
	for (; now < START + RENEWAL_PATIENCE; now += RENEWAL_QUIET / 2)
		renewal_note(r, now);
	is_int(r->due, START + RENEWAL_PATIENCE,
	    "who never stops is not waited for without end");
	is_int(look(r, conf, r->due), RENEWAL_WANTED, "it is loaded");
	(void)receive(r, now);
	is_int(look(r, conf, now), RENEWAL_NOTHING, "once");
}

static void
test_half(struct renewal *r, const struct conf *conf)
{
	int64_t now = START;

	write_pair("cert.new", "key.new");
	move("cert.new", "cert");
	ok(receive(r, now), "one of two is exchanged");
	now = r->due;
	is_int(look(r, conf, now), RENEWAL_UNFIT, "half a pair is not loaded");
	is_int(r->due, START + RENEWAL_PATIENCE, "the rest is waited for");
	now += CLOCK_SEC;
	move("key.new", "key");
	ok(receive(r, now), "it comes");
	now = r->due;
	is_int(look(r, conf, now), RENEWAL_WANTED, "the pair is loaded");

	write_pair("cert.new", "key.new");
	move("cert.new", "cert");
	ok(receive(r, now), "half a pair again");
	is_int(look(r, conf, now + RENEWAL_QUIET), RENEWAL_UNFIT, "as before");
	now = r->due;
	is_int(look(r, conf, now), RENEWAL_WANTED,
	    "in the end it is tried, to tell what is wrong");
	is_int(r->due, CLOCK_NEVER, "and not tried again");
	renewal_note(r, now);
	is_int(look(r, conf, now), RENEWAL_NOTHING, "as long as it is so");
	move("key.new", "key");
	ok(receive(r, now), "the rest comes late");
	is_int(
	    look(r, conf, now + RENEWAL_QUIET), RENEWAL_WANTED, "it is loaded");
}

/* They were changed after they had been read, and before they were watched. */
static void
test_between(struct renewal *r, const struct conf *conf)
{
	struct renewal_marks marks;

	renewal_marks_take(&marks, conf);
	write_pair("cert", "key");
	renewal_begin(r, conf, &marks, START);
	is_int(r->due, START + RENEWAL_QUIET, "that is noticed");
	is_int(look(r, conf, r->due), RENEWAL_WANTED, "and loaded");
}

static void
write_bytes(const char *name, unsigned char seed, size_t n)
{
	FILE *f = fopen(scratch_path(name), "w");

	for (; n > 0; n--)
		putc(seed += 37, f);
	fclose(f);
	chmod(scratch_path(name), 0600);
}

static void
test_ticket_keys(struct renewal *r)
{
	struct renewal_marks marks;
	struct renewal_file what;
	struct conf *conf;
	char more[256];

	snprintf(more, sizeof(more), "watch = true; ticket_keys = \"%s\";",
	    scratch_path("tickets"));
	conf = make_conf(more);
	write_bytes("tickets", 1, 80);
	renewal_marks_take(&marks, conf);
	renewal_begin(r, conf, &marks, START);
	write_bytes("tickets", 2, 79);
	ok(receive(r, START), "keys of tickets are written");
	is_int(look(r, conf, r->due), RENEWAL_UNFIT, "not all of them yet");
	write_bytes("tickets", 2, 80);
	ok(receive(r, START), "now all are");
	is_int(renewal_look(r, conf, r->due, &what), RENEWAL_WANTED,
	    "they are loaded");
	is_str(what.setting, "tls.ticket_keys", "it says what it is");
	renewal_end(r);
	conf_free(conf);
}

/* No more instances of inotify can be had. */
static void
test_blind(struct renewal *r, const struct conf *conf)
{
	struct renewal_marks marks;
	int64_t now = START;

	renewal_marks_take(&marks, conf);
	renewal_begin(r, conf, &marks, now);
	r->folders.error = -EMFILE;
	r->due = now;
	is_int(look(r, conf, now), RENEWAL_NOTHING, "who cannot watch looks");
	/* It can again. */
	is_int(r->due, CLOCK_NEVER, "until he can");
}

int
main(void)
{
	struct renewal r;
	struct conf *conf;
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	scratch_open();
	write_pair("cert", "key");
	renewal_init(&r, epoll_fd);
	test_off(&r);
	conf = make_conf("watch = true;");
	test_quiet(&r, conf);
	test_busy(&r, conf);
	test_half(&r, conf);
	test_between(&r, conf);
	test_blind(&r, conf);
	renewal_end(&r);
	test_ticket_keys(&r);
	conf_free(conf);
	scratch_close();
	close(epoll_fd);
	return (done_testing());
}
