/* What secrets leave behind in the processor. */
#ifndef COMMON_BASE_REGISTERS_H
#define COMMON_BASE_REGISTERS_H

/*
 * Clears the vector registers, in which copying leaves parts of what was
 * copied, until something else is (glibc 2.36 copies by way of zmm16 to zmm31,
 * which hardly anything else uses). A process that is forked begins with those
 * of its parent. Does nothing but on x86-64.
 */
void registers_clear(void);

#endif
