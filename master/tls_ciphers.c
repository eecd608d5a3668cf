/*
 * Looks for ciphers of TLS 1.2 that must not, or cannot, be agreed upon, and
 * for words that stand for none.
 */
#include "master/tls_ciphers.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "common/base/piece.h"
#include "common/conf/conf.h"
#include "common/tls/library.h"
#include "master/certificate.h"
#include "master/findings.h"
#include "master/pem.h"

/* Words without a meaning that are told: to see what is wrong, not to list. */
#define WORDS_MAX 10

struct ciphers {
	STACK_OF(SSL_CIPHER) * listed;	/* borrowed: all of tls.ciphers */
	STACK_OF(SSL_CIPHER) * enabled; /* owned: what may be agreed to */
	const struct certificate_keys *keys;
};

/* Those of a kind: the first by name, and how many there are. */
struct some {
	const char *first;
	int n;
};

static int
ciphers_init(
    struct ciphers *c, SSL_CTX *ctx, const struct certificate_keys *keys)
{
	SSL *ssl = SSL_new(ctx);

	*c = (struct ciphers){ .listed = SSL_CTX_get_ciphers(ctx),
		.keys = keys };
	if (ssl == NULL)
		return (-ENOMEM);
	c->enabled = library_ciphers(ssl);
	SSL_free(ssl);
	ERR_clear_error();
	return (0);
}

/* Those of TLS 1.3 are not of tls.ciphers. */
static bool
is_listed(const SSL_CIPHER *cipher)
{
	return (SSL_CIPHER_get_auth_nid(cipher) != NID_auth_any);
}

static bool
is_enabled(const struct ciphers *c, const SSL_CIPHER *cipher)
{
	return (
	    c->enabled != NULL && sk_SSL_CIPHER_find(c->enabled, cipher) >= 0);
}

/* Why nobody should want it; NULL: it is as ciphers should be. */
static const char *
weakness(const SSL_CIPHER *cipher)
{
	if (SSL_CIPHER_get_cipher_nid(cipher) == NID_undef)
		return ("does not encrypt");
	if (library_anonymous(cipher))
		return ("does not show who the server is");
	return (NULL);
}

/* Can a certificate be used with it? There are no parameters for DHE, and no
 * keys beside those of certificates. */
static bool
is_usable(const struct ciphers *c, const SSL_CIPHER *cipher)
{
	bool ecdhe = SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe;

	if (!is_enabled(c, cipher) || weakness(cipher) != NULL)
		return (false);
	if (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa)
		return (ecdhe && c->keys->ecdsa);
	if (SSL_CIPHER_get_auth_nid(cipher) != NID_auth_rsa)
		return (false);
	if (ecdhe)
		return (c->keys->rsa || c->keys->rsa_pss);
	return (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa && c->keys->rsa);
}

/* Is it written by its name? Keywords stand for many, of which some may do
 * nothing. */
static bool
is_named(const char *list, const SSL_CIPHER *cipher)
{
	const char *name = SSL_CIPHER_get_name(cipher);
	size_t len;

	for (; *list != '\0'; list += len + (list[len] != '\0')) {
		len = strcspn(list, ":, ;");
		if (piece_is((struct piece){ list, len }, name))
			return (true);
	}
	return (false);
}

/* Words that lists of ciphers exclude from of old, although the library has
 * none of the kind any more. */
static bool
is_gone(struct piece word)
{
	static const char *const words[] = { "RC2", "RC4", "DES", "3DES",
		"IDEA", "SEED", "MD5", "LOW", "MEDIUM", "EXP", "EXPORT",
		"EXPORT40", "EXPORT56", "SSLv2", "DSS", "aDSS", "KRB5", "ADH",
		"AECDH", "DH", "kDH", "kDHd", "kDHr", "aDH", "ECDH", "kECDH",
		"kECDHe", "kECDHr", "aECDH", "aNULL", "eNULL", "NULL", "PSK",
		"SRP", "CAMELLIA", "ARIA" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (piece_is(word, words[i]))
			return (true);
	return (false);
}

/* The library passes over what it does not know, beside what it knows. */
static bool
is_known(SSL_CTX *any, struct piece word)
{
	bool excluded =
	    piece_cut_text(&word, "!") || piece_cut_text(&word, "-");
	char text[64];

	if (!excluded)
		piece_cut_text(&word, "+");
	if (word.len == 0 || word.s[0] == '@' || (excluded && is_gone(word)))
		return (true);
	if (word.len >= sizeof(text))
		return (false);
	memcpy(text, word.s, word.len);
	text[word.len] = '\0';
	return (SSL_CTX_set_cipher_list(any, text) == 1);
}

static void
check_words(const struct conf *conf, struct findings *f)
{
	SSL_CTX *any = SSL_CTX_new(TLS_server_method());
	const char *list = conf->tls.ciphers;
	int told = 0;
	size_t len;

	for (; *list != '\0' && any != NULL && told < WORDS_MAX;
	     list += len + (list[len] != '\0')) {
		len = strcspn(list, ":, ;");
		if (is_known(any, (struct piece){ list, len }))
			continue;
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->tls.ciphers,
		    "\"%.*s\" stands for no cipher of TLS 1.2 that %s "
		    "has: it is passed over",
		    (int)(len < 64 ? len : 64), list, library_name());
		told++;
	}
	SSL_CTX_free(any);
	ERR_clear_error();
}

