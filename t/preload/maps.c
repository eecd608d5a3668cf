/*
 * Preloaded into sniport: a worker that was broken into and turns on the memory
 * that it shares with others. A client that asks for the server name
 * "WORD.maps.test:443" has the worker do what the table at the end has under
 * that word; standard error tells how it went. With NO_FILTER the worker has no
 * filter of system calls, so that the kernel alone is in its way.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/shm/table.h"
#include "common/shm/tally.h"
#include "t/preload/preload.h"

#define MAPS_MAX 16384
#define FDS_MAX	 4096

ssize_t recv(int, void *, size_t, int);
ssize_t recvmsg(int, struct msghdr *, int);
long syscall(long, ...);
int seccomp_load(const void *);

static struct map {
	char *at;
	size_t size;
	bool writable;
	bool table; /* of its own tunnels: it would only crash */
} maps[MAPS_MAX];
static size_t nmaps;

/* What it does anew whenever it has nothing else to do. */
static int (*again)(void);

/* When the worker is about to enter its sandbox it can still be read. */
static void
list_maps(void)
{
	unsigned long begin, end;
	char line[512], mode[8];
	FILE *f = fopen("/proc/self/maps", "re");

	if (f == NULL)
		return;
	nmaps = 0;
	while (fgets(line, sizeof(line), f) != NULL && nmaps < MAPS_MAX) {
		if (sscanf(line, "%lx-%lx %7s", &begin, &end, mode) != 3 ||
		    mode[3] != 's')
			continue;
		maps[nmaps++] = (struct map){ .at = (char *)begin,
			.size = end - begin,
			.writable = mode[1] == 'w',
			.table = strstr(line, "sniport-table") != NULL };
	}
	fclose(f);
}

/* Each returns how often it came through, or -1 with errno. */

/* All counts high, and not such that one more is none. */
static int
lie(void)
{
	struct tally *t;
	size_t i, j;
	int n = 0;

	for (i = 0; i < nmaps; i++) {
		if (!maps[i].writable || maps[i].table)
			continue;
		n++;
		if (maps[i].size != sizeof(*t)) {
			memset(maps[i].at, 0x7f, maps[i].size);
			continue;
		}
		t = (struct tally *)maps[i].at;
		for (j = 0; j < TALLY_ENTRIES; j++)
			t->entries[j].value |= INT32_MAX;
	}
	return (n);
}

static int
fill(int byte)
{
	size_t i;
	int n = 0;

	for (i = 0; i < nmaps; i++) {
		if (!maps[i].writable || maps[i].table)
			continue;
		memset(maps[i].at, byte, maps[i].size);
		n++;
	}
	return (n);
}

static int
ones(void)
{
	return (fill(0xff));
}

static int
wipe(void)
{
	return (fill(0));
}

/* What can be written after all, is. */
static int
spoil(void *at, size_t size)
{
	memset(at, 0xff, size);
	return (1);
}

static int
protect(void)
{
	size_t i;
	int n = 0;

	for (i = 0; i < nmaps; i++)
		if (!maps[i].writable && mprotect(maps[i].at, maps[i].size,
					     PROT_READ | PROT_WRITE) == 0)
			n += spoil(maps[i].at, maps[i].size);
	return (n);
}

static int
descriptors(void)
{
	void *at;
	int fd, n = 0;

	for (fd = 0; fd < FDS_MAX; fd++) {
		at =
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED)
			n += spoil(at, 4096);
	}
	return (n);
}

/* Over what lies behind it in the file. */
static int
grow(void)
{
	size_t i;
	char *at;
	int n = 0;

	for (i = 0; i < nmaps; i++) {
		if (!maps[i].writable)
			continue;
		at = mremap(
		    maps[i].at, maps[i].size, 2 * maps[i].size, MREMAP_MAYMOVE);
		if (at != MAP_FAILED)
			n += spoil(at + maps[i].size, maps[i].size);
	}
	return (n);
}

static int
drop(void)
{
	size_t i;
	int n = 0;

	for (i = 0; i < nmaps; i++)
		if (!maps[i].writable &&
		    madvise(maps[i].at, maps[i].size, MADV_REMOVE) == 0)
			n++;
	return (n);
}

static bool
is_memory(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0);
}

static int
find_memory(void)
{
	int fd;

	for (fd = 3; fd < FDS_MAX; fd++)
		if (is_memory(fd))
			return (fd);
	errno = ENOENT;
	return (-1);
}

static int
shrink(void)
{
	return (ftruncate(find_memory(), 0));
}

