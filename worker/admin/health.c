/* GET /healthz and /readyz: is it there, and should clients be sent here? */
#include "common/shm/service.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/state.h"

/* Who answers has a master, since without one it ends. */
void
health_answer(struct exchange *e)
{
	exchange_say(e, 200, "ok");
}

void
ready_answer(struct exchange *e)
{
	const struct shm *shm = e->admin->boot->shm;

	switch ((enum service_phase)service_get(shm, SERVICE_PHASE)) {
	case SERVICE_STARTING:
		exchange_say(e, 503, "starting");
		return;
	case SERVICE_STOPPING:
		exchange_say(e, 503, "stopping");
		return;
	case SERVICE_RUNNING:
		break;
	}
	if (service_get(shm, SERVICE_SERVING) == 0)
		exchange_say(e, 503, "no worker serves");
	else
		exchange_say(e, 200, "ok");
}
