/* What /status tells of certificates and of name servers. */
#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/tls/expiry.h"
#include "worker/admin/status.h"

/* A file's name is longer in JSON, but an answer is bounded. */
#define OBJECT_SIZE 12288

static void
put_object(struct text *out, struct json *j)
{
	size_t len = json_end(j);

	text_add(out, j->buf, len);
}

static void
put_certificate_json(const struct expiry *e, int64_t now, struct text *out)
{
	char object[OBJECT_SIZE], date[EXPIRY_DATE_SIZE];
	int64_t days = expiry_days(e, now);
	struct json j;

	json_init(&j, object, sizeof(object));
	json_string(&j, "kind", expiry_kind_name(e->kind));
	json_bool(&j, "valid", expiry_is_good(e, now));
	if (e->begins > 0)
		json_string(&j, "begins", expiry_date(date, e->begins));
	if (e->ends != EXPIRY_NEVER) {
		json_string(&j, "expires", expiry_date(date, e->ends));
		json_uint(&j, "days_left", days > 0 ? (uint64_t)days : 0);
	}
	json_uint(&j, "number", e->number);
	json_string(&j, "file", e->file);
	put_object(out, &j);
}

bool
status_put_certificate(const struct status *s, struct text *out)
{
	static const char *const what[] = {
		[EXPIRY_CHAIN] = "certificate",
		[EXPIRY_CLIENT_CA] = "authority",
		[EXPIRY_CRL] = "revocation list",
	};
	int64_t now = clock_wall() / CLOCK_SEC;
	char text[EXPIRY_TEXT_SIZE];
	const struct expiry *e;

	if (s->row >= s->expiries->n)
		return (false);
	e = &s->expiries->list[s->row];
	if (s->json)
		put_certificate_json(e, now, out);
	else
		text_put(out, "tls:        %s: %s %u %s\n", e->file,
		    what[e->kind], e->number,
		    e->ends == EXPIRY_NEVER ? "does not expire"
					    : expiry_text(text, e, now));
	return (true);
}

static unsigned
all_workers(const struct nameserver_seen *seen)
{
	unsigned n = 0, state;

	for (state = 0; state < SERVERS_STATES; state++)
		n += seen->workers[state];
	return (n);
}

static void
put_nameserver_json(const struct nameserver_seen *seen, struct text *out)
{
	char object[OBJECT_SIZE];
	struct json j;

	json_init(&j, object, sizeof(object));
	json_string(&j, "server", seen->text);
	json_string(&j, "state", servers_state_name(nameserver_state(seen)));
	json_uint(&j, "workers", all_workers(seen));
	json_uint(&j, "workers_answered", seen->workers[SERVERS_ANSWERS]);
	json_uint(&j, "asked", seen->asked);
	json_uint(&j, "unanswered", seen->unanswered);
	put_object(out, &j);
}

static void
put_nameserver_text(const struct nameserver_seen *seen, struct text *out)
{
	static const char *const says[] = {
		[SERVERS_ANSWERS] = "answers",
		[SERVERS_SILENT_TO_IPV4] = "does not answer questions for IPv4 "
					   "addresses (A)",
		[SERVERS_SILENT_TO_IPV6] = "does not answer questions for IPv6 "
					   "addresses (AAAA)",
		[SERVERS_SILENT] = "does not answer",
	};
	unsigned good = seen->workers[SERVERS_ANSWERS], n = all_workers(seen);

	text_put(
	    out, "dns:        %s %s", seen->text, says[nameserver_state(seen)]);
	if (good > 0 && good < n)
		text_put(out, " (to %u of %u workers)", n - good, n);
	text_put(out,
	    "; %" PRIu64 " questions, %" PRIu64 " of them unanswered\n",
	    seen->asked, seen->unanswered);
}

bool
status_put_nameserver(const struct status *s, struct text *out)
{
	const struct nameserver_seen *seen;

	if (s->row >= s->nnameservers)
		return (false);
	seen = &s->nameservers[s->row];
	if (s->json)
		put_nameserver_json(seen, out);
	else
		put_nameserver_text(seen, out);
	return (true);
}
