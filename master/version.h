/* What this program is made of. */
#ifndef MASTER_VERSION_H
#define MASTER_VERSION_H

#include <stdio.h>

/*
 * Prints the version, and that of each library: of the one that runs, and of
 * the one that it was built with where that is another.
 */
void version_print(FILE *);

#endif
