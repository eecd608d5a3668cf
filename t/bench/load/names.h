/*
 * A name server that has every name: one loopback address, for an hour.
 */
#ifndef BENCH_LOAD_NAMES_H
#define BENCH_LOAD_NAMES_H

#include <stdint.h>

/* Returns its port. */
uint16_t names_open(void);

#endif
