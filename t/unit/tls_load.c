/* Certificates and keys from files: what is taken, refused and warned of. */
#include "master/tls_load.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/tls/expiry.h"
#include "common/tls/library.h"
#include "master/findings.h"
#include "t/unit/keys.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define YEAR (365 * 24 * 60 * 60)
#define DAY  (24 * 60 * 60)

static EVP_PKEY *
write_key(const char *name, const char *type, const EVP_CIPHER *cipher)
{
	EVP_PKEY *key =
	    strcmp(type, "RSA") == 0 ? key_new(EVP_PKEY_RSA, 2048) : key_p256();
	unsigned char pass[] = "secret";
	FILE *f = fopen(scratch_path(name), "w");

	if (key == NULL || f == NULL ||
	    PEM_write_PrivateKey(f, key, cipher, cipher != NULL ? pass : NULL,
		cipher != NULL ? 6 : 0, NULL, NULL) != 1)
		abort();
	fclose(f);
	chmod(scratch_path(name), 0600);
	return (key);
}

static void
set_name(X509_NAME *n, const char *cn)
{
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
}

/* Appends a certificate for cn, valid from now + from to now + to. */
static void
write_cert(const char *name, const char *cn, const char *issuer, EVP_PKEY *key,
    EVP_PKEY *issuer_key, long from, long to)
{
	FILE *f = fopen(scratch_path(name), "a");
	X509 *cert = X509_new();

	if (f == NULL || cert == NULL)
		abort();
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	set_name(X509_get_subject_name(cert), cn);
	set_name(X509_get_issuer_name(cert), issuer);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), to);
	X509_set_pubkey(cert, key);
	if (X509_sign(cert, issuer_key, EVP_sha256()) == 0 ||
	    PEM_write_X509(f, cert) != 1)
		abort();
	X509_free(cert);
	fclose(f);
}

static void
write_text(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(name), "w");

	if (f == NULL)
		abort();
	fputs(text, f);
	fclose(f);
}

static void
make_files(void)
{
	EVP_PKEY *ec = write_key("ec.key", "EC", NULL);
	EVP_PKEY *ec2 = write_key("ec2.key", "EC", NULL);
	EVP_PKEY *rsa = write_key("rsa.key", "RSA", NULL);
	EVP_PKEY *locked = write_key("locked.key", "EC", EVP_aes_128_cbc());

	write_cert("ec.pem", "a", "a", ec, ec, -DAY, YEAR);
	write_cert("ec2.pem", "a", "a", ec2, ec2, -DAY, YEAR);
	write_cert("rsa.pem", "a", "a", rsa, rsa, -DAY, YEAR);
	write_cert("locked.pem", "a", "a", locked, locked, -DAY, YEAR);
	write_cert("chain.pem", "a", "ca", ec, rsa, -DAY, YEAR);
	write_cert("chain.pem", "ca", "root", rsa, ec2, -DAY, YEAR);
	write_cert("order.pem", "a", "ca", ec, rsa, -DAY, YEAR);
	write_cert("order.pem", "root", "root", ec2, ec2, -DAY, YEAR);
	write_cert("order.pem", "ca", "root", rsa, ec2, -DAY, YEAR);
	write_cert("expired.pem", "a", "a", ec, ec, -YEAR, -DAY);
	write_cert("early.pem", "a", "a", ec, ec, DAY, YEAR);
	write_cert("soon.pem", "a", "a", ec, ec, -YEAR, 13 * DAY);
	write_text("empty.pem", "");
	write_text("broken.pem",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ec2);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(locked);
}

/* Text of the last load: the first finding without the directory. */
static char said[1024];

/* Of a file "test.conf": ciphers are on line 2, groups on line 3, then chains
 * and keys, each on a line of its own. */
static struct conf *
conf_of(const char *const files[4], const char *ciphers, const char *groups)
{
	char *text = NULL, *errors = NULL;
	struct conf *conf = NULL;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();
	fprintf(f,
	    "listeners = ( { address = \":8443\"; } );\n"
	    "tls = { ciphers = \"%s\";\ngroups = \"%s\"; certificates = (",
	    ciphers, groups);
	for (i = 0; i < 4 && files[i] != NULL; i += 2)
		fprintf(f, "%s{\nchain = \"%s\";\nkey = \"%s\"; }",
		    i > 0 ? ", " : "", scratch_path(files[i]),
		    scratch_path(files[i + 1]));
	fprintf(f, "); };\n");
	fclose(f);
	if (conf_parse(&conf, text, "test.conf", &errors) != 0)
		abort();
	free(text);
	return (conf);
}

