/* What is advised where a listener cannot be had. */
#include "master/socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "t/unit/tap.h"

int
main(void)
{
	const struct addr v6 = { .family = AF_INET6, .port = 8443 };
	const struct addr v4 = { .family = AF_INET, .port = 8443 };
	const struct addr low = { .family = AF_INET, .port = 443 };
	char buf[SOCKET_ADVICE_SIZE];

	is_str(socket_advice(&v6, false, -EAFNOSUPPORT, buf),
	    "; this host has no IPv6: listen on an IPv4 address, such as "
	    "0.0.0.0",
	    "a kernel without IPv6");
	is_str(socket_advice(&v4, false, -EAFNOSUPPORT, buf), "",
	    "of one without IPv4 there is nothing to say");
	is_str(socket_advice(&low, false, -EACCES, buf),
	    "; a port below 1024 needs CAP_NET_BIND_SERVICE",
	    "a port for which one needs a capability");
	is_str(
	    socket_advice(&v4, false, -EACCES, buf), "", "another needs none");
	is_str(socket_advice(&v4, false, -EADDRINUSE, buf),
	    "; another process, such as another sniport, has this port on some "
	    "address: as root, ss -tanp \"sport = :8443\" shows which",
	    "a port in use");
	return (done_testing());
}
