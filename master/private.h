/* Memory that the master shares with one child, and with no other. */
#ifndef MASTER_PRIVATE_H
#define MASTER_PRIVATE_H

#include <stddef.h>
#include <sys/types.h>

/* Zeros, which no child has but those of private_fork(), with a descriptor by
 * which another program can take the master's place; NULL: no memory. */
void *private_new(size_t size, int *fd);

/* The same memory again, by its descriptor; NULL: errno. */
void *private_adopt(size_t size, int fd);

/* Closes the descriptor, too. NULL is let be. */
void private_free(void *, size_t size, int *fd);

/* As fork(2), with that memory: the child may write it. Streams are flushed and
 * vector registers cleared before. */
pid_t private_fork(void *, size_t size);

#endif
