/* What the files that judge certificates have in common; private to them. */
#ifndef WORKER_TLS_JUDGE_H
#define WORKER_TLS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/tls/der.h"

#define JUDGE_MALFORMED "a certificate of the chain is malformed"
#define JUDGE_NOT_DER	"a certificate of the chain is not in strict DER"
#define JUDGE_EXTENSION "a certificate of the chain has a malformed extension"

struct judge {
	const char *why;      /* NULL: nothing is wrong so far */
	const char *improper; /* NULL: nor is anything that is cheap */
	unsigned elements;
};

/* All others give false too where they have refused. The first text stays. */
bool judge_refuse(struct judge *, const char *why);

/* What was found is cheap to decode, and still makes the certificate nobody's.
 * The first text stays. */
void judge_distrust(struct judge *, const char *text);

/* One element more: each costs OpenSSL an allocation or two. */
bool judge_count(struct judge *);

/* Takes and counts the next element: any, or one of that tag. */
bool judge_take_any(
    struct judge *, struct der *rest, uint8_t *tag, struct der *body);
bool judge_take(
    struct judge *, struct der *rest, uint8_t tag, struct der *body);

/* Takes an element of that tag and counts all that is in it. */
bool judge_part(struct judge *, struct der *rest, uint8_t tag);

/* Counts all elements, and those in them. */
bool judge_walk(struct judge *, struct der in);

bool judge_at_end(struct judge *, const struct der *rest);

/* Takes an extension, decides what is in it, and counts that. extension.c */
bool judge_extension(struct judge *, struct der *rest, struct der *id);

/* Takes a vector of TLS, whose length is in front, in so many bytes. */
bool judge_take_vector(
    struct judge *, struct der *rest, unsigned bytes, struct der *body);

/* Takes a SubjectPublicKeyInfo. certificate_key.c */
bool judge_key(struct judge *, struct der *rest);

#endif
