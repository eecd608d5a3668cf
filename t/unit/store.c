/* Files in memory that one writes and others read. */
#include "common/shm/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "t/unit/tap.h"

static void
test_size(void)
{
	size_t size = store_size(10000);

	is_int(store_size(0), 0, "no names, no store");
	is_int(store_size(-1), 0, "nor for fewer");
	ok(store_size(1) >= STORE_HEAD_SIZE + 2 * 65536, "room for a few");
	ok(size > 2 * 10000 * 2 * 288 && size < 2 * 10000 * 4 * 288,
	    "room for 10,000 names, as long as can be");
	is_int(size % 8192, STORE_HEAD_SIZE, "in two halves of whole pages");
	ok(store_size(INT64_MAX) <= (size_t)200 * 1024 * 1024,
	    "not more than 200 MiB for any number");
}

static void
test_access(void)
{
	size_t size = store_size(1000);
	int writer, reader;
	char byte = 'x';
	struct stat st;
	void *map;

	is_int(store_new("sniport-test", size, &writer, &reader), 0,
	    "a store is made");
	is_int(fstat(reader, &st), 0, "and looked at");
	is_int(st.st_size, (int64_t)size, "of that size");
	ok(st.st_blocks < 100, "without memory");
	is_int(pwrite(writer, &byte, 1, 5), 1, "it is written");
	byte = 0;
	is_int(pread(reader, &byte, 1, 5), 1, "and read");
	is_int(byte, 'x', "what was written");
	is_int(pwrite(reader, &byte, 1, 5), -1, "not written by the reader");
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, reader, 0);
	ok(map != MAP_FAILED, "who can map it");
	is_int(mprotect(map, size, PROT_READ | PROT_WRITE), -1,
	    "but never to write");
	munmap(map, size);
	is_int(ftruncate(writer, 0), -1, "it cannot shrink");
	is_int(ftruncate(writer, (off_t)size + 1), -1, "nor grow");
	is_int(fcntl(writer, F_ADD_SEALS, F_SEAL_WRITE), -1,
	    "nor be sealed otherwise");
	fd_close(&writer);
	is_int(pread(reader, &byte, 1, 5), 1, "it outlives its writer");
	fd_close(&reader);
}

int
main(void)
{
	test_size();
	test_access();
	return (done_testing());
}
