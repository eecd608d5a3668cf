/* What is known of a name server: whether it answers, and what it accepts. */
#include <errno.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/shm/servers.h"
#include "common/shm/stats.h"
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

/* Whatever it is asked? */
static bool
is_silent_to_all(const struct dns_server *server)
{
	return (server->silent >= SILENT_AFTER && !server->answers[0] &&
		!server->answers[1]);
}

bool
dns_server_silent(const struct dns_server *server, int family)
{
	return (is_silent_to_all(server) ||
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

static enum dns_silence
silence_of(const struct dns_server *server)
{
	bool v4 = dns_server_silent(server, AF_INET);
	bool v6 = dns_server_silent(server, AF_INET6);

	if (v4 && v6)
		return (DNS_SILENT_TO_ALL);
	if (v4)
		return (DNS_SILENT_TO_IPV4);
	return (v6 ? DNS_SILENT_TO_IPV6 : DNS_NOT_SILENT);
}

/* NULL: it is not published, or not any more. */
static struct servers_entry *
published(const struct dns_server *server)
{
	const struct dns_channel *ch = channel_of(server);
	size_t i = (size_t)(server - server->set->servers);

	if (ch->published == NULL || server->set != LIST_FIRST(&ch->sets) ||
	    i >= NAMESERVERS_MAX)
		return (NULL);
	return (&ch->published->entries[i]);
}

static void
publish_state(const struct dns_server *server)
{
	static const enum servers_state states[] = {
		[DNS_NOT_SILENT] = SERVERS_ANSWERS,
		[DNS_SILENT_TO_IPV4] = SERVERS_SILENT_TO_IPV4,
		[DNS_SILENT_TO_IPV6] = SERVERS_SILENT_TO_IPV6,
		[DNS_SILENT_TO_ALL] = SERVERS_SILENT,
	};
	struct servers_entry *e = published(server);

	if (e != NULL)
		atomic_store_explicit(&e->state, states[silence_of(server)],
		    memory_order_relaxed);
}

void
dns_server_asked(struct dns_server *server)
{
	struct servers_entry *e = published(server);

	if (e != NULL)
		stats_add(&e->asked, 1);
}

/* Which questions these are, for the log. */
static const char *
questions_text(enum dns_silence silence)
{
	switch (silence) {
	case DNS_SILENT_TO_IPV4:
		return (" questions for IPv4 addresses (A)");
	case DNS_SILENT_TO_IPV6:
		return (" questions for IPv6 addresses (AAAA)");
	default:
		return ("");
	}
}

/* One that was silent to all is given the benefit of the doubt: what came of
 * questions of the other family while it was dead says nothing of these. */
void
dns_server_heard(struct dns_server *server, int family)
{
	struct dns_channel *ch = channel_of(server);
	size_t i = index_of(family);

	if (is_silent_to_all(server))
		server->silent_to[1 - i] = 0;
	server->silent = 0;
	server->silent_to[i] = 0;
	server->answers[i] = true;
	publish_state(server);
	if (server->told == DNS_NOT_SILENT ||
	    silence_of(server) != DNS_NOT_SILENT)
		return;
	log_write(ch->log, LOG_LEVEL_NOTICE,
	    "resolver: name server %s answers%s again", server->text,
	    questions_text(server->told));
	server->told = DNS_NOT_SILENT;
}

/* Says what it is silent to, when that is news. */
static void
tell_silence(struct dns_server *server, bool refused)
{
	struct dns_channel *ch = channel_of(server);
	enum dns_silence silence = silence_of(server);

	if (server->told == silence)
		return;
	server->told = silence;
	server->probe_at = loop_now(ch->loop) + ch->terms->again;
	log_write(ch->log, LOG_LEVEL_WARNING,
	    "resolver: name server %s %s%s%s; %s", server->text,
	    refused ? "is not there (Connection refused)" : "does not answer",
	    questions_text(silence), refused ? "" : " in time",
	    server->set->n == 1		   ? "it is asked by new sockets"
	    : silence == DNS_SILENT_TO_ALL ? "the others are asked first"
					   : "these go to the others first");
}

static void
count_against(struct dns_server *server, unsigned n, bool refused)
{
	server->silent += n;
	publish_state(server);
	if (silence_of(server) == DNS_NOT_SILENT)
		return;
	dns_server_renew(server);
	tell_silence(server, refused);
}

void
dns_server_unheard(struct dns_server *server, int family)
{
	struct servers_entry *e = published(server);

	if (e != NULL)
		stats_add(&e->unanswered, 1);
	server->silent_to[index_of(family)]++;
	server->answers[index_of(family)] = false;
	count_against(server, 1, false);
}

void
dns_server_refused(struct dns_server *server)
{
	server->answers[0] = server->answers[1] = false;
	count_against(server, SILENT_AFTER, true);
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

/* Those that come when nobody waits for them any more fit none as well. */
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
