/* Checks a DNS name byte by byte and writes its canonical spelling in place. */
#include "common/net/hostname.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static char
lower(char c)
{
	return (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool
is_label_char(char c)
{
	return ((c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_');
}

static bool
label_valid(const char *label, size_t len)
{
	return (len >= 1 && len <= HOSTNAME_LABEL_MAX && label[0] != '-' &&
		label[len - 1] != '-');
}

/* Could inet_aton(3) take a name with this last label for an address? */
static bool
label_numeric(const char *label, size_t len)
{
	bool hex = len >= 2 && label[0] == '0' && label[1] == 'x';
	size_t i;

	for (i = hex ? 2 : 0; i < len; i++)
		if (!is_digit(label[i]) &&
		    !(hex && label[i] >= 'a' && label[i] <= 'f'))
			return (false);
	return (true);
}

int
hostname_canonical(char out[HOSTNAME_SIZE], const char *s, size_t len)
{
	char name[HOSTNAME_SIZE];
	size_t i, label = 0;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len > HOSTNAME_MAX)
		return (-EINVAL);
	for (i = 0; i < len; i++) {
		name[i] = lower(s[i]);
		if (name[i] == '.') {
			if (!label_valid(name + label, i - label))
				return (-EINVAL);
			label = i + 1;
		} else if (!is_label_char(name[i])) {
			return (-EINVAL);
		}
	}
	if (!label_valid(name + label, len - label) ||
	    label_numeric(name + label, len - label))
		return (-EINVAL);
	memcpy(out, name, len);
	out[len] = '\0';
	return (len);
}
