/* The files that TLS is served with, and whether they have changed. */
#ifndef MASTER_RENEWAL_FILES_H
#define MASTER_RENEWAL_FILES_H

#include <stddef.h>

struct conf;

/* 16 certificates with their keys, authorities, lists, keys of tickets. */
#define RENEWAL_FILES_MAX (16 * 2 + 3)

struct renewal_file {
	const char *setting; /* static */
	const char *path;    /* borrowed from the configuration */
};

/* What stood in them; keys cannot be told from it. */
struct renewal_marks {
	unsigned char digest[RENEWAL_FILES_MAX][32];
};

/* Which they are; how many. */
size_t renewal_files(
    const struct conf *, struct renewal_file files[RENEWAL_FILES_MAX]);

/* Reads them all, and leaves no secret behind. A file that cannot be read has
 * its mark by why. */
void renewal_marks_take(struct renewal_marks *, const struct conf *);

#endif
