/* What a fault of syntax is called. Private to conf_syntax. */
#ifndef COMMON_CONF_SYNTAX_FAULT_H
#define COMMON_CONF_SYNTAX_FAULT_H

#include "common/conf/syntax.h"

/* Fills in the fault: the token is not what the state allows. */
void conf_syntax_refuse(struct conf_syntax *, const struct conf_spot *);

/* The same for a name that its group has already. */
void conf_syntax_refuse_twice(struct conf_syntax *, const struct conf_spot *,
    const struct conf_syntax_name *first);

/* The same for a value whose type is not that of the others in its array. */
void conf_syntax_refuse_type(struct conf_syntax *, const struct conf_spot *);

/* The same for brackets that are too deep. */
void conf_syntax_refuse_depth(struct conf_syntax *, const struct conf_spot *);

#endif
