/* Keys of session tickets from a file, which nodes may share. */
#ifndef MASTER_TICKET_FILE_H
#define MASTER_TICKET_FILE_H

#include <stddef.h>

#include "common/shm/ticket_keys.h"

struct conf;
struct findings;

/*
 * Reads the keys of tls.ticket_keys, 80 bytes each, the one that seals first. 0
 * with the keys, which whoever has them wipes; -EINVAL with the cause in
 * findings: it cannot be read, everybody may read or write it, or what is in it
 * is not keys.
 */
int ticket_file_read(const struct conf *,
    struct ticket_key keys[TICKET_KEYS_MAX], size_t *n, struct findings *);

#endif
