#include "common/conf_kind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_table.h"

#define WHOLE 18 /* digits that surely fit an int64_t */

/* From the smallest to the largest. */
static const struct conf_word time_units[] = { { "ms", CLOCK_MSEC },
	{ "s", CLOCK_SEC }, { "m", CONF_MINUTE }, { "h", CONF_HOUR },
	{ "d", CONF_DAY }, { NULL, 0 } };
static const struct conf_word size_units[] = { { "", 1 }, { "KiB", CONF_KIB },
	{ "MiB", CONF_MIB }, { "GiB", 1024 * CONF_MIB }, { NULL, 0 } };

static const struct conf_word tls_versions[] = { { "1.2", 0x0303 },
	{ "1.3", 0x0304 }, { NULL, 0 } };
static const struct conf_word families[] = { { "any", CONF_FAMILY_ANY },
	{ "ipv4", CONF_FAMILY_IPV4 }, { "ipv6", CONF_FAMILY_IPV6 },
	{ "prefer-ipv4", CONF_FAMILY_PREFER_IPV4 },
	{ "prefer-ipv6", CONF_FAMILY_PREFER_IPV6 }, { NULL, 0 } };
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
static const struct conf_word log_formats[] = { { "json", CONF_LOG_JSON },
	{ "text", CONF_LOG_TEXT }, { NULL, 0 } };

static int __attribute__((format(printf, 2, 3)))
refuse(char why[CONF_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_SIZE, fmt, ap);
	va_end(ap);
	return (-EINVAL);
}

/* Says what may be written, where there is nothing better to say. */
static int
refuse_kind(
    char why[CONF_WHY_SIZE], const char *what, const struct conf_directive *d)
{
	char description[CONF_DESCRIPTION_SIZE];

	conf_describe(d, description);
	return (refuse(why, "%s; write %s", what, description));
}

static int
in_bounds(int64_t value, const struct conf_directive *d, char *why)
{
	if (value >= d->low && value <= d->high)
		return (0);
	return (refuse_kind(why, "is out of bounds", d));
}

static int
parse_string(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	char *copy;
	int r;

	if (v->text[0] == '\0' && d->low > 0)
		return (refuse_kind(why, "is empty", d));
	r = in_bounds(strlen(v->text), d, why);
	if (r != 0)
		return (r);
	copy = strdup(v->text);
	if (copy == NULL)
		return (-ENOMEM);
	memcpy(field, &copy, sizeof(copy));
	return (0);
}

static const char *
format_string(const void *field, const struct conf_directive *d, char *buf)
{
	const char *s;

	memcpy(&s, field, sizeof(s));
	return (s);
}

/* A relative path would mean another file after a start elsewhere. */
static int
parse_path(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	if (v->text[0] != '/' && (v->text[0] != '\0' || d->low > 0))
		return (-EINVAL);
	return (parse_string(field, v, d, why));
}

static int
parse_log_target(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	if (v->text[0] != '/' && strcmp(v->text, "stdout") != 0 &&
	    strcmp(v->text, "stderr") != 0 && strcmp(v->text, "syslog") != 0)
		return (refuse_kind(why, "is no place for a log", d));
	return (parse_string(field, v, d, why));
}

/* The listener that a field is of. */
static struct conf_listener *
listener(const void *field, size_t offset)
{
	return ((void *)((char *)field - offset));
}

/* The field is the text; what it means goes to the fields beside it. */
static int
parse_listen(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	struct conf_listener *l =
	    listener(field, offsetof(struct conf_listener, address));
	struct addr addr = { .family = AF_INET6 };
	bool dual_stack = v->text[0] == ':' && v->text[1] != ':';
	size_t len = strlen(v->text);
	int r;

	if (dual_stack)
		r = addr_parse_port(&addr.port, v->text + 1, len - 1);
	else
		r = addr_parse(&addr, v->text, len, 0);
	if (r != 0)
		return (-EINVAL);
	r = parse_string(field, v, d, why);
	if (r != 0)
		return (r);
	l->addr = addr;
	l->dual_stack = dual_stack;
	return (0);
}

