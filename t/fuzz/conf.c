/* The configuration: what loads prints to what loads to the same. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/table.h"
#include "t/unit/libconfig_leaks.h"

#define NAME "fuzz.conf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each error is a line that begins with the file, a line number, a name. */
static void
check_errors(const char *errors)
{
	const char *end, *at;

	assert(errors != NULL && errors[0] != '\0');
	for (at = errors; *at != '\0'; at = end + 1) {
		assert(strncmp(at, NAME ":", strlen(NAME ":")) == 0);
		at += strlen(NAME ":");
		assert(*at >= '1' && *at <= '9');
		at += strspn(at, "0123456789");
		assert(strncmp(at, ": ", 2) == 0);
		end = strchr(at, '\n');
		assert(end != NULL && end > at + 2);
	}
}

static void
check_numbers(enum conf_section_id section, const char *base)
{
	const struct conf_directive *d = NULL;
	int64_t value;

	while ((d = conf_next(section, d)) != NULL) {
		if (d->shape == CONF_GROUP)
			check_numbers(d->inner, base + d->offset);
		if (d->shape != CONF_ONE ||
		    (d->kind != CONF_KIND_COUNT && d->kind != CONF_KIND_TIME &&
			d->kind != CONF_KIND_SIZE))
			continue;
		memcpy(&value, base + d->offset, sizeof(value));
		assert(value >= d->low && value <= d->high);
	}
}

static void
check_conf(const struct conf *c)
{
	size_t i;

	check_numbers(CONF_SECTION_top, (const char *)c);
	assert(c->nlisteners >= 1 && c->nlisteners <= CONF_LISTENERS_MAX);
	assert(c->tls.ncertificates >= 1 && c->tls.ciphers != NULL);
	assert(c->dns.min_ttl <= c->dns.max_ttl);
	assert(c->timeouts.client_hello <= c->timeouts.handshake);
	for (i = 0; i < c->nlisteners; i++)
		assert(c->listeners[i].addr.family != 0 &&
		       c->listeners[i].addr.port != 0);
	for (i = 0; i < c->nrules; i++)
		assert(
		    c->rules[i].name != NULL && c->rules[i].ndestinations > 0);
}

static char *
print(const struct conf *conf)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert(f != NULL);
	assert(conf_print(conf, f) == 0);
	assert(fclose(f) == 0);
	return (text);
}

static void
check_again(const struct conf *conf)
{
	char *text = print(conf), *again, *errors = NULL;
	struct conf *second = NULL;

	assert(conf_parse(&second, text, NAME, &errors) == 0);
	assert(errors == NULL);
	again = print(second);
	assert(strcmp(text, again) == 0);
	conf_free(second);
	free(again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *errors = NULL;
	struct conf *conf = NULL;
	int r;

	assert(text != NULL);
	/* The fuzzer is not to read files by what it makes up. */
	if (strstr(text, "@include") == NULL) {
		r = conf_parse(&conf, text, NAME, &errors);
		assert(r == 0 || r == -EINVAL);
		if (r == 0) {
			assert(errors == NULL);
			check_conf(conf);
			check_again(conf);
		} else {
			assert(conf == NULL);
			check_errors(errors);
		}
	}
	conf_free(conf);
	free(errors);
	free(text);
	return (0);
}
