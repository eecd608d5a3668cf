/* Looks for an egress line's device and source addresses on this host. */
#include "master/line_look.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "master/here.h"

static enum lines_source
find(const struct addr *source)
{
	bool foreign;

	/* What cannot be told may be there: tunnels will find out. */
	if (here_find(source, &foreign) != -EADDRNOTAVAIL)
		return (LINES_HERE);
	return (foreign ? LINES_FOREIGN : LINES_MISSING);
}

struct line_look
line_look(const struct conf_egress *e,
    void (*told)(void *, size_t, enum lines_source), void *arg)
{
	struct line_look l = { .device = here_device(e->device) };
	enum lines_source is;
	size_t i, family;

	for (i = 0; i < e->nsource; i++) {
		is = find(&e->source[i]);
		family = e->source[i].family == AF_INET6;
		l.sources.all[family]++;
		if (is == LINES_HERE)
			l.sources.here[family]++;
		else if (l.missing++ == 0)
			l.first = i;
		l.foreign += is == LINES_FOREIGN;
		if (told != NULL)
			told(arg, i, is);
	}
	l.state = lines_judge(l.device, &l.sources);
	return (l);
}

void
line_look_text(const struct line_look *l, const struct conf_egress *e,
    char text[LINE_LOOK_TEXT_SIZE])
{
	char ip[ADDR_TEXT_SIZE];
	int len;

	text[0] = '\0';
	if (l->device == LINES_DEVICE_MISSING)
		snprintf(text, LINE_LOOK_TEXT_SIZE,
		    "this host does not have the device %s", e->device);
	else if (l->device == LINES_DEVICE_DOWN)
		snprintf(text, LINE_LOOK_TEXT_SIZE, "the device %s is down",
		    e->device);
	if (text[0] != '\0' || l->missing == 0)
		return;
	addr_format_ip(&e->source[l->first], ip);
	len = snprintf(
	    text, LINE_LOOK_TEXT_SIZE, "this host does not have %s", ip);
	if (l->missing > 1)
		snprintf(text + len, LINE_LOOK_TEXT_SIZE - (size_t)len,
		    ", nor %zu more of its %zu source addresses",
		    l->missing - 1, e->nsource);
}
