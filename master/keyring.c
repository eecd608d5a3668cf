/* Draws the keys of session tickets, follows their age, and wipes them. */
#include "master/keyring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/shm/ticket_keys.h"
#include "master/codec.h"
#include "master/findings.h"
#include "master/ticket_file.h"

/*
 * In the life of a ticket there are so many keys, but none seals for longer
 * than half a day. So the longest life, of 7 days, needs 15 at once.
 */
#define KEYS_PER_LIFE 4
#define PERIOD_MIN    (1 * CLOCK_SEC)
#define PERIOD_MAX    (12 * 3600 * CLOCK_SEC)

/* When there was no chance to be had. */
#define RETRY_AFTER (60 * CLOCK_SEC)

/* Beyond timeouts.handshake: for connections that waited in its sockets when a
 * generation was told to drain. */
#define RETIRE_MARGIN (30 * CLOCK_SEC)

struct keyring {
	struct ticket_keys *keys;
	const struct ticket_keys *view; /* NULL: of another program's workers */
	int fd;				/* of their memory */
	bool file;
	int64_t lifetime; /* of a ticket */
	int64_t grace;	  /* for handshakes under way */
	int64_t draw_at;  /* when the next key is due */
	/* When each but the first was replaced. Times are monotonic: nobody's
	 * clock makes a key live longer. */
	int64_t replaced[TICKET_KEYS_MAX];
	int64_t wipe_at; /* NEVER: it serves, or nobody has told otherwise */
};

/* Room for all keys while they are changed. */
struct draft {
	struct ticket_key keys[TICKET_KEYS_MAX];
	size_t n;
};

static void
open_draft(struct draft *d, const struct keyring *t)
{
	d->n = ticket_keys_read(t->keys, d->keys);
}

static void
close_draft(struct draft *d, struct keyring *t)
{
	ticket_keys_write(t->keys, d->keys, d->n);
	explicit_bzero(d, sizeof(*d));
}

static int
take_file(struct keyring *t, const struct conf *conf, struct findings *f)
{
	struct draft d;
	int error = ticket_file_read(conf, d.keys, &d.n, f);

	if (error == 0)
		ticket_keys_write(t->keys, d.keys, d.n);
	explicit_bzero(&d, sizeof(d));
	return (error);
}

int
keyring_new(struct keyring **out, const struct conf *conf, struct findings *f)
{
	struct keyring *t = calloc(1, sizeof(*t));
	int error = -ENOMEM;

	if (t != NULL)
		error = ticket_keys_new(&t->keys, &t->view, &t->fd);
	if (error != 0) {
		findings_add(f, LOG_LEVEL_ERROR,
		    "tls: make room for the keys of tickets: %s",
		    strerror(-error));
		free(t);
		return (-EINVAL);
	}
	t->file = conf->tls.ticket_keys != NULL;
	t->lifetime = conf->tls.ticket_lifetime;
	t->grace = conf->timeouts.handshake + RETIRE_MARGIN;
	t->draw_at = t->wipe_at = CLOCK_NEVER;
	error = t->file ? take_file(t, conf, f) : 0;
	if (error != 0) {
		keyring_free(t);
		return (error);
	}
	*out = t;
	return (0);
}

void
keyring_free(struct keyring *t)
{
	if (t == NULL)
		return;
	ticket_keys_free(t->keys, t->view);
	fd_close(&t->fd);
	free(t);
}

void
keyring_leave(struct keyring *t)
{
	if (t == NULL)
		return;
	ticket_keys_leave(t->keys, t->view);
	free(t);
}

static void
adopt(struct codec *c, struct keyring *t)
{
	int error;

	if (c->error != 0 || c->blind)
		return;
	error = ticket_keys_adopt(&t->keys, t->fd);
	if (error != 0)
		codec_fail(c, error, "the keys of tickets cannot be had");
}

