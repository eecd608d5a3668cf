/*
 * What two programs must have alike, so that one can take the master's place
 * from the other: the layout of all that the workers of the one go on to share
 * with the other.
 */
#ifndef MASTER_LAYOUTS_H
#define MASTER_LAYOUTS_H

struct codec;

/* Writes them; or reads those of another program, and fails where one is not
 * the same. */
void layouts_code(struct codec *);

#endif
