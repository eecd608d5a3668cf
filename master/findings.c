/*
 * Collects the errors and warnings of a check or a load, and prints or logs
 * them.
 */
#include "master/findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/log/sink.h"

void
findings_init(struct findings *f)
{
	STAILQ_INIT(&f->list);
	f->nerrors = 0;
}

void
findings_fini(struct findings *f)
{
	struct finding *line;

	while ((line = STAILQ_FIRST(&f->list)) != NULL) {
		STAILQ_REMOVE_HEAD(&f->list, entry);
		free(line);
	}
	f->nerrors = 0;
}

static void
add(struct findings *f, enum log_level level, const char *text, size_t len)
{
	struct finding *line = malloc(sizeof(*line) + len + 1);

	if (level == LOG_LEVEL_ERROR)
		f->nerrors++;
	if (line == NULL)
		return;
	line->level = level;
	memcpy(line->text, text, len);
	line->text[len] = '\0';
	STAILQ_INSERT_TAIL(&f->list, line, entry);
}

void
findings_add(struct findings *f, enum log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(f, level, text, strlen(text));
}

void
findings_add_at(struct findings *f, enum log_level level,
    const struct conf *conf, const void *field, const char *fmt, ...)
{
	/* A path there, and two in the rest at most. */
	char text[CONF_WHERE_SIZE + 2 * PATH_MAX + 256], where[CONF_WHERE_SIZE];
	va_list ap;
	int len;

	len = snprintf(
	    text, sizeof(text), "%s: ", conf_where(conf, field, where));
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, ap);
	va_end(ap);
	add(f, level, text, strlen(text));
}

void
findings_add_lines(struct findings *f, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > 0)
			add(f, LOG_LEVEL_ERROR, text, len);
		text += len;
		if (*text == '\n')
			text++;
	}
}

const char *
findings_first_error(const struct findings *f)
{
	const struct finding *line;

	STAILQ_FOREACH (line, &f->list, entry) {
		if (line->level == LOG_LEVEL_ERROR)
			return (line->text);
	}
	return (f->nerrors > 0 ? "out of memory" : "no error");
}

void
findings_print(const struct findings *f, FILE *out)
{
	bool journal = sink_is_journal(fileno(out));
	const char *error = journal ? "<3>" : "";
	const char *warning = journal ? "<4>" : "";
	const struct finding *line;

	STAILQ_FOREACH (line, &f->list, entry) {
		if (line->level == LOG_LEVEL_ERROR)
			fprintf(out, "%ssniport: %s\n", error, line->text);
		else if (line->level == LOG_LEVEL_WARNING)
			fprintf(out, "%ssniport: warning: %s\n", warning,
			    line->text);
	}
	if (f->nerrors > 0 && STAILQ_EMPTY(&f->list))
		fprintf(out, "%ssniport: out of memory\n", error);
}

void
findings_log(const struct findings *f, struct log *log)
{
	const struct finding *line;

	STAILQ_FOREACH (line, &f->list, entry)
		log_write(log, line->level, "%s", line->text);
	if (f->nerrors > 0 && STAILQ_EMPTY(&f->list))
		log_write(log, LOG_LEVEL_ERROR, "out of memory");
}