void
keyring_code(struct codec *c, struct keyring **out)
{
	struct keyring *t = *out;
	size_t i;

	if (!codec_flag(c, t != NULL))
		return;
	if (c->reads)
		t = calloc(1, sizeof(*t));
	if (t == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	*out = t;
	t->fd = codec_fd(c, t->fd, CODEC_FILE_MEMORY);
	t->file = codec_flag(c, t->file);
	t->lifetime = codec_time(c, t->lifetime);
	t->grace = codec_time(c, t->grace);
	t->draw_at = codec_time(c, t->draw_at);
	for (i = 0; i < TICKET_KEYS_MAX; i++)
		t->replaced[i] = codec_time(c, t->replaced[i]);
	t->wipe_at = codec_time(c, t->wipe_at);
	if (c->reads)
		adopt(c, t);
}

static int64_t
period(const struct keyring *t)
{
	int64_t p = t->lifetime / KEYS_PER_LIFE;

	if (p < PERIOD_MIN)
		return (PERIOD_MIN);
	return (p < PERIOD_MAX ? p : PERIOD_MAX);
}

/* Puts a new key in front. Should there be no room the oldest goes. 0 or
 * -errno. */
static int
draw(struct keyring *t, int64_t now)
{
	struct ticket_key fresh;
	struct draft d;
	size_t kept;

	if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh)) {
		t->draw_at = now + RETRY_AFTER;
		return (errno != 0 ? -errno : -EIO);
	}
	open_draft(&d, t);
	kept = d.n < TICKET_KEYS_MAX ? d.n : TICKET_KEYS_MAX - 1;
	memmove(&d.keys[1], &d.keys[0], kept * sizeof(d.keys[0]));
	memmove(
	    &t->replaced[1], &t->replaced[0], kept * sizeof(t->replaced[0]));
	d.keys[0] = fresh;
	d.n = kept + 1;
	if (kept > 0)
		t->replaced[1] = now;
	close_draft(&d, t);
	explicit_bzero(&fresh, sizeof(fresh));
	t->draw_at = now + period(t);
	return (0);
}

/* Wipes the keys whose tickets are too old; returns when the next one is. */
static int64_t
expire(struct keyring *t, int64_t now)
{
	size_t n = ticket_keys_count(t->keys), kept = n;
	struct draft d;

	if (t->file)
		return (CLOCK_NEVER);
	/* The oldest are the last. */
	while (kept > 1 && t->replaced[kept - 1] + t->lifetime <= now)
		kept--;
	if (kept < n) {
		open_draft(&d, t);
		d.n = kept;
		close_draft(&d, t);
	}
	return (kept > 1 ? t->replaced[kept - 1] + t->lifetime : CLOCK_NEVER);
}

/* Where tickets are good for less long now, that holds for those that are
 * there: none is by the time that such a life has passed. */
static int
follow(struct keyring *t, const struct keyring *before, int64_t now)
{
	struct draft d;
	int error = 0;

	open_draft(&d, before);
	close_draft(&d, t);
	memcpy(t->replaced, before->replaced, sizeof(t->replaced));
	t->draw_at = before->draw_at;
	if (t->lifetime < before->lifetime)
		error = draw(t, now);
	else if (t->draw_at > now + period(t))
		t->draw_at = now + period(t);
	(void)expire(t, now);
	return (error);
}

int
keyring_begin(struct keyring *t, const struct keyring *before, int64_t now)
{
	if (t->file)
		return (0);
	if (before != NULL && !before->file &&
	    ticket_keys_count(before->keys) > 0)
		return (follow(t, before, now));
	return (draw(t, now));
}

const struct ticket_keys *
keyring_view(const struct keyring *t)
{
	return (t->view);
}

static int
advise(const struct keyring *t, int advice)
{
	return (
	    madvise((void *)(uintptr_t)t->view, sizeof(*t->view), advice) == 0
		? 0
		: -errno);
}

int
keyring_share(struct keyring *t)
{
	return (advise(t, MADV_DOFORK));
}

void
keyring_unshare(struct keyring *t)
{
	int saved = errno;

	/* It could be set before; the kernel allocates nothing for it. */
	(void)advise(t, MADV_DONTFORK);
	errno = saved;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

int64_t
keyring_keep(struct keyring *t, int64_t now, bool *drawn, int *error)
{
	*drawn = false;
	*error = 0;
	if (t->draw_at <= now) {
		*error = draw(t, now);
		*drawn = *error == 0;
	}
	return (earlier(t->draw_at, expire(t, now)));
}

int64_t
keyring_retire(struct keyring *t, int64_t now)
{
	int64_t next = expire(t, now);

	t->draw_at = CLOCK_NEVER;
	if (t->wipe_at == CLOCK_NEVER)
		t->wipe_at = now + t->grace;
	if (t->wipe_at > now)
		return (earlier(t->wipe_at, next));
	if (ticket_keys_count(t->keys) > 0)
		ticket_keys_write(t->keys, NULL, 0);
	return (CLOCK_NEVER);
}

size_t
keyring_count(const struct keyring *t)
{
	return (ticket_keys_count(t->keys));
}

bool
keyring_shared(const struct keyring *t)
{
	return (t->file);
}
