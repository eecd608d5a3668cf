/* Which name servers are asked: those of the configuration, or of resolv.conf,
 * as it is at the time. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "worker/dns/channel_state.h"

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

	return (dns_set_new(ch, &loopback, 1));
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
	return (dns_set_new(ch, list->servers, list->n));
}

int
dns_list_begin(struct dns_channel *ch)
{
	const char *path = ch->terms->resolv_conf;
	struct nameserver_list list;
	int error;

	if (ch->conf->nservers != 0)
		return (dns_set_new(ch, ch->conf->servers, ch->conf->nservers));
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
void
dns_list_follow(struct dns_channel *ch)
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
