/* The choices of some kinds of values, and the units of others. */
#include "common/conf/kind_part.h"

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

static const struct conf_word *const of_kind[] = {
#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	[CONF_KIND_##id] = words,
#include "common/conf/kind.def"
};

const struct conf_word *
conf_kind_words(const struct conf_directive *d)
{
	return (of_kind[d->kind]);
}
