/* An asker: c-ares with one name server, by UDP. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "worker/dns/channel_state.h"

/* So many questions go by one socket, or for so long; or until so many answers
 * came by it that fit none. */
#define WORN_QUESTIONS 64
#define WORN_TIME      CLOCK_SEC
#define WORN_STRAYS    16

static struct dns_channel *
channel_of(const struct dns_asker *asker)
{
	return (asker->server->set->channel);
}

static int
status_to_error(int status)
{
	if (status == ARES_SUCCESS)
		return (0);
	return (status == ARES_ENOMEM ? -ENOMEM : -EIO);
}

#ifdef ARES_OPT_QUERY_CACHE
/* Of 1.31 and later; it would answer beyond our bounds of a TTL. */
static int
disable_query_cache(struct ares_options *options)
{
	options->qcache_max_ttl = 0;
	return (ARES_OPT_QUERY_CACHE);
}
#else
static int
disable_query_cache(struct ares_options *options)
{
	return (0);
}
#endif

/*
 * Where c-ares before 1.19.1 may not open this it takes its query ids from an
 * unseeded rand(3), and says nothing (CVE-2023-31147).
 */
static int
check_random(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return (-errno);
	fd_close(&fd);
	return (0);
}

/*
 * All of it is set, so that 1.18 reads no file and heeds no variable of the
 * environment. Of an answer that is truncated, or says that the server failed,
 * more is to be known than c-ares would tell.
 */
static int
asker_init(struct dns_asker *asker)
{
	char lookups[] = "b", nothing[] = "/dev/null";
	struct in_addr server = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 ARES_FLAG_IGNTC | ARES_FLAG_NOCHECKRESP |
			 (asker->edns ? ARES_FLAG_EDNS : 0),
		.timeout = (int)(asker->timeout / CLOCK_MSEC),
		.tries = 1,
		.ndots = 1,
		.servers = &server,
		.nservers = 1,
		.ndomains = 0,
		.lookups = lookups,
		.sock_state_cb = dns_watch_cb,
		.sock_state_cb_data = asker,
		.nsort = 0,
		.ednspsz = DNS_UDP_MAX,
		.resolvconf_path = nothing, /* copied */
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
		   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
		   ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF |
		   ARES_OPT_NOROTATE;
	int error = check_random();

	if (error != 0)
		return (error);
	mask |= disable_query_cache(&options);
	return (
	    status_to_error(ares_init_options(&asker->ares, &options, mask)));
}

int
dns_asker_new(struct dns_asker **out, struct dns_server *server, bool again)
{
	struct dns_asker *asker = calloc(1, sizeof(*asker));
	int64_t timeout;
	int error;

	if (asker == NULL)
		return (-ENOMEM);
	asker->server = server;
	timeout = server->set->channel->conf->timeout;
	asker->patience = again ? 2 * timeout : timeout;
	asker->timeout = asker->patience + 2 * timeout;
	asker->edns = !server->plain;
	asker->refused = -1;
	asker->refused_task.cb = dns_socket_refused_task;
	timer_init(&asker->timer, dns_watch_timer);
	LIST_INIT(&asker->sockets);
	error = asker_init(asker);
	if (error != 0) {
		free(asker);
		return (error);
	}
	dns_socket_use(asker);
	*out = asker;
	return (0);
}

void
dns_asker_free(struct dns_asker *asker)
{
	if (asker == NULL)
		return;
	timer_cancel(loop_timers(channel_of(asker)->loop), &asker->timer);
	loop_undefer(channel_of(asker)->loop, &asker->refused_task);
	ares_destroy(asker->ares);
	dns_watch_drop_all(asker);
	free(asker);
}

/* c-ares closes a socket by which nothing is asked. */
bool
dns_asker_worn(const struct dns_asker *asker)
{
	int64_t now = loop_now(channel_of(asker)->loop);

	return (asker->awaited != 0 && (asker->deaf || asker->unheard ||
					   asker->worn >= WORN_QUESTIONS ||
					   asker->strays >= WORN_STRAYS ||
					   now >= asker->since + WORN_TIME));
}
