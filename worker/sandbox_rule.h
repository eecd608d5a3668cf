/* A system call that is permitted, or not, where its arguments are so. */
#ifndef WORKER_SANDBOX_RULE_H
#define WORKER_SANDBOX_RULE_H

#include <seccomp.h>
#include <stdint.h>

/* Bits of an int, whatever is above them. */
#define SANDBOX_ALL	   UINT32_MAX

#define SANDBOX_CONDITIONS 3

/* That bits of an argument have a value. */
struct sandbox_condition {
	unsigned arg;
	uint32_t mask, value;
};

struct sandbox_rule {
	int call;
	/* all of them, up to one without a mask */
	struct sandbox_condition when[SANDBOX_CONDITIONS];
};

/* 0 or -errno. */
static inline int
sandbox_rule_add(
    scmp_filter_ctx filter, uint32_t action, const struct sandbox_rule *rule)
{
	struct scmp_arg_cmp args[SANDBOX_CONDITIONS];
	unsigned n;

	for (n = 0; n < SANDBOX_CONDITIONS && rule->when[n].mask != 0; n++)
		args[n] = (struct scmp_arg_cmp){ .arg = rule->when[n].arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = rule->when[n].mask,
			.datum_b = rule->when[n].value };
	return (seccomp_rule_add_array(filter, action, rule->call, n, args));
}

#endif
