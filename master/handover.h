/*
 * All that a program needs to take the master's place from another one, in the
 * same process: what it knows, and which descriptors have what. It is bytes
 * with a version and a checksum, of which nothing is done by itself.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#define HANDOVER_VERSION 1

struct codec;
struct master;

/*
 * Writes what m knows. 0, with the bytes and the descriptors in *c, which is
 * initialised by this and to be freed by codec_fini(); or -errno, with the
 * cause in c->wrong: -EAGAIN, it can be tried again. m stays as it is.
 */
int handover_write(struct codec *c, struct master *m);

/*
 * Reads it into *m, whose lists are empty. The descriptors are m's then; blind:
 * they are not here, and nothing is done with them. 0, or -errno with the cause
 * in c->wrong. In any case *c is to be freed as above, and *m by
 * handover_forget() if it is not used.
 */
int handover_read(struct codec *c, const void *bytes, size_t size, bool blind,
    struct master *m);

/* Frees what was read, and lets all processes, descriptors and shared memory
 * be. */
void handover_forget(struct master *m);

#endif
