/*
 * Makes the SSL_CTX of a generation: certificates, versions, ciphers, ticket
 * keys, client authorities.
 */
#include "master/tls_load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/base/clock.h"
#include "common/base/piece.h"
#include "common/conf/conf.h"
#include "common/tls/expiry.h"
#include "common/tls/library.h"
#include "master/certificate.h"
#include "master/client_ca.h"
#include "master/findings.h"
#include "master/pem.h"
#include "master/tls_ciphers.h"

/*
 * What every connection gets (OpenSSL 3.0). SSL_OP_IGNORE_UNEXPECTED_EOF stays
 * off: a cut stream must be told from a finished one. AUTO_RETRY has to go, or
 * one SSL_read() swallows a flood of records that carry no data.
 */
static void
set_behaviour(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	/* The cache of a worker would not know the others' sessions; tickets
	 * are all that is needed. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
}

/* The first group that the library does not know, "" where it is not one alone.
 * OpenSSL 3.5 also takes marks in front of a name, and / between groups. */
static struct piece
unknown_group(SSL_CTX *ctx, const char *list)
{
	char text[64];
	size_t len;

	for (; *list != '\0'; list += len + (list[len] != '\0')) {
		list += strspn(list, "?*-");
		len = strcspn(list, ":/");
		snprintf(text, sizeof(text), "%.*s", (int)len, list);
		if (len > 0 && SSL_CTX_set1_groups_list(ctx, text) != 1)
			return ((struct piece){ list, len });
	}
	return ((struct piece){ list, 0 });
}

static void
refuse_groups(SSL_CTX *ctx, const struct conf *conf, struct findings *f)
{
	const char *list = conf->tls.groups;
	struct piece group = unknown_group(ctx, list);

	/* OpenSSL 3.0 leaves no reason behind for an unknown group. */
	ERR_clear_error();
	if (group.len > 0)
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->tls.groups,
		    "\"%.*s\" is not a group that %s knows", (int)group.len,
		    group.s, library_name());
	else
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &conf->tls.groups,
		    "\"%s\" is not a list of groups that %s knows", list,
		    library_name());
}

static int
set_parameters(SSL_CTX *ctx, const struct conf *conf, struct findings *f)
{
	const struct conf_tls *tls = &conf->tls;
	int result = 0;

	if (SSL_CTX_set_min_proto_version(ctx, tls->min_version) != 1) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &tls->min_version,
		    "%s", pem_reason((char[PEM_REASON_SIZE]){ 0 }));
		result = -EINVAL;
	}
	if (SSL_CTX_set_cipher_list(ctx, tls->ciphers) != 1) {
		findings_add_at(f, LOG_LEVEL_ERROR, conf, &tls->ciphers,
		    "%s: %s", tls->ciphers,
		    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
		result = -EINVAL;
	}
	if (SSL_CTX_set1_groups_list(ctx, tls->groups) != 1) {
		refuse_groups(ctx, conf, f);
		result = -EINVAL;
	}
	return (result);
}

static void
check_hello(const SSL_CTX *ctx, const struct conf *conf, struct findings *f)
{
	size_t most = library_message_max(ctx);

	if (most > 0 && (uint64_t)conf->limits.client_hello > most)
		findings_add_at(f, LOG_LEVEL_WARNING, conf,
		    &conf->limits.client_hello,
		    "%s refuses a ClientHello of more than %zu bytes here",
		    library_name(), most);
}

int
tls_load(struct ssl_ctx_st **out, const struct conf *conf,
    struct expiries *expiries, struct findings *f)
{
	struct certificate_keys keys = { .expiries = expiries };
	SSL_CTX *ctx;
	int result;

	expiries->n = 0;
	ERR_clear_error();
	ctx = library_context_new();
	if (ctx == NULL) {
		findings_add(f, LOG_LEVEL_ERROR, "tls: set up: %s",
		    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
		return (-EINVAL);
	}
	set_behaviour(ctx);
	SSL_CTX_set_max_cert_list(ctx, conf->limits.handshake);
	library_set_lifetime(
	    ctx, (long)(conf->tls.ticket_lifetime / CLOCK_SEC));
	result = set_parameters(ctx, conf, f);
	if (client_ca_load(ctx, conf, expiries, f) != 0)
		result = -EINVAL;
	check_hello(ctx, conf, f);
	for (size_t i = 0; i < conf->tls.ncertificates; i++) {
		if (certificate_load(ctx, conf, i, &keys, f) != 0)
			result = -EINVAL;
	}
	if (result == 0)
		result = tls_ciphers_check(ctx, conf, &keys, f);
	if (result == 0 && conf->tls.ncertificates == 1 &&
	    SSL_CTX_get_verify_mode(ctx) == SSL_VERIFY_NONE)
		library_sign_by_key(ctx);
	if (result != 0)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return (result);
}

int
tls_try(const struct conf *conf, struct findings *f)
{
	struct expiries expiries;
	SSL_CTX *ctx;
	int error = tls_load(&ctx, conf, &expiries, f);

	if (error == 0)
		SSL_CTX_free(ctx);
	return (error);
}
