#include "common/conf/kind_part.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/conf/table.h"

/* From the smallest to the largest. */
static const struct conf_word time_units[] = { { "ms", CLOCK_MSEC },
	{ "s", CLOCK_SEC }, { "m", CONF_MINUTE }, { "h", CONF_HOUR },
	{ "d", CONF_DAY }, { NULL, 0 } };
static const struct conf_word size_units[] = { { "", 1 }, { "KiB", CONF_KIB },
	{ "MiB", CONF_MIB }, { "GiB", 1024 * CONF_MIB }, { NULL, 0 } };

static const struct conf_word tls_versions[] = { { "1.2", 0x0303 },
	{ "1.3", 0x0304 }, { NULL, 0 } };
static const struct conf_word families[] = { { "any", ADDR_FAMILY_ANY },
	{ "ipv4", ADDR_FAMILY_IPV4 }, { "ipv6", ADDR_FAMILY_IPV6 },
	{ "prefer-ipv4", ADDR_FAMILY_PREFER_IPV4 },
	{ "prefer-ipv6", ADDR_FAMILY_PREFER_IPV6 }, { NULL, 0 } };
static const struct conf_word actions[] = { { "allow", RULE_ALLOW },
	{ "deny", RULE_DENY }, { "report", RULE_REPORT }, { NULL, 0 } };
static const struct conf_word default_actions[] = { { "deny", RULE_DENY },
	{ "report", RULE_REPORT }, { NULL, 0 } };
static const struct conf_word client_auths[] = { { "none",
						     CONF_CLIENT_AUTH_NONE },
	{ "optional", CONF_CLIENT_AUTH_OPTIONAL },
	{ "required", CONF_CLIENT_AUTH_REQUIRED }, { NULL, 0 } };
static const struct conf_word log_levels[] = { { "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING }, { "notice", LOG_LEVEL_NOTICE },
	{ "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG }, { NULL, 0 } };
static const struct conf_word log_formats[] = { { "json", AUDIT_JSON },
	{ "text", AUDIT_TEXT }, { NULL, 0 } };

int
conf_kind_refuse(char why[CONF_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_SIZE, fmt, ap);
	va_end(ap);
	return (-EINVAL);
}

int
conf_kind_refuse_described(
    char why[CONF_WHY_SIZE], const char *what, const struct conf_directive *d)
{
	char description[CONF_DESCRIPTION_SIZE];

	conf_describe(d, description);
	return (conf_kind_refuse(why, "%s; write %s", what, description));
}

int
conf_kind_in_bounds(
    int64_t value, const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	if (value >= d->low && value <= d->high)
		return (0);
	return (conf_kind_refuse_described(why, "is out of bounds", d));
}

static const struct conf_kind kinds[] = {
#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	[CONF_KIND_##id] = { CONFIG_TYPE_##raw,				\
		_Generic((type *)0, char ** : conf_kind_fini_string,	\
		    struct rule_client * : conf_kind_fini_client,	\
		    default : NULL),					\
		conf_kind_parse_##parse, conf_kind_format_##format,	\
		words, noun, refusal },
#include "common/conf/kind.def"
};

const struct conf_kind *
conf_kind(const struct conf_directive *d)
{
	return (&kinds[d->kind]);
}

int
conf_kind_parse(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	const struct conf_kind *kind = conf_kind(d);
	int r;

	why[0] = '\0';
	r = kind->parse(field, v, d, why);
	if (r == -EINVAL && why[0] == '\0')
		return (conf_kind_refuse(why, "%s", kind->refusal));
	return (r);
}
