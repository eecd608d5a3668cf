/* The kinds of values: the table of what kind.def lists. */
#include "common/conf/kind.h"

#include "common/conf/kind_part.h"
#include "common/conf/table.h"

static const struct conf_kind kinds[] = {
#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	[CONF_KIND_##id] = { CONFIG_TYPE_##raw,				\
		_Generic((type *)0, char ** : conf_kind_fini_string,	\
		    struct rule_client * : conf_kind_fini_client,	\
		    default : NULL),					\
		conf_kind_parse_##parse, conf_kind_format_##format,	\
		noun, refusal },
#include "common/conf/kind.def"
};

const struct conf_kind *
conf_kind(const struct conf_directive *d)
{
	return (&kinds[d->kind]);
}
