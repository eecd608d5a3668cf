/* The table of settings, made from directives.def. */
#ifndef COMMON_CONF_TABLE_H
#define COMMON_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"
#include "common/conf/kind.h"

/* The default of a setting that may be absent. */
#define CONF_ABSENT NULL

enum conf_section_id {
#define SECTION(id, path, type) CONF_SECTION_##id,
#include "common/conf/directives.def"
	CONF_SECTIONS
};

enum conf_shape {
	CONF_ONE,
	CONF_LIST,
	CONF_GROUP,
	CONF_GROUPS
};

struct conf_directive {
	const char *name;
	enum conf_shape shape;
	enum conf_section_id section;
	enum conf_section_id inner; /* GROUP, GROUPS */
	enum conf_kind_id kind;	    /* ONE, LIST */
	size_t offset;		    /* of the field in the section's struct */
	size_t size;		    /* of the field, or of one element */
	size_t count_offset;	    /* LIST, GROUPS: of the size_t n<name> */
	const char *unit;
	int64_t low, high;
	const char *initial; /* CONF_ABSENT or the default; see is_required */
	const char *text;
};

/* What stands in front of its settings in messages; "" at the top. */
const char *conf_section_path(enum conf_section_id);

/* The settings of a section, in the order of printing: the one after that one,
 * or the first if it is NULL; NULL after the last. */
const struct conf_directive *conf_next(
    enum conf_section_id, const struct conf_directive *after);

/* "timeouts.idle". */
#define CONF_PATH_SIZE 96
void conf_path(const struct conf_directive *, char buf[CONF_PATH_SIZE]);

/* The setting of that name, or NULL. */
const struct conf_directive *conf_find(enum conf_section_id, const char *name);

/* Has it no default, and may it not be absent either? */
bool conf_is_required(const struct conf_directive *);

/* Is this a setting of rules that means nothing where the action is "deny"? */
bool conf_is_allow_only(const struct conf_directive *);

/* How many letters must be changed to make b of a; UINT_MAX: too many to take
 * one for the other. */
unsigned conf_misspelled(const char *a, const char *b);

/*
 * The setting whose name is spelled almost so, or one of just that name in
 * another section; NULL where there is none to suggest.
 */
const struct conf_directive *conf_nearest(
    enum conf_section_id, const char *name);

/* The array of a LIST or GROUPS in its section's struct; borrowed. */
struct conf_elements {
	char *at; /* NULL where n is 0 */
	size_t n;
};

struct conf_elements conf_elements(
    const struct conf_directive *, const void *base);
void conf_elements_set(
    const struct conf_directive *, void *base, struct conf_elements);

#endif
