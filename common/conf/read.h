/* The tree that libconfig made, read into the structs by the table. */
#ifndef COMMON_CONF_READ_H
#define COMMON_CONF_READ_H

#include "common/conf/conf.h"
#include "common/conf/error.h"
#include "common/conf/text.h"

/*
 * Sets every field of conf, which is all zero, from the tree, and the text for
 * the numbers in it, or to its
 * default; what an error was reported at may stay zero. 0, also where errors
 * were reported; -ENOMEM. The caller frees what conf holds, either way.
 */
int conf_read(struct conf *, config_setting_t *root, struct conf_text *,
    struct conf_errors *);

#endif
