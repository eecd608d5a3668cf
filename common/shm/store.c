/* Files in memory with one writer each. */
#include "common/shm/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"

/* What a name takes at most, with an address of each family, and a quarter
 * more for what is learnt while all is written anew. */
#define BYTES_PER_NAME 768

#define HALF_MIN       ((int64_t)64 * 1024)
#define HALF_MAX       ((int64_t)64 * 1024 * 1024)

size_t
store_size(int64_t names)
{
	int64_t half = HALF_MAX;

	if (names <= 0)
		return (0);
	if (names < HALF_MAX / BYTES_PER_NAME)
		half = names * BYTES_PER_NAME;
	if (half < HALF_MIN)
		half = HALF_MIN;
	half = (half + STORE_HEAD_SIZE - 1) / STORE_HEAD_SIZE * STORE_HEAD_SIZE;
	return (STORE_HEAD_SIZE + 2 * (size_t)half);
}

/* A mapping of a description that is open for writing can be made writable; of
 * this one it cannot. */
static int
open_reader(int fd, int *reader)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*reader = open(path, O_RDONLY | O_CLOEXEC);
	return (*reader == -1 ? -errno : 0);
}

int
store_new(const char *name, size_t size, int *writer, int *reader)
{
	int error = 0, fd;

	*writer = *reader = -1;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return (-errno);
	if (ftruncate(fd, (off_t)size) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
		-1)
		error = -errno;
	if (error == 0)
		error = open_reader(fd, reader);
	/* It is made for all to open. */
	if (error == 0 && fchmod(fd, 0) == -1)
		error = -errno;
	if (error != 0) {
		fd_close(reader);
		fd_close(&fd);
		return (error);
	}
	*writer = fd;
	return (0);
}

void *
store_map_own(int fd, int protection, size_t size)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	int error;

	if (p == MAP_FAILED)
		return (NULL);
	if (madvise(p, size, MADV_DONTFORK) == 0 &&
	    madvise(p, size, MADV_DONTDUMP) == 0)
		return (p);
	error = errno;
	(void)munmap(p, size);
	errno = error;
	return (NULL);
}
