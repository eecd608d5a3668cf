/* What is known of a name server: whether it answers, and what it accepts. */
#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

/* Time-outs in a row after which a server is silent. */
#define SILENT_AFTER 2

/* At most that often it is asked by new sockets. */
#define RENEW_INTERVAL CLOCK_SEC

static struct dns_channel *
channel_of(const struct dns_server *server)
{
	return (server->set->channel);
}

bool
dns_server_silent(const struct dns_server *server)
{
	return (server->silent >= SILENT_AFTER);
}

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
dns_server_renew(struct dns_server *server)
{
	int64_t now = loop_now(channel_of(server)->loop);

	if (now >= server->renewed_at + RENEW_INTERVAL)
		renew(server);
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

	server->silent += n;
	if (!dns_server_silent(server))
		return;
	dns_server_renew(server);
	if (server->told)
		return;
	server->told = true;
	server->probe_at = loop_now(ch->loop) + ch->terms->again;
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
