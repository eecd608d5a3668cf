/* Tells on the board how the service is. */
#include "master/publish.h"

#include "common/base/clock.h"
#include "common/shm/service.h"
#include "master/master.h"

void
publish_start(const struct master *m)
{
	service_set(m->shm, SERVICE_STARTED, (uint64_t)clock_wall());
	service_set(m->shm, SERVICE_PHASE, SERVICE_STARTING);
}

void
publish(const struct master *m)
{
	const struct crew *crew = m->current;

	if (m->phase != MASTER_RUNNING)
		service_set(m->shm, SERVICE_PHASE, SERVICE_STOPPING);
	if (crew == NULL)
		return;
	service_set(m->shm, SERVICE_GENERATION, crew->number);
	service_set(m->shm, SERVICE_WORKERS, crew->nworkers);
	service_set(m->shm, SERVICE_SERVING, m->serving);
	if (m->phase == MASTER_RUNNING)
		service_set(m->shm, SERVICE_PHASE, SERVICE_RUNNING);
}

void
publish_loaded(const struct master *m, bool took, bool start)
{
	service_set(m->shm, SERVICE_RELOAD_FAILED, !took);
	if (took)
		service_set(m->shm, SERVICE_RELOADED, (uint64_t)clock_wall());
	if (!start)
		service_add(
		    m->shm, took ? SERVICE_RELOADS : SERVICE_RELOADS_FAILED, 1);
	publish(m);
}
