/* The course of a question: from server to server, until one answers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

static const char no_answer[] = "no answer";

/* With a NUL. */
#define MORE_SIZE sizeof("; and 255 more")

static struct dns_channel *
channel_of(const struct dns_question *q)
{
	return (q->set->channel);
}

/* Whom it is put to, or was put to last. */
static struct dns_server *
server_of(const struct dns_question *q, unsigned tries)
{
	return (&q->set->servers[q->order[tries % q->set->n]]);
}

/* What it said first to a try; any word is truer than that it was silent. */
static const char **
word_of(struct dns_question *q, unsigned number)
{
	return (&q->words[(number - 1) % q->set->n]);
}

/* Is this of a try that is over? */
static bool
is_late(const struct dns_question *q, unsigned number)
{
	return (number != q->tries || q->is_due);
}

/* Not at once: we may be within c-ares. */
static void
go_on_later(struct dns_question *q)
{
	struct dns_channel *ch = channel_of(q);

	timer_cancel(loop_timers(ch->loop), &q->timer);
	TAILQ_INSERT_TAIL(&ch->due, q, due);
	q->is_due = true;
	ch->ndue++;
	loop_defer(ch->loop, &ch->task);
}

static void
leave_due(struct dns_question *q)
{
	struct dns_channel *ch = channel_of(q);

	TAILQ_REMOVE(&ch->due, q, due);
	q->is_due = false;
	ch->ndue--;
}

/* A late answer may come wherever the question is. */
void
dns_question_end(struct dns_question *q, const struct dns_result *result)
{
	if (q->stream != NULL)
		dns_stream_free(q->stream);
	if (q->in_line)
		dns_places_leave(q);
	if (q->is_due)
		leave_due(q);
	timer_cancel(loop_timers(channel_of(q)->loop), &q->timer);
	dns_attempt_forget_all(q);
	dns_clients_remove(q);
	q->set->questions--;
	q->set->channel->questions--;
	q->set = NULL;
	q->cb(q, result);
}

/* As many of the servers as there is room for, in the order in which they were
 * asked, and how many more there are. */
static void
write_said(const struct dns_question *q, char said[DNS_SAID_SIZE])
{
	char text[DNS_SAID_SIZE];
	size_t len = 0, i, told = 0;
	int n;

	said[0] = '\0';
	for (i = 0; i < q->set->n && q->words[i] != NULL; i++) {
		n = snprintf(text, sizeof(text), "%s%s: %s", i == 0 ? "" : "; ",
		    server_of(q, (unsigned)i)->text, q->words[i]);
		if (n < 0 || len + (size_t)n + MORE_SIZE > DNS_SAID_SIZE)
			continue;
		memcpy(said + len, text, (size_t)n + 1);
		len += (size_t)n;
		told++;
	}
	if (told < i)
		snprintf(said + len, MORE_SIZE, "; and %u more",
		    (unsigned)(i - told) & 0xff);
}

/* All tries are over. One server that says that it fails tells more than all
 * that are silent. */
static void
give_up(struct dns_question *q)
{
	char said[DNS_SAID_SIZE];
	struct dns_result result = {
		.reason = q->failed ? REASON_DNS_FAILED : REASON_DNS_TIMEOUT,
		.detail = said,
		.shortage = q->shortage || q->no_memory,
	};

	write_said(q, said);
	if (q->no_memory)
		result.reason = REASON_NO_MEMORY;
	dns_question_end(q, &result);
}

static void
failed(struct dns_question *q, unsigned number, const char *said)
{
	const char **word = word_of(q, number);

	q->failed = true;
	if (*word == NULL || *word == no_answer)
		*word = said;
	if (is_late(q, number))
		return;
	q->until = 0;
	go_on_later(q);
}

static void
timed_out(struct dns_question *q)
{
	const char **word = word_of(q, q->tries);

	dns_attempt_unheard(q);
	q->until = 0;
	if (*word == NULL)
		*word = no_answer;
	go_on_later(q);
}

/* The server is asked once more where c-ares has no patience until the time is
 * over. By the clock as c-ares reads it: in a long turn loop_now() is far
 * behind. */
static void
unanswered(struct dns_question *q, unsigned number)
{
	if (is_late(q, number))
		return;
	if (clock_now() >= q->until) {
		timed_out(q);
		return;
	}
	q->tries--;
	go_on_later(q);
}

static const char *
rcode_text(unsigned rcode)
{
	switch (rcode) {
	case DNS_RCODE_FORMERR:
		return ("FORMERR");
	case DNS_RCODE_SERVFAIL:
		return ("SERVFAIL");
	case DNS_RCODE_NOTIMP:
		return ("NOTIMP");
	case DNS_RCODE_REFUSED:
		return ("REFUSED");
	case DNS_RCODE_BADVERS:
		return ("BADVERS");
	default:
		return ("an error code of DNS that is not known here");
	}
}

