#include "worker/dns_channel.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/fd.h"
#include "worker/dns_channel_servers.h"
#include "worker/dns_memory.h"

/* Opened, since c-ares takes 127.0.0.1 for its server, and says nothing,
 * where it may not read the file. 0 or -errno. */
static int
identify(struct dns_file_id *id, const char *path)
{
	struct stat st;
	int error = 0, fd = open(path, O_RDONLY | O_CLOEXEC);

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

/* Of what resolv.conf says c-ares takes the rest, if it may read it. */
static void
begin_resolv_conf(struct dns_channel *ch)
{
	const char *path = ch->resolv_conf->path;
	int error;

	if (ch->conf->nservers != 0)
		return;
	error = identify(&ch->file, path);
	if (error != 0)
		log_write(ch->log, LOG_LEVEL_WARNING,
		    "resolver: %s: %s; 127.0.0.1 is asked", path,
		    strerror(-error));
	ch->next_check = loop_now(ch->loop) + ch->resolv_conf->interval;
}

/* Another resolv.conf means c-ares anew: 1.18 has no ares_reinit(). */
static void
follow_resolv_conf(struct dns_channel *ch)
{
	const char *path = ch->resolv_conf->path;
	int64_t now = loop_now(ch->loop);
	struct dns_file_id id;
	int error;

	if (ch->conf->nservers != 0 || now < ch->next_check)
		return;
	ch->next_check = now + ch->resolv_conf->interval;
	error = identify(&id, path);
	if (error == 0 && file_id_equal(&id, &ch->file))
		return;
	if (error == 0)
		error = dns_servers_new(ch);
	if (error != 0) {
		log_write_rate(ch->log, &ch->conf_rate, LOG_LEVEL_WARNING,
		    "resolver: %s: %s; its former name servers stay in use",
		    path, strerror(-error));
		return;
	}
	ch->file = id;
	log_write(ch->log, LOG_LEVEL_INFO,
	    "resolver: %s changed, its name servers are used from now on",
	    path);
}

/* Frees former servers that are idle. Here, since it cannot be done when
 * their last answer comes, from within c-ares. */
static void
drop_idle_servers(struct dns_channel *ch)
{
	struct dns_servers *sv = LIST_NEXT(LIST_FIRST(&ch->list), link), *next;

	for (; sv != NULL; sv = next) {
		next = LIST_NEXT(sv, link);
		if (sv->questions == 0)
			dns_servers_free(sv);
	}
}

void
dns_channel_ask(struct dns_channel *ch, struct dns_question *q)
{
	assert(!dns_channel_full(ch));
	follow_resolv_conf(ch);
	drop_idle_servers(ch);
	dns_servers_ask(LIST_FIRST(&ch->list), q);
}

bool
dns_channel_full(const struct dns_channel *ch)
{
	return (ch->questions >= DNS_CHANNEL_QUESTIONS_MAX);
}

size_t
dns_channel_count(const struct dns_channel *ch)
{
	const struct dns_servers *sv;
	size_t n = 0;

	LIST_FOREACH (sv, &ch->list, link)
		n++;
	return (n);
}

int
dns_channel_new(struct dns_channel **out, struct loop *loop,
    const struct conf_dns *conf, const struct dns_resolv_conf *resolv_conf,
    struct log *log)
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
	ch->resolv_conf = resolv_conf;
	ch->log = log;
	begin_resolv_conf(ch);
	error = dns_servers_new(ch);
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
	struct dns_servers *sv;

	if (ch == NULL)
		return;
	while ((sv = LIST_FIRST(&ch->list)) != NULL)
		dns_servers_free(sv);
	free(ch);
	ares_library_cleanup();
}
