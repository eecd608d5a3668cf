/* Forks children with memory that no other child has. */
#include "master/private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/registers.h"
#include "common/shm/store.h"
#include "master/closing.h"

/* Workers and the writers of other logs are forked without it: one that was
 * broken into could change what another one is about to write. */
static void *
map(size_t size, int fd)
{
	return (store_map_own(fd, PROT_READ | PROT_WRITE, size));
}

void *
private_new(size_t size, int *fd)
{
	int reader;
	void *p;

	if (store_new("sniport-private", size, fd, &reader) != 0)
		return (NULL);
	fd_close(&reader);
	p = map(size, *fd);
	if (p == NULL)
		fd_close(fd);
	return (p);
}

void *
private_adopt(size_t size, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return (NULL);
	if (st.st_size >= 0 && (size_t)st.st_size == size)
		return (map(size, fd));
	errno = EPROTO;
	return (NULL);
}

void
private_free(void *p, size_t size, int *fd)
{
	if (p != NULL)
		(void)munmap(p, size);
	fd_close(fd);
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