static int
punch(void)
{
	return (fallocate(find_memory(),
	    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
}

static int
reopen(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", find_memory());
	return (open(path, O_RDWR | O_CLOEXEC));
}

static int
seal(void)
{
	return (fcntl(find_memory(), F_ADD_SEALS, F_SEAL_WRITE));
}

static int
rights(void)
{
	return (fchmod(find_memory(), 0777));
}

static int
put(void)
{
	return ((int)write(find_memory(), "x", 1));
}

/* Its own table of tunnels. */
static struct table_head *
own_table(void)
{
	size_t i;

	for (i = 0; i < nmaps; i++)
		if (maps[i].table && maps[i].writable)
			return ((struct table_head *)maps[i].at);
	abort();
}

static void
forge_slot(uint32_t i, uint64_t number, enum table_state state, uint16_t reason)
{
	struct table_slot *s =
	    (struct table_slot *)((char *)own_table() + TABLE_HEAD_SIZE) + i;

	memset(s, 0, sizeof(*s));
	s->line = UINT64_MAX;
	s->facts.number = number;
	s->facts.generation = 999;
	s->facts.worker = 55;
	s->facts.reason = reason;
	s->state = state;
}

/* Tunnels that there never were, of which one is told of twice, and dies. */
static int
forge(void)
{
	forge_slot(1000, 7000, TABLE_ENDED, REASON_DONE);
	forge_slot(1001, 7001, TABLE_ENDED, REASON_NONE);
	forge_slot(1002, 7002, TABLE_ENDED, UINT16_MAX);
	forge_slot(1003, 7003, TABLE_ENDED, REASON_DONE);
	forge_slot(1004, 7003, TABLE_LIVE, REASON_NONE);
	forge_slot(1005, 7004, TABLE_LIVE, REASON_NONE);
	own_table()->high = 1006;
	return (kill(getpid(), SIGKILL));
}

/* As many of them as the table has room for. */
static int
flood(void)
{
	struct table_head *head = own_table();
	uint32_t i;

	head->high =
	    (uint32_t)((head->size - TABLE_HEAD_SIZE) / TABLE_SLOT_SIZE);
	for (i = 0; i < head->high; i++)
		forge_slot(i, 10000 + i, TABLE_LIVE, REASON_NONE);
	return (kill(getpid(), SIGKILL));
}

/* Of the control socket; -1. */
static int control_fd = -1;
static bool deaf;

static void
find_control(void)
{
	socklen_t len = sizeof(int);
	int fd, type;

	for (fd = 3; fd < FDS_MAX && control_fd == -1; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_SEQPACKET)
			control_fd = fd;
}

static int
shut(void)
{
	return (shutdown(control_fd, SHUT_RD));
}

static int
be_deaf(void)
{
	deaf = true;
	return (0);
}

static const struct {
	const char *word;
	int (*call)(void);
} table[] = {
	{ "lie", lie },
	{ "ones", ones },
	{ "wipe", wipe },
	{ "protect", protect },
	{ "descriptors", descriptors },
	{ "grow", grow },
	{ "drop", drop },
	{ "shrink", shrink },
	{ "punch", punch },
	{ "reopen", reopen },
	{ "seal", seal },
	{ "rights", rights },
	{ "put", put },
	{ "forge", forge },
	{ "shut", shut },
	{ "deaf", be_deaf },
	{ "flood", flood },
};

static void
attack(const char *word, size_t len)
{
	size_t i;
	int n;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strlen(table[i].word) != len ||
		    memcmp(table[i].word, word, len) != 0)
			continue;
		dprintf(STDERR_FILENO, "maps %s[%d] begins\n", table[i].word,
		    (int)getpid());
		n = table[i].call();
		if (table[i].call == lie || table[i].call == ones ||
		    table[i].call == wipe)
			again = table[i].call;
		if (n < 0)
			dprintf(STDERR_FILENO, "maps %s: %s\n", table[i].word,
			    strerrorname_np(errno));
		else
			dprintf(
			    STDERR_FILENO, "maps %s: %d\n", table[i].word, n);
	}
}

ssize_t
recv(int fd, void *buf, size_t size, int flags)
{
	return (preload_recv(fd, buf, size, flags, ".maps.test", attack));
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) = preload_real("recvmsg");

	if (!deaf || fd != control_fd)
		return (real(fd, msg, flags));
	errno = EAGAIN;
	return (-1);
}

int
epoll_pwait2(int fd, struct epoll_event *events, int n,
    const struct timespec *timeout, const sigset_t *mask)
{
	int saved = errno;

	if (again != NULL)
		(void)again();
	errno = saved;
	return ((int)syscall(
	    SYS_epoll_pwait2, fd, events, n, timeout, mask, _NSIG / 8));
}

int
seccomp_load(const void *filter)
{
	int (*real)(const void *) = preload_real("seccomp_load");

	return (getenv("NO_FILTER") != NULL ? 0 : real(filter));
}

/* Landlock comes first, and with it the end of reading /proc. */
long
syscall(long number, ...)
{
	long (*real)(long, ...) = preload_real("syscall");
	long a[6];

	PRELOAD_ARGUMENTS(a, number);
	if (number == SYS_landlock_create_ruleset) {
		list_maps();
		find_control();
	}
	return (real(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
