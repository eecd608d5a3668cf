/* What the admin process may still ask of the kernel once it serves. */
#ifndef WORKER_ADMIN_SANDBOX_H
#define WORKER_ADMIN_SANDBOX_H

struct boot_admin;

/* As sandbox_enter() for a worker: no file, no new socket, no program. 0, or
 * -errno: what failed is in the error log. */
int admin_sandbox_enter(const struct boot_admin *);

#endif
