/* PEM files that settings name, and what is wrong with them. */
#ifndef MASTER_PEM_H
#define MASTER_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/asn1.h>

#include "common/log/log.h"

struct conf;
struct findings;

/* All borrowed. */
struct pem_file {
	const struct conf *conf;
	char *const *setting; /* the field in conf that has the path */
	struct findings *findings;
};

/* A finding "file:line: setting: path: ...". */
void pem_finding(const struct pem_file *, enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same as an error with the library's reason for what just failed: "...:
 * path: action: reason". */
void pem_failed(const struct pem_file *, const char *action);

/* The library's reason for what just failed, which it then forgets: static or
 * in buf. */
#define PEM_REASON_SIZE 80
const char *pem_reason(char buf[PEM_REASON_SIZE]);

/* The whole file, of at most max bytes, followed by a NUL. 0 with *data owned
 * by the caller; -EINVAL with a finding. */
int pem_slurp(const struct pem_file *, size_t max, char **data, size_t *len);

/* Seconds since 1970; a date that cannot be read is long ago. */
int64_t pem_time(const ASN1_TIME *);

/* "2026-11-23T06:12:42Z", as the logs have it. Returns buf. */
#define PEM_DATE_SIZE 32
const char *pem_date(char buf[PEM_DATE_SIZE], const ASN1_TIME *);

/* Did reading an object fail only since the one before was the last? Then
 * OpenSSL forgets it. */
bool pem_ended(void);

#endif
