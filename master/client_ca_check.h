/* What is wrong with the authorities of clients, and whom it shuts out. */
#ifndef MASTER_CLIENT_CA_CHECK_H
#define MASTER_CLIENT_CA_CHECK_H

#include <openssl/x509.h>
#include <stdbool.h>

struct conf;
struct expiries;
struct pem_file;

/* As they stand in the files. A stack is NULL where no file is given; an
 * element of crls is NULL where that list was left out. */
struct client_ca {
	STACK_OF(X509) * authorities;
	STACK_OF(X509_CRL) * crls;
};

/* Is the certificate another authority's, which is not among these? */
bool client_ca_orphan(const struct client_ca *, X509 *);

/* What a name is called in findings. Returns buf. */
#define CLIENT_CA_NAME_SIZE 128
const char *client_ca_name(const X509_NAME *, char buf[CLIENT_CA_NAME_SIZE]);

/* Warns of each certificate by which nobody, or nobody any longer, is
 * verified. */
void client_ca_check_authorities(
    const struct client_ca *, const struct pem_file *);

/* Warns of each list that is not in force, and of each authority that has
 * none. */
void client_ca_check_crls(const struct client_ca *, const struct pem_file *);

/* Adds when the first authority ends, of those in force that were not renewed,
 * and when the first issuer has no list any more that is in force. */
void client_ca_expiries(
    const struct client_ca *, const struct conf *, struct expiries *);

#endif
