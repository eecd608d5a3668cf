/* What is wrong with a value, as the kinds say it. */
#include "common/conf/kind_part.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/conf/table.h"

int
conf_kind_refuse(char why[CONF_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_SIZE, fmt, ap);
	va_end(ap);
	return (-EINVAL);
}

int
conf_kind_refuse_described(char why[CONF_WHY_SIZE], const char *what)
{
	snprintf(why, CONF_WHY_SIZE, "%s", what);
	return (-EDOM);
}

int
conf_kind_in_bounds(
    int64_t value, const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	if (value >= d->low && value <= d->high)
		return (0);
	return (conf_kind_refuse_described(why, "is out of bounds"));
}
