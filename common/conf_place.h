/*
 * Where settings stand in the file, kept for conf_where(). Those of rules are
 * not, since there may be a million of them.
 */
#ifndef COMMON_CONF_PLACE_H
#define COMMON_CONF_PLACE_H

#include "common/conf.h"
#include "common/conf_error.h"
#include "common/conf_table.h"

/*
 * Notes that the field, of what d describes, was read from that setting; NULL:
 * it has its default. 0 or -ENOMEM.
 */
int conf_place_add(struct conf *, const void *field,
    const struct conf_directive *, const config_setting_t *,
    const struct conf_errors *);

void conf_places_free(struct conf_places *);

#endif
