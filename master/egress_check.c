/* Looks at a start and a reload for what each tunnel would fail for. */
#include "master/egress_check.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "master/findings.h"

/* Binds as a tunnel will (worker/dial/egress.c), which takes no port yet. */
static int
try_source(const struct addr *source)
{
	static const int on = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(source, &ss);
	int error = 0, fd;

	fd = socket(source->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) != 0)
		error = -errno;
	fd_close(&fd);
	return (error);
}

static void
check_sources(const struct conf *conf, const struct conf_egress *egress,
    struct findings *f)
{
	char text[ADDR_TEXT_SIZE];
	int error;

	for (size_t i = 0; i < egress->nsource; i++) {
		error = try_source(&egress->source[i]);
		if (error == 0)
			continue;
		addr_format_ip(&egress->source[i], text);
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &egress->source,
		    "%s: %s: while that is so, tunnels that leave by it fail",
		    text,
		    error == -EADDRNOTAVAIL ? "this host does not have this "
					      "address"
					    : strerror(-error));
	}
}

void
egress_check(const struct conf *conf, struct findings *f)
{
	for (size_t i = 0; i < conf->negress; i++) {
		const struct conf_egress *egress = &conf->egress[i];

		if (egress->device != NULL &&
		    if_nametoindex(egress->device) == 0)
			findings_add_at(f, LOG_LEVEL_WARNING, conf,
			    &egress->device,
			    "this host does not have a device \"%s\": while "
			    "that is so, tunnels that leave by it fail",
			    egress->device);
		check_sources(conf, egress, f);
	}
}
