/* What is still to be read of a fuzz target's input; zeros behind its end. */
#ifndef T_FUZZ_INPUT_H
#define T_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *p;
	size_t left;
};

static inline unsigned
take(struct input *in)
{
	if (in->left == 0)
		return (0);
	in->left--;
	return (*in->p++);
}

#endif
