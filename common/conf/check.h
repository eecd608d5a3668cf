/* What a configuration must be beyond each setting by itself. */
#ifndef COMMON_CONF_CHECK_H
#define COMMON_CONF_CHECK_H

#include "common/conf/conf.h"
#include "common/conf/error.h"

/*
 * Both check settings against each other, but none that an error was reported
 * at (conf_error_free()). root is what the configuration was read from.
 */
void conf_check(struct conf *, config_setting_t *root, struct conf_errors *);

/* Rules and egress lines; leads each rule to its line. No rule but one in error
 * lacks a name. 0, also where errors were reported; -ENOMEM. */
int conf_check_rules(
    struct conf *, config_setting_t *root, struct conf_errors *);

/* The setting of that name in a group; NULL, also of NULL: there is none. */
config_setting_t *conf_member(config_setting_t *group, const char *name);

#endif
