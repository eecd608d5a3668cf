/*
 * GET /healthz and /readyz: is it there, and should clients be sent here, all
 * of them or those of one egress line?
 */
#include "common/shm/service.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/line.h"
#include "worker/admin/state.h"

/* Who answers has a master, since without one it ends. */
void
health_answer(struct exchange *e)
{
	exchange_say(e, 200, "ok");
}

/* Of a service that is ready: is that line, too? */
static void
line_answer(struct exchange *e, struct piece name)
{
	struct line_shown l;

	if (!line_named(&l, e->admin->boot, name))
		exchange_say(e, 404, "there is no egress line of that name");
	else if (l.state == LINES_STATE_UP)
		exchange_say(e, 200, "ok");
	else
		exchange_say(e, l.state == LINES_STATE_DEGRADED ? 200 : 503,
		    "egress line %s", lines_state_name(l.state));
}

void
ready_answer(struct exchange *e)
{
	const struct shm *shm = e->admin->boot->shm;
	struct http_params params;
	char query[HTTP_HEAD_MAX];
	struct piece line;

	if (http_query(&params, e->request->query, query) != 0) {
		exchange_say(e, 400, "the query is malformed");
		return;
	}
	line = http_param(&params, "line");
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
	else if (line.s != NULL)
		line_answer(e, line);
	else
		exchange_say(e, 200, "ok");
}
