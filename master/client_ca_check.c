/* Finds out which clients their authorities' files shut out. */
#include "master/client_ca_check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "common/conf/conf.h"
#include "common/tls/expiry.h"
#include "common/tls/library.h"
#include "master/pem.h"

const char *
client_ca_name(const X509_NAME *name, char buf[CLIENT_CA_NAME_SIZE])
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = 0;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(bio, buf, CLIENT_CA_NAME_SIZE - 1);
	buf[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
	return (buf);
}

static bool
self_issued(X509 *cert)
{
	return ((X509_get_extension_flags(cert) & EXFLAG_SI) != 0);
}

static bool
is_authority(X509 *cert)
{
	return (X509_check_ca(cert) != 0);
}

bool
client_ca_orphan(const struct client_ca *ca, X509 *cert)
{
	int i;

	if (self_issued(cert) || !is_authority(cert))
		return (false);
	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++)
		if (X509_check_issued(
			sk_X509_value(ca->authorities, i), cert) == X509_V_OK)
			return (false);
	return (true);
}

/* Is the certificate in force at that time? */
static bool
in_force(const X509 *cert, time_t when)
{
	return (X509_cmp_time(X509_get0_notBefore(cert), &when) < 0 &&
		X509_cmp_time(X509_get0_notAfter(cert), &when) > 0);
}

/* Is there another certificate of the same authority that is in force? Then
 * OpenSSL (3.0) verifies clients by that. */
static bool
renewed(const struct client_ca *ca, X509 *cert, time_t when)
{
	X509 *other;
	int i;

	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		other = sk_X509_value(ca->authorities, i);
		if (X509_NAME_cmp(X509_get_subject_name(other),
			X509_get_subject_name(cert)) == 0 &&
		    library_same_key(
			X509_get0_pubkey(other), X509_get0_pubkey(cert)) &&
		    in_force(other, when))
			return (true);
	}
	return (false);
}

static void
check_dates(
    const struct client_ca *ca, int i, const struct pem_file *file, time_t now)
{
	X509 *cert = sk_X509_value(ca->authorities, i);
	const ASN1_TIME *begin = X509_get0_notBefore(cert);
	const ASN1_TIME *end = X509_get0_notAfter(cert);
	char name[CLIENT_CA_NAME_SIZE], date[PEM_DATE_SIZE];
	struct expiry one = { .begins = pem_time(begin),
		.ends = pem_time(end) };

	client_ca_name(X509_get_subject_name(cert), name);
	if (!in_force(cert, now) && !renewed(ca, cert, now)) {
		bool early = X509_cmp_time(begin, &now) > 0;

		pem_finding(file, LOG_LEVEL_WARNING,
		    "certificate %d (%s) %s %s: its clients are refused", i + 1,
		    name, early ? "is not valid before" : "expired on",
		    pem_date(date, early ? begin : end));
	} else if (in_force(cert, now) && expiry_step(&one, now) > 0 &&
		   !renewed(ca, cert, (time_t)one.ends)) {
		pem_finding(file, LOG_LEVEL_WARNING,
		    "certificate %d (%s) expires on %s; then its clients are "
		    "refused",
		    i + 1, name, pem_date(date, end));
	}
}

/* Does OpenSSL (3.0, 3.5) tell by the key identifier in a client's certificate
 * which of the two issued it? It never tries both keys. */
static bool
told_apart(X509 *a, X509 *b)
{
	const ASN1_OCTET_STRING *its = X509_get0_subject_key_id(a);
	const ASN1_OCTET_STRING *other = X509_get0_subject_key_id(b);

	return (its != NULL && other != NULL &&
		ASN1_OCTET_STRING_cmp(its, other) != 0);
}

/* Both in force: else OpenSSL takes the one that is. */
static bool
mistaken(X509 *a, X509 *b, time_t now)
{
	return (X509_NAME_cmp(
		    X509_get_subject_name(a), X509_get_subject_name(b)) == 0 &&
		!library_same_key(X509_get0_pubkey(a), X509_get0_pubkey(b)) &&
		in_force(a, now) && in_force(b, now) && is_authority(b) &&
		!told_apart(a, b));
}

