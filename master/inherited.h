/*
 * Listening sockets that the service manager handed to this process: those that
 * a former one put into its store, and those that it bound itself (a socket
 * unit; sd_listen_fds(3)).
 */
#ifndef MASTER_INHERITED_H
#define MASTER_INHERITED_H

struct fdstore;
struct listener_set;
struct log;

/*
 * Puts them into the set, and removes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES
 * from the environment. Closes, and logs, what is of no use; of a store, takes
 * it out of there as well.
 */
void inherited_take(struct listener_set *, struct fdstore *, struct log *);

#endif
