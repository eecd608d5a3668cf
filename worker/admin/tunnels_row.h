/* A tunnel as a row of a table, for programs that read many of them. */
#ifndef WORKER_ADMIN_TUNNELS_ROW_H
#define WORKER_ADMIN_TUNNELS_ROW_H

#include "worker/admin/text.h"

struct audit_line;

/*
 * Writes id, client, identity, target, rule, bytes from the client, bytes from
 * the upstream, and age in ms, with tabs between and a newline behind. What is
 * not known is empty; bytes that are not printable ASCII, and the backslash,
 * are \xHH.
 */
void tunnels_row(struct text *, const struct audit_line *);

#endif
