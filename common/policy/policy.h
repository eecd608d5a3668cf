/* Rules compiled to tables: who may go where, first match wins. */
#ifndef COMMON_POLICY_POLICY_H
#define COMMON_POLICY_POLICY_H

#include <stdbool.h>

#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/policy/identity.h"
#include "common/policy/rule.h"

struct pause;
struct policy;

/*
 * Compiles n rules, which are borrowed and must outlive the policy, but for
 * their destinations, which are not needed any more. Time and memory grow with
 * the number of destinations, not with its square. 0 or -errno.
 */
int policy_new(struct policy **, const struct rule *rules, size_t n);

/* The same in steps of a pause, which may be NULL; fails as pause_step(),
 * too. */
int policy_compile(
    struct policy **, const struct rule *rules, size_t n, struct pause *);

void policy_free(struct policy *);

struct policy_question {
	const struct target *target;
	const struct addr *client; /* its port is ignored */
	/* The names of the client's verified certificate; none where it has
	 * none. Only of meaning where identities_known. */
	const struct identity *identities;
	size_t nidentities;
	bool identities_known; /* false: a certificate may still come */
};

struct policy_answer {
	/* The first rule, in the order of the file, that names the target and
	 * the client; borrowed; NULL: none does. */
	const struct rule *rule;
	/* Which of the identities that rule names, borrowed; NULL: it names
	 * the client's address, or all clients. */
	const struct identity *identity;
	/* The identities are not known, and a rule before that one names the
	 * target and identities: ask again when they are known. */
	bool wait;
};

/*
 * Who decides? Addresses of the target and the client are looked for by all
 * their addr_forms(). No allocation; one hash probe per label of the name or
 * per prefix length in use, plus those per identity.
 */
struct policy_answer policy_decide(
    const struct policy *, const struct policy_question *);

#endif
