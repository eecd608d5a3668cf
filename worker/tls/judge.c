/* Takes apart what is to be judged, and counts what it finds. */
#include "worker/tls/judge.h"

#include "worker/tls/certificates.h"

/* How deep elements are nested in extensions. In name constraints and
 * distribution points a directory name is 9 deep. */
#define DEPTH_MAX 16

bool
judge_refuse(struct judge *j, const char *why)
{
	if (j->why == NULL)
		j->why = why;
	return (false);
}

void
judge_distrust(struct judge *j, const char *text)
{
	if (j->improper == NULL)
		j->improper = text;
}

_Static_assert(CERTIFICATES_ELEMENTS_MAX == 4096, "as the text says");

bool
judge_count(struct judge *j)
{
	if (++j->elements <= CERTIFICATES_ELEMENTS_MAX)
		return (true);
	return (judge_refuse(j, "the chain has more than 4096 DER elements"));
}

bool
judge_take_any(
    struct judge *j, struct der *rest, uint8_t *tag, struct der *body)
{
	if (!der_take(rest, tag, body))
		return (judge_refuse(j, JUDGE_MALFORMED));
	return (judge_count(j));
}

bool
judge_take(struct judge *j, struct der *rest, uint8_t tag, struct der *body)
{
	uint8_t found;

	if (!judge_take_any(j, rest, &found, body))
		return (false);
	return (found == tag || judge_refuse(j, JUDGE_MALFORMED));
}

bool
judge_at_end(struct judge *j, const struct der *rest)
{
	return (rest->len == 0 || judge_refuse(j, JUDGE_MALFORMED));
}

/* Of the universal types (X.690 sections 8.2, 8.9 to 8.12, 10.2, 11.1). */
static bool
is_strict(uint8_t tag, struct der body)
{
	switch (tag) {
	case DER_BOOLEAN:
		return (body.len == 1 &&
			(body.at[0] == 0 || body.at[0] == DER_TRUE));
	case DER_SEQUENCE:
	case DER_SET:
	case DER_EXTERNAL:
	case DER_EMBEDDED:
		return (true);
	case DER_SEQUENCE & ~DER_CONSTRUCTED:
	case DER_SET & ~DER_CONSTRUCTED:
	case DER_EXTERNAL & ~DER_CONSTRUCTED:
	case DER_EMBEDDED & ~DER_CONSTRUCTED:
		return (false);
	default:
		return ((tag & DER_CLASS) != 0 || (tag & DER_CONSTRUCTED) == 0);
	}
}

static bool
walk(struct judge *j, struct der in, unsigned depth)
{
	struct der body;
	uint8_t tag;

	if (depth > DEPTH_MAX)
		return (judge_refuse(
		    j, "an extension of a certificate is nested too deeply"));
	while (in.len > 0) {
		if (!judge_take_any(j, &in, &tag, &body))
			return (false);
		if (!is_strict(tag, body))
			judge_distrust(j, JUDGE_NOT_DER);
		if ((tag & DER_CONSTRUCTED) != 0 && !walk(j, body, depth + 1))
			return (false);
	}
	return (true);
}

bool
judge_walk(struct judge *j, struct der in)
{
	return (walk(j, in, 1));
}

bool
judge_part(struct judge *j, struct der *rest, uint8_t tag)
{
	struct der body;

	if (!judge_take(j, rest, tag, &body))
		return (false);
	return ((tag & DER_CONSTRUCTED) == 0 || judge_walk(j, body));
}

bool
judge_take_vector(
    struct judge *j, struct der *rest, unsigned bytes, struct der *body)
{
	size_t len = 0;
	unsigned i;

	if (rest->len < bytes)
		return (judge_refuse(j, JUDGE_MALFORMED));
	for (i = 0; i < bytes; i++)
		len = len << 8 | rest->at[i];
	rest->at += bytes;
	rest->len -= bytes;
	if (len > rest->len)
		return (judge_refuse(j, JUDGE_MALFORMED));
	*body = (struct der){ rest->at, len };
	*rest = (struct der){ rest->at + len, rest->len - len };
	return (true);
}
