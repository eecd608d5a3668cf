/*
 * Prints the effective configuration, every default included, in the syntax
 * that it is read in (sniport -T).
 */
#include "common/conf/conf.h"

#include <errno.h>
#include <string.h>

#include "common/conf/table.h"

/* What is being printed, and how deep. */
struct printer {
	FILE *f;
	unsigned depth;
	unsigned lists; /* that it is within: no comments there */
};

static void
indent(const struct printer *p)
{
	unsigned i;

	for (i = 0; i < p->depth; i++)
		putc('\t', p->f);
}

static void
print_value(
    const struct printer *p, const struct conf_directive *d, const char *text)
{
	if (conf_kind(d)->raw != CONFIG_TYPE_STRING) {
		fputs(text, p->f);
		return;
	}
	putc('"', p->f);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', p->f);
		putc(*text, p->f);
	}
	putc('"', p->f);
}

static void
print_one(
    const struct printer *p, const struct conf_directive *d, const char *field)
{
	char buf[CONF_TEXT_SIZE];
	const char *text = conf_kind(d)->format(field, d, buf);

	if (text == NULL && p->lists > 0)
		return;
	indent(p);
	if (text == NULL) {
		fprintf(p->f, "# %s: absent", d->name);
	} else {
		fprintf(p->f, "%s = ", d->name);
		print_value(p, d, text);
		putc(';', p->f);
	}
	if (p->lists == 0)
		fprintf(p->f, "\t# %s", d->text);
	putc('\n', p->f);
}

static void
print_list(const struct printer *p, const struct conf_directive *d,
    struct conf_elements e)
{
	char buf[CONF_TEXT_SIZE];
	size_t i;

	if (e.n == 0 && p->lists > 0)
		return;
	indent(p);
	if (e.n == 0) {
		fprintf(p->f, "# %s: absent\t# %s\n", d->name, d->text);
		return;
	}
	fprintf(p->f, "%s = [ ", d->name);
	for (i = 0; i < e.n; i++) {
		if (i > 0)
			fputs(", ", p->f);
		print_value(
		    p, d, conf_kind(d)->format(e.at + i * d->size, d, buf));
	}
	fputs(" ];\n", p->f);
}

static void print_section(
    struct printer *, enum conf_section_id, const char *base);

static void
print_groups(
    struct printer *p, const struct conf_directive *d, struct conf_elements e)
{
	size_t i;

	indent(p);
	fprintf(p->f, "%s = (\n", d->name);
	p->lists++;
	p->depth++;
	for (i = 0; i < e.n; i++) {
		indent(p);
		fputs("{\n", p->f);
		p->depth++;
		print_section(p, d->inner, e.at + i * d->size);
		p->depth--;
		indent(p);
		fputs(i + 1 < e.n ? "},\n" : "}\n", p->f);
	}
	p->lists--;
	p->depth--;
	indent(p);
	fputs(");\n", p->f);
}

static void
print_directive(
    struct printer *p, const struct conf_directive *d, const char *base)
{
	const char *field = base + d->offset;

	switch (d->shape) {
	case CONF_ONE:
		print_one(p, d, field);
		break;
	case CONF_LIST:
		print_list(p, d, conf_elements(d, base));
		break;
	case CONF_GROUPS:
		print_groups(p, d, conf_elements(d, base));
		break;
	case CONF_GROUP:
		indent(p);
		fprintf(p->f, "%s = {\n", d->name);
		p->depth++;
		print_section(p, d->inner, field);
		p->depth--;
		indent(p);
		fputs("};\n", p->f);
		break;
	}
}

static void
print_section(struct printer *p, enum conf_section_id section, const char *base)
{
	const struct conf_directive *d = NULL;

	while ((d = conf_next(section, d)) != NULL)
		print_directive(p, d, base);
}

int
conf_print(const struct conf *conf, FILE *f)
{
	struct printer p = { .f = f };

	errno = 0;
	print_section(&p, CONF_SECTION_top, (const char *)conf);
	if (fflush(f) == EOF || ferror(f))
		return (errno != 0 ? -errno : -EIO);
	return (0);
}
