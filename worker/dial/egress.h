/* The outbound line of a rule, applied to a socket; private to dial. */
#ifndef WORKER_DIAL_EGRESS_H
#define WORKER_DIAL_EGRESS_H

#include <stddef.h>
#include <stdint.h>

struct conf_egress;
struct shm;

/* Where the master tells how the lines of the worker's generation are; all
 * zero: nowhere. */
struct dial_lines {
	const struct shm *shm;
	unsigned generation;
	const struct conf_egress *first; /* of all lines */
};

/* How many source addresses of that family an egress line has; 1, meaning the
 * kernel's choice, where it has none at all. egress may be NULL. */
size_t dial_egress_sources(const struct conf_egress *egress, int family);

/*
 * Makes the socket leave by the egress line: device, mark, and the k-th of its
 * source addresses of that family. 0, or -errno: ENODEV speaks of the device,
 * EPERM of the mark, EADDRNOTAVAIL and EAFNOSUPPORT of the source.
 */
int dial_egress_apply(int fd, const struct conf_egress *egress,
    const struct dial_lines *, int family, size_t k);

#endif
