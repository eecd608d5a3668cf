/* Looks up an egress line, and how it is. */
#include "worker/admin/line.h"

#include <sys/socket.h>

#include "common/boot.h"
#include "common/conf/conf.h"

enum lines_source
line_source(const struct line_shown *l, const struct boot_admin *boot, size_t i)
{
	return (lines_source(boot->shm, boot->generation, l->source_at + i));
}

static void
count(struct line_shown *l, const struct boot_admin *boot)
{
	enum lines_source is;
	size_t i, family;

	for (i = 0; i < l->conf->nsource; i++) {
		is = line_source(l, boot, i);
		family = l->conf->source[i].family == AF_INET6;
		l->sources.all[family]++;
		/* What is not known may be there. */
		l->sources.here[family] +=
		    is == LINES_HERE || is == LINES_UNKNOWN;
	}
}

bool
line_at(struct line_shown *l, const struct boot_admin *boot, size_t number)
{
	const struct conf *conf = boot->conf;
	size_t i;

	*l = (struct line_shown){ .conf = NULL };
	if (number >= conf->negress)
		return (false);
	for (i = 0; i < number; i++)
		l->source_at += conf->egress[i].nsource;
	l->conf = &conf->egress[number];
	l->device = lines_device(boot->shm, boot->generation, number);
	count(l, boot);
	l->state = lines_judge(l->device, &l->sources);
	return (true);
}

bool
line_named(
    struct line_shown *l, const struct boot_admin *boot, struct piece name)
{
	size_t i;

	for (i = 0; i < boot->conf->negress; i++)
		if (piece_is(name, boot->conf->egress[i].name))
			return (line_at(l, boot, i));
	return (false);
}
