/* Numbers that were seen, of which a peer may choose each. */
#ifndef COMMON_BASE_SEEN_H
#define COMMON_BASE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"

struct seen {
	struct hash_key key;
	uint64_t *cells; /* each number plus 1; 0: free */
	size_t ncells, n;
	bool last; /* the one that plus 1 is 0 */
};

/* None was. 0 or -errno. */
int seen_init(struct seen *);
void seen_fini(struct seen *);

/* Is it the first time? Where there is no memory for it, it is. */
bool seen_first(struct seen *, uint64_t number);

#endif
