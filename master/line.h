/* Answers sniport line: whether this host has what an egress line needs. */
#ifndef MASTER_LINE_H
#define MASTER_LINE_H

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses; of several lines, the highest. */
enum line_result {
	LINE_GOOD = 0,	  /* tunnels can leave by it */
	LINE_MISSING = 1, /* no source address of a family is here */
	LINE_BAD = 2,	  /* the configuration is wrong, or has no such line */
	LINE_DEVICE = 3	  /* its device is missing or down */
};

/* Looks at this host for the line of that name, or all lines where it is NULL,
 * of that configuration, and prints what it finds. No service is asked. */
enum line_result line_run(
    const char *file, const char *name, bool json, FILE *out, FILE *err);

#endif
