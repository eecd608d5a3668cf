/* The phase in which a trusted proxy's header is not complete. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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
	tunnel_blame(t, REASON_PROXY_HEADER, strerrordesc_np(-error));
	tunnel_close(t, REASON_PROXY_HEADER);
}

/* Peeks, since the ClientHello that follows must stay where it is. */
static void
run(struct tunnel *t)
{
	uint8_t buf[PROXY_HEADER_MAX];
	struct proxy_header header;
	ssize_t n = recv(t->client.lfd.fd, buf, sizeof(buf), MSG_PEEK);
	int len, error;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		t->facts->silent = false;
	len = n > 0 ? proxy_parse(&header, buf, (size_t)n) : 0;
	/* What was peeked at before its end will not become more. */
	if (n <= 0 || (len == 0 && t->client.hangup)) {
		t->facts->closed_first = FACTS_SIDE_CLIENT;
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
	t->facts->proxy = t->facts->client;
	if (!header.local && header.source.family != 0)
		t->facts->client = header.source;
	if (tunnel_hello(t))
		tunnel_heard(t);
}

static int64_t
deadline(const struct tunnel *t)
{
	return (t->facts->accepted + tunnel_timeouts(t)->client_hello);
}

static void
expire(struct tunnel *t)
{
	refuse(t, -ETIMEDOUT);
}

static const struct tunnel_state proxying = {
	.run = run,
	.deadline = deadline,
	.expire = expire,
};

void
tunnel_proxy(struct tunnel *t)
{
	t->facts->silent = true;
	tunnel_enter(t, &proxying);
}
