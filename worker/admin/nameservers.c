/* Puts together what the workers know of name servers. */
#include "worker/admin/nameservers.h"

#include <string.h>

#include "common/shm/service.h"
#include "common/shm/shm.h"
#include "worker/admin/state.h"

/* Its place; NULL: there is none left. */
static struct nameserver_seen *
find(struct nameserver_seen *seen, size_t *n, const struct nameserver *where)
{
	char text[NAMESERVER_TEXT_SIZE];
	size_t i;

	/* Port 0 is nobody's default: the text has the port always. */
	nameserver_format(where, 0, text);
	for (i = 0; i < *n; i++)
		if (strcmp(seen[i].text, text) == 0)
			return (&seen[i]);
	if (i == NAMESERVERS_SEEN_MAX)
		return (NULL);
	seen[i] = (struct nameserver_seen){ .where = *where };
	strcpy(seen[i].text, text);
	*n = i + 1;
	return (&seen[i]);
}

static void
add(struct nameserver_seen *seen, const struct servers_seen *more)
{
	seen->workers[more->state]++;
	seen->asked += more->asked;
	seen->unanswered += more->unanswered;
}

size_t
nameservers_look(
    const struct admin *a, struct nameserver_seen seen[NAMESERVERS_SEEN_MAX])
{
	uint64_t now = service_get(a->boot->shm, SERVICE_GENERATION);
	struct servers_seen of_one[NAMESERVERS_MAX];
	struct nameserver_seen *place;
	const struct worker_seen *w;
	size_t i, n, found = 0;

	TAILQ_FOREACH (w, &a->workers.list, entry) {
		if (w->boot.generation != now ||
		    !shm_is_live(a->boot->shm, w->boot.slot))
			continue;
		n = servers_read(a->boot->shm, w->boot.slot, of_one);
		for (i = 0; i < n; i++) {
			place = find(seen, &found, &of_one[i].where);
			if (place != NULL)
				add(place, &of_one[i]);
		}
	}
	return (found);
}

enum servers_state
nameserver_state(const struct nameserver_seen *s)
{
	int state = SERVERS_STATES - 1;

	while (state > SERVERS_ANSWERS && s->workers[state] == 0)
		state--;
	return ((enum servers_state)state);
}
