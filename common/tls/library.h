/*
 * What the two TLS libraries, OpenSSL and AWS-LC, do or name differently. All
 * else of sniport is the same for both, but for tickets (worker/tls/) and
 * revocation lists (revocation.h): library_openssl.c or library_awslc.c is
 * built, as SNIPORT_TLS of CMake says.
 */
#ifndef COMMON_TLS_LIBRARY_H
#define COMMON_TLS_LIBRARY_H

#include <stdbool.h>
#include <time.h>

#include <openssl/ssl.h>

#define LIBRARY_GROUPS_OPENSSL "X25519:P-256:P-384"
#define LIBRARY_GROUPS_AWSLC   "X25519MLKEM768:X25519:P-256:P-384"

/* The default of tls.groups. */
#ifdef OPENSSL_IS_AWSLC
#define LIBRARY_GROUPS LIBRARY_GROUPS_AWSLC
#else
#define LIBRARY_GROUPS LIBRARY_GROUPS_OPENSSL
#endif

/* To be called before anything else of the library. 0 or -1. */
int library_start(void);

/* "OpenSSL" or "AWS-LC". */
const char *library_name(void);

/* The name and the version that runs, and those that it was built with. */
const char *library_running(void);
const char *library_built(void);

/* What was known of its flaws when sniport was built, and whether that is long
 * ago now; NULL: somebody else watches over it. */
#define LIBRARY_WATCH_SIZE 256
const char *library_watch(time_t now, char buf[LIBRARY_WATCH_SIZE]);

/*
 * A context for servers, with what every connection gets and the two have not
 * in common. NULL with the cause in the library's queue.
 */
SSL_CTX *library_context_new(void);

/* How many seconds a session is good for. */
void library_set_lifetime(SSL_CTX *, long);

/* Does a client's wish for ChaCha20 go before the order of tls.ciphers? */
bool library_prefers_chacha(void);

/* The longest message of a handshake that sessions of the context take; 0: the
 * library has no bound of its own. */
size_t library_message_max(const SSL_CTX *);

/*
 * The context has its only certificate, and asks clients for none: what its key
 * cannot sign by need not be compared with what each client offers.
 */
void library_sign_by_key(SSL_CTX *);

/* EVP_PKEY_RSA and the like. */
int library_key_type(const EVP_PKEY *);

/* Have they the same parameters and public key? */
bool library_same_key(const EVP_PKEY *, const EVP_PKEY *);

/* The ciphers that a session could agree to, owned by the caller; NULL: none,
 * or no memory. */
STACK_OF(SSL_CIPHER) * library_ciphers(SSL *);

/* Does the cipher not show who the server is? */
bool library_anonymous(const SSL_CIPHER *);

/* The configuration of a session is not needed once its handshake is done. */
void library_shed(SSL *);

/* Leaves an error of the library behind, as if it were its own. */
void library_raise_no_memory(void);
void library_raise_version(void);

/*
 * Does the error say that memory was missing? missing: an allocation that the
 * library made through base/alloc has failed since.
 */
bool library_no_memory(unsigned long error, bool missing);

/* Does the error, which the other library has no number for, say that the
 * client's certificate is of no use? */
bool library_faults_certificate(unsigned long error);

/* Does it say that more records without data came than the library lets
 * pass? */
bool library_too_many_idle(unsigned long error);

/* What the error means, as OpenSSL says it: "no shared cipher". NULL: nothing
 * that tells more than its number. */
#define LIBRARY_REASON_SIZE 80
const char *library_reason(unsigned long error, char buf[LIBRARY_REASON_SIZE]);

/* Why a verified chain, from leaf to anchor, is too weak to be trusted, where
 * the library has not looked at that; NULL: it is not. */
const char *library_weakness(STACK_OF(X509) *);

/* What the session holds of the client's chain, decoded, beside
 * SSL_get_peer_cert_chain(), borrowed; NULL: nothing. */
STACK_OF(X509) * library_full_chain(const SSL *);

/* How many tickets the session gets in TLS 1.3, where it is not resumed. Holds
 * for the library's next call at least. */
void library_set_tickets(SSL *, unsigned n);

/* Is the handshake at the client's Certificate message? */
bool library_reads_certificate(const SSL *);

/* Is it at the proof that the client has its key? */
bool library_reads_proof(const SSL *);

/* Was our Finished sealed? */
bool library_sent_finished(const SSL *);

/*
 * Seals what the library keeps back after a handshake: a ticket. 0 or -1. It
 * may have done so by itself.
 */
int library_seal_ticket(SSL *);

#endif
