/* What a writer of logs can still do. */
#ifndef MASTER_WRITER_SANDBOX_H
#define MASTER_WRITER_SANDBOX_H

/*
 * From now on the process can read, write and wait, by the descriptors that it
 * has, and nothing else: any other system call fails. Without effect beside a
 * sanitizer or valgrind, which make calls of their own, and where the kernel
 * has no seccomp.
 */
void writer_sandbox_enter(void);

#endif