/* Some say so of a question with EDNS who answer one without. */
static bool
dislikes_edns(unsigned rcode)
{
	return (rcode == DNS_RCODE_FORMERR || rcode == DNS_RCODE_NOTIMP ||
		rcode == DNS_RCODE_BADVERS);
}

static void
ask_without_edns(struct dns_question *q, unsigned number)
{
	dns_server_plain(server_of(q, number - 1));
	if (is_late(q, number))
		return;
	q->tries--;
	go_on_later(q);
}

/* Not where that comes late: whoever is asked now may know more. */
static void
ask_by_tcp(struct dns_question *q, unsigned number)
{
	if (is_late(q, number))
		return;
	timer_cancel(loop_timers(channel_of(q)->loop), &q->timer);
	dns_places_ask(q, server_of(q, number - 1));
}

/*
 * What is truncated and has addresses is as good as a whole answer: nobody
 * dials more than a few of them. One that has none is asked for by TCP, and
 * says nothing of the name if that is no better.
 */
static void
take_answer(struct dns_question *q, unsigned number,
    const struct dns_message *m, bool cut, enum dns_way way)
{
	if (way == DNS_BY_EDNS && dislikes_edns(m->rcode))
		ask_without_edns(q, number);
	else if (m->rcode != DNS_RCODE_NONE && m->rcode != DNS_RCODE_NXDOMAIN)
		failed(q, number, rcode_text(m->rcode));
	else if (m->result.naddrs != 0)
		dns_question_end(q, &m->result);
	else if (m->truncated && way != DNS_BY_TCP)
		ask_by_tcp(q, number);
	else if ((m->truncated || cut) && m->rcode == DNS_RCODE_NONE)
		failed(q, number, "truncated answer without an address");
	else
		dns_question_end(q, &m->result);
}

static void
answered(struct dns_question *q, unsigned number, const uint8_t *bytes,
    size_t len, enum dns_way way)
{
	bool cut = way == DNS_BY_TCP && len >= DNS_TCP_MAX;
	struct dns_message m;

	if (dns_message_read(&m, bytes, len, &q->key, cut) != 0)
		failed(q, number, "malformed answer");
	else
		take_answer(q, number, &m, cut, way);
}

static const struct dns_course course = {
	.answered = answered,
	.failed = failed,
	.unanswered = unanswered,
	.end = dns_question_end,
};

static void
timer_cb(struct timer *timer)
{
	struct dns_question *q =
	    container_of(timer, struct dns_question, timer);

	if (q->in_line)
		dns_places_give_up(q);
	else
		timed_out(q);
}

static void
arm(struct dns_question *q, const struct dns_asker *asker)
{
	struct loop *loop = channel_of(q)->loop;

	if (q->until <= loop_now(loop)) /* else it is one more part of a try */
		q->until = loop_now(loop) + asker->patience;
	timer_arm(loop_timers(loop), &q->timer, q->until);
}

static size_t
tries_of(const struct dns_question *q)
{
	return (q->set->n * (size_t)channel_of(q)->conf->tries);
}

void
dns_question_join(struct dns_question *q)
{
	if (q->tries >= tries_of(q))
		q->joined = true;
}

/* A server that fails has said so but now. */
static bool
is_over(const struct dns_question *q)
{
	bool more = q->joined && !q->failed;

	return (q->tries >= tries_of(q) + (more ? q->set->n : 0));
}

/* One more try; the first of each server by its first asker. */
static void
try(struct dns_question *q)
{
	size_t n = q->set->n;
	struct dns_server *server;
	struct dns_asker *asker;
	int error;

	if (is_over(q)) {
		give_up(q);
		return;
	}
	server = server_of(q, q->tries);
	asker = dns_choice_asker(server, q->tries >= n, &error);
	q->tries++;
	if (asker != NULL) {
		arm(q, asker);
		error = dns_attempt_ask(asker, q);
	}
	if (error != 0) {
		q->shortage = q->shortage || dns_error_shortage(-error);
		failed(q, q->tries, strerrordesc_np(-error));
	}
}

void
dns_question_begin(struct dns_question *q)
{
	q->tries = 0;
	q->until = 0;
	q->failed = q->no_memory = q->shortage = q->joined = false;
	memset(q->words, 0, sizeof(q->words));
	LIST_INIT(&q->attempts);
	q->stream = NULL;
	q->in_line = q->is_due = false;
	timer_init(&q->timer, timer_cb);
	q->course = &course;
	dns_clients_add(q);
	dns_choice_order(q);
	try(q);
}

/* Those that fail at once meanwhile have the next turn. */
void
dns_question_task(struct loop_task *task)
{
	struct dns_channel *ch = container_of(task, struct dns_channel, task);
	struct dns_question *q;
	size_t n = ch->ndue;

	for (; n > 0 && (q = TAILQ_FIRST(&ch->due)) != NULL; n--) {
		leave_due(q);
		try(q);
	}
}
