/* Answers a request by a line of text. */
#include "worker/admin/exchange.h"

#include <stdarg.h>
#include <stdio.h>

void
exchange_say(struct exchange *e, int status, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e->status = status;
	e->type = EXCHANGE_TEXT;
	e->more = NULL;
	e->out->len = 0;
	text_put(e->out, "%s\n", line);
}
