/*
 * The keys of session tickets that the workers of one generation have. Without
 * a file they are drawn here: a new one seals from time to time, those before
 * it are accepted as long as a ticket of theirs may be good, and a reload goes
 * on with them.
 */
#ifndef MASTER_KEYRING_H
#define MASTER_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec;
struct conf;
struct findings;
struct ticket_keys;
struct keyring;

/*
 * Makes room for keys, and reads them where the configuration names a file. 0
 * with *keyring owned by the caller; -EINVAL with the cause in findings.
 */
int keyring_new(struct keyring **, const struct conf *, struct findings *);

/* Wipes all keys, for workers that are left as well. NULL is let be. */
void keyring_free(struct keyring *);

/* Forgets it, and lets the keys be. */
void keyring_leave(struct keyring *);

/*
 * Writes a keyring, without the keys but with the descriptor of their memory,
 * or reads it: *keyring is owned by the caller then, or NULL. It is for no new
 * worker, since it has no view.
 */
void keyring_code(struct codec *, struct keyring **);

/*
 * Goes on with the keys of the generation before (NULL: there is none), or
 * draws the first. Where keys come from a file, these are all. 0 or -errno.
 */
int keyring_begin(struct keyring *, const struct keyring *before, int64_t now);

/* What the workers get, borrowed. A child that is forked between the two has
 * it as well, and cannot make it writable. 0 or -errno. */
const struct ticket_keys *keyring_view(const struct keyring *);
int keyring_share(struct keyring *);
void keyring_unshare(struct keyring *);

/*
 * Of the generation that serves: draws a new key if it is time, and wipes those
 * of which no ticket is good any more. Returns when to do so again. *error is
 * -errno where no key could be drawn: the one before goes on.
 */
int64_t keyring_keep(struct keyring *, int64_t now, bool *drawn, int *error);

/*
 * Of one that is over: it gets no new key, and when its last handshake must be
 * done it has none at all. Returns when to call again.
 */
int64_t keyring_retire(struct keyring *, int64_t now);

/* How many keys are accepted. */
size_t keyring_count(const struct keyring *);

/* Are they of a file? */
bool keyring_shared(const struct keyring *);

#endif
