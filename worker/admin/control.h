/* What the master tells the admin process. */
#ifndef WORKER_ADMIN_CONTROL_H
#define WORKER_ADMIN_CONTROL_H

struct admin;

/* Listens to the master from now on. If it hangs up, the process ends at once:
 * without it there is nothing to tell. 0 or -errno. */
int control_obey(struct admin *);

#endif
