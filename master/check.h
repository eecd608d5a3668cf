/* What "sniport -t" does. */
#ifndef MASTER_CHECK_H
#define MASTER_CHECK_H

/*
 * Reads and completes the configuration, tries to bind its listeners, and says
 * what is wrong on standard error and that all is well on standard output.
 * Called by root, it becomes the user whom the unit sniport.service runs as,
 * where there is one, with that service's groups and capabilities: what root
 * may do says nothing of what the service may. Returns the exit status.
 */
int check_run(const char *file);

#endif
