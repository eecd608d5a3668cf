/* The table of all requests that are answered. */
#include "worker/admin/router.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/state.h"

/* Who may ask. */
enum route_for {
	ROUTE_ALL,	/* whoever reaches one of the sockets */
	ROUTE_OPERATOR, /* ... the control socket */
	ROUTE_OWNER	/* ... that one as its owner, or as root */
};

struct route {
	const char *method, *path;
	enum route_for who;
	void (*handle)(struct exchange *);
};

/* Each in a file of its own, but for what answers in a line. */
static const struct route routes[] = {
	{ "GET", "/healthz", ROUTE_ALL, health_answer },
	{ "GET", "/readyz", ROUTE_ALL, ready_answer },
	{ "GET", "/metrics", ROUTE_ALL, metrics_answer },
	{ "GET", "/status", ROUTE_ALL, status_answer },
	{ "GET", "/tunnels", ROUTE_ALL, tunnels_answer },
	{ "GET", "/reload", ROUTE_OPERATOR, report_answer },
	{ "POST", "/reload", ROUTE_OWNER, reload_answer },
	{ "POST", "/upgrade", ROUTE_OWNER, upgrade_answer },
	{ "POST", "/close", ROUTE_OWNER, close_answer },
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool
is_get(const struct route *r)
{
	return (strcmp(r->method, "GET") == 0);
}

static bool
takes(const struct route *r, struct piece method)
{
	return (piece_is(method, r->method) ||
		(is_get(r) && piece_is(method, "HEAD")));
}

/* The methods that a path takes; NULL: there is no such path. */
static const char *
methods_of(struct piece path)
{
	bool get = false, post = false;
	size_t i;

	for (i = 0; i < ROUTES; i++) {
		if (!piece_is(path, routes[i].path))
			continue;
		get = get || is_get(&routes[i]);
		post = post || !is_get(&routes[i]);
	}
	if (get)
		return (post ? "GET, HEAD, POST" : "GET, HEAD");
	return (post ? "POST" : NULL);
}

/* May they? If not, that is the answer. */
static bool
is_for(const struct route *r, struct exchange *e)
{
	if (r->who == ROUTE_ALL)
		return (true);
	if (!e->on_control) {
		exchange_say(e, 403,
		    "%s %s is answered on the control socket alone", r->method,
		    r->path);
		return (false);
	}
	if (r->who == ROUTE_OPERATOR || e->peer.uid == 0 ||
	    e->peer.uid == e->admin->boot->owner)
		return (true);
	exchange_say(e, 403, "%s %s is for root and user %u alone", r->method,
	    r->path, (unsigned)e->admin->boot->owner);
	return (false);
}

void
router_answer(struct exchange *e, const char **allow)
{
	const struct http_request *q = e->request;
	size_t i;

	*allow = NULL;
	for (i = 0; i < ROUTES; i++) {
		if (!piece_is(q->path, routes[i].path) ||
		    !takes(&routes[i], q->method))
			continue;
		if (is_for(&routes[i], e))
			routes[i].handle(e);
		return;
	}
	*allow = methods_of(q->path);
	if (*allow != NULL)
		exchange_say(e, 405, "%.*s takes %s", (int)q->path.len,
		    q->path.s, *allow);
	else
		exchange_say(e, 404, "there is nothing of that name");
}
