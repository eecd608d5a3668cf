/* Asks for and gives up capabilities, by system call: glibc has no wrapper. */
#include "master/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/fd.h"

struct sets {
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

static int
call(long number, struct sets *sets)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	return (syscall(number, &header, sets->half) == 0 ? 0 : -errno);
}

int
capability_limit(uint32_t keep)
{
	struct sets sets = { { { .effective = keep, .permitted = keep } } };

	return (call(SYS_capset, &sets));
}

uint32_t
capability_named(const char *words)
{
	static const struct {
		const char *name;
		unsigned bit;
	} table[] = {
		{ "cap_net_bind_service", CAP_NET_BIND_SERVICE },
		{ "cap_net_admin", CAP_NET_ADMIN },
		{ "cap_net_raw", CAP_NET_RAW },
	};
	uint32_t found = 0;
	size_t i, len;

	for (; *words != '\0'; words += len + strspn(words + len, " ")) {
		len = strcspn(words, " ");
		for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
			if (strlen(table[i].name) == len &&
			    strncasecmp(words, table[i].name, len) == 0)
				found |= 1U << table[i].bit;
	}
	return (found);
}

/* Does this one of those that we have suffice? */
static int
sets_mark(int fd, const struct sets *have, uint32_t capability)
{
	static const uint32_t mark = 1;
	struct sets sets = *have;

	if ((have->half[0].permitted & capability) == 0)
		return (0);
	sets.half[0].effective = capability;
	sets.half[1].effective = 0;
	return (call(SYS_capset, &sets) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
}

uint32_t
capability_for_mark(void)
{
	static const uint32_t wanted[] = { 1U << CAP_NET_RAW,
		1U << CAP_NET_ADMIN };
	struct sets have;
	uint32_t found = 0;
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || call(SYS_capget, &have) != 0) {
		fd_close(&fd);
		return (0);
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (found == 0 && sets_mark(fd, &have, wanted[i]))
			found = wanted[i];
	}
	(void)call(SYS_capset, &have);
	fd_close(&fd);
	return (found);
}
