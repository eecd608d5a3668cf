/* Checks of settings against each other. */
#ifndef COMMON_CONF_CHECK_H
#define COMMON_CONF_CHECK_H

#include "common/conf/conf.h"
#include "common/conf/error.h"

/*
 * Both leave out settings that an error was reported for already
 * (conf_error_free()). root is what the configuration was read from.
 */
void conf_check(struct conf *, config_setting_t *root, struct conf_errors *);

/* Checks rules and egress lines, and sets the line of each rule. Rules without
 * a name are those that an error was reported for. 0, also where errors are
 * reported; -ENOMEM; or as pause_step(). */
int conf_check_rules(
    struct conf *, config_setting_t *root, struct conf_errors *);

/* The setting of that name in a group; NULL, also of NULL: there is none. */
config_setting_t *conf_member(config_setting_t *group, const char *name);

#endif
