/*
 * What is known of a name server: one that did not answer several times is
 * asked when the others have failed, and tried anew from time to time, beside
 * a question, so that no name waits for it.
 */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"
#include "worker/dns/memory.h"

/* Time-outs in a row after which a server is silent. */
#define SILENT_AFTER 2

/* At most that often it is asked by new sockets. */
#define RENEW_INTERVAL CLOCK_SEC

static struct dns_channel *
channel_of(const struct dns_server *server)
{
	return (server->set->channel);
}

static bool
is_silent(const struct dns_server *server)
{
	return (server->silent >= SILENT_AFTER);
}

/* From now on it is asked by another source port. A device on the way that
 * remembers the old one may send what comes from there to a dead server. */
static void
renew(struct dns_server *server)
{
	size_t i;

	server->renewed_at = loop_now(channel_of(server)->loop);
	for (i = 0; i < DNS_LINES; i++) {
		struct dns_line *line = server->lines[i];

		if (line == NULL)
			continue;
		line->former = true;
		LIST_INSERT_HEAD(&server->set->former, line, link);
		server->lines[i] = NULL;
	}
}

void
dns_server_heard(struct dns_server *server)
{
	struct dns_channel *ch = channel_of(server);

	server->silent = 0;
	if (server->told)
		log_write(ch->log, LOG_LEVEL_NOTICE,
		    "resolver: name server %s answers again", server->text);
	server->told = false;
}

static void
count_against(struct dns_server *server, unsigned n, const char *how)
{
	struct dns_channel *ch = channel_of(server);
	int64_t now = loop_now(ch->loop);

	server->silent += n;
	if (!is_silent(server))
		return;
	if (now >= server->renewed_at + RENEW_INTERVAL)
		renew(server);
	if (server->told)
		return;
	server->told = true;
	server->probe_at = now + ch->terms->again;
	log_write(ch->log, LOG_LEVEL_WARNING, "resolver: name server %s %s; %s",
	    server->text, how,
	    server->set->n > 1 ? "the others are asked first"
			       : "it is asked by new sockets");
}

void
dns_server_unheard(struct dns_server *server)
{
	count_against(server, 1, "does not answer");
}

void
dns_server_refused(struct dns_server *server)
{
	count_against(
	    server, SILENT_AFTER, "is not there (Connection refused)");
}

void
dns_server_plain(struct dns_server *server)
{
	struct dns_channel *ch = channel_of(server);

	if (server->plain)
		return;
	server->plain = true;
	renew(server);
	log_write(ch->log, LOG_LEVEL_NOTICE,
	    "resolver: name server %s does not accept EDNS; it is asked "
	    "without",
	    server->text);
}

struct dns_line *
dns_server_line(struct dns_server *server, bool again, int *error)
{
	struct dns_line **line = &server->lines[again ? 1 : 0];
	int64_t now = loop_now(channel_of(server)->loop);

	/* What c-ares got from the reserve goes back with the line that has it,
	 * once its questions have ended. */
	if (dns_memory_short() && now >= server->renewed_at + RENEW_INTERVAL)
		renew(server);
	*error = 0;
	if (*line == NULL)
		*error = dns_line_new(line, server, again);
	return (*error == 0 ? *line : NULL);
}

/* Whether it answers is seen by what nobody waits for. */
static void
probe(struct dns_server *server, const struct dns_key *key)
{
	struct dns_channel *ch = channel_of(server);
	struct dns_line *line;
	int error;

	if (server->probing || loop_now(ch->loop) < server->probe_at)
		return;
	server->probe_at = loop_now(ch->loop) + ch->terms->again;
	line = dns_server_line(server, false, &error);
	if (line != NULL)
		dns_line_probe(line, key);
}

void
dns_server_order(struct dns_question *q)
{
	struct dns_set *set = q->set;
	size_t i, n = 0;

	for (i = 0; i < set->n; i++)
		if (!is_silent(&set->servers[i]))
			q->order[n++] = (uint8_t)i;
	if (n == 0 || n == set->n) { /* all the same */
		for (i = 0; i < set->n; i++)
			q->order[i] = (uint8_t)i;
		return;
	}
	for (i = 0; i < set->n; i++) {
		if (!is_silent(&set->servers[i]))
			continue;
		q->order[n++] = (uint8_t)i;
		probe(&set->servers[i], &q->key);
	}
}

void
dns_server_fini(struct dns_server *server)
{
	size_t i;

	for (i = 0; i < DNS_LINES; i++)
		dns_line_free(server->lines[i]);
}
