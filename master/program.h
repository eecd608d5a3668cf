/* Programs that this process may become, by descriptors of them. */
#ifndef MASTER_PROGRAM_H
#define MASTER_PROGRAM_H

#include <limits.h>
#include <stddef.h>

struct codec;

/* Where this program lies, by the name that it was started by, so that what
 * lies there at an upgrade may be another one; "": it cannot be told. */
void program_find(char path[PATH_MAX]);

/* Opens a program; NULL: this one, even if it lies nowhere any more. The
 * descriptor is the caller's; or -errno. */
int program_open(const char *path);

/* Puts what is to be handed over into memory that nobody can change. The
 * descriptor is the caller's; or -errno. */
int program_state(const struct codec *);

/* Such memory, mapped; NULL: errno. */
const void *program_read_state(int fd, size_t *size);

/* What a program finds that is to take over. */
struct program_handover {
	int state;
	int before;	     /* the program before; -1 */
	const char *failure; /* it was gone back to; NULL */
};

/* Has this one to take over? The strings are borrowed from the environment. 0:
 * no; 1: yes; -EPROTO. */
int program_handed(struct program_handover *);

/* What is run from now on has none of that. */
void program_forget(void);

/* Our environment as it is there, for a moment at which nothing can be
 * allocated any more. NULL: no memory. */
char **program_environment(const struct program_handover *);
void program_free_environment(char *const *);

/*
 * Becomes the program, which is to take over: with that state, and with a way
 * back to `before` unless that is -1. `failure` is why it is gone back to, or
 * NULL. Returns -errno where it has failed, and nothing has changed.
 */
int program_become(int exe, char *const *argv, const struct program_handover *);

#endif
