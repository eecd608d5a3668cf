/* Rules and egress lines that would not do what their writer meant. */
#ifndef MASTER_RULES_CHECK_H
#define MASTER_RULES_CHECK_H

struct conf;
struct findings;
struct guard;
struct pause;
struct policy;

/*
 * Warns of what does nothing: rules that can never decide, networks that open
 * nothing, egress lines that no rule names; and of what fails each tunnel:
 * connect_to an own listener, or by a line that has no address of that family.
 * The rules' destinations must be there still. In steps of a pause, which may
 * be NULL; where that ends it, warnings are missing.
 */
void rules_check(const struct conf *, const struct policy *,
    const struct guard *, struct pause *, struct findings *);

#endif
