/* Families of /metrics by rule. */
#include "common/shm/rules_reader.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

/* The next rule, as long as there is room for its samples. NULL: *more says
 * whether there are more. */
static const struct rules_total *
next(struct metrics *m, bool *more)
{
	*more = metrics_is_full(m);
	return (*more ? NULL : rules_each(m->admin->rules, &m->row));
}

/* What a rule cannot decide is left out, until it has. */
static bool
is_shown(const struct rules_total *t, enum rules_sum sum)
{
	static const enum rule_action actions[] = {
		[RULES_ALLOW] = RULE_ALLOW,
		[RULES_DENY] = RULE_DENY,
		[RULES_REPORT] = RULE_REPORT,
	};

	return (t->n[sum] > 0 || t->action == actions[sum]);
}

bool
metrics_put_decisions(struct metrics *m, const struct metrics_family *f)
{
	static const char *const names[] = {
		[RULES_ALLOW] = "allow",
		[RULES_DENY] = "deny",
		[RULES_REPORT] = "report",
	};
	const struct rules_total *t;
	unsigned sum;
	bool more;

	while ((t = next(m, &more)) != NULL) {
		for (sum = RULES_ALLOW; sum <= RULES_REPORT; sum++) {
			if (!is_shown(t, (enum rules_sum)sum))
				continue;
			metrics_label(m, f->name, "rule", t->name);
			metrics_more(m, "decision", names[sum]);
			metrics_end(m, t->n[sum]);
		}
	}
	return (more);
}

bool
metrics_put_bytes(struct metrics *m, const struct metrics_family *f)
{
	const struct rules_total *t;
	bool more;

	while ((t = next(m, &more)) != NULL) {
		if (t->n[f->which] == 0 && t->action == RULE_DENY)
			continue;
		metrics_label(m, f->name, "rule", t->name);
		metrics_end(m, t->n[f->which]);
	}
	return (more);
}

bool
metrics_put_last(struct metrics *m, const struct metrics_family *f)
{
	const struct rules_total *t;
	bool more;

	while ((t = next(m, &more)) != NULL) {
		if (t->last <= 0)
			continue;
		metrics_label(m, f->name, "rule", t->name);
		metrics_end_time(m, (uint64_t)t->last);
	}
	return (more);
}
