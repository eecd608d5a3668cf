#include "worker/tls_identity.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* More names than that are not looked at: policy asks for each of them. */
#define NAMES_MAX 32

/* The text of a URI or DNS name; NULL: it is of another type. */
static const ASN1_IA5STRING *
text_of(const GENERAL_NAME *name, enum identity_kind *kind)
{
	int type;
	const ASN1_IA5STRING *text = GENERAL_NAME_get0_value(name, &type);

	if (type != GEN_URI && type != GEN_DNS)
		return (NULL);
	*kind = type == GEN_URI ? IDENTITY_SPIFFE : IDENTITY_DNS;
	return (text);
}

/*
 * The SPIFFE id goes first. A certificate with two URIs is no X.509-SVID
 * (SPIFFE X509-SVID, section 2), so none of them counts.
 */
static size_t
choose(GENERAL_NAMES *sans, struct identity chosen[NAMES_MAX])
{
	const ASN1_IA5STRING *text;
	enum identity_kind kind;
	size_t n = 1, uris = 0;
	int i;

	for (i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		struct identity id;

		text = text_of(sk_GENERAL_NAME_value(sans, i), &kind);
		if (text == NULL || ASN1_STRING_length(text) <= 0)
			continue;
		id = (struct identity){ .kind = kind,
			.text = (const char *)ASN1_STRING_get0_data(text),
			.len = (size_t)ASN1_STRING_length(text) };
		if (kind == IDENTITY_SPIFFE) {
			chosen[0] = id;
			uris++;
		} else if (n < NAMES_MAX) {
			chosen[n++] = id;
		}
	}
	if (uris == 1 && identity_valid_spiffe(chosen[0].text, chosen[0].len))
		return (n);
	memmove(chosen, chosen + 1, --n * sizeof(*chosen));
	return (n);
}

/* Copies, since the texts die with the list of names; a NUL behind each makes
 * them fit for a log. */
static int
keep(struct tls_identity *out, const struct identity *chosen, size_t n)
{
	size_t i, size = n * sizeof(*chosen);
	char *text;

	if (n == 0)
		return (0);
	for (i = 0; i < n; i++)
		size += chosen[i].len + 1;
	out->names = malloc(size);
	if (out->names == NULL)
		return (-ENOMEM);
	text = (char *)(out->names + n);
	for (i = 0; i < n; i++) {
		out->names[i] = chosen[i];
		out->names[i].text = text;
		memcpy(text, chosen[i].text, chosen[i].len);
		text[chosen[i].len] = '\0';
		text += chosen[i].len + 1;
	}
	out->n = n;
	return (0);
}

/* A resumed session brings the certificate of the first handshake along,
 * which may have expired since. */
static bool
trusted(const SSL *ssl, const X509 *cert)
{
	return (cert != NULL && SSL_get_verify_result(ssl) == X509_V_OK &&
		(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
		X509_cmp_current_time(X509_get0_notAfter(cert)) > 0);
}

int
tls_identity_read(struct tls_identity *out, const struct ssl_st *ssl)
{
	struct identity chosen[NAMES_MAX];
	X509 *cert = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *sans;
	int error;

	*out = (struct tls_identity){ 0 };
	if (!trusted(ssl, cert))
		return (0);
	/* NULL where there are none, or they are malformed. */
	sans = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	if (sans == NULL)
		return (0);
	error = keep(out, chosen, choose(sans, chosen));
	GENERAL_NAMES_free(sans);
	return (error);
}

void
tls_identity_free(struct tls_identity *id)
{
	free(id->names);
	*id = (struct tls_identity){ 0 };
}
