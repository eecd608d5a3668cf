/* Looks at a start and a reload for what each tunnel would fail for. */
#include "master/egress_check.h"

#include <errno.h>
#include <string.h>

#include "common/conf/conf.h"
#include "master/findings.h"
#include "master/here.h"

static void
check_sources(const struct conf *conf, const struct conf_egress *egress,
    struct findings *f)
{
	char text[ADDR_TEXT_SIZE];
	int error;

	for (size_t i = 0; i < egress->nsource; i++) {
		error = here_find(&egress->source[i], NULL);
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
		    here_device(egress->device) == LINES_DEVICE_MISSING)
			findings_add_at(f, LOG_LEVEL_WARNING, conf,
			    &egress->device,
			    "this host does not have a device \"%s\": while "
			    "that is so, tunnels that leave by it fail",
			    egress->device);
		check_sources(conf, egress, f);
	}
}
