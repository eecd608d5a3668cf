/* From one process to two: what the admin process inherits and what it must
 * not. */
#ifndef MASTER_ADMIN_SPAWN_H
#define MASTER_ADMIN_SPAWN_H

#include <sys/types.h>

struct master;

/* Forks it. Its process id, with the descriptor to speak to it by in
 * *control_fd; or -errno. */
pid_t admin_spawn(struct master *, int *control_fd);

#endif
