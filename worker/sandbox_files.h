/* The part of the sandbox that guards files, by Landlock. */
#ifndef WORKER_SANDBOX_FILES_H
#define WORKER_SANDBOX_FILES_H

struct boot;

/*
 * From now on no file can be opened but those that are read while serving.
 * Where the kernel has no Landlock nothing changes, and worker 0 logs it. 0,
 * or -errno with *step set to what failed, static.
 */
int sandbox_restrict_files(const struct boot *, const char **step);

/* From now on no file at all can be opened; as above. */
int sandbox_close_files(const char **step);

#endif
