/* What the files of handover have in common: each writes and reads a part. */
#ifndef MASTER_HANDOVER_PART_H
#define MASTER_HANDOVER_PART_H

struct codec;
struct child;
struct listener_at;
struct logs_entry;
struct master;
struct run_as;

/* handover_logs.c */
void handover_logs(struct codec *, struct master *);
/* One of them, by its number; NULL: none. */
struct logs_entry *handover_log(
    struct codec *, struct master *, struct logs_entry *);
void handover_run_as(struct codec *, struct run_as *);

/* handover_listeners.c */
void handover_listeners(struct codec *, struct master *);
void handover_place(struct codec *, struct listener_at *);
void handover_admin(struct codec *, struct master *);

/* handover_crew.c */
void handover_crews(struct codec *, struct master *);
void handover_child(struct codec *, struct child *);

/* handover_legacy.c */
void handover_legacies(struct codec *, struct master *);

#endif
