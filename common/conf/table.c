/*
 * Expands directives.def into the table of settings, and looks settings up in
 * it.
 */
#include "common/conf/table.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/tls/library.h"

/* Not to be told by what it holds, but by where it is. */
static const char required[] = "";
#define CONF_REQUIRED required

/* Names the fields of any section's struct without an object. */
union any {
#define SECTION(id, path, type) type id;
#include "common/conf/directives.def"
};

#define FIELD_TYPE(section, name)   __typeof__(((union any *)0)->section.name)
#define ELEMENT_SIZE(section, name) sizeof(*((union any *)0)->section.name)

static const char *const section_paths[CONF_SECTIONS] = {
#define SECTION(id, path, type) [CONF_SECTION_##id] = path,
#include "common/conf/directives.def"
};

#define HEAD(section_, name_, text_)                                       \
	.name = #name_, .section = CONF_SECTION_##section_, .text = text_, \
	.offset = offsetof(union any, section_.name_)
#define BOUNDS(low_, high_, initial_) \
	.low = low_, .high = high_, .initial = initial_
#define MANY(section_, name_)                  \
	.size = ELEMENT_SIZE(section_, name_), \
	.count_offset = offsetof(union any, section_.n##name_)

/* The settings of a section stand together. */
static const struct conf_directive directives[] = {
#define SETTING(section_, name_, kind_, unit_, low_, high_, initial_, text_) \
	{ HEAD(section_, name_, text_), .shape = CONF_ONE,                   \
		.kind = CONF_KIND_##kind_, .unit = unit_,                    \
		.size = sizeof(FIELD_TYPE(section_, name_)),                 \
		BOUNDS(low_, high_, initial_) },
#define LIST(section_, name_, kind_, low_, high_, initial_, text_) \
	{ HEAD(section_, name_, text_), .shape = CONF_LIST,        \
		.kind = CONF_KIND_##kind_, MANY(section_, name_),  \
		BOUNDS(low_, high_, initial_) },
#define GROUP(section_, name_, text_)                        \
	{ HEAD(section_, name_, text_), .shape = CONF_GROUP, \
		.inner = CONF_SECTION_##name_ },
#define GROUPS(section_, name_, low_, high_, initial_, text_)         \
	{ HEAD(section_, name_, text_), .shape = CONF_GROUPS,         \
		.inner = CONF_SECTION_##name_, MANY(section_, name_), \
		BOUNDS(low_, high_, initial_) },
#include "common/conf/directives.def"
};

/* Where a setting stands in the table. */
enum place {
#define PLACE(section, name) PLACE_##section##_##name,
#define SETTING(section, name, kind, unit, low, high, initial, text) \
	PLACE(section, name)
#define LIST(section, name, kind, low, high, initial, text) PLACE(section, name)
#define GROUP(section, name, text)			    PLACE(section, name)
#define GROUPS(section, name, low, high, initial, text)	    PLACE(section, name)
#include "common/conf/directives.def"
	PLACES
};

static const bool allow_only[PLACES] = {
#define ALLOW_ONLY(section, name) [PLACE_##section##_##name] = true,
#include "common/conf/directives.def"
};

/* A field is of the type that the functions of its kind take. */
union kind_types {
#define KIND(id, type, raw, parse, format, words, noun, refusal) type id;
#include "common/conf/kind.def"
};
#define KIND_TYPE(kind) __typeof__(((union kind_types *)0)->kind)
#define SAME(a, b) \
	_Static_assert(__builtin_types_compatible_p(a, b), "type of a field");
#define SETTING(section, name, kind, unit, low, high, initial, text) \
	SAME(FIELD_TYPE(section, name), KIND_TYPE(kind))
#define LIST(section, name, kind, low, high, initial, text) \
	SAME(FIELD_TYPE(section, name), KIND_TYPE(kind) *)  \
	SAME(FIELD_TYPE(section, n##name), size_t)
#define GROUPS(section, name, low, high, initial, text) \
	SAME(FIELD_TYPE(section, n##name), size_t)
#include "common/conf/directives.def"

const char *
conf_section_path(enum conf_section_id section)
{
	return (section_paths[section]);
}

const struct conf_directive *
conf_next(enum conf_section_id section, const struct conf_directive *after)
{
	size_t i = after != NULL ? after - directives + 1 : 0;

	for (; i < PLACES; i++)
		if (directives[i].section == section)
			return (&directives[i]);
	return (NULL);
}

void
conf_path(const struct conf_directive *d, char buf[CONF_PATH_SIZE])
{
	const char *section = section_paths[d->section];

	snprintf(buf, CONF_PATH_SIZE, "%s%s%s", section,
	    section[0] != '\0' ? "." : "", d->name);
}

const struct conf_directive *
conf_find(enum conf_section_id section, const char *name)
{
	const struct conf_directive *d = NULL;

	while ((d = conf_next(section, d)) != NULL)
		if (strcmp(d->name, name) == 0)
			break;
	return (d);
}

bool
conf_is_required(const struct conf_directive *d)
{
	return (d->initial == required);
}

bool
conf_is_allow_only(const struct conf_directive *d)
{
	return (allow_only[d - directives]);
}

/*
 * How many letters must be changed, added, left out or swapped with their
 * neighbour to make b of a (optimal string alignment).
 */
#define NAME_MAX_COMPARED 32
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[3][NAME_MAX_COMPARED + 1];
	unsigned *old = row[0], *last = row[1], *now = row[2], *spare;
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > NAME_MAX_COMPARED || lb > NAME_MAX_COMPARED)
		return (UINT_MAX);
	for (j = 0; j <= lb; j++)
		last[j] = j;
	memcpy(old, last, sizeof(row[0]));
	for (i = 1; i <= la; i++) {
		now[0] = i;
		for (j = 1; j <= lb; j++) {
			now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < now[j])
				now[j] = last[j] + 1;
			if (now[j - 1] + 1 < now[j])
				now[j] = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && old[j - 2] + 1 < now[j])
				now[j] = old[j - 2] + 1;
		}
		spare = old;
		old = last;
		last = now;
		now = spare;
	}
	return (last[lb]);
}

static unsigned
distance_most(const char *name)
{
	size_t len = strlen(name);

	return (len < 4 ? 1 : len < 8 ? 2 : 3);
}

unsigned
conf_misspelled(const char *a, const char *b)
{
	unsigned d = distance(a, b);

	return (d <= distance_most(a) ? d : UINT_MAX);
}

/* One of the same section wins over one that is nearer. */
const struct conf_directive *
conf_nearest(enum conf_section_id section, const char *name)
{
	const struct conf_directive *best = NULL;
	unsigned d, most = distance_most(name), least = UINT_MAX;
	size_t i;

	for (i = 0; i < PLACES; i++) {
		d = distance(name, directives[i].name);
		if (d > most)
			continue;
		/* Elsewhere, only the very name is a hint. */
		if (directives[i].section != section)
			d = d == 0 ? most + 1 : UINT_MAX;
		if (d < least) {
			least = d;
			best = &directives[i];
		}
	}
	return (best);
}

struct conf_elements
conf_elements(const struct conf_directive *d, const void *base)
{
	struct conf_elements e;

	memcpy(&e.at, (const char *)base + d->offset, sizeof(e.at));
	memcpy(&e.n, (const char *)base + d->count_offset, sizeof(e.n));
	return (e);
}

void
conf_elements_set(
    const struct conf_directive *d, void *base, struct conf_elements e)
{
	memcpy((char *)base + d->offset, &e.at, sizeof(e.at));
	memcpy((char *)base + d->count_offset, &e.n, sizeof(e.n));
}
