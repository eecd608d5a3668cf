/* What a configuration must be beyond each setting by itself. */
#ifndef COMMON_CONF_CHECK_H
#define COMMON_CONF_CHECK_H

#include "common/conf/conf.h"
#include "common/conf/error.h"

/*
 * Checks settings against each other, but none that an error was reported at
 * (conf_error_free()), and leads each rule to its egress line. root is what
 * the configuration was read from; no rule but one in error lacks a name. 0,
 * also where errors were reported; -ENOMEM.
 */
int conf_check(struct conf *, config_setting_t *root, struct conf_errors *);

/* The part of that about rules and egress lines. */
int conf_check_rules(
    struct conf *, config_setting_t *root, struct conf_errors *);

/* The setting of that name in a group; NULL, also of NULL: there is none. */
config_setting_t *conf_member(config_setting_t *group, const char *name);

#endif
