/*
 * Whose questions these are: how many each client has under way, how many
 * places it has by TCP, and who of those that wait for one is the next.
 */
#include <stdlib.h>

#include "worker/dns/channel_state.h"

void
dns_clients_init(struct dns_channel *ch)
{
	size_t i;

	TAILQ_INIT(&ch->nobody.line); /* zeroed LISTs are empty */
	for (i = 0; i <= BOOT_FILES_DNS_TCP; i++)
		TAILQ_INIT(&ch->lines[i]);
}

/* Its numbers are those of a keyed hash. */
static size_t
bucket_of(uint64_t number)
{
	return (number % DNS_CLIENT_BUCKETS);
}

static struct dns_client *
find(const struct dns_channel *ch, uint64_t number)
{
	struct dns_client *c;

	LIST_FOREACH (c, &ch->clients[bucket_of(number)], chain) {
		if (c->number == number)
			return (c);
	}
	return (NULL);
}

/* NULL: no memory. */
static struct dns_client *
find_or_make(struct dns_channel *ch, uint64_t number)
{
	struct dns_client *c;

	if (number == 0)
		return (&ch->nobody);
	c = find(ch, number);
	if (c != NULL)
		return (c);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return (NULL);
	c->number = number;
	TAILQ_INIT(&c->line);
	LIST_INSERT_HEAD(&ch->clients[bucket_of(number)], c, chain);
	return (c);
}

static void
lose(struct dns_channel *ch, struct dns_client *c)
{
	if (--c->questions != 0 || c == &ch->nobody)
		return;
	LIST_REMOVE(c, chain);
	free(c);
}

size_t
dns_clients_questions(const struct dns_channel *ch, uint64_t number)
{
	const struct dns_client *c =
	    number == 0 ? &ch->nobody : find(ch, number);

	return (c == NULL ? 0 : c->questions);
}

void
dns_clients_add(struct dns_question *q)
{
	struct dns_channel *ch = q->set->channel;

	q->who = find_or_make(ch, q->client);
	if (q->who == NULL)
		q->who = &ch->nobody;
	q->who->questions++;
}

void
dns_clients_remove(struct dns_question *q)
{
	lose(q->set->channel, q->who);
	q->who = NULL;
}

void
dns_clients_move(struct dns_question *q, uint64_t number)
{
	struct dns_channel *ch = q->set->channel;
	struct dns_client *c = find_or_make(ch, number), *before = q->who;
	bool waits = q->in_line, holds = q->stream != NULL;

	if (c == NULL)
		return;
	c->questions++;
	if (waits)
		dns_clients_unwait(q);
	if (holds)
		dns_clients_unhold(q);
	q->who = c;
	if (waits)
		dns_clients_wait(q);
	if (holds)
		dns_clients_hold(q);
	lose(ch, before);
}

/* Whom to serve next is looked up by how many places it has. */
static void
set_places(struct dns_channel *ch, struct dns_client *c, size_t places)
{
	bool waits = !TAILQ_EMPTY(&c->line);

	if (waits)
		TAILQ_REMOVE(&ch->lines[c->places], c, waits);
	c->places = places;
	if (waits)
		TAILQ_INSERT_TAIL(&ch->lines[c->places], c, waits);
}

static void
wait_as(struct dns_question *q, bool first)
{
	struct dns_channel *ch = q->set->channel;
	struct dns_client *c = q->who;

	if (TAILQ_EMPTY(&c->line))
		TAILQ_INSERT_TAIL(&ch->lines[c->places], c, waits);
	if (first)
		TAILQ_INSERT_HEAD(&c->line, q, line);
	else
		TAILQ_INSERT_TAIL(&c->line, q, line);
	q->in_line = true;
	ch->in_line++;
}

void
dns_clients_wait(struct dns_question *q)
{
	wait_as(q, false);
}

void
dns_clients_wait_first(struct dns_question *q)
{
	wait_as(q, true);
}

void
dns_clients_unwait(struct dns_question *q)
{
	struct dns_channel *ch = q->set->channel;
	struct dns_client *c = q->who;

	TAILQ_REMOVE(&c->line, q, line);
	q->in_line = false;
	ch->in_line--;
	if (TAILQ_EMPTY(&c->line))
		TAILQ_REMOVE(&ch->lines[c->places], c, waits);
}

void
dns_clients_hold(struct dns_question *q)
{
	set_places(q->set->channel, q->who, q->who->places + 1);
}

void
dns_clients_unhold(struct dns_question *q)
{
	set_places(q->set->channel, q->who, q->who->places - 1);
}

struct dns_question *
dns_clients_next(const struct dns_channel *ch)
{
	size_t i;

	for (i = 0; i <= BOOT_FILES_DNS_TCP; i++) {
		if (!TAILQ_EMPTY(&ch->lines[i]))
			return (TAILQ_FIRST(&TAILQ_FIRST(&ch->lines[i])->line));
	}
	return (NULL);
}