static struct conf_listener *
target_listener(const void *field)
{
	return (listener(
	    field, offsetof(struct conf_listener, default_destination)));
}

static int
parse_target(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	if (target_parse(field, v->text, strlen(v->text), 0) != REASON_NONE)
		return (-EINVAL);
	target_listener(field)->has_default_destination = true;
	return (0);
}

static const char *
format_target(const void *field, const struct conf_directive *d, char *buf)
{
	if (!target_listener(field)->has_default_destination)
		return (NULL);
	target_format(field, buf);
	return (buf);
}

static int
parse_bool(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	*(bool *)field = v->number != 0;
	return (0);
}

static const char *
format_bool(const void *field, const struct conf_directive *d, char *buf)
{
	return (*(const bool *)field ? "true" : "false");
}

static int
parse_count(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	*(int64_t *)field = v->number;
	return (in_bounds(v->number, d, why));
}

static const char *
format_count(const void *field, const struct conf_directive *d, char *buf)
{
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64, *(const int64_t *)field);
	return (buf);
}

/* Absent is 0, and libconfig takes what is wider than an int with an L. */
static const char *
format_mark(const void *field, const struct conf_directive *d, char *buf)
{
	int64_t mark = *(const int64_t *)field;

	if (mark == 0)
		return (NULL);
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64 "%s", mark,
	    mark > INT32_MAX ? "L" : "");
	return (buf);
}

static int
parse_port(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	*(uint16_t *)field = v->number;
	return (in_bounds(v->number, d, why));
}

static const char *
format_port(const void *field, const struct conf_directive *d, char *buf)
{
	if (*(const uint16_t *)field == 0)
		return (NULL);
	snprintf(buf, CONF_TEXT_SIZE, "%u", *(const uint16_t *)field);
	return (buf);
}

/* A whole number and a unit; "0" needs none. 0 or -EINVAL. */
static int
parse_units(int64_t *value, const char *s, const struct conf_word *units)
{
	size_t digits = strspn(s, "0123456789");

	if (digits == 0 || digits > WHOLE)
		return (-EINVAL);
	*value = strtoll(s, NULL, 10);
	s += digits;
	if (*s == '\0' && *value == 0)
		return (0);
	for (; units->text != NULL; units++)
		if (strcmp(units->text, s) == 0)
			break;
	if (units->text == NULL)
		return (-EINVAL);
	/* What does not fit is beyond any bound. */
	if (__builtin_mul_overflow(*value, units->value, value))
		*value = INT64_MAX;
	return (0);
}

static int
parse_quantity(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	int64_t *value = field;

	if (parse_units(value, v->text, conf_kind(d)->words) != 0)
		return (-EINVAL);
	return (in_bounds(*value, d, why));
}

/* In the largest unit that leaves a whole number. */
static const char *
format_quantity(const void *field, const struct conf_directive *d, char *buf)
{
	const struct conf_word *unit, *best = conf_kind(d)->words;
	int64_t value = *(const int64_t *)field;

	if (value < 0)
		return (NULL);
	if (value == 0)
		return ("0");
	for (unit = best; unit->text != NULL; unit++)
		if (value % unit->value == 0)
			best = unit;
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64 "%s", value / best->value,
	    best->text);
	return (buf);
}

_Static_assert(sizeof(enum conf_family) == sizeof(int), "size of an enum");

static int
parse_choice(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	const struct conf_word *c;
	int value;

	for (c = conf_kind(d)->words; c->text != NULL; c++) {
		if (strcmp(c->text, v->text) != 0)
			continue;
		value = c->value;
		memcpy(field, &value, sizeof(value));
		return (0);
	}
	return (refuse_kind(why, "is none of the choices", d));
}

static const char *
format_choice(const void *field, const struct conf_directive *d, char *buf)
{
	const struct conf_word *c = conf_kind(d)->words;
	int value;

	memcpy(&value, field, sizeof(value));
	while (c->text != NULL && c->value != value)
		c++;
	return (c->text);
}