static void
say(const struct findings *f)
{
	const struct finding *first = STAILQ_FIRST(&f->list);
	const char *text, *at;

	said[0] = '\0';
	if (first == NULL)
		return;
	text = first->text;
	at = strstr(text, scratch_dir);
	snprintf(said, sizeof(said), "%s%.*s%s",
	    first->level == LOG_LEVEL_ERROR ? "" : "warning: ",
	    at != NULL ? (int)(at - text) : 0, text,
	    at != NULL ? at + strlen(scratch_dir) + 1 : text);
}

static SSL_CTX *
load_as(const char *const files[4], const char *ciphers, const char *groups)
{
	struct conf *conf = conf_of(files, ciphers, groups);
	SSL_CTX *ctx = NULL;
	struct expiries expiries;
	struct findings f;

	findings_init(&f);
	if (tls_load(&ctx, conf, &expiries, &f) != 0)
		ctx = NULL;
	say(&f);
	findings_fini(&f);
	conf_free(conf);
	return (ctx);
}

static SSL_CTX *
load(const char *chain, const char *key, const char *chain2, const char *key2)
{
	const char *const files[4] = { chain, key, chain2, key2 };

	return (load_as(files, "ECDHE-ECDSA-AES128-GCM-SHA256", "X25519"));
}

static void
taken(const char *chain, const char *key, const char *chain2, const char *key2,
    const char *want)
{
	SSL_CTX *ctx = load(chain, key, chain2, key2);

	ok(ctx != NULL, "%s is taken", chain);
	is_str(said, want, "and what is said about it");
	SSL_CTX_free(ctx);
}

/* The text ends with a date, so many seconds from now: it becomes DATE. */
static void
dated(const char *chain, long from_now)
{
	SSL_CTX *ctx = load(chain, "ec.key", NULL, NULL);
	size_t len = strlen(said);
	const char *end = NULL;
	struct tm tm = { 0 };
	char *date = said + (len > 20 ? len - 20 : 0);

	ok(ctx != NULL, "%s is taken", chain);
	end = strptime(date, "%Y-%m-%dT%H:%M:%SZ", &tm);
	ok(end != NULL && *end == '\0' &&
		labs((long)(timegm(&tm) - time(NULL)) - from_now) < 60 * 60,
	    "%s has the date: %s", chain, date);
	strcpy(date, "DATE");
	SSL_CTX_free(ctx);
}

static void
refused(const char *chain, const char *key, const char *chain2,
    const char *key2, const char *want)
{
	SSL_CTX *ctx = load(chain, key, chain2, key2);

	ok(ctx == NULL, "%s with %s is refused", chain, key);
	ok(strncmp(said, want, strlen(want)) == 0, "and this is said: %s",
	    want);
	if (strncmp(said, want, strlen(want)) != 0)
		printf("#   said %s\n", said);
	SSL_CTX_free(ctx);
}

#ifdef OPENSSL_IS_AWSLC
#define PRIORITIZE_CHACHA 0

static unsigned
max_early_data(const SSL_CTX *ctx)
{
	return (0);
}
#else
#define PRIORITIZE_CHACHA SSL_OP_PRIORITIZE_CHACHA

static unsigned
max_early_data(const SSL_CTX *ctx)
{
	return (SSL_CTX_get_max_early_data(ctx));
}
#endif

