/* Which request is answered by whom. */
#ifndef WORKER_ADMIN_ROUTER_H
#define WORKER_ADMIN_ROUTER_H

struct exchange;

/*
 * Answers the request, or calls who does. What is asked by HEAD is answered as
 * by GET, and the server leaves the body away. *allow is set to the methods
 * that there are where the status is 405, static; else to NULL.
 */
void router_answer(struct exchange *, const char **allow);

#endif
