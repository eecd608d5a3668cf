/* The name servers that are asked, as the configuration or resolv.conf names
 * them, and the questions to them. */
#include "worker/dns/channel.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/hash.h"
#include "worker/dns/channel_state.h"
#include "worker/dns/memory.h"

#define DNS_PORT 53 /* left out where a server is named */

/* Far more than any of them has. */
#define RESOLV_CONF_MAX (64 * 1024)

/* Which file is there now. 0 or -errno. */
static int
identify(struct dns_file_id *id, const char *path)
{
	struct stat st;
	int error = 0, fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1)
		return (-errno);
	if (fstat(fd, &st) == -1)
		error = -errno;
	else
		*id = (struct dns_file_id){ st.st_dev, st.st_ino, st.st_size,
			st.st_mtim };
	fd_close(&fd);
	return (error);
}

static bool
file_id_equal(const struct dns_file_id *a, const struct dns_file_id *b)
{
	return (a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
		a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec);
}

/* sets of name servers */

static void
set_free(struct dns_set *set)
{
	struct dns_asker *asker;
	size_t i;

	for (i = 0; i < set->n; i++)
		dns_choice_fini(&set->servers[i]);
	while ((asker = LIST_FIRST(&set->former)) != NULL) {
		LIST_REMOVE(asker, link);
		set->channel->former--;
		dns_asker_free(asker);
	}
	LIST_REMOVE(set, link);
	free(set);
}

/* From their texts, each of which ends with a NUL. */
static uint64_t
number_of(const struct dns_set *set)
{
	static const struct hash_key key; /* for other processes as well */
	uint64_t number = set->n;
	char text[sizeof(number) + NAMESERVER_TEXT_SIZE];
	size_t i;

	for (i = 0; i < set->n; i++) {
		memset(text, 0, sizeof(text));
		memcpy(text, &number, sizeof(number));
		strcpy(text + sizeof(number), set->servers[i].text);
		number = hash_bytes(&key, text, sizeof(text));
	}
	return (number);
}

/* Whom new questions are put to. 0 or -ENOMEM (as before). */
static int
set_new(struct dns_channel *ch, const struct nameserver *servers, size_t n)
{
	struct dns_set *set =
	    calloc(1, sizeof(*set) + n * sizeof(set->servers[0]));
	size_t i;

	if (set == NULL)
		return (-ENOMEM);
	set->channel = ch;
	set->n = n;
	LIST_INIT(&set->former);
	for (i = 0; i < n; i++) {
		set->servers[i].set = set;
		set->servers[i].where = servers[i];
		nameserver_format(&servers[i], DNS_PORT, set->servers[i].text);
	}
	set->number = number_of(set);
	LIST_INSERT_HEAD(&ch->sets, set, link);
	return (0);
}

/* Frees former askers that are idle, since it cannot be done when their last
 * answer comes, from within c-ares. */
static void
set_drop_idle(struct dns_set *set)
{
	struct dns_asker *asker = LIST_FIRST(&set->former), *next;

	for (; asker != NULL; asker = next) {
		next = LIST_NEXT(asker, link);
		if (asker->wanted != 0)
			continue;
		LIST_REMOVE(asker, link);
		set->channel->former--;
		dns_asker_free(asker);
	}
}

/* Former sets, too. */
static void
drop_idle(struct dns_channel *ch)
{
	struct dns_set *set = LIST_FIRST(&ch->sets), *next;

	set_drop_idle(set);
	for (set = LIST_NEXT(set, link); set != NULL; set = next) {
		next = LIST_NEXT(set, link);
		set_drop_idle(set);
		if (set->questions == 0)
			set_free(set);
	}
}

/* resolv.conf */

static const char *
list_error(int error)
{
	switch (error) {
	case -EDESTADDRREQ:
		return ("a link-local address without its interface");
	case -E2BIG:
		return ("one name server too many");
	default:
		return ("not an address");
	}
}

