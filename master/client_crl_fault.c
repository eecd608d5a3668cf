/* Finds out what a revocation list says less than it seems to. */
#include "master/client_crl_fault.h"

#include <openssl/x509v3.h>
#include <stdbool.h>

#define GIVE_FULL ": give the full list of its issuer instead"
#define MALFORMED "has a malformed extension"
#define CRITICAL                                                          \
	"has a critical extension that is not known: give a list of its " \
	"issuer "                                                         \
	"without that"
#define INDIRECT "is an indirect list, of more than one issuer" GIVE_FULL

/* NULL: nothing is wrong. */
static const char *
scope_fault(const X509_CRL *crl)
{
	int critical;
	ISSUING_DIST_POINT *scope = X509_CRL_get_ext_d2i(
	    crl, NID_issuing_distribution_point, &critical, NULL);
	const char *fault = NULL;

	if (scope == NULL)
		return (critical == -1 ? NULL : MALFORMED);
	if (scope->indirectCRL > 0)
		fault = INDIRECT;
	else if (scope->onlysomereasons != NULL)
		fault = "is for some reasons of revocation only" GIVE_FULL;
	else if (scope->onlyattr > 0)
		fault = "is for attribute certificates only" GIVE_FULL;
	else if (scope->onlyuser > 0 && scope->onlyCA > 0)
		fault = MALFORMED;
	ISSUING_DIST_POINT_free(scope);
	return (fault);
}

static const char *
entry_fault(const X509_REVOKED *entry)
{
	ASN1_ENUMERATED *reason;
	int critical;
	long value;

	if (X509_REVOKED_get_ext_count(entry) == 0)
		return (NULL);
	if (X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) >= 0)
		return (INDIRECT);
	if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0)
		return (CRITICAL);
	reason =
	    X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, NULL);
	if (reason == NULL)
		return (critical == -1 ? NULL : MALFORMED);
	value = ASN1_ENUMERATED_get(reason);
	ASN1_ENUMERATED_free(reason);
	return (value == CRL_REASON_REMOVE_FROM_CRL
		    ? "has an entry with the reason removeFromCRL, which only "
		      "delta lists may have" GIVE_FULL
		    : NULL);
}

/* Is there an extension that must be heeded and is not one of those that the
 * libraries heed? */
static bool
has_critical(const X509_CRL *crl)
{
	int at = -1, nid;

	while ((at = X509_CRL_get_ext_by_critical(crl, 1, at)) >= 0) {
		nid = OBJ_obj2nid(
		    X509_EXTENSION_get_object(X509_CRL_get_ext(crl, at)));
		if (nid != NID_issuing_distribution_point &&
		    nid != NID_authority_key_identifier)
			return (true);
	}
	return (false);
}

static bool
has_bad_number(const X509_CRL *crl)
{
	int critical;
	ASN1_INTEGER *number =
	    X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
	bool bad = number == NULL && critical != -1;

	ASN1_INTEGER_free(number);
	return (bad);
}

const char *
client_crl_fault(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
	const char *fault;
	int i;

	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return ("is a delta list, which only says what has changed "
			"since another" GIVE_FULL);
	fault = scope_fault(crl);
	if (fault == NULL && has_critical(crl))
		fault = CRITICAL;
	for (i = 0; fault == NULL && i < (int)sk_X509_REVOKED_num(entries); i++)
		fault = entry_fault(sk_X509_REVOKED_value(entries, i));
	if (fault == NULL && has_bad_number(crl))
		fault = MALFORMED;
	return (fault);
}
