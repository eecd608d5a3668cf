/* Forks children with memory that no other child has. */
#include "master/private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/registers.h"
#include "master/closing.h"

/* Workers and the writers of other logs are forked without it: one that was
 * broken into could change what another one is about to write. */
void *
private_new(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return (NULL);
	if (madvise(map, size, MADV_DONTFORK) == 0)
		return (map);
	private_free(map, size);
	return (NULL);
}

void
private_free(void *map, size_t size)
{
	if (map != NULL)
		(void)munmap(map, size);
}

pid_t
private_fork(void *map, size_t size)
{
	struct closing closing;
	pid_t pid;
	int error;

	if (madvise(map, size, MADV_DOFORK) != 0)
		return (-1);
	closing_begin(&closing);
	fflush(NULL);
	registers_clear();
	pid = fork();
	error = errno;
	if (pid != 0)
		closing_await(&closing, pid > 0);
	/* It could be set before; the kernel allocates nothing for it. */
	if (pid != 0)
		(void)madvise(map, size, MADV_DONTFORK);
	errno = error;
	return (pid);
}