static int
parse_address(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	return (addr_parse(field, v->text, strlen(v->text), 0));
}

static const char *
format_address(const void *field, const struct conf_directive *d, char *buf)
{
	if (((const struct addr *)field)->family == 0)
		return (NULL);
	addr_format(field, buf);
	return (buf);
}

static int
parse_ip(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	static const uint8_t any[16];
	struct addr *addr = field;

	if (addr_parse_ip(addr, v->text, strlen(v->text)) != 0)
		return (-EINVAL);
	return (memcmp(addr->ip, any, sizeof(any)) == 0 ? -EINVAL : 0);
}

static const char *
format_ip(const void *field, const struct conf_directive *d, char *buf)
{
	addr_format_ip(field, buf);
	return (buf);
}

static int
parse_server(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	return (addr_parse(field, v->text, strlen(v->text), 53));
}

static int
parse_cidr(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	int r = cidr_parse(field, v->text, strlen(v->text));

	if (r == -ERANGE)
		return (refuse(why,
		    "has bits set beyond its prefix length; write the first "
		    "address of the block"));
	return (r);
}

static const char *
format_cidr(const void *field, const struct conf_directive *d, char *buf)
{
	cidr_format(field, buf);
	return (buf);
}

static int
parse_identity(struct rule_client *client, const char *s, char *why)
{
	struct identity_pattern pattern;
	const char *text;

	if (identity_pattern_parse(&pattern, s, strlen(s), &text) != 0)
		return (refuse(why, "is no client: %s", text));
	client->identity = malloc(sizeof(pattern));
	if (client->identity == NULL)
		return (-ENOMEM);
	*client->identity = pattern;
	client->kind = RULE_CLIENT_IDENTITY;
	return (0);
}

/* A block of addresses has a digit at its end, as no name has, or a colon. */
static int
parse_client(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	struct rule_client *client = field;
	const char *s = v->text;
	size_t len = strlen(s);
	int r;

	if (strncmp(s, "spiffe:", strlen("spiffe:")) == 0)
		return (parse_identity(client, s, why));
	r = cidr_parse(&client->network, s, len);
	if (r == 0)
		return (0);
	if (r == -ERANGE)
		return (parse_cidr(&client->network, v, d, why));
	if (len == 0 || strpbrk(s, ":/") != NULL)
		return (-EINVAL);
	return (parse_identity(client, s, why));
}

static const char *
format_client(const void *field, const struct conf_directive *d, char *buf)
{
	const struct rule_client *client = field;

	if (client->kind == RULE_CLIENT_IDENTITY)
		identity_pattern_format(client->identity, buf);
	else
		cidr_format(&client->network, buf);
	return (buf);
}

static void
fini_client(void *field)
{
	struct rule_client *client = field;

	if (client->kind == RULE_CLIENT_IDENTITY)
		free(client->identity);
}

static void
fini_string(void *field)
{
	char *string;

	memcpy(&string, field, sizeof(string));
	free(string);
}

static int
parse_destination(void *field, const struct conf_value *v,
    const struct conf_directive *d, char *why)
{
	const char *text;

	if (rule_destination_parse(field, v->text, strlen(v->text), &text) == 0)
		return (0);
	return (refuse(why, "is no destination: %s", text));
}

static const char *
format_destination(const void *field, const struct conf_directive *d, char *buf)
{
	rule_destination_format(field, buf);
	return (buf);
}

static const struct conf_kind kinds[] = {
#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	[CONF_KIND_##id] = { CONFIG_TYPE_##raw,                       \
		_Generic((type *)0, char ** : fini_string,            \
		    struct rule_client * : fini_client,               \
		    default : NULL),                                  \
		parse_##parse, format_##format, words, noun, refusal },
#include "common/conf_kind.def"
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
		return (refuse(why, "%s", kind->refusal));
	return (r);
}
