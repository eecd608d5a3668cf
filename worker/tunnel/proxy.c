#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/conf/conf.h"
#include "common/net/proxy.h"
#include "worker/tunnel/state.h"

/* The header has been looked at; takes it off the stream. */
static int
consume(struct tunnel *t, uint8_t *buf, size_t len)
{
	ssize_t n = recv(t->client.lfd.fd, buf, len, 0);

	if (n == -1)
		return (-errno);
	return ((size_t)n == len ? 0 : -EPROTO);
}

static void
refuse(struct tunnel *t, int error)
{
	t->detail = strerrordesc_np(-error);
	tunnel_close(t, REASON_PROXY_HEADER);
}

/* Peeks, since the ClientHello that follows must stay where it is. */
void
tunnel_proxy_run(struct tunnel *t)
{
	uint8_t buf[PROXY_HEADER_MAX];
	struct proxy_header header;
	ssize_t n = recv(t->client.lfd.fd, buf, sizeof(buf), MSG_PEEK);
	int len, error;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	t->silent = t->silent && n <= 0;
	len = n > 0 ? proxy_parse(&header, buf, (size_t)n) : 0;
	/* What was peeked at before its end will not become more. */
	if (n <= 0 || (len == 0 && t->client.hangup)) {
		t->closed_first = AUDIT_SIDE_CLIENT;
		tunnel_close(t, REASON_CLIENT_ABANDONED);
		return;
	}
	if (len == 0)
		return;
	error = len < 0 ? len : consume(t, buf, (size_t)len);
	if (error != 0) {
		refuse(t, error);
		return;
	}
	t->proxy = t->client_addr;
	if (!header.local && header.source.family != 0)
		t->client_addr = header.source;
	tunnel_hello_start(t);
	if (t->phase == PHASE_HELLO)
		tunnel_run(t);
}

void
tunnel_proxy_expire(struct tunnel *t)
{
	refuse(t, -ETIMEDOUT);
}

/* Where the client came to; family 0 where the kernel does not tell. */
static struct addr
local_addr(const struct tunnel *t)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr addr = { 0 };

	if (getsockname(t->client.lfd.fd, (struct sockaddr *)&ss, &len) == 0)
		(void)addr_from_sockaddr(&addr, (struct sockaddr *)&ss, len);
	return (addr);
}

int
tunnel_proxy_preface(struct tunnel *t)
{
	const struct conf_egress *line = t->terms->line;
	struct buffer *unsent = &t->client.unsent;
	char authority[TARGET_TEXT_SIZE];
	struct proxy_info info;

	_Static_assert(PROXY_HEADER_MAX <= BUFFER_SLACK, "fits any block");
	if (line == NULL || line->proxy_protocol == 0)
		return (0);
	if (buffer_lend(t->client.buffers, unsent) != 0)
		return (-ENOMEM);
	target_format(t->target, authority);
	info = (struct proxy_info){
		.source = t->client_addr,
		.destination = local_addr(t),
		.authority = authority,
		.tls_version = t->tls_version,
		.identity = t->identity,
		.verified = t->verified,
		.resumed = t->resumed > 0,
	};
	unsent->end =
	    proxy_format(&info, (unsigned)line->proxy_protocol, unsent->data);
	t->preface = unsent->end;
	return (0);
}
