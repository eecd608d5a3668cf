/* The few capabilities of Linux that matter here, as bits (1 << CAP_...). */
#ifndef MASTER_CAPABILITY_H
#define MASTER_CAPABILITY_H

#include <stdint.h>

/* Makes these the permitted and the effective ones; all others are given up.
 * 0 or -errno. */
int capability_limit(uint32_t keep);

/* Those of the words, such as "cap_net_raw", that concern sniport. */
uint32_t capability_named(const char *words);

/*
 * The one that lets this process set marks (SO_MARK) on its sockets, found by
 * trying: CAP_NET_RAW where the kernel takes it (Linux 5.17), else
 * CAP_NET_ADMIN. 0: there is none, or they do not hold for this network, which
 * belongs to another user namespace.
 */
uint32_t capability_for_mark(void);

#endif
