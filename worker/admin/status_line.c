/* What /status tells of egress lines. */
#include "common/base/json.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "worker/admin/line.h"
#include "worker/admin/state.h"
#include "worker/admin/status.h"

/* Of the addresses that are missing, as many as it holds. */
#define OBJECT_SIZE 4096

static bool
is_missing(enum lines_source is)
{
	return (is == LINES_MISSING || is == LINES_FOREIGN);
}

static void
put_json(
    const struct line_shown *l, const struct boot_admin *boot, struct text *out)
{
	const struct lines_sources *s = &l->sources;
	char object[OBJECT_SIZE], ip[ADDR_TEXT_SIZE];
	struct json j;
	size_t i;

	json_init(&j, object, sizeof(object));
	json_string(&j, "line", l->conf->name);
	json_string(&j, "state", lines_state_name(l->state));
	if (l->conf->device != NULL) {
		json_string(&j, "device", l->conf->device);
		json_string(&j, "device_state", lines_device_name(l->device));
	}
	json_uint(&j, "sources", s->all[0] + s->all[1]);
	json_uint(&j, "sources_here", s->here[0] + s->here[1]);
	json_array_open(&j, "missing");
	for (i = 0; i < l->conf->nsource; i++) {
		if (!is_missing(line_source(l, boot, i)))
			continue;
		addr_format_ip(&l->conf->source[i], ip);
		json_string(&j, NULL, ip);
	}
	json_array_close(&j);
	text_add(out, object, json_end(&j));
}

static void
put_text(
    const struct line_shown *l, const struct boot_admin *boot, struct text *out)
{
	const struct lines_sources *s = &l->sources;
	size_t i, missing = s->all[0] + s->all[1] - s->here[0] - s->here[1];
	char ip[ADDR_TEXT_SIZE];

	text_put(out, "egress:     %s: %s", l->conf->name,
	    lines_state_name(l->state));
	if (lines_device_name(l->device) != NULL &&
	    l->device != LINES_DEVICE_UP)
		text_put(out, "; the device %s is %s", l->conf->device,
		    lines_device_name(l->device));
	for (i = 0; missing > 0 && i < l->conf->nsource; i++) {
		if (!is_missing(line_source(l, boot, i)))
			continue;
		addr_format_ip(&l->conf->source[i], ip);
		text_put(out, "; %s", ip);
		if (missing > 1)
			text_put(out, " and %zu more of %zu are missing",
			    missing - 1, l->conf->nsource);
		else
			text_put(out, " is missing");
		break;
	}
	text_put(out, "\n");
}

bool
status_put_line(const struct status *s, struct text *out)
{
	struct line_shown line;

	if (!line_at(&line, s->boot, s->row))
		return (false);
	if (s->json)
		put_json(&line, s->boot, out);
	else
		put_text(&line, s->boot, out);
	return (true);
}
