/* Families of /metrics that tell how the service is. */
#include "common/shm/service.h"
#include "worker/admin/metrics_part.h"
#include "worker/admin/state.h"

static uint64_t
value_of(const struct metrics *m, enum service_value value)
{
	return (service_get(m->admin->boot->shm, value));
}

bool
metrics_put_service(struct metrics *m, const struct metrics_family *f)
{
	metrics_value(m, f->name, value_of(m, (enum service_value)f->which));
	return (false);
}

/* Prometheus has times in seconds since 1970. */
bool
metrics_put_time(struct metrics *m, const struct metrics_family *f)
{
	uint64_t ns = value_of(m, (enum service_value)f->which);

	text_put(m->out, "%s %llu.%03u\n", f->name,
	    (unsigned long long)(ns / CLOCK_SEC),
	    (unsigned)(ns / CLOCK_MSEC % 1000));
	return (false);
}

bool
metrics_put_ready(struct metrics *m, const struct metrics_family *f)
{
	metrics_value(m, f->name,
	    value_of(m, SERVICE_PHASE) == SERVICE_RUNNING &&
		value_of(m, SERVICE_SERVING) > 0);
	return (false);
}

bool
metrics_put_reload(struct metrics *m, const struct metrics_family *f)
{
	metrics_value(m, f->name, value_of(m, SERVICE_RELOAD_FAILED) == 0);
	return (false);
}

bool
metrics_put_reloads(struct metrics *m, const struct metrics_family *f)
{
	metrics_label(m, f->name, "result", "done");
	metrics_end(m, value_of(m, SERVICE_RELOADS));
	metrics_label(m, f->name, "result", "failed");
	metrics_end(m, value_of(m, SERVICE_RELOADS_FAILED));
	return (false);
}

/* Of those with workers; and the current one, which may have none. */
bool
metrics_put_generations(struct metrics *m, const struct metrics_family *f)
{
	metrics_value(m, f->name,
	    1 + workers_generations(
		    &m->admin->workers, value_of(m, SERVICE_GENERATION)));
	return (false);
}
