/*
 * Where settings stand in the file, kept for conf_where(). There may be a
 * million rules, so only the place where each begins is kept, and only until
 * they serve.
 */
#ifndef COMMON_CONF_PLACE_H
#define COMMON_CONF_PLACE_H

#include "common/conf/conf.h"
#include "common/conf/error.h"
#include "common/conf/table.h"

/*
 * Notes that the field, which d describes, was read from that setting; NULL: it
 * has its default. 0 or -ENOMEM.
 */
int conf_place_add(struct conf *, const void *field,
    const struct conf_directive *, const config_setting_t *,
    const struct conf_errors *);

/* Notes where each rule begins; rules: what they were read from. 0 or -ENOMEM.
 */
int conf_place_rules(
    struct conf *, config_setting_t *rules, const struct conf_errors *);

/* Forgets that; p may be NULL. */
void conf_places_drop_rules(struct conf_places *);

void conf_places_free(struct conf_places *);

#endif
