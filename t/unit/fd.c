/* What errors of connections mean. */
#include "common/base/fd.h"

#include <errno.h>

#include "t/unit/tap.h"

int
main(void)
{
	is_int(fd_connection_error(ECONNRESET), -ECONNRESET, "a reset");
	is_int(fd_connection_error(EPIPE), -ECONNRESET,
	    "a reset after the end of a stream");
	is_int(fd_connection_error(ENOTCONN), -ECONNRESET,
	    "a reset that was told before");
	is_int(fd_connection_error(ECONNABORTED), -ECONNRESET,
	    "a connection that was destroyed");
	is_int(fd_connection_error(ETIMEDOUT), -ETIMEDOUT, "no answer");
	is_int(fd_connection_error(EHOSTUNREACH), -EHOSTUNREACH, "no way");
	is_int(fd_connection_error(EPROTO), -EHOSTUNREACH,
	    "ICMP's parameter problem is no fault of TLS");
	is_int(fd_connection_error(ENOBUFS), -ENOBUFS, "no memory");
	is_int(fd_connection_error(EAGAIN), -EAGAIN, "nothing now");
	return (done_testing());
}
