/* What is known of a name server: whether it answers, and what it accepts. */
#include <errno.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

/* Time-outs in a row after which a server is silent. */
#define SILENT_AFTER 2

/* Former askers, whose questions are not over yet. Each has a socket. */
#define FORMER_MAX 32

/* So many answers that fit no question, in so long, are worth a word. */
#define STRAYS_MAX  100
#define STRAYS_TIME (10 * CLOCK_SEC)

/* At most that often it is asked by new sockets. */
#define RENEW_INTERVAL CLOCK_SEC

static struct dns_channel *
channel_of(const struct dns_server *server)
{
	return (server->set->channel);
}

static size_t
index_of(int family)
{
	return (family == AF_INET ? 0 : 1);
}

bool
dns_server_silent(const struct dns_server *server, int family)
{
	return (server->silent >= SILENT_AFTER ||
		server->silent_to[index_of(family)] >= SILENT_AFTER);
}

bool
dns_error_shortage(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case ENOSPC:
	case EAGAIN: /* no source port, no random numbers */
	case EADDRNOTAVAIL:
		return (true);
	default:
		return (false);
	}
}

static void
retire(struct dns_server *server, struct dns_asker **asker)
{
	if (*asker == NULL)
		return;
	LIST_INSERT_HEAD(&server->set->former, *asker, link);
	channel_of(server)->former++;
	*asker = NULL;
}

/* What comes by the askers that it has had says nothing from now on. */
static void
renew(struct dns_server *server)
{
	struct dns_asker *asker;
	size_t i;

	server->renewed_at = loop_now(channel_of(server)->loop);
	for (i = 0; i < DNS_ASKERS; i++)
		retire(server, &server->askers[i]);
	LIST_FOREACH (asker, &server->set->former, link)
		if (asker->server == server)
			asker->former = true;
}

void
dns_server_retire(struct dns_server *server, struct dns_asker **asker)
{
	if (channel_of(server)->former < FORMER_MAX)
		retire(server, asker);
}

void
dns_server_renew(struct dns_server *server)
{
	int64_t now = loop_now(channel_of(server)->loop);

	if (now >= server->renewed_at + RENEW_INTERVAL &&
	    channel_of(server)->former < FORMER_MAX)
		renew(server);
}

void
dns_server_heard(struct dns_server *server, int family)
{
	struct dns_channel *ch = channel_of(server);

	server->silent = 0;
	server->silent_to[index_of(family)] = 0;
	if (!server->told || dns_server_silent(server, AF_INET) ||
	    dns_server_silent(server, AF_INET6))
		return;
	server->told = false;
	log_write(ch->log, LOG_LEVEL_NOTICE,
	    "resolver: name server %s answers again", server->text);
}

static void
count_against(struct dns_server *server, unsigned n, const char *how)
{
	struct dns_channel *ch = channel_of(server);

	server->silent += n;
	if (!dns_server_silent(server, AF_INET) &&
	    !dns_server_silent(server, AF_INET6))
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
dns_server_unheard(struct dns_server *server, int family)
{
	server->silent_to[index_of(family)]++;
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

/* Late ones fit none as well. */
void
dns_server_stray(struct dns_server *server)
{
	struct dns_channel *ch = channel_of(server);
	int64_t now = loop_now(ch->loop);

	if (now >= server->strays_since + STRAYS_TIME) {
		server->strays_since = now;
		server->strays = 0;
	}
	if (++server->strays != STRAYS_MAX)
		return;
	log_write_rate(ch->log, &server->strays_rate, LOG_LEVEL_WARNING,
	    "resolver: %d answers came from name server %s within %lld s that "
	    "fit no question: somebody forges them, or it is too slow",
	    STRAYS_MAX, server->text, (long long)(STRAYS_TIME / CLOCK_SEC));
}
