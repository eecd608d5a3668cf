/*
 * The keys of session tickets, in memory that the master writes and that the
 * workers of one generation read: tickets outlive workers and reloads, and keys
 * change while workers run.
 */
#ifndef COMMON_SHM_TICKET_KEYS_H
#define COMMON_SHM_TICKET_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shm/shm.h"

/* Of the map's layout. */
#define TICKET_KEYS_VERSION 1

/* As many as may be accepted at once. */
#define TICKET_KEYS_MAX 16

/* A key as it is in a file, too. Its name goes over the wire with each ticket;
 * what the secret is for is up to the TLS library. */
struct ticket_key {
	uint8_t name[16];
	uint8_t secret[64];
};

#define TICKET_KEY_WORDS (sizeof(struct ticket_key) / sizeof(uint64_t))

struct ticket_list {
	_Atomic uint64_t n;
	_Atomic uint64_t keys[TICKET_KEYS_MAX][TICKET_KEY_WORDS];
};

/*
 * What is in the memory. There are two lists, of which one counts, so that a
 * reader never waits for the writer, whatever becomes of it; the other one is
 * zeros but while it is written.
 */
struct ticket_keys {
	struct shm_head head;
	_Atomic uint64_t turn; /* whether it is even or odd says which */
	struct ticket_list lists[2];
};

/*
 * Makes the memory, without a key, and maps it twice: *writer, and *reader,
 * which nobody can make writable. No child has either; MADV_DOFORK gives one to
 * those that are forked. Both are owned by the caller, as is the descriptor to
 * write by, for ticket_keys_adopt(), unless fd is NULL. 0 or -errno.
 */
int ticket_keys_new(
    struct ticket_keys **writer, const struct ticket_keys **reader, int *fd);

/* Maps what another program has made, by its descriptor, which stays the
 * caller's. 0, or -errno; -EPROTO: the layout is another one. */
int ticket_keys_adopt(struct ticket_keys **writer, int fd);

/* Wipes the keys for all who have the memory mapped, and unmaps it here. NULL
 * is let be. */
void ticket_keys_free(
    struct ticket_keys *writer, const struct ticket_keys *reader);

/* Unmaps it, and lets the keys be. */
void ticket_keys_leave(
    struct ticket_keys *writer, const struct ticket_keys *reader);

/* Has those keys alone from now on, the one that seals first. What was there is
 * wiped. Writer only. */
void ticket_keys_write(
    struct ticket_keys *, const struct ticket_key *, size_t n);

/* All keys; returns how many there are. Whoever has them wipes them. */
size_t ticket_keys_read(
    const struct ticket_keys *, struct ticket_key keys[TICKET_KEYS_MAX]);

/* How many there are. */
size_t ticket_keys_count(const struct ticket_keys *);

/* The key that seals, or the one of that name. False: there is none, or NULL
 * for all of them. Whoever has it wipes it. */
bool ticket_keys_first(const struct ticket_keys *, struct ticket_key *);
bool ticket_keys_find(
    const struct ticket_keys *, const uint8_t name[16], struct ticket_key *);

#endif