static void
settings(void)
{
	char want[128];
	const uint64_t options =
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	    SSL_OP_CIPHER_SERVER_PREFERENCE | PRIORITIZE_CHACHA;
	const long modes = SSL_MODE_ENABLE_PARTIAL_WRITE |
			   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN;
	const char *const files[4] = { "ec.pem", "ec.key", NULL, NULL };
	SSL_CTX *ctx = load("ec.pem", "ec.key", NULL, NULL);

	is_int(SSL_CTX_get_options(ctx) & options, (int64_t)options, "options");
	ok((SSL_CTX_get_options(ctx) & SSL_OP_IGNORE_UNEXPECTED_EOF) == 0,
	    "a cut stream is told from a finished one");
	is_int(SSL_CTX_get_mode(ctx) & modes, modes, "modes");
	ok((SSL_CTX_get_mode(ctx) & SSL_MODE_AUTO_RETRY) == 0,
	    "SSL_read() returns after a record without data");
	is_int(SSL_CTX_get_session_cache_mode(ctx), SSL_SESS_CACHE_OFF,
	    "no session cache");
	is_int(SSL_CTX_get_timeout(ctx), 12 * 3600, "good for 12 hours");
	is_int(max_early_data(ctx), 0, "no early data");
	is_int(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION,
	    "the oldest version");
	SSL_CTX_free(ctx);
	ok(load_as(files, "NO-SUCH-CIPHER", "X25519") == NULL,
	    "ciphers that do not exist are refused");
	is_str(said,
	    "test.conf:2: tls.ciphers: NO-SUCH-CIPHER: no cipher match",
	    "where and why");
	ok(load_as(files, "ECDHE-ECDSA-AES128-GCM-SHA256", "nonsense") == NULL,
	    "groups that do not exist are refused");
	snprintf(want, sizeof(want),
	    "test.conf:3: tls.groups: \"nonsense\" is not a group that %s "
	    "knows",
	    library_name());
	is_str(said, want, "where and why");
}

int
main(void)
{
	scratch_open();
	make_files();
	taken("ec.pem", "ec.key", NULL, NULL, "");
	taken("chain.pem", "ec.key", NULL, NULL, "");
	taken("ec.pem", "ec.key", "rsa.pem", "rsa.key", "");
	dated("expired.pem", -DAY);
	is_str(said,
	    "warning: test.conf:4: tls.certificates.chain: expired.pem: "
	    "certificate 1 expired on DATE",
	    "what is said about it");
	dated("early.pem", DAY);
	is_str(said,
	    "warning: test.conf:4: tls.certificates.chain: early.pem: "
	    "certificate 1 is not valid before DATE",
	    "what is said about it");
	dated("soon.pem", 13 * DAY);
	is_str(said,
	    "warning: test.conf:4: tls.certificates.chain: soon.pem: "
	    "certificate 1 expires in 13 days, on DATE",
	    "what is said about it");
	refused("ec.pem", "ec.key", "ec2.pem", "ec2.key",
	    "test.conf:6: tls.certificates.chain: ec2.pem: has a "
	    "key of the same type (id-ecPublicKey) as another certificate");
	refused("ec.pem", "ec2.key", NULL, NULL,
	    "test.conf:5: tls.certificates.key: ec2.key: does "
	    "not belong to the first certificate");
	refused("ec.pem", "rsa.key", NULL, NULL,
	    "test.conf:5: tls.certificates.key: rsa.key: does "
	    "not belong to the first certificate");
	refused("locked.pem", "locked.key", NULL, NULL,
	    "test.conf:5: tls.certificates.key: locked.key: is "
	    "encrypted, and nobody");
	refused("order.pem", "ec.key", NULL, NULL,
	    "test.conf:4: tls.certificates.chain: order.pem: "
	    "certificate 2 is not that of the issuer of certificate 1");
	refused("empty.pem", "ec.key", NULL, NULL,
	    "test.conf:4: tls.certificates.chain: empty.pem: has "
	    "no certificate in PEM format");
	refused("broken.pem", "ec.key", NULL, NULL,
	    "test.conf:4: tls.certificates.chain: broken.pem: its "
	    "certificates cannot be read: ");
	refused("ec.pem", "ec.pem", NULL, NULL,
	    "test.conf:5: tls.certificates.key: ec.pem: has no private "
	    "key in PEM format");
	refused("absent.pem", "ec.key", NULL, NULL,
	    "test.conf:4: tls.certificates.chain: absent.pem: cannot be "
	    "read: No such file or directory");
	chmod(scratch_path("ec.key"), 0644);
	taken("ec.pem", "ec.key", NULL, NULL,
	    "warning: test.conf:5: tls.certificates.key: ec.key: its mode "
	    "0644 lets every user read it; take that away with chmod "
	    "o-rw");
	settings();
	scratch_close();
	return (done_testing());
}
