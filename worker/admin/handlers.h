/* Those that answer requests, for the router alone. */
#ifndef WORKER_ADMIN_HANDLERS_H
#define WORKER_ADMIN_HANDLERS_H

struct exchange;

void health_answer(struct exchange *);	/* health.c */
void ready_answer(struct exchange *);	/* health.c */
void metrics_answer(struct exchange *); /* metrics.c */
void status_answer(struct exchange *);	/* status.c */
void tunnels_answer(struct exchange *); /* tunnels.c */
void close_answer(struct exchange *);	/* close.c */
void report_answer(struct exchange *);	/* reload.c */
void reload_answer(struct exchange *);	/* reload.c */
void upgrade_answer(struct exchange *); /* reload.c */

#endif
