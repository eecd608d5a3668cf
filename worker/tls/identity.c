/* Reads who a client is from its certificate, or says why that is nobody. */
#include "worker/tls/identity.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/net/hostname.h"

#define SPIFFE_SCHEME "spiffe:"

/* What is found while the names are gone through. */
struct search {
	struct identity chosen[1 + TLS_IDENTITY_NAMES_MAX]; /* [0]: a URI */
	size_t n;					    /* of chosen */
	size_t names; /* URIs and DNS names */
	size_t uris;
	bool spiffe; /* one of the URIs is a SPIFFE id, or means to be one */
};

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return (-EINVAL);
}

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

/* A NUL or a control character makes one name look like another. */
static bool
is_text(const struct identity *id)
{
	size_t i;

	for (i = 0; i < id->len; i++)
		if (id->text[i] < ' ' || id->text[i] > '~')
			return (false);
	return (true);
}

static bool
is_host(const struct identity *id)
{
	char name[HOSTNAME_SIZE];

	return (hostname_canonical(name, id->text, id->len) >= 0);
}

static bool
claims_spiffe(const struct identity *id)
{
	static const size_t len = sizeof(SPIFFE_SCHEME) - 1;

	return (
	    id->len >= len && strncasecmp(id->text, SPIFFE_SCHEME, len) == 0);
}

static int
look_at(struct search *s, const struct identity *id, const char **why)
{
	if (!is_text(id))
		return (refuse(why,
		    "a name in the certificate has a character that is not "
		    "allowed in names"));
	if (++s->names > TLS_IDENTITY_NAMES_MAX)
		return (refuse(why, "the certificate has more than 128 names"));
	if (id->kind == IDENTITY_SPIFFE) {
		s->uris++;
		if (claims_spiffe(id)) {
			s->spiffe = true;
			s->chosen[0] = *id;
		}
	} else if (is_host(id)) {
		s->chosen[s->n++] = *id;
	}
	return (0);
}

_Static_assert(TLS_IDENTITY_NAMES_MAX == 128, "as the text says");

static int
look_at_all(struct search *s, GENERAL_NAMES *sans, const char **why)
{
	const ASN1_IA5STRING *text;
	struct identity id;
	int i, error = 0;

	s->n = 1;
	for (i = 0; i < (int)sk_GENERAL_NAME_num(sans) && error == 0; i++) {
		text = text_of(sk_GENERAL_NAME_value(sans, i), &id.kind);
		if (text == NULL)
			continue;
		id.text = (const char *)ASN1_STRING_get0_data(text);
		id.len = (size_t)ASN1_STRING_length(text);
		error = look_at(s, &id, why);
	}
	return (error);
}

/* What a leaf must be to be known by a SPIFFE id (SPIFFE X509-SVID, sections 2,
 * 4.3 and 5.2). */
static int
check_svid(const struct search *s, X509 *cert, const char **why)
{
	uint32_t flags = X509_get_extension_flags(cert);
	uint32_t usage = X509_get_key_usage(cert); /* all bits: it has none */

	if (s->uris != 1)
		return (
		    refuse(why, "the certificate has a SPIFFE id and another "
				"URI"));
	if (!identity_valid_spiffe(s->chosen[0].text, s->chosen[0].len))
		return (
		    refuse(why, "the certificate's SPIFFE id is malformed"));
	if ((flags & EXFLAG_CA) != 0)
		return (refuse(why, "the certificate has a SPIFFE id, but is "
				    "that of an authority"));
	if ((flags & EXFLAG_KUSAGE) == 0)
		return (0);
	if ((usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
		return (refuse(why, "the certificate has a SPIFFE id, but its "
				    "key usage is that of an authority"));
	if ((usage & KU_DIGITAL_SIGNATURE) == 0)
		return (refuse(why, "the certificate has a SPIFFE id, but its "
				    "key usage lacks digitalSignature"));
	return (0);
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

int
tls_identity_read(struct tls_identity *out, X509 *cert, const char **why)
{
	struct search s = { .n = 0 };
	GENERAL_NAMES *sans;
	int error, found;

	*out = (struct tls_identity){ 0 };
	sans = X509_get_ext_d2i(cert, NID_subject_alt_name, &found, NULL);
	if (sans == NULL)
		return (found == -1 ? 0
				    : refuse(why, "the certificate's names are "
						  "malformed"));
	error = look_at_all(&s, sans, why);
	if (error == 0 && s.spiffe)
		error = check_svid(&s, cert, why);
	if (error == 0)
		error = s.spiffe ? keep(out, s.chosen, s.n)
				 : keep(out, s.chosen + 1, s.n - 1);
	GENERAL_NAMES_free(sans);
	return (error);
}

void
tls_identity_free(struct tls_identity *id)
{
	free(id->names);
	*id = (struct tls_identity){ 0 };
}
