/* Verifies the certificates of clients: OpenSSL's rules first, then ours. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "worker/tls_state.h"

int
tls_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	int error;

	if (X509_verify_cert(store) != 1)
		return (0);
	tls_identity_free(&tls->identity);
	error = tls_identity_read(
	    &tls->identity, X509_STORE_CTX_get0_cert(store), &tls->unverified);
	if (error == 0)
		error = tls_resume_note(tls, X509_STORE_CTX_get0_chain(store));
	if (error == -ENOMEM)
		ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
	if (error != 0)
		X509_STORE_CTX_set_error(store, error == -ENOMEM
						    ? X509_V_ERR_OUT_OF_MEM
						    : X509_V_ERR_CERT_REJECTED);
	return (error == 0);
}
