/* Prints whether this host has what an egress line needs, for check scripts. */
#include "master/line.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/conf/conf.h"
#include "master/findings.h"
#include "master/line_look.h"

/* Of the addresses that are missing, as many as a line of the answer holds. */
#define OBJECT_SIZE 4096

struct listed {
	struct json *json;
	const struct conf_egress *line;
};

static void
put_missing(void *arg, size_t source, enum lines_source is)
{
	const struct listed *l = arg;
	char ip[ADDR_TEXT_SIZE];

	if (is != LINES_MISSING && is != LINES_FOREIGN)
		return;
	addr_format_ip(&l->line->source[source], ip);
	json_string(l->json, NULL, ip);
}

static struct line_look
print_json(const struct conf_egress *e, FILE *out)
{
	char object[OBJECT_SIZE];
	struct line_look look = line_look(e, NULL, NULL);
	const struct lines_sources *s = &look.sources;
	struct json j;
	struct listed l = { &j, e };

	json_init(&j, object, sizeof(object));
	json_string(&j, "line", e->name);
	json_string(&j, "state", lines_state_name(look.state));
	if (e->device != NULL) {
		json_string(&j, "device", e->device);
		json_string(&j, "device_state", lines_device_name(look.device));
	}
	json_uint(&j, "sources", s->all[0] + s->all[1]);
	json_uint(&j, "sources_here", s->here[0] + s->here[1]);
	json_array_open(&j, "missing");
	(void)line_look(e, put_missing, &l);
	json_array_close(&j);
	fprintf(out, "%.*s\n", (int)json_end(&j), object);
	return (look);
}

static struct line_look
print_text(const struct conf_egress *e, FILE *out)
{
	struct line_look look = line_look(e, NULL, NULL);
	char why[LINE_LOOK_TEXT_SIZE];

	line_look_text(&look, e, why);
	fprintf(out, "%s: %s%s%s\n", e->name, lines_state_name(look.state),
	    why[0] != '\0' ? ": " : "", why);
	return (look);
}

static enum line_result
result_of(const struct line_look *look)
{
	if (look->state != LINES_STATE_DOWN)
		return (LINE_GOOD);
	if (look->device == LINES_DEVICE_MISSING ||
	    look->device == LINES_DEVICE_DOWN)
		return (LINE_DEVICE);
	return (LINE_MISSING);
}

static enum line_result
show(const struct conf *conf, const char *name, bool json, FILE *out)
{
	enum line_result result = LINE_GOOD, one;
	const struct conf_egress *e;
	struct line_look look;

	for (e = conf->egress; e < conf->egress + conf->negress; e++) {
		if (name != NULL && strcmp(name, e->name) != 0)
			continue;
		look = json ? print_json(e, out) : print_text(e, out);
		one = result_of(&look);
		result = one > result ? one : result;
		if (name != NULL)
			return (result);
	}
	return (name != NULL ? LINE_BAD : result);
}

enum line_result
line_run(const char *file, const char *name, bool json, FILE *out, FILE *err)
{
	enum line_result result = LINE_BAD;
	struct conf *conf = NULL;
	struct findings f;
	char *errors = NULL;
	int error;

	findings_init(&f);
	error = conf_load(&conf, file, NULL, &errors);
	if (errors != NULL)
		findings_add_lines(&f, errors);
	if (error == 0) {
		result = show(conf, name, json, out);
		if (result == LINE_BAD)
			findings_add(&f, LOG_LEVEL_ERROR,
			    "line: %s has no egress line \"%s\"", file, name);
	} else if (f.nerrors == 0) {
		findings_add(&f, LOG_LEVEL_ERROR, "%s: load: %s", file,
		    strerror(-error));
	}
	findings_print(&f, err);
	findings_fini(&f);
	free(errors);
	conf_free(conf);
	return (result);
}
