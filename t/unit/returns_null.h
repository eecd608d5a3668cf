/* AddressSanitizer asks this: its allocator is to fail as the system's does,
 * where it would abort. Include it once in a program. */
#ifndef T_UNIT_RETURNS_NULL_H
#define T_UNIT_RETURNS_NULL_H

const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return ("allocator_may_return_null=1");
}

#endif
