/*
 * What is behind the proxy: plain TCP, on several ports of the loopback
 * address, since each has only so many connections. A client's first bytes say
 * what is done for it.
 */
#ifndef BENCH_LOAD_UPSTREAM_H
#define BENCH_LOAD_UPSTREAM_H

#include <stdint.h>

#define UPSTREAM_PORTS 8

enum order {
	ORDER_ECHO = 'e',   /* send back what comes */
	ORDER_SOURCE = 's', /* send so many bytes, then end */
	ORDER_SINK = 'k'    /* take so many bytes, then send one */
};

struct header {
	uint8_t order;
	uint8_t size[8]; /* host's order: both ends are here */
};

/* Opens n of the ports. */
void upstream_open(unsigned n);

/* The number of a port, i being any number: they are taken in turn. */
uint16_t upstream_port(uint64_t i);

#endif
