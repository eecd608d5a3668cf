/* The master from its start to its end. */
#ifndef MASTER_START_H
#define MASTER_START_H

/* Runs with that configuration file until it is told to stop, or cannot start.
 * The arguments are this process's, which another program is given at an
 * upgrade. Returns the exit status; why it is not 0 was said. */
int start_master(const char *file, char *const *argv);

#endif
