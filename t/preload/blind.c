/*
 * Preloaded into sniport: asked for the device of an address, the kernel seems
 * not to know that the address is this host's, as when it comes only after the
 * question.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "t/preload/preload.h"

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*real)(int, int, int, const void *, socklen_t) =
	    preload_real("setsockopt");

	if (level == IPPROTO_IP && name == IP_MULTICAST_IF) {
		errno = EADDRNOTAVAIL;
		return (-1);
	}
	return (real(fd, level, name, value, len));
}
