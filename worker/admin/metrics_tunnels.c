/* Families of /metrics about tunnels: how many are open, how they end, and how
 * long things take. */
#include <stdio.h>

#include "common/base/decimal.h"
#include "common/conf/conf.h"
#include "common/reason.h"
#include "common/shm/most.h"
#include "common/shm/service.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

/* A time in seconds with what it has of decimals: "0.0025", "604800". */
#define SECONDS_SIZE (DECIMAL_MAX + 11)

bool
metrics_put_tunnels(struct metrics *m, const struct metrics_family *f)
{
	const struct boot_admin *boot = m->admin->boot;
	const struct shm_most most =
	    shm_share((uint64_t)boot->conf->limits.tunnels);
	uint64_t now = service_get(boot->shm, SERVICE_GENERATION);
	const struct worker_seen *w;
	uint64_t n[2] = { 0, 0 };

	TAILQ_FOREACH (w, &m->admin->workers.list, entry)
		if (shm_is_live(boot->shm, w->boot.slot))
			n[w->boot.generation != now] +=
			    stats_tunnels_of(boot->shm, w->boot.slot, &most);
	metrics_label(m, f->name, "generation", "current");
	metrics_end(m, n[0]);
	metrics_label(m, f->name, "generation", "old");
	metrics_end(m, n[1]);
	return (false);
}

bool
metrics_put_limit(struct metrics *m, const struct metrics_family *f)
{
	metrics_value(
	    m, f->name, (uint64_t)m->admin->boot->conf->limits.tunnels);
	return (false);
}

bool
metrics_put_reasons(struct metrics *m, const struct metrics_family *f)
{
	enum reason reason;

	for (; m->row + 1 < REASON_COUNT; m->row++) {
		if (metrics_is_full(m))
			return (true);
		reason = (enum reason)(m->row + 1);
		metrics_label(m, f->name, "reason", reason_name(reason));
		metrics_end(m, stats_sum_reason(&m->admin->sums, reason));
	}
	return (false);
}

static const char *
seconds(char buf[SECONDS_SIZE], uint64_t ns)
{
	size_t len = decimal_put(buf, ns / CLOCK_SEC);

	buf[len++] = '.';
	len += decimal_put_padded(buf + len, ns, 9);
	while (buf[len - 1] == '0')
		len--;
	if (buf[len - 1] == '.')
		len--;
	buf[len] = '\0';
	return (buf);
}

static uint64_t
add(uint64_t a, uint64_t b)
{
	return (a <= UINT64_MAX - b ? a + b : UINT64_MAX);
}

bool
metrics_put_timing(struct metrics *m, const struct metrics_family *f)
{
	enum timing timing = (enum timing)f->which;
	const uint64_t *cells = stats_sum_timing(&m->admin->sums, timing);
	const int64_t *bounds = timings_bounds(timing);
	uint64_t n = 0, unit = (uint64_t)timings_unit(timing), parts, sum;
	char name[64], text[SECONDS_SIZE];
	unsigned i;

	snprintf(name, sizeof(name), "%s_bucket", f->name);
	for (i = 0; i < TIMINGS_BOUNDS; i++) {
		n = add(n, cells[i]);
		metrics_label(
		    m, name, "le", seconds(text, (uint64_t)bounds[i]));
		metrics_end(m, n);
	}
	n = add(n, cells[TIMINGS_LONGER]);
	metrics_label(m, name, "le", "+Inf");
	metrics_end(m, n);
	/* In ns it may be more than a number holds. */
	sum = cells[TIMINGS_SUM];
	parts = CLOCK_SEC / unit;
	text_put(m->out, "%s_sum %llu%s\n", f->name,
	    (unsigned long long)(sum / parts),
	    seconds(text, sum % parts * unit) + 1);
	text_put(m->out, "%s_count %llu\n", f->name, (unsigned long long)n);
	return (false);
}
