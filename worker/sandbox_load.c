/* Puts rules into a seccomp filter and loads it. */
#include "worker/sandbox_load.h"

#include <errno.h>
#include <stddef.h>

int
sandbox_load(scmp_filter_ctx filter, int (*add)(scmp_filter_ctx, const void *),
    const void *arg, const char **step)
{
	int error;

	*step = "seccomp_init";
	if (filter == NULL)
		return (-ENOMEM);
	/* Before 5.16 the kernel slows down speculation of who has a filter,
	 * since it may run code of strangers beside its secrets. We do not, and
	 * where this cannot be had we are merely slower. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	/* Let seccomp_load() say what the kernel has said. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	*step = "seccomp_rule_add";
	error = add(filter, arg);
	if (error == 0) {
		*step = "seccomp_load";
		error = seccomp_load(filter);
	}
	seccomp_release(filter);
	return (error);
}
