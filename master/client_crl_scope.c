/* Finds out whom revocation lists shut out since they are for others. */
#include "master/client_crl_scope.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "master/client_ca_check.h"
#include "master/pem.h"

/* Is the list for certificates of authorities alone? */
static bool
for_authorities(const X509_CRL *crl)
{
	ISSUING_DIST_POINT *scope = X509_CRL_get_ext_d2i(
	    crl, NID_issuing_distribution_point, NULL, NULL);
	bool result = scope != NULL && scope->onlyCA > 0;

	ISSUING_DIST_POINT_free(scope);
	return (result);
}

/* Has the issuer a list that may have its clients? */
static bool
has_for_clients(const struct client_ca *ca, const X509_NAME *issuer)
{
	X509_CRL *crl;
	int i;

	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++) {
		crl = sk_X509_CRL_value(ca->crls, i);
		if (crl != NULL &&
		    X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0 &&
		    !for_authorities(crl))
			return (true);
	}
	return (false);
}

static int
fail_for_scope(int ok, X509_STORE_CTX *store)
{
	return (ok == 1 || X509_STORE_CTX_get_error(store) !=
			       X509_V_ERR_DIFFERENT_CRL_SCOPE);
}

/* An authority that has signed itself is looked for in its own lists, as its
 * clients are. */
static bool
covers(X509_STORE *trusted, X509 *authority)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool result = true;

	if (store != NULL &&
	    X509_STORE_CTX_init(store, trusted, authority, NULL) == 1) {
		X509_STORE_CTX_set_verify_cb(store, fail_for_scope);
		result = X509_verify_cert(store) == 1 ||
			 X509_STORE_CTX_get_error(store) !=
			     X509_V_ERR_DIFFERENT_CRL_SCOPE;
	}
	X509_STORE_CTX_free(store);
	return (result);
}

void
client_crl_check_scopes(const struct client_ca *ca, X509_STORE *trusted,
    const struct pem_file *file)
{
	char name[CLIENT_CA_NAME_SIZE];
	X509_CRL *crl;
	X509 *cert;
	int i;

	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++) {
		crl = sk_X509_CRL_value(ca->crls, i);
		if (crl != NULL && for_authorities(crl) &&
		    !has_for_clients(ca, X509_CRL_get_issuer(crl)))
			pem_finding(file, LOG_LEVEL_WARNING,
			    "revocation list %d (%s) is for certificates of "
			    "authorities only, and its issuer has no other: "
			    "clients with certificates of that issuer are "
			    "refused",
			    i + 1,
			    client_ca_name(X509_CRL_get_issuer(crl), name));
	}
	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++) {
		cert = sk_X509_value(ca->authorities, i);
		if ((X509_get_extension_flags(cert) & EXFLAG_SI) != 0 &&
		    !covers(trusted, cert))
			pem_finding(file, LOG_LEVEL_WARNING,
			    "has no revocation list of %s that is for its own "
			    "certificate too, which is certificate %d of "
			    "tls.client_ca: its clients are refused",
			    client_ca_name(X509_get_subject_name(cert), name),
			    i + 1);
	}
	ERR_clear_error();
}
