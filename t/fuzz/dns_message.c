/*
 * Answers to a question: the family's, in the first bit of the first byte;
 * whether it is cut, in the second. In front of the rest comes the header and
 * the question that it is an answer to.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const uint8_t *message, size_t len, const struct dns_key *key, bool cut)
{
	uint8_t head[DNS_MESSAGE_QUESTION_SIZE];
	struct dns_message m;
	size_t i, k, n = dns_message_head(head, message, len);

	assert(n <= len && n <= sizeof(head));
	assert(n == 0 || dns_message_head(head, head, n) == n);
	n = dns_message_complete(head, message, len, message, len);
	assert(n <= len && n <= sizeof(head));
	assert(
	    n == 0 || dns_message_complete(head, message, len, head, n) == n);
	if (dns_message_read(&m, message, len, key, cut) != 0)
		return;
	assert(m.result.naddrs <= DNS_MESSAGE_ADDRS_MAX);
	assert(m.result.addrs == m.addrs);
	assert(m.result.reason == REASON_NONE || m.result.naddrs == 0);
	assert(m.result.ttl >= 0);
	for (i = 0; i < m.result.naddrs; i++) {
		assert(m.addrs[i].family == key->family);
		assert(m.addrs[i].port == 0);
		for (k = 0; k < i; k++)
			assert(!addr_equal(&m.addrs[i], &m.addrs[k]));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t question[DNS_MESSAGE_QUESTION_SIZE], *message;
	struct dns_key key = { "db.example.com", AF_INET };
	size_t len;
	bool cut;

	if (size < 4)
		return (0);
	key.family = (data[0] & 1) != 0 ? AF_INET6 : AF_INET;
	cut = (data[0] & 2) != 0;
	check(data + 1, size - 1, &key, cut);
	len = dns_message_ask(question, &key, 1);
	message = malloc(len + size);
	if (message == NULL)
		return (0);
	memcpy(message, question, len);
	memcpy(message + len, data + 4, size - 4);
	message[2] = data[1];
	message[3] = data[2];
	message[7] = data[3];
	check(message, len + size - 4, &key, cut);
	free(message);
	return (0);
}
