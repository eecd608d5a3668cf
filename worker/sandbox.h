/*
 * What a worker may still ask of the kernel once it serves: a list of system
 * calls (seccomp), some of which are refused for the sockets that it shares,
 * and a few files to read (Landlock).
 */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

struct boot;

/*
 * Enters the sandbox, for good. To be called when everything is set up. A call
 * that is not on the list kills the process by SIGSYS from now on; a file that
 * may not be read gives EACCES. A kernel without Landlock is put up with, and
 * worker 0 says so. Left out where valgrind or a sanitizer runs, which do what
 * they like in our name. 0, or -errno: what failed is in the error log.
 */
int sandbox_enter(const struct boot *);

/* Who runs beside us, and makes system calls of its own; NULL: nobody. */
const char *sandbox_companion(void);

#endif
