/*
 * Chooses among the revocation lists that are given. Of two lists of one time
 * the TLS libraries take the first: here no list gets to them that could be
 * mistaken.
 */
#include "master/client_crl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "master/client_ca_check.h"
#include "master/client_crl_fault.h"
#include "master/pem.h"

/* The list's issuer is not among the authorities, or is and has not signed. */
#define UNKNOWN	 -1
#define UNSIGNED -2

struct listed {
	X509_CRL *crl;	      /* borrowed */
	ASN1_INTEGER *number; /* NULL: it has none */
	int64_t since;	      /* thisUpdate, in seconds since 1970 */
	int signer;	      /* which authority, or as above */
	bool left_out;
};

static const char *
issuer_of(const struct listed *l, char buf[CLIENT_CA_NAME_SIZE])
{
	return (client_ca_name(X509_CRL_get_issuer(l->crl), buf));
}

/* By which authority the list is signed: the first of those that have its
 * issuer's name and the right key. */
static int
find_signer(const struct client_ca *ca, X509_CRL *crl)
{
	int i, signer = UNKNOWN;
	X509 *cert;

	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		cert = sk_X509_value(ca->authorities, i);
		if (X509_NAME_cmp(X509_get_subject_name(cert),
			X509_CRL_get_issuer(crl)) != 0)
			continue;
		signer = UNSIGNED;
		if (X509_CRL_verify(crl, X509_get0_pubkey(cert)) == 1)
			return (i);
	}
	return (signer);
}

static int
look_at(struct listed *l, int i, const struct client_ca *ca,
    const struct pem_file *file)
{
	char name[CLIENT_CA_NAME_SIZE];
	const char *fault;

	l->crl = sk_X509_CRL_value(ca->crls, i);
	l->since = pem_time(X509_CRL_get0_lastUpdate(l->crl));
	l->signer = find_signer(ca, l->crl);
	l->number = X509_CRL_get_ext_d2i(l->crl, NID_crl_number, NULL, NULL);
	fault = client_crl_fault(l->crl);
	if (l->signer == UNSIGNED) {
		l->left_out = true;
		pem_finding(file, LOG_LEVEL_WARNING,
		    "revocation list %d is not signed by its issuer (%s): it "
		    "is left out",
		    i + 1, issuer_of(l, name));
	} else if (fault != NULL) {
		pem_finding(file, LOG_LEVEL_ERROR, "revocation list %d (%s) %s",
		    i + 1, issuer_of(l, name), fault);
		return (-EINVAL);
	}
	return (0);
}

static const ASN1_OCTET_STRING *
extension(const X509_CRL *crl, int nid)
{
	int at = X509_CRL_get_ext_by_NID(crl, nid, -1);

	return (
	    at < 0 ? NULL : X509_EXTENSION_get_data(X509_CRL_get_ext(crl, at)));
}

static bool
same_scope(const X509_CRL *a, const X509_CRL *b)
{
	const ASN1_OCTET_STRING *its =
	    extension(a, NID_issuing_distribution_point);
	const ASN1_OCTET_STRING *other =
	    extension(b, NID_issuing_distribution_point);

	return (its == NULL || other == NULL
		    ? its == other
		    : ASN1_OCTET_STRING_cmp(its, other) == 0);
}

/* Of an issuer that is not known, as far as the lists tell by whose key they
 * are signed. */
static bool
same_key(const X509_CRL *a, const X509_CRL *b)
{
	const ASN1_OCTET_STRING *its =
	    extension(a, NID_authority_key_identifier);
	const ASN1_OCTET_STRING *other =
	    extension(b, NID_authority_key_identifier);

	return (its == NULL || other == NULL ||
		ASN1_OCTET_STRING_cmp(its, other) == 0);
}

static bool
same_signer(const struct listed *a, const struct listed *b)
{
	return (!a->left_out && !b->left_out && a->signer == b->signer &&
		X509_NAME_cmp(X509_CRL_get_issuer(a->crl),
		    X509_CRL_get_issuer(b->crl)) == 0 &&
		(a->signer != UNKNOWN || same_key(a->crl, b->crl)));
}

static bool
comparable(const struct listed *a, const struct listed *b)
{
	return (same_signer(a, b) && same_scope(a->crl, b->crl));
}

static bool
is_for_all(const X509_CRL *crl)
{
	return (extension(crl, NID_issuing_distribution_point) == NULL);
}

/* Is one of them for all certificates, and the other for some of these? Which
 * of them the library would go by is not for us to say. */
static bool
overlap(const struct listed *a, const struct listed *b)
{
	return (same_signer(a, b) && is_for_all(a->crl) != is_for_all(b->crl));
}

