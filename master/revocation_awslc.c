/* Revocation lists of AWS-LC, which lets nobody replace its functions. */
#include "master/revocation.h"

/* Once it is sorted, for which somebody must look, it stays so. */
X509_CRL *
revocation_prepare(X509_CRL *crl)
{
	X509_REVOKED *entry;
	ASN1_INTEGER *any = ASN1_INTEGER_new();

	if (any == NULL)
		return (NULL);
	(void)X509_CRL_get0_by_serial(crl, &entry, any);
	ASN1_INTEGER_free(any);
	return (X509_CRL_up_ref(crl) == 1 ? crl : NULL);
}