static void
check_name(
    const struct client_ca *ca, int i, const struct pem_file *file, time_t now)
{
	X509 *cert = sk_X509_value(ca->authorities, i);
	char name[CLIENT_CA_NAME_SIZE];
	int first;

	for (first = 0; first < i; first++)
		if (mistaken(cert, sk_X509_value(ca->authorities, first), now))
			break;
	if (first == i)
		return;
	pem_finding(file, LOG_LEVEL_WARNING,
	    "certificates %d and %d have one name (%s), two keys, and no key "
	    "identifiers to tell them apart: clients of one of them are "
	    "refused; issue both with a subjectKeyIdentifier, and what they "
	    "sign with an authorityKeyIdentifier",
	    first + 1, i + 1,
	    client_ca_name(X509_get_subject_name(cert), name));
}

/* Does it call itself an authority's, whether or not it may act as one? */
static bool
claims_authority(X509 *cert)
{
	return (is_authority(cert) ||
		(self_issued(cert) &&
		    (X509_get_extension_flags(cert) & EXFLAG_CA) != 0));
}

/* Why nobody is verified by an authority, whenever; NULL: there is no cause. */
static const char *
unfit(const struct client_ca *ca, X509 *cert)
{
	if ((X509_get_extension_flags(cert) & EXFLAG_CRITICAL) != 0)
		return ("has a critical extension that is not known");
	if (!is_authority(cert))
		return ("may not sign certificates (keyUsage without "
			"keyCertSign)");
	if (X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 1) <= 0)
		return ("is not for clients (extendedKeyUsage without "
			"clientAuth)");
	if (ca->crls != NULL &&
	    (X509_get_key_usage(cert) & X509v3_KU_CRL_SIGN) == 0)
		return ("may not sign revocation lists (keyUsage without "
			"cRLSign)");
	return (NULL);
}

static bool
check_fitness(const struct client_ca *ca, int i, const struct pem_file *file)
{
	X509 *cert = sk_X509_value(ca->authorities, i);
	const char *why = claims_authority(cert) ? unfit(ca, cert) : NULL;
	char name[CLIENT_CA_NAME_SIZE];

	if (why == NULL)
		return (true);
	pem_finding(file, LOG_LEVEL_WARNING,
	    "certificate %d (%s) %s: its clients are refused", i + 1,
	    client_ca_name(X509_get_subject_name(cert), name), why);
	return (false);
}

void
client_ca_check_authorities(
    const struct client_ca *ca, const struct pem_file *file)
{
	char name[CLIENT_CA_NAME_SIZE];
	time_t now = time(NULL);
	X509 *cert;
	int i;

	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		cert = sk_X509_value(ca->authorities, i);
		if (is_authority(cert))
			check_name(ca, i, file, now);
		if (!check_fitness(ca, i, file))
			continue;
		if (is_authority(cert) || self_issued(cert))
			check_dates(ca, i, file, now);
		else
			pem_finding(file, LOG_LEVEL_WARNING,
			    "certificate %d (%s) is not that of an authority: "
			    "no client is verified by it",
			    i + 1,
			    client_ca_name(X509_get_subject_name(cert), name));
	}
	ERR_clear_error();
}

static bool
crl_in_force(const X509_CRL *crl, time_t now)
{
	const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);

	return (X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &now) < 0 &&
		(end == NULL || X509_cmp_time(end, &now) > 0));
}

/* Has that issuer a list; one that is in force, if a time is given? */
static bool
has_crl(const struct client_ca *ca, const X509_NAME *issuer, const time_t *now)
{
	X509_CRL *crl;
	int i;

	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++) {
		crl = sk_X509_CRL_value(ca->crls, i);
		if (crl != NULL &&
		    X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0 &&
		    (now == NULL || crl_in_force(crl, *now)))
			return (true);
	}
	return (false);
}

