/* The PROXY header that an egress line asks for, before the client's bytes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/conf/conf.h"
#include "common/net/proxy.h"
#include "worker/tunnel/state.h"

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

/* A word for the header, as a string; NULL where it is not known, or was cut
 * and is more than a header would bear. */
static const char *
header_string(struct piece word, char buf[PROXY_STRING_MAX + 1])
{
	if (word.s == NULL || word.len > PROXY_STRING_MAX)
		return (NULL);
	memcpy(buf, word.s, word.len);
	buf[word.len] = '\0';
	return (buf);
}

int
tunnel_preface(struct tunnel *t)
{
	const struct conf_egress *egress = t->terms->egress_line;
	const struct tunnel_facts *f = t->facts;
	struct buffer *pending = &t->client.pending;
	char authority[TARGET_TEXT_SIZE], identity[PROXY_STRING_MAX + 1];
	struct piece words[FACTS_WORDS];
	uint8_t buf[FACTS_TEXT_MAX];
	struct proxy_info info;

	_Static_assert(PROXY_HEADER_MAX <= BUFFER_SLACK, "fits any block");
	if (egress == NULL || egress->proxy_protocol == 0)
		return (0);
	if (buffer_lend(t->client.buffers, pending) != 0)
		return (-ENOMEM);
	(void)tunnel_words(t, buf, words);
	facts_format_target(f, words[FACTS_HOST], authority);
	info = (struct proxy_info){
		.source = f->client,
		.destination = local_addr(t),
		.authority = authority,
		.tls_version = facts_tls_version(f->tls_version),
		.identity = header_string(words[FACTS_IDENTITY], identity),
		.verified = t->verified,
		.resumed = f->resumed > 0,
	};
	pending->end = proxy_format(
	    &info, (unsigned)egress->proxy_protocol, pending->data);
	t->preface = pending->end;
	return (0);
}