/* Where both kinds are in the list, somebody chose in which order. */
static void
check_chacha(const struct conf *conf, struct findings *f)
{
	const char *list = conf->tls.ciphers;

	if (library_prefers_chacha() || strstr(list, "CHACHA20") == NULL ||
	    strstr(list, "AES") == NULL)
		return;
	findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->tls.ciphers,
	    "%s goes by the order of the list, also for a client that would "
	    "rather have ChaCha20",
	    library_name());
}

static void
some_add(struct some *s, const SSL_CIPHER *cipher)
{
	if (s->n++ == 0)
		s->first = SSL_CIPHER_get_name(cipher);
}

/* "A", "A and 1 more", "A and 7 more". */
static void
some_format(const struct some *s, char text[128])
{
	snprintf(
	    text, 128, s->n > 1 ? "%s and %d more" : "%s", s->first, s->n - 1);
}

static int
check_weak(const struct ciphers *c, const struct conf *conf, struct findings *f)
{
	const SSL_CIPHER *cipher, *worst = NULL;
	struct some idle = { NULL, 0 };
	char text[128];
	int i;

	for (i = 0; i < (int)sk_SSL_CIPHER_num(c->listed); i++) {
		cipher = sk_SSL_CIPHER_value(c->listed, i);
		if (weakness(cipher) == NULL)
			continue;
		if (is_enabled(c, cipher) && worst == NULL)
			worst = cipher;
		some_add(&idle, cipher);
	}
	if (worst != NULL) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->tls.ciphers,
		    "%s %s; add \":!eNULL:!aNULL\"", SSL_CIPHER_get_name(worst),
		    weakness(worst));
		return (-EINVAL);
	}
	if (idle.n == 0)
		return (0);
	some_format(&idle, text);
	findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->tls.ciphers,
	    "%s would not protect anybody and %s never used; add "
	    "\":!eNULL:!aNULL\"",
	    text, idle.n > 1 ? "are" : "is");
	return (0);
}

static void
check_usable(
    const struct ciphers *c, const struct conf *conf, struct findings *f)
{
	const SSL_CIPHER *cipher;
	struct some idle = { NULL, 0 };
	char text[128];
	int i, usable = 0;

	for (i = 0; i < (int)sk_SSL_CIPHER_num(c->listed); i++) {
		cipher = sk_SSL_CIPHER_value(c->listed, i);
		if (!is_listed(cipher))
			continue;
		if (is_usable(c, cipher))
			usable++;
		else if (weakness(cipher) == NULL &&
			 is_named(conf->tls.ciphers, cipher))
			some_add(&idle, cipher);
	}
	if (usable == 0) {
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->tls.ciphers,
		    "none of them can be used with the certificates that "
		    "there are: clients that do not speak TLS 1.3 are refused");
		return;
	}
	if (idle.n == 0)
		return;
	some_format(&idle, text);
	findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->tls.ciphers,
	    "%s cannot be used with the certificates that there are", text);
}

int
tls_ciphers_check(SSL_CTX *ctx, const struct conf *conf,
    const struct certificate_keys *keys, struct findings *f)
{
	const struct conf_tls *tls = &conf->tls;
	struct ciphers c;
	int error;

	if (!conf_is_chosen(conf, &tls->ciphers))
		return (0);
	if (tls->min_version > TLS1_2_VERSION) {
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &tls->ciphers,
		    "means nothing where tls.min_version is \"1.3\"");
		return (0);
	}
	check_words(conf, f);
	check_chacha(conf, f);
	error = ciphers_init(&c, ctx, keys);
	if (error != 0) {
		findings_add(f, LOG_LEVEL_ERROR, "tls: set up: %s",
		    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
		return (-EINVAL);
	}
	error = check_weak(&c, conf, f);
	if (error == 0)
		check_usable(&c, conf, f);
	sk_SSL_CIPHER_free(c.enabled);
	return (error);
}
