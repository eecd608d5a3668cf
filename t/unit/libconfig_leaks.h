/*
 * For who gives libconfig what it refuses: 1.5 loses the last string before an
 * error of syntax, which LeakSanitizer is not to tell.
 */
#ifndef T_UNIT_LIBCONFIG_LEAKS_H
#define T_UNIT_LIBCONFIG_LEAKS_H

const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
	return ("leak:libconfig\n");
}

const char *
__lsan_default_options(void)
{
	return ("print_suppressions=0");
}

#endif
