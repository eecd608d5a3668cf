/*
 * Until when that is valid which TLS is served with: certificates, authorities
 * of clients, revocation lists. What is found when they are read is kept as
 * plain numbers, for whoever warns of it or shows it.
 */
#ifndef COMMON_TLS_EXPIRY_H
#define COMMON_TLS_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPIRY_MAX   18 /* 16 certificates, authorities, revocation lists */
#define EXPIRY_NEVER INT64_MAX

enum expiry_kind {
	EXPIRY_CHAIN,	  /* the certificate of a chain that ends first */
	EXPIRY_CLIENT_CA, /* the authority of clients that ends first */
	EXPIRY_CRL	  /* the revocation list that is out of date first */
};

struct expiry {
	enum expiry_kind kind;
	const char *file;     /* borrowed from the configuration */
	unsigned index;	      /* of a chain: in tls.certificates */
	int key_type;	      /* of a chain: EVP_PKEY_RSA and the like */
	unsigned number;      /* in its file, from 1 */
	int64_t begins, ends; /* seconds since 1970; EXPIRY_NEVER */
	unsigned told;	      /* the last step that was told, for its owner */
};

struct expiries {
	size_t n;
	struct expiry list[EXPIRY_MAX];
};

/* "certificate", "client_ca", "crl" */
const char *expiry_kind_name(enum expiry_kind);

/* Nothing is known yet: certificates of the chain are added to it by
 * expiry_narrow(). */
void expiry_init(struct expiry *, enum expiry_kind, const char *file);

/* Takes the dates of number `number` if that one is out of force, or the first
 * to be; who is not in force yet goes before who ends. */
void expiry_narrow(struct expiry *, unsigned number, int64_t begins,
    int64_t ends, int64_t now);

/* Adds one, if there is room. */
void expiry_add(struct expiries *, const struct expiry *);

/* Is it in force? */
bool expiry_is_good(const struct expiry *, int64_t now);

/*
 * How near the end is. 0: not near; then one more for each of 30 days, 7 days
 * and 1 day, of which the first two count only where it has more than twice as
 * long to live in all, and the last is a sixth of its life where that is
 * shorter; EXPIRY_OVER: it has ended.
 */
#define EXPIRY_LAST 3
#define EXPIRY_OVER 4
unsigned expiry_step(const struct expiry *, int64_t now);

/* When the next step comes; EXPIRY_NEVER. */
int64_t expiry_next(const struct expiry *, int64_t now);

/* Whole days that are left, rounded down; negative: it has ended. */
int64_t expiry_days(const struct expiry *, int64_t now);

/* "2026-11-23T06:12:42Z" */
#define EXPIRY_DATE_SIZE 32
const char *expiry_date(char buf[EXPIRY_DATE_SIZE], int64_t date);

/* "is not valid before DATE", "expired on DATE", "expires in 7 days, on DATE".
 * Returns buf. */
#define EXPIRY_TEXT_SIZE 80
const char *expiry_text(
    char buf[EXPIRY_TEXT_SIZE], const struct expiry *, int64_t now);

/*
 * Which of those that are served now would e, of the others that are to be
 * served instead, replace by something worse: e is out of force, or in its last
 * step and ends sooner. A certificate replaces that of the same type of key,
 * and any other if no good one is left. NULL: none.
 */
const struct expiry *expiry_worse(const struct expiries *served,
    const struct expiries *others, const struct expiry *e, int64_t now);

#endif
