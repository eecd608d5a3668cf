/*
 * Preloaded into sniport: writes the keys of tickets that each context has to
 * the end of the file that TICKET_KEYS names, in hex, one context a line.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/preload/preload.h"

SSL_CTX *SSL_CTX_new(const SSL_METHOD *);

SSL_CTX *
SSL_CTX_new(const SSL_METHOD *method)
{
	SSL_CTX *(*real)(const SSL_METHOD *) = preload_real("SSL_CTX_new");
	SSL_CTX *ctx = real(method);
	const char *path = getenv("TICKET_KEYS");
	unsigned char keys[80];
	FILE *file;
	size_t i;

	if (ctx == NULL || path == NULL ||
	    SSL_CTX_get_tlsext_ticket_keys(ctx, keys, sizeof(keys)) != 1)
		return (ctx);
	file = fopen(path, "a");
	if (file == NULL)
		abort();
	/* The first 16 bytes are their name, which goes over the wire. */
	for (i = 16; i < sizeof(keys); i++)
		fprintf(file, "%02x", keys[i]);
	fprintf(file, "\n");
	fclose(file);
	OPENSSL_cleanse(keys, sizeof(keys));
	return (ctx);
}
