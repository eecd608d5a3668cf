/* Takes apart DER, in which each value has one encoding. */
#include "worker/tls/der.h"

#include <string.h>

#define TAG_NUMBER 0x1f

/* The bytes that a long length may have: no handshake message is longer. */
#define LENGTH_BYTES_MAX 3

static bool
take_length(struct der *rest, size_t *len)
{
	size_t i, n;

	if (rest->len == 0)
		return (false);
	*len = rest->at[0];
	n = *len < 0x80 ? 0 : *len - 0x80;
	rest->at++;
	rest->len--;
	if (*len < 0x80)
		return (true);
	/* 0 bytes stand for an indefinite length, which BER alone has. */
	if (n == 0 || n > LENGTH_BYTES_MAX || n > rest->len || rest->at[0] == 0)
		return (false);
	for (*len = 0, i = 0; i < n; i++)
		*len = *len << 8 | rest->at[i];
	rest->at += n;
	rest->len -= n;
	return (*len >= 0x80);
}

bool
der_take(struct der *rest, uint8_t *tag, struct der *body)
{
	struct der in = *rest;
	size_t len;

	if (in.len == 0 || (in.at[0] & TAG_NUMBER) == TAG_NUMBER)
		return (false);
	*tag = in.at[0];
	in.at++;
	in.len--;
	if (!take_length(&in, &len) || len > in.len)
		return (false);
	*body = (struct der){ in.at, len };
	*rest = (struct der){ in.at + len, in.len - len };
	return (true);
}

bool
der_next_is(const struct der *rest, uint8_t tag)
{
	return (rest->len > 0 && rest->at[0] == tag);
}

bool
der_is_oid(struct der d, const struct der_oid *oid)
{
	return (d.len == oid->len && memcmp(d.at, oid->bytes, d.len) == 0);
}

bool
der_is_among(struct der d, const struct der_oid *oids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (der_is_oid(d, &oids[i]))
			return (true);
	return (false);
}

bool
der_equal(struct der a, struct der b)
{
	return (
	    a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0));
}