static void
check_crl(
    const struct client_ca *ca, int i, const struct pem_file *file, time_t now)
{
	X509_CRL *crl = sk_X509_CRL_value(ca->crls, i);
	char name[CLIENT_CA_NAME_SIZE], date[PEM_DATE_SIZE];
	const ASN1_TIME *begin;
	const X509_NAME *issuer;
	bool early;

	if (crl == NULL)
		return;
	issuer = X509_CRL_get_issuer(crl);
	begin = X509_CRL_get0_lastUpdate(crl);
	early = X509_cmp_time(begin, &now) > 0;
	if (!crl_in_force(crl, now) && !has_crl(ca, issuer, &now))
		pem_finding(file, LOG_LEVEL_WARNING,
		    "revocation list %d (%s) %s %s: clients of its issuer are "
		    "refused",
		    i + 1, client_ca_name(issuer, name),
		    early ? "is not in force before"
			  : "has been out of date since",
		    pem_date(
			date, early ? begin : X509_CRL_get0_nextUpdate(crl)));
}

void
client_ca_check_crls(const struct client_ca *ca, const struct pem_file *file)
{
	char name[CLIENT_CA_NAME_SIZE];
	time_t now = time(NULL);
	X509 *cert;
	int i;

	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++)
		check_crl(ca, i, file, now);
	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		cert = sk_X509_value(ca->authorities, i);
		if ((is_authority(cert) || self_issued(cert)) &&
		    !has_crl(ca, X509_get_subject_name(cert), NULL))
			pem_finding(file, LOG_LEVEL_WARNING,
			    "has no revocation list of %s, which is "
			    "certificate %d of tls.client_ca: its clients are "
			    "refused",
			    client_ca_name(X509_get_subject_name(cert), name),
			    i + 1);
	}
	ERR_clear_error();
}

static void
add_authorities(const struct client_ca *ca, const char *file, int64_t now,
    struct expiries *expiries)
{
	struct expiry e;
	int64_t ends;
	X509 *cert;
	int i;

	expiry_init(&e, EXPIRY_CLIENT_CA, file);
	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		cert = sk_X509_value(ca->authorities, i);
		ends = pem_time(X509_get0_notAfter(cert));
		if ((is_authority(cert) || self_issued(cert)) &&
		    in_force(cert, (time_t)now) &&
		    !renewed(ca, cert, (time_t)ends))
			expiry_narrow(&e, (unsigned)i + 1,
			    pem_time(X509_get0_notBefore(cert)), ends, now);
	}
	if (e.number > 0)
		expiry_add(expiries, &e);
}

static void
add_crls(const struct client_ca *ca, const char *file, int64_t now,
    struct expiries *expiries)
{
	const ASN1_TIME *end;
	struct expiry e;
	X509_CRL *crl;
	time_t at;
	int i;

	expiry_init(&e, EXPIRY_CRL, file);
	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++) {
		crl = sk_X509_CRL_value(ca->crls, i);
		end = crl != NULL ? X509_CRL_get0_nextUpdate(crl) : NULL;
		if (end == NULL)
			continue;
		/* Another one is in force at that time, or is now instead. */
		at = (time_t)(pem_time(end) > now ? pem_time(end) : now);
		if (!has_crl(ca, X509_CRL_get_issuer(crl), &at))
			expiry_narrow(&e, (unsigned)i + 1,
			    pem_time(X509_CRL_get0_lastUpdate(crl)),
			    pem_time(end), now);
	}
	if (e.number > 0)
		expiry_add(expiries, &e);
}

void
client_ca_expiries(const struct client_ca *ca, const struct conf *conf,
    struct expiries *expiries)
{
	int64_t now = time(NULL);

	add_authorities(ca, conf->tls.client_ca, now, expiries);
	add_crls(ca, conf->tls.crl, now, expiries);
	ERR_clear_error();
}
