/* Waits until files have changed and are left alone, and wants a reload. */
#include "master/renewal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/base/registers.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/shm/ticket_keys.h"
#include "master/findings.h"
#include "master/generation.h"
#include "master/master.h"
#include "master/patience.h"
#include "master/ticket_file.h"
#include "master/tls_load.h"

void
renewal_init(struct renewal *r, int epoll_fd)
{
	*r = (struct renewal){ .epoll_fd = epoll_fd,
		.folders = { .fd = -1 },
		.first = CLOCK_NEVER,
		.due = CLOCK_NEVER };
}

static void
close_folders(struct renewal *r)
{
	if (r->folders.fd >= 0)
		(void)epoll_ctl(
		    r->epoll_fd, EPOLL_CTL_DEL, r->folders.fd, NULL);
	folders_close(&r->folders);
}

/* Anew, since the way to a file may be another now. */
static void
watch(struct renewal *r, const struct conf *conf)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = r };
	struct renewal_file files[RENEWAL_FILES_MAX];
	size_t i, n = renewal_files(conf, files);

	close_folders(r);
	folders_open(&r->folders);
	if (r->folders.error == 0 &&
	    epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->folders.fd, &ev) != 0)
		r->folders.error = -errno;
	for (i = 0; i < n && r->folders.fd >= 0; i++)
		folders_watch(&r->folders, files[i].path);
}

/* All that has happened is seen. */
static void
settle(struct renewal *r, int64_t now)
{
	r->first = CLOCK_NEVER;
	r->due = r->folders.error != 0 ? now + RENEWAL_LOOK : CLOCK_NEVER;
}

int
renewal_begin(struct renewal *r, const struct conf *conf,
    const struct renewal_marks *served, int64_t now)
{
	struct renewal_marks found;

	renewal_end(r);
	if (!conf->tls.watch)
		return (0);
	r->on = true;
	r->tried = *served;
	watch(r, conf);
	settle(r, now);
	/* Before they were watched, and after they were read. */
	renewal_marks_take(&found, conf);
	if (memcmp(&found, served, sizeof(found)) != 0)
		renewal_note(r, now);
	return (r->folders.error);
}

void
renewal_end(struct renewal *r)
{
	close_folders(r);
	renewal_init(r, r->epoll_fd);
}

void
renewal_note(struct renewal *r, int64_t now)
{
	if (r->first == CLOCK_NEVER)
		r->first = now;
	r->due = now + RENEWAL_QUIET < r->first + RENEWAL_PATIENCE
		     ? now + RENEWAL_QUIET
		     : r->first + RENEWAL_PATIENCE;
}

bool
renewal_receive(struct renewal *r, const void *p, int64_t now)
{
	if (p != r)
		return (false);
	if (folders_changed(&r->folders))
		renewal_note(r, now);
	return (true);
}

/* Could they be loaded? What is wrong with them is told by the reload that
 * fails, if they stay so. */
static bool
fit(const struct conf *conf)
{
	struct ticket_key keys[TICKET_KEYS_MAX];
	struct findings f;
	size_t n;
	bool good;

	findings_init(&f);
	good = tls_try(conf, &f) == 0;
	if (good && conf->tls.ticket_keys != NULL)
		good = ticket_file_read(conf, keys, &n, &f) == 0;
	explicit_bzero(keys, sizeof(keys));
	registers_clear();
	findings_fini(&f);
	return (good);
}

/* The first that is not as it was; false: there is none. */
static bool
find_changed(const struct renewal *r, const struct conf *conf,
    const struct renewal_marks *found, struct renewal_file *what)
{
	struct renewal_file files[RENEWAL_FILES_MAX];
	size_t i, n = renewal_files(conf, files);

	for (i = 0; i < n; i++) {
		*what = files[i];
		if (memcmp(found->digest[i], r->tried.digest[i],
			sizeof(found->digest[i])) != 0)
			return (true);
	}
	return (false);
}

enum renewal_answer
renewal_look(struct renewal *r, const struct conf *conf, int64_t now,
    struct renewal_file *what)
{
	struct renewal_marks found;

	if (r->first == CLOCK_NEVER)
		r->first = now;
	watch(r, conf);
	renewal_marks_take(&found, conf);
	if (!find_changed(r, conf, &found, what)) {
		settle(r, now);
		return (RENEWAL_NOTHING);
	}
	if (now < r->first + RENEWAL_PATIENCE && !fit(conf)) {
		r->due = r->first + RENEWAL_PATIENCE;
		return (RENEWAL_UNFIT);
	}
	/* However it ends, it is not tried again with the same. */
	r->tried = found;
	settle(r, now);
	return (RENEWAL_WANTED);
}

static void
tell(const struct master *m, enum renewal_answer answer,
    const struct renewal_file *what)
{
	if (answer == RENEWAL_UNFIT)
		log_write(m->log, LOG_LEVEL_INFO,
		    "%s: %s has changed, but what is there cannot be loaded: "
		    "it has %lld s to become whole",
		    what->setting, what->path,
		    (long long)(RENEWAL_PATIENCE / CLOCK_SEC));
	else if (answer == RENEWAL_WANTED)
		log_write(m->log, LOG_LEVEL_NOTICE,
		    "%s: %s has changed: tls.watch has it loaded",
		    what->setting, what->path);
}

int64_t
renewal_tick(struct master *m, int64_t now)
{
	struct renewal *r = &m->renewal;
	enum renewal_answer answer;
	struct renewal_file what;
	struct patience patience;

	if (r->on && m->phase != MASTER_RUNNING)
		renewal_end(r);
	/* A reload that goes on, or is to come, sees what has changed, or is
	 * followed by another. */
	if (!r->on || m->reading || m->next != NULL || m->reload_wanted ||
	    m->current->generation == NULL)
		return (CLOCK_NEVER);
	if (r->due > now)
		return (r->due);
	/* It may load them, to try. */
	patience_begin(&patience, &m->notify);
	answer = renewal_look(r, m->current->generation->conf, now, &what);
	patience_end(&patience);
	tell(m, answer, &what);
	if (answer == RENEWAL_WANTED) {
		report_want(m, 0);
		return (now);
	}
	return (r->due);
}
