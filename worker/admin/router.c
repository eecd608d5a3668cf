/* The table of all requests that are answered. */
#include "worker/admin/router.h"

#include <stdbool.h>
#include <stddef.h>

#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"

struct route {
	const char *method, *path;
	bool control_only;
	void (*handle)(struct exchange *);
};

/* Each in a file of its own, but for what answers in a line. */
static const struct route routes[] = {
	{ "GET", "/healthz", false, health_answer },
	{ "GET", "/readyz", false, ready_answer },
	{ "GET", "/metrics", false, metrics_answer },
	{ "GET", "/status", false, status_answer },
	{ "GET", "/tunnels", false, tunnels_answer },
};

static bool
takes(const struct route *r, struct piece method)
{
	return (piece_is(method, r->method) ||
		(piece_is(method, "HEAD") &&
		    piece_is((struct piece){ r->method, 3 }, "GET")));
}

void
router_answer(struct exchange *e, const char **allow)
{
	const struct http_request *q = e->request;
	const struct route *r, *other = NULL;
	size_t i;

	*allow = NULL;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		r = &routes[i];
		if (!piece_is(q->path, r->path))
			continue;
		other = r;
		if (!takes(r, q->method))
			continue;
		if (r->control_only && !e->on_control)
			exchange_say(e, 403,
			    "%s %s is answered on the control socket alone",
			    r->method, r->path);
		else
			r->handle(e);
		return;
	}
	if (other == NULL) {
		exchange_say(e, 404, "there is nothing of that name");
		return;
	}
	*allow = piece_is((struct piece){ other->method, 3 }, "GET")
		     ? "GET, HEAD"
		     : other->method;
	exchange_say(e, 405, "%s takes %s", other->path, *allow);
}
