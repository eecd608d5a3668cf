/* Questions to name servers, from first to last. */
#include "worker/dns/channel.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "worker/dns/channel_state.h"
#include "worker/dns/memory.h"

void
dns_channel_ask(struct dns_channel *ch, struct dns_question *q)
{
	assert(!dns_channel_full(ch, q->client));
	dns_list_follow(ch);
	dns_set_drop_idle(ch);
	q->set = LIST_FIRST(&ch->sets);
	q->set->questions++;
	ch->questions++;
	dns_question_begin(q);
}

void
dns_channel_join(
    struct dns_channel *ch, struct dns_question *q, uint64_t client)
{
	dns_question_join(q);
	if (dns_clients_questions(ch, client) + 1 >= q->who->questions)
		return;
	dns_clients_move(q, client);
	if (q->in_line)
		loop_defer(ch->loop, &ch->places_task);
}

bool
dns_channel_full(const struct dns_channel *ch, uint64_t client)
{
	size_t left = DNS_CHANNEL_QUESTIONS_MAX - ch->questions;

	return (left == 0 ||
		(client != 0 && dns_clients_questions(ch, client) >= left));
}

uint64_t
dns_channel_servers(const struct dns_channel *ch)
{
	return (LIST_FIRST(&ch->sets)->number);
}

size_t
dns_channel_count(const struct dns_channel *ch)
{
	const struct dns_set *set;
	size_t n = 0;

	LIST_FOREACH (set, &ch->sets, link)
		n++;
	return (n);
}

int
dns_channel_new(struct dns_channel **out, struct loop *loop,
    const struct conf_dns *conf, const struct dns_terms *terms, struct log *log)
{
	struct dns_channel *ch;
	int error;

	if (ares_library_init_mem(ARES_LIB_INIT_ALL, dns_memory_get,
		dns_memory_free, dns_memory_resize) != ARES_SUCCESS)
		return (-ENOMEM);
	ch = calloc(1, sizeof(*ch)); /* a zeroed LIST is empty */
	if (ch == NULL) {
		ares_library_cleanup();
		return (-ENOMEM);
	}
	ch->loop = loop;
	ch->conf = conf;
	ch->terms = terms;
	ch->log = log;
	ch->task.cb = dns_question_task;
	ch->places_task.cb = dns_places_task;
	timer_init(&ch->places_timer, dns_places_timer);
	TAILQ_INIT(&ch->streams);
	dns_clients_init(ch);
	TAILQ_INIT(&ch->due);
	error = dns_list_begin(ch);
	if (error != 0) {
		dns_channel_free(ch);
		return (error);
	}
	*out = ch;
	return (0);
}

void
dns_channel_publish(struct dns_channel *ch, struct servers *published)
{
	ch->published = published;
	dns_set_publish(ch);
}

void
dns_channel_free(struct dns_channel *ch)
{
	struct dns_question *q;
	struct dns_set *set;

	if (ch == NULL)
		return;
	loop_undefer(ch->loop, &ch->task);
	while ((q = TAILQ_FIRST(&ch->due)) != NULL)
		dns_question_end(q, NULL);
	dns_places_abort_all(ch);
	dns_stream_abort_all(ch);
	loop_undefer(ch->loop, &ch->places_task);
	while ((set = LIST_FIRST(&ch->sets)) != NULL)
		dns_set_free(set);
	free(ch);
	ares_library_cleanup();
}
