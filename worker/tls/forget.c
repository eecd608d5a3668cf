/*
 * Lets go of a client's certificates once the handshake is done: nothing asks
 * for them again, and decoded they take up to twenty times their length for as
 * long as the tunnel lives.
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "worker/tls/state.h"

/* Of a leaf that is kept, since it takes less than it takes to replace it: one
 * as usual, on which 3 KiB are spent; 40 KiB at worst. */
#define LEAF_KEPT 2048

#define DATE       \
	"\x17\x0d" \
	"200101000000Z"
#define ALGORITHM "\x30\3\6\1\0"
#define EMPTY	  "\x30\0"
#define BITS	  "\3\1\0"

/* A certificate of nobody's, as short as may be. */
static const char blank[] =
    "\x30\x40\x30\x36\2\1\1" ALGORITHM EMPTY "\x30\x1e" DATE DATE EMPTY
    "\x30\x08" ALGORITHM BITS ALGORITHM BITS;

static void
empty(STACK_OF(X509) * certs)
{
	while (sk_X509_num(certs) > 0)
		X509_free(sk_X509_pop(certs));
}

/*
 * OpenSSL (3.0, 3.5) has no call that takes the leaf from a session in use, but
 * decodes a certificate into another that is there, and frees what was in it.
 * If that fails for want of memory it gives up a reference, which is ours.
 */
static void
replace(X509 *leaf)
{
	const unsigned char *at = (const unsigned char *)blank;
	X509 *into = leaf;

	if (X509_up_ref(leaf) != 1)
		return;
	into = d2i_X509(&into, &at, sizeof(blank) - 1);
	X509_free(into);
	ERR_clear_error();
}

void
tls_forget_certificates(struct tls_stream *tls)
{
	X509 *leaf = SSL_get0_peer_certificate(tls->ssl);

	if (leaf == NULL)
		return;
	empty(SSL_get0_verified_chain(tls->ssl));
	empty(SSL_get_peer_cert_chain(tls->ssl));
	empty(library_full_chain(tls->ssl));
	if (i2d_X509(leaf, NULL) > LEAF_KEPT)
		replace(leaf);
}
