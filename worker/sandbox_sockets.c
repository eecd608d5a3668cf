/*
 * The filters for sockets. Each of the calls in here changes the socket itself,
 * and a listener is the same one in all processes: by an option a worker would
 * draw all clients to itself, by shutdown(2), or by connect(2) to no address,
 * make it deaf for good. To its own channel from the master a worker could be
 * deaf, too, and hold up who waits for it.
 */
#include "worker/sandbox_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "worker/sandbox_load.h"
#include "worker/sandbox_rule.h"

struct option {
	int level, name;
};

static int
allow_option(scmp_filter_ctx filter, struct option o)
{
	const struct sandbox_rule rule = { SCMP_SYS(setsockopt),
		{ { 1, SANDBOX_ALL, (uint32_t)o.level },
		    { 2, SANDBOX_ALL, (uint32_t)o.name } } };

	return (sandbox_rule_add(filter, SCMP_ACT_ALLOW, &rule));
}

/* Not even these where no egress line needs them. */
static int
allow_egress(scmp_filter_ctx filter, const struct conf *conf)
{
	bool source = false, device = false, mark = false;
	int error = 0;
	size_t i;

	for (i = 0; i < conf->negress; i++) {
		source = source || conf->egress[i].nsource > 0;
		device = device || conf->egress[i].device != NULL;
		mark = mark || conf->egress[i].mark != 0;
	}
	if (source)
		error =
		    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
	if (error == 0 && source)
		error = allow_option(filter,
		    (struct option){ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT });
	if (error == 0 && device)
		error = allow_option(
		    filter, (struct option){ SOL_SOCKET, SO_BINDTODEVICE });
	if (error == 0 && mark)
		error = allow_option(
		    filter, (struct option){ SOL_SOCKET, SO_MARK });
	return (error);
}

int
sandbox_allow_options(scmp_filter_ctx filter, const struct conf *conf)
{
	static const struct option options[] = {
		/* fd_tunnel_options(), fd_end_on_close() */
		{ IPPROTO_TCP, TCP_NODELAY },
		{ SOL_SOCKET, SO_KEEPALIVE },
		{ IPPROTO_TCP, TCP_KEEPIDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL },
		{ IPPROTO_TCP, TCP_KEEPCNT },
		{ SOL_SOCKET, SO_OOBINLINE },
		{ SOL_SOCKET, SO_LINGER },
		/* guard_leads_here() */
		{ IPPROTO_IP, IP_MULTICAST_IF },
	};
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < sizeof(options) / sizeof(options[0]); i++)
		error = allow_option(filter, options[i]);
	return (error == 0 ? allow_egress(filter, conf) : error);
}

static int
forbid(scmp_filter_ctx filter, const int *calls, size_t n, int fd)
{
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < n; i++) {
		const struct sandbox_rule rule = { calls[i],
			{ { 0, SANDBOX_ALL, (uint32_t)fd } } };

		error = sandbox_rule_add(filter, SCMP_ACT_KILL, &rule);
	}
	return (error);
}

static bool
is_socket(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode));
}

static int
forbid_all(scmp_filter_ctx filter, const void *arg)
{
	const struct boot *boot = arg;
	static const int calls[] = { SCMP_SYS(shutdown), SCMP_SYS(setsockopt),
		SCMP_SYS(bind), SCMP_SYS(connect) };
	const size_t ncalls = sizeof(calls) / sizeof(calls[0]);
	/* Files are replaced, and their numbers with them; a sink connects to
	 * a syslog daemon that came anew. */
	const int logs[] = { sink_fd(log_sink(boot->log)),
		sink_fd(boot->audit) };
	size_t i;
	int fd, error = 0;

	for (i = 0; error == 0 && i < boot->nsockets; i++)
		error = forbid(filter, calls, ncalls, boot->sockets[i].fd);
	for (fd = STDIN_FILENO; error == 0 && fd <= STDERR_FILENO; fd++)
		error = forbid(filter, calls, ncalls, fd);
	if (error == 0)
		error = forbid(filter, calls, ncalls, boot->control_fd);
	for (i = 0; error == 0 && i < sizeof(logs) / sizeof(logs[0]); i++) {
		if (is_socket(logs[i]) && (i == 0 || logs[i] != logs[0]))
			error = forbid(filter, calls, ncalls - 1, logs[i]);
	}
	return (error);
}

int
sandbox_guard_shared(const struct boot *boot, const char **step)
{
	return (
	    sandbox_load(seccomp_init(SCMP_ACT_ALLOW), forbid_all, boot, step));
}