/* Says what of the file is of no use, and which servers are asked. */
static void
tell_list(struct dns_channel *ch, const struct nameserver_list *list)
{
	char text[NAMESERVERS_MAX * (NAMESERVER_TEXT_SIZE + 1)] = "";
	const char *path = ch->terms->resolv_conf;
	size_t i, len = 0;

	if (list->bad_line != 0)
		log_write(ch->log, LOG_LEVEL_WARNING,
		    "resolver: %s:%u: is ignored: %s", path, list->bad_line,
		    list_error(list->bad));
	for (i = 0; i < list->n; i++) {
		if (i != 0)
			text[len++] = ' ';
		len += nameserver_format(
		    &list->servers[i], ch->terms->port, text + len);
	}
	if (list->n == 0)
		log_write(ch->log, LOG_LEVEL_WARNING,
		    "resolver: %s names no name server; 127.0.0.1 is asked",
		    path);
	else
		log_write(ch->log, LOG_LEVEL_INFO,
		    "resolver: %s: name servers are %s", path, text);
}

/* As every resolver does where none is named. */
static int
use_loopback(struct dns_channel *ch)
{
	const struct nameserver loopback = {
		.addr = { .family = AF_INET,
		    .port = ch->terms->port,
		    .ip = { 127, 0, 0, 1 } },
	};

	return (set_new(ch, &loopback, 1));
}

/* 0, or -errno: the file cannot be read, or there is no memory. */
static int
read_file(struct dns_channel *ch, struct nameserver_list *list)
{
	char *text;
	size_t len;
	int error =
	    fd_slurp(ch->terms->resolv_conf, RESOLV_CONF_MAX, &text, &len);

	if (error != 0)
		return (error);
	nameserver_list_parse(list, text, len, ch->terms->port);
	free(text);
	return (0);
}

static int
use_list(struct dns_channel *ch, const struct nameserver_list *list)
{
	tell_list(ch, list);
	if (list->n == 0)
		return (use_loopback(ch));
	return (set_new(ch, list->servers, list->n));
}

static int
begin(struct dns_channel *ch)
{
	const char *path = ch->terms->resolv_conf;
	struct nameserver_list list;
	int error;

	if (ch->conf->nservers != 0)
		return (set_new(ch, ch->conf->servers, ch->conf->nservers));
	ch->next_check = loop_now(ch->loop) + ch->terms->interval;
	error = identify(&ch->file, path);
	if (error == 0)
		error = read_file(ch, &list);
	if (error == 0)
		error = use_list(ch, &list);
	if (error == 0 || error == -ENOMEM)
		return (error);
	log_write(ch->log, LOG_LEVEL_WARNING,
	    "resolver: %s: %s; 127.0.0.1 is asked", path, fd_slurp_text(error));
	return (use_loopback(ch));
}

/* It may be seen while it is written: one that names nobody is like none. */
static void
follow_resolv_conf(struct dns_channel *ch)
{
	int64_t now = loop_now(ch->loop);
	struct nameserver_list list;
	struct dns_file_id id;
	int error;

	if (ch->conf->nservers != 0 || now < ch->next_check)
		return;
	ch->next_check = now + ch->terms->interval;
	error = identify(&id, ch->terms->resolv_conf);
	if (error == 0 && file_id_equal(&id, &ch->file))
		return;
	if (error == 0)
		error = read_file(ch, &list);
	if (error == 0)
		error = list.n == 0 ? -ENODATA : use_list(ch, &list);
	if (error == 0)
		ch->file = id;
	else
		log_write_rate(ch->log, &ch->conf_rate, LOG_LEVEL_WARNING,
		    "resolver: %s: %s; its former name servers stay in use",
		    ch->terms->resolv_conf,
		    error == -ENODATA ? "No name server in it"
				      : fd_slurp_text(error));
}

void
dns_channel_ask(struct dns_channel *ch, struct dns_question *q)
{
	assert(!dns_channel_full(ch, q->client));
	follow_resolv_conf(ch);
	drop_idle(ch);
	q->set = LIST_FIRST(&ch->sets);
	q->set->questions++;
	ch->questions++;
	dns_question_begin(q);
}

void
dns_channel_join(
    struct dns_channel *ch, struct dns_question *q, uint64_t client)
{
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
	error = begin(ch);
	if (error != 0) {
		dns_channel_free(ch);
		return (error);
	}
	*out = ch;
	return (0);
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
		set_free(set);
	free(ch);
	ares_library_cleanup();
}
