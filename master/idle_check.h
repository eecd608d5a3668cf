/* Settings that do nothing because of others. */
#ifndef MASTER_IDLE_CHECK_H
#define MASTER_IDLE_CHECK_H

struct conf;
struct findings;

/* Warns of those that were chosen; what sniport -T prints was not. */
void idle_check(const struct conf *, struct findings *);

#endif
