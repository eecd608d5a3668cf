/*
 * Looks at what each library leaves out where a chain ends: AWS-LC does not
 * heed the path length of an anchor, OpenSSL (3.0, 3.5) neither the purposes of
 * one that was marked as trusted nor its dates.
 */
#include "worker/tls/chain.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static int
date_fault(const X509 *anchor)
{
	if (X509_cmp_current_time(X509_get0_notBefore(anchor)) >= 0)
		return (X509_V_ERR_CERT_NOT_YET_VALID);
	if (X509_cmp_current_time(X509_get0_notAfter(anchor)) <= 0)
		return (X509_V_ERR_CERT_HAS_EXPIRED);
	return (X509_V_OK);
}

/*
 * The authorities between the client's certificate and each one must not be
 * more than that one permits, those aside that it has issued to its own name
 * (RFC 5280, 6.1.4).
 */
static int
length_fault(STACK_OF(X509) * chain)
{
	long between = 0, most;
	X509 *cert;
	int i;

	for (i = 1; i < (int)sk_X509_num(chain); i++) {
		cert = sk_X509_value(chain, i);
		most = X509_get_pathlen(cert);
		if (most >= 0 && between > most)
			return (X509_V_ERR_PATH_LENGTH_EXCEEDED);
		if ((X509_get_extension_flags(cert) & EXFLAG_SI) == 0)
			between++;
	}
	return (X509_V_OK);
}

static int
purpose_fault(STACK_OF(X509) * chain)
{
	int i;

	for (i = 1; i < (int)sk_X509_num(chain); i++)
		if (X509_check_purpose(sk_X509_value(chain, i),
			X509_PURPOSE_SSL_CLIENT, 1) <= 0)
			return (X509_V_ERR_INVALID_PURPOSE);
	return (X509_V_OK);
}

int
tls_chain_fault(STACK_OF(X509) * chain)
{
	int fault =
	    date_fault(sk_X509_value(chain, (int)sk_X509_num(chain) - 1));

	if (fault == X509_V_OK)
		fault = length_fault(chain);
	return (fault == X509_V_OK ? purpose_fault(chain) : fault);
}
