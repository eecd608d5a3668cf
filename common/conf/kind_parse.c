/* Takes a value, and says what may be written: for messages and the manual. */
#include "common/conf/kind_part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/conf/table.h"

/* "\"any\", \"ipv4\" or \"ipv6\"" */
static void
describe_choices(const struct conf_word *c, char *buf)
{
	const char *between;
	size_t len = 0;

	for (; c->text != NULL; c++) {
		between = c[1].text == NULL ? "" : ", ";
		if (c[1].text != NULL && c[2].text == NULL)
			between = " or ";
		len += snprintf(buf + len, CONF_DESCRIPTION_SIZE - len,
		    "\"%s\"%s", c->text, between);
	}
}

static void
describe_kind(const struct conf_directive *d, char *buf)
{
	const struct conf_kind *kind = conf_kind(d);
	char low[CONF_TEXT_SIZE], high[CONF_TEXT_SIZE];
	const size_t size = CONF_DESCRIPTION_SIZE;

	switch (d->kind) {
	case CONF_KIND_STRING:
		snprintf(buf, size, "a string of %" PRId64 " to %" PRId64 " %s",
		    d->low, d->high, d->unit);
		return;
	case CONF_KIND_COUNT:
	case CONF_KIND_OPTIONAL_COUNT:
	case CONF_KIND_MARK:
	case CONF_KIND_PORT:
		snprintf(buf, size, "a number%s%s from %" PRId64 " to %" PRId64,
		    d->unit[0] != '\0' ? " of " : "", d->unit, d->low, d->high);
		return;
	case CONF_KIND_TIME:
	case CONF_KIND_OPTIONAL_TIME:
	case CONF_KIND_SIZE:
	case CONF_KIND_OPTIONAL_SIZE:
		snprintf(buf, size, "%s from \"%s\" to \"%s\"", kind->noun,
		    kind->format(&d->low, d, low),
		    kind->format(&d->high, d, high));
		return;
	case CONF_KIND_PATH:
		snprintf(buf, size, "%s%s", kind->noun,
		    d->low == 0 ? " or \"\"" : "");
		return;
	default:
		snprintf(buf, size, "%s", kind->noun);
		if (conf_kind_words(d) != NULL)
			describe_choices(conf_kind_words(d), buf);
		return;
	}
}

void
conf_describe(const struct conf_directive *d, char buf[CONF_DESCRIPTION_SIZE])
{
	const size_t size = CONF_DESCRIPTION_SIZE;

	switch (d->shape) {
	case CONF_GROUP:
		snprintf(buf, size, "a group, { ... }");
		return;
	case CONF_GROUPS:
		snprintf(buf, size,
		    "a list of %" PRId64 " to %" PRId64
		    " groups, ( { ... }, { ... } )",
		    d->low, d->high);
		return;
	case CONF_LIST:
		snprintf(buf, size,
		    "a list of %" PRId64 " to %" PRId64
		    " strings, each %s, [ \"...\", \"...\" ]",
		    d->low, d->high, conf_kind(d)->noun);
		return;
	case CONF_ONE:
		describe_kind(d, buf);
		return;
	}
}

int
conf_kind_parse(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	char description[CONF_DESCRIPTION_SIZE];
	const struct conf_kind *kind = conf_kind(d);
	size_t len;
	int error;

	why[0] = '\0';
	error = kind->parse(field, v, d, why);
	if (error == -EINVAL && why[0] == '\0')
		snprintf(why, CONF_WHY_SIZE, "%s", kind->refusal);
	if (error != -EDOM)
		return (error);
	conf_describe(d, description);
	len = strlen(why);
	snprintf(why + len, CONF_WHY_SIZE - len, "; write %s", description);
	return (-EINVAL);
}
