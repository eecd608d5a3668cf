/* Looks for addresses that are listened on before they are here. */
#include "master/here_check.h"

#include <errno.h>

#include "common/conf/conf.h"
#include "master/findings.h"
#include "master/here.h"

void
here_check(const struct conf *conf, enum log_level level, struct findings *f)
{
	const struct conf_listener *l;

	for (l = conf->listeners; l < conf->listeners + conf->nlisteners; l++)
		if (l->freebind && here_find(&l->addr, NULL) == -EADDRNOTAVAIL)
			findings_add_at(f, level, conf, &l->address,
			    "%s: this host does not have this address now: "
			    "until it has, no client can come there",
			    l->address);
}
