/* Families of /metrics about what sniport depends on: certificates and name
 * servers. */
#include "common/tls/expiry.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

bool
metrics_put_expiry(struct metrics *m, const struct metrics_family *f)
{
	const struct expiries *all = m->admin->boot->expiries;
	const struct expiry *e;

	for (; m->row < all->n; m->row++) {
		if (metrics_is_full(m))
			return (true);
		e = &all->list[m->row];
		if (e->ends == EXPIRY_NEVER)
			continue;
		metrics_label(m, f->name, "file", e->file);
		metrics_more(m, "kind", expiry_kind_name(e->kind));
		text_put(m->out, "} %lld\n", (long long)e->ends);
	}
	return (false);
}

bool
metrics_put_nameservers(struct metrics *m, const struct metrics_family *f)
{
	const struct nameserver_seen *seen;
	unsigned state;

	for (; m->row < m->nnameservers; m->row++) {
		if (metrics_is_full(m))
			return (true);
		seen = &m->nameservers[m->row];
		for (state = 0; state < SERVERS_STATES; state++) {
			metrics_label(m, f->name, "server", seen->text);
			metrics_more(m, "state",
			    servers_state_name((enum servers_state)state));
			metrics_end(m, seen->workers[state]);
		}
	}
	return (false);
}
