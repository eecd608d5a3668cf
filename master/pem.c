/*
 * Reads PEM files for settings, and turns what OpenSSL says of them into plain
 * findings.
 */
#include "master/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/fd.h"
#include "common/tls/library.h"
#include "master/findings.h"

void
pem_finding(
    const struct pem_file *file, enum log_level level, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	findings_add_at(file->findings, level, file->conf, file->setting,
	    "%s: %s", *file->setting, len == -1 ? strerror(ENOMEM) : text);
	if (len != -1)
		free(text);
}

const char *
pem_reason(char buf[PEM_REASON_SIZE])
{
	const char *reason = library_reason(ERR_peek_error(), buf);

	ERR_clear_error();
	return (reason != NULL ? reason : "unknown error");
}

void
pem_failed(const struct pem_file *file, const char *action)
{
	pem_finding(file, LOG_LEVEL_ERROR, "%s: %s", action,
	    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
}

int
pem_slurp(const struct pem_file *file, size_t max, char **data, size_t *len)
{
	int error = fd_slurp(*file->setting, max, data, len);

	if (error == 0)
		return (0);
	pem_finding(
	    file, LOG_LEVEL_ERROR, "cannot be read: %s", fd_slurp_text(error));
	return (-EINVAL);
}

int64_t
pem_time(const ASN1_TIME *date)
{
	struct tm tm;

	return (ASN1_TIME_to_tm(date, &tm) == 1 ? (int64_t)timegm(&tm) : 0);
}

const char *
pem_date(char buf[PEM_DATE_SIZE], const ASN1_TIME *date)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(date, &tm) != 1 ||
	    strftime(buf, PEM_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(buf, PEM_DATE_SIZE, "an unreadable date");
	return (buf);
}

bool
pem_ended(void)
{
	unsigned long e = ERR_peek_last_error();

	/* "No start line" is how the end looks. */
	if (ERR_GET_LIB(e) != ERR_LIB_PEM ||
	    ERR_GET_REASON(e) != PEM_R_NO_START_LINE)
		return (false);
	ERR_clear_error();
	return (true);
}