/* Below 0: a has the lower number. None is lower than any. */
static int
compare_numbers(const struct listed *a, const struct listed *b)
{
	if (a->number == NULL || b->number == NULL)
		return ((a->number != NULL) - (b->number != NULL));
	return (ASN1_INTEGER_cmp(a->number, b->number));
}

/* One that is in force only later replaces none until then. */
static bool
replaces(const struct listed *a, const struct listed *b, int64_t now)
{
	if (a->since != b->since)
		return (a->since > b->since && a->since <= now);
	return (compare_numbers(a, b) > 0);
}

/* Which list is there instead of list i; -1: none. Of several, the one that
 * none of them replaces. */
static int
find_better(const struct listed *lists, int n, int i, int64_t now)
{
	int j, best = -1;

	for (j = 0; j < n; j++)
		if (j != i && comparable(&lists[j], &lists[i]) &&
		    replaces(&lists[j], &lists[i], now) &&
		    (best < 0 || replaces(&lists[j], &lists[best], now)))
			best = j;
	return (best);
}

/* Which earlier list is as new as list i; -1: none. */
static int
find_equal(const struct listed *lists, int i)
{
	int j;

	for (j = 0; j < i; j++)
		if (comparable(&lists[j], &lists[i]) &&
		    lists[j].since == lists[i].since &&
		    compare_numbers(&lists[j], &lists[i]) == 0)
			return (j);
	return (-1);
}

/* 0, or -EINVAL where an earlier list overlaps with list i. */
static int
check_overlap(const struct listed *lists, int i, const struct pem_file *file)
{
	char name[CLIENT_CA_NAME_SIZE];
	int j;

	for (j = 0; j < i; j++) {
		if (!overlap(&lists[j], &lists[i]))
			continue;
		pem_finding(file, LOG_LEVEL_ERROR,
		    "of revocation lists %d and %d (%s) one is for all "
		    "certificates, and the other for some of them only: give "
		    "the full one alone",
		    j + 1, i + 1, issuer_of(&lists[i], name));
		return (-EINVAL);
	}
	return (0);
}

/* Compares list i with all others, before any is left out for that. */
static int
compare(const struct listed *lists, int n, int i, const struct pem_file *file,
    bool *left_out)
{
	int equal, better = find_better(lists, n, i, time(NULL));
	char name[CLIENT_CA_NAME_SIZE];

	issuer_of(&lists[i], name);
	*left_out = better >= 0;
	if (better >= 0) {
		pem_finding(file, LOG_LEVEL_WARNING,
		    "revocation list %d (%s) is replaced by list %d, which is "
		    "newer: it is left out",
		    i + 1, name, better + 1);
		return (0);
	}
	equal = find_equal(lists, i);
	if (equal < 0)
		return (0);
	*left_out = X509_CRL_match(lists[equal].crl, lists[i].crl) == 0;
	if (*left_out) {
		pem_finding(file, LOG_LEVEL_WARNING,
		    "revocation list %d (%s) is the same as list %d: it is "
		    "left out",
		    i + 1, name, equal + 1);
		return (0);
	}
	pem_finding(file, LOG_LEVEL_ERROR,
	    "revocation lists %d and %d (%s) are not the same, but of the same "
	    "time and with the same number: take out the one that does not "
	    "hold",
	    equal + 1, i + 1, name);
	return (-EINVAL);
}

static int
choose(struct listed *lists, int n, struct client_ca *ca,
    const struct pem_file *file)
{
	bool left_out;
	int i, result = 0;

	for (i = 0; i < n; i++)
		if (look_at(&lists[i], i, ca, file) != 0)
			result = -EINVAL;
	for (i = 0; i < n && result == 0; i++)
		result = check_overlap(lists, i, file);
	for (i = 0; i < n && result == 0; i++) {
		result = compare(lists, n, i, file, &left_out);
		if (!left_out && !lists[i].left_out)
			continue;
		(void)sk_X509_CRL_set(ca->crls, i, NULL);
	}
	return (result);
}

int
client_crl_choose(struct client_ca *ca, const struct pem_file *file)
{
	int i, n = (int)sk_X509_CRL_num(ca->crls);
	struct listed *lists = calloc((size_t)n, sizeof(*lists));
	int result;

	if (lists == NULL) {
		pem_failed(file, "its revocation lists cannot be compared");
		return (-EINVAL);
	}
	result = choose(lists, n, ca, file);
	for (i = 0; i < n; i++) {
		ASN1_INTEGER_free(lists[i].number);
		if (sk_X509_CRL_value(ca->crls, i) == NULL)
			X509_CRL_free(lists[i].crl);
	}
	free(lists);
	ERR_clear_error();
	return (result);
}
