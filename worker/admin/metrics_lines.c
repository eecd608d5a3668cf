/* Families of /metrics about egress lines. */
#include "common/conf/conf.h"
#include "worker/admin/line.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

bool
metrics_put_lines(struct metrics *m, const struct metrics_family *f)
{
	struct line_shown line;

	for (; line_at(&line, m->admin->boot, m->row); m->row++) {
		if (metrics_is_full(m))
			return (true);
		metrics_label(m, f->name, "line", line.conf->name);
		metrics_end(m, line.state == LINES_STATE_UP ||
				   line.state == LINES_STATE_DEGRADED);
	}
	return (false);
}

bool
metrics_put_sources(struct metrics *m, const struct metrics_family *f)
{
	struct line_shown line;
	size_t here;

	for (; line_at(&line, m->admin->boot, m->row); m->row++) {
		if (metrics_is_full(m))
			return (true);
		here = line.sources.here[0] + line.sources.here[1];
		metrics_label(m, f->name, "line", line.conf->name);
		metrics_more(m, "state", "here");
		metrics_end(m, here);
		metrics_label(m, f->name, "line", line.conf->name);
		metrics_more(m, "state", "missing");
		metrics_end(m, line.conf->nsource - here);
	}
	return (false);
}
