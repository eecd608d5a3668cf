/*
 * Attempts to have a question answered by one server, and probes whether it
 * answers at all. An attempt outlives its try: an answer that comes late is
 * heeded while the question is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

#define CLASS_IN 1

struct dns_attempt {
	struct dns_asker *asker;
	struct dns_question *question; /* NULL: nobody wants it any more */
	unsigned number;	       /* of the question's try */
	int family;
	int64_t until; /* what comes then comes late */
	LIST_ENTRY(dns_attempt) link;
};

static struct dns_channel *
channel_of(const struct dns_asker *asker)
{
	return (asker->server->set->channel);
}

/* What a status says that came without an answer. */
static const char *
explain(const struct dns_asker *asker, int status)
{
	switch (status) {
	case ARES_ECONNREFUSED: /* whatever kept it from being asked */
		if (asker->error == ECONNREFUSED)
			return ("nobody listens there (Connection refused)");
		if (asker->error != 0)
			return (strerrordesc_np(asker->error));
		/* FALLTHROUGH */
	default:
		return (ares_strerror(status));
	}
}

static bool
is_end(int status)
{
	return (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED);
}

/* What it means for the server. That it answers late is no better than that it
 * does not: the next question would wait for it in vain. */
static void
tell_server(const struct dns_attempt *a, int status, bool answer)
{
	struct dns_asker *asker = a->asker;

	if (answer && loop_now(channel_of(asker)->loop) <= a->until)
		dns_server_heard(asker->server, a->family);
	else if (!answer && status == ARES_ECONNREFUSED &&
		 asker->error == ECONNREFUSED && !asker->former)
		dns_server_refused(asker->server);
}

static void
tell_question(const struct dns_attempt *a, int status, bool answer)
{
	static const struct dns_result not_found = {
		.reason = REASON_DNS_NOT_FOUND,
	};
	const struct dns_asker *asker = a->asker;
	struct dns_question *q = a->question;

	q->no_memory = q->no_memory || status == ARES_ENOMEM;
	if (!answer && dns_error_shortage(asker->error))
		q->shortage = true;
	if (answer)
		q->course->answered(q, a->number, asker->message,
		    asker->message_len, asker->edns ? DNS_BY_EDNS : DNS_BY_UDP);
	else if (status == ARES_ENOTFOUND)
		/* RFC 7686: nobody is asked for what is below onion. */
		q->course->end(q, &not_found);
	else if (status == ARES_ETIMEOUT)
		q->course->unanswered(q, a->number);
	else
		q->course->failed(q, a->number, explain(asker, status));
}

static void
attempt_cb(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	const struct dns_attempt a = *(struct dns_attempt *)arg;

	a.asker->awaited--;
	a.asker->ended++;
	if (a.question != NULL) {
		a.asker->wanted--;
		LIST_REMOVE((struct dns_attempt *)arg, link);
	}
	free(arg);
	if (!is_end(status))
		tell_server(&a, status, bytes != NULL);
	if (a.question != NULL && is_end(status))
		a.question->course->end(a.question, NULL);
	else if (a.question != NULL)
		tell_question(&a, status, bytes != NULL);
}

static void
probe_cb(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct dns_asker *asker = arg;
	struct dns_server *server = asker->server;

	asker->awaited--;
	asker->wanted--;
	asker->ended++;
	server->probing = false;
	if (bytes != NULL &&
	    loop_now(channel_of(asker)->loop) <= server->probe_until)
		dns_server_heard(server, server->probed);
}

static void
ask(struct dns_asker *asker, const struct dns_key *key, ares_callback cb,
    void *arg)
{
	asker->awaited++;
	asker->wanted++;
	asker->worn++;
	dns_server_asked(asker->server);
	dns_watch_arm(asker, asker->timeout + CLOCK_MSEC);
	ares_query(asker->ares, key->name, CLASS_IN,
	    (int)dns_message_type(key->family), cb, arg);
}

int
dns_attempt_ask(struct dns_asker *asker, struct dns_question *q)
{
	struct dns_attempt *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return (-ENOMEM);
	*a = (struct dns_attempt){
		.asker = asker,
		.question = q,
		.number = q->tries,
		.family = q->key.family,
		.until = q->until,
	};
	LIST_INSERT_HEAD(&q->attempts, a, link);
	ask(asker, &q->key, attempt_cb, a);
	return (0);
}

void
dns_attempt_probe(struct dns_asker *asker, const struct dns_key *key)
{
	struct dns_server *server = asker->server;

	server->probing = true;
	server->probed = key->family;
	server->probe_until =
	    loop_now(channel_of(asker)->loop) + asker->patience;
	ask(asker, key, probe_cb, asker);
}

void
dns_attempt_unheard(struct dns_question *q)
{
	struct dns_attempt *a = LIST_FIRST(&q->attempts);

	if (a == NULL || a->number != q->tries)
		return;
	a->asker->unheard = true;
	if (a->asker->deaf)
		q->shortage = true;
	else if (!a->asker->former)
		dns_server_unheard(a->asker->server, a->family);
}

void
dns_attempt_forget_all(struct dns_question *q)
{
	struct dns_attempt *a;

	while ((a = LIST_FIRST(&q->attempts)) != NULL) {
		LIST_REMOVE(a, link);
		a->question = NULL;
		a->asker->wanted--;
	}
}
