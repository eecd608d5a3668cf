/*
 * Collects errors, each with its file and line, up to a bound, so that one run
 * reports them all.
 */
#include "common/conf/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a setting in error is marked with. */
static const char bad[] = "";

int
conf_errors_init(struct conf_errors *e, const char *file, struct pause *pause)
{
	const char *slash = strrchr(file, '/');

	*e = (struct conf_errors){ .file = file, .pause = pause };
	if (slash == NULL)
		e->dir = strdup(".");
	else
		e->dir = strndup(file, slash > file ? slash - file : 1);
	if (e->dir == NULL)
		return (-ENOMEM);
	e->stream = open_memstream(&e->text, &e->len);
	if (e->stream != NULL)
		return (0);
	free(e->dir);
	return (-ENOMEM);
}

int
conf_errors_fini(struct conf_errors *e, int result, char **text)
{
	if (fclose(e->stream) != 0)
		result = -ENOMEM;
	free(e->dir);
	*text = NULL;
	if (result == -EINVAL)
		*text = e->text;
	else
		free(e->text);
	return (result);
}

/* An error is a line: what was found in the file cannot make it two. */
static void
put_text(FILE *stream, const char *text)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			fprintf(stream, "\\x%02x", *p);
		else
			putc(*p, stream);
}

static void __attribute__((format(printf, 5, 0)))
write_error(struct conf_errors *e, const char *file, unsigned line,
    const char *setting, const char *fmt, va_list ap)
{
	char *text;

	fprintf(e->stream, "%s:%u: ", file, line > 0 ? line : 1);
	if (setting[0] != '\0')
		fprintf(e->stream, "%s: ", setting);
	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	put_text(e->stream, text != NULL ? text : strerrordesc_np(ENOMEM));
	free(text);
	putc('\n', e->stream);
	e->count++;
}

void
conf_error(struct conf_errors *e, const char *file, unsigned line,
    const char *setting, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_error(e, file, line, setting, fmt, ap);
	va_end(ap);
}

/*
 * The name of a file as errors show it. libconfig 1.5 has that of an included
 * file as it was written, later versions with the directory.
 */
static const char *
source_name(const struct conf_errors *e, const char *file, char buf[PATH_MAX])
{
	size_t dir = strlen(e->dir);

	if (file == NULL)
		return (e->file);
	if (strncmp(file, e->dir, dir) == 0 && file[dir] == '/')
		return (file);
	snprintf(buf, PATH_MAX, "%s/%s", e->dir, file);
	return (buf);
}

const char *
conf_error_file(const struct conf_errors *e, const config_setting_t *setting,
    char buf[PATH_MAX])
{
	return (source_name(e, config_setting_source_file(setting), buf));
}

void
conf_error_at(struct conf_errors *e, config_setting_t *place,
    const char *setting, const char *fmt, ...)
{
	char name[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	write_error(e, conf_error_file(e, place, name),
	    config_setting_source_line(place), setting, fmt, ap);
	va_end(ap);
	config_setting_set_hook(place, (void *)bad);
}

bool
conf_error_free(const config_setting_t *setting)
{
	return (setting == NULL || config_setting_get_hook(setting) == NULL);
}

void
conf_error_syntax(struct conf_errors *e, const config_t *tree)
{
	const char *file = config_error_file(tree);
	const char *text = config_error_text(tree);
	char name[PATH_MAX];

	conf_error(e, source_name(e, file, name), config_error_line(tree), "",
	    "%s", text != NULL ? text : "cannot be read");
}
