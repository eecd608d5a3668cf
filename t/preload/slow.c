/*
 * Preloaded into sniport: a configuration that takes long to read. While the
 * first byte of the file that SLOW_FILE names is "1", each setting that is
 * looked for among others takes a millisecond; while it is "2", each piece that
 * libconfig reads takes a hundred.
 */
#include <stdio.h>
#include <time.h>

#include <libconfig.h>

#include "t/preload/preload.h"

static const volatile char *slow;

static void __attribute__((constructor)) begin(void)
{
	slow = preload_share("SLOW_FILE", 1, PROT_READ);
}

static void
wait_if(char what, long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000 * 1000 };

	if (*slow == what)
		(void)nanosleep(&time, NULL);
}

config_setting_t *
config_setting_get_elem(const config_setting_t *setting, unsigned i)
{
	static config_setting_t *(*next)(const config_setting_t *, unsigned);

	if (next == NULL)
		next = preload_real("config_setting_get_elem");
	wait_if('1', 1);
	return (next(setting, i));
}

size_t
fread(void *to, size_t size, size_t n, FILE *stream)
{
	static size_t (*next)(void *, size_t, size_t, FILE *);

	if (next == NULL)
		next = preload_real("fread");
	wait_if('2', 100);
	return (next(to, size, n, stream));
}
