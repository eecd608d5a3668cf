/* Keeps the reports of loads, from their one writer to their readers. */
#include "common/shm/reports.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/shm/shm.h"
#include "common/shm/store.h"

/* A finding is cut to this, its level and its newline not counted. */
#define LINE_MAX_LEN 4096
#define CUT_MARK     "..."

struct kept_token {
	_Atomic uint64_t token;
	_Atomic uint64_t serial;
};

/* All but serial and state is written before the state says that it is over,
 * and anew only while the serial is 0. */
struct kept_report {
	_Atomic uint64_t serial;
	_Atomic uint32_t state;
	uint32_t generation;
	int64_t ended, time;
	uint32_t found[LOG_LEVEL_NOTICE + 1];
	uint32_t left_out, len;
	char summary[REPORTS_SUMMARY_SIZE];
	char text[REPORTS_TEXT_MAX];
};

struct reports {
	struct shm_head head;
	_Atomic uint64_t last;
	uint64_t next_token; /* the writer's own */
	struct kept_token tokens[REPORTS_TOKENS];
	struct kept_report kept[REPORTS_KEPT];
};

/* 0 or -errno. */
static int
map_writer(struct reports **writer, int fd)
{
	struct reports *r =
	    store_map_own(fd, PROT_READ | PROT_WRITE, sizeof(*r));

	if (r == NULL)
		return (-errno);
	*writer = r;
	return (0);
}

int
reports_new(struct reports **writer, int *fd, int *reader)
{
	int error;

	error =
	    store_new("sniport-reports", sizeof(struct reports), fd, reader);
	if (error != 0)
		return (error);
	error = map_writer(writer, *fd);
	if (error != 0) {
		fd_close(fd);
		fd_close(reader);
		return (error);
	}
	(*writer)->head = (struct shm_head){ .version = REPORTS_VERSION,
		.size = sizeof(struct reports) };
	return (0);
}

uint64_t
reports_layout(void)
{
	return ((uint64_t)REPORTS_VERSION << 32 | sizeof(struct reports));
}

int
reports_adopt(struct reports **writer, int fd)
{
	const struct reports *r;
	int error;

	error = reports_map(&r, fd);
	if (error != 0)
		return (error);
	reports_unmap(r);
	return (map_writer(writer, fd));
}

int
reports_map(const struct reports **out, int reader)
{
	const struct reports *r;
	struct stat st;

	if (fstat(reader, &st) != 0)
		return (-errno);
	if (st.st_size != (off_t)sizeof(*r))
		return (-EPROTO);
	r = mmap(NULL, sizeof(*r), PROT_READ, MAP_SHARED, reader, 0);
	if (r == MAP_FAILED)
		return (-errno);
	if (r->head.version != REPORTS_VERSION || r->head.size != sizeof(*r)) {
		reports_unmap(r);
		return (-EPROTO);
	}
	*out = r;
	return (0);
}

void
reports_unmap(const struct reports *r)
{
	if (r != NULL)
		munmap((void *)(uintptr_t)r, sizeof(*r));
}

static uint64_t
get(const _Atomic uint64_t *p)
{
	return (atomic_load_explicit(p, memory_order_acquire));
}

uint64_t
reports_last(const struct reports *r)
{
	return (get(&r->last));
}

uint64_t
reports_find(const struct reports *r, uint64_t token)
{
	uint64_t serial;
	size_t i;

	for (i = 0; token != 0 && i < REPORTS_TOKENS; i++) {
		if (get(&r->tokens[i].token) != token)
			continue;
		serial = get(&r->tokens[i].serial);
		if (get(&r->tokens[i].token) == token)
			return (serial);
	}
	return (0);
}

bool
reports_ask(struct reports *r, uint64_t token)
{
	struct kept_token *t;

	if (reports_find(r, token) != 0)
		return (false);
	t = &r->tokens[r->next_token++ % REPORTS_TOKENS];
	/* Who sees the new number does not see the old token. */
	atomic_store_explicit(&t->token, 0, memory_order_relaxed);
	atomic_store_explicit(
	    &t->serial, reports_last(r) + 1, memory_order_release);
	atomic_store_explicit(&t->token, token, memory_order_release);
	return (true);
}

static struct kept_report *
current(struct reports *r)
{
	return (&r->kept[reports_last(r) % REPORTS_KEPT]);
}

void
reports_begin(struct reports *r)
{
	uint64_t serial = reports_last(r) + 1;
	struct kept_report *k = &r->kept[serial % REPORTS_KEPT];

	atomic_store_explicit(&k->serial, 0, memory_order_relaxed);
	/* Who reads any of what follows sees that. */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&k->state, REPORT_RUNNING, memory_order_relaxed);
	memset(k->found, 0, sizeof(k->found));
	k->left_out = k->len = 0;
	atomic_store_explicit(&k->serial, serial, memory_order_release);
	atomic_store_explicit(&r->last, serial, memory_order_release);
}

/* Control characters are written as in the log, so that none of them ends the
 * line or talks to a terminal. Returns the length. */
static size_t
put_line(char *at, enum log_level level, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = 0;

	at[len++] = (char)('0' + (int)level);
	for (; *p != '\0' && len + 4 <= LINE_MAX_LEN; p++) {
		if (*p >= ' ' && *p != 0x7f)
			at[len++] = (char)*p;
		else
			len += (size_t)snprintf(at + len, 5, "\\x%02x", *p);
	}
	if (*p != '\0') {
		memcpy(at + len, CUT_MARK, strlen(CUT_MARK));
		len += strlen(CUT_MARK);
	}
	at[len++] = '\n';
	return (len);
}

void
reports_add(struct reports *r, enum log_level level, const char *text)
{
	struct kept_report *k = current(r);
	char line[1 + LINE_MAX_LEN + sizeof(CUT_MARK) + 1];
	size_t len;

	if (level > LOG_LEVEL_NOTICE)
		return;
	k->found[level]++;
	len = put_line(line, level, text);
	/* Those that follow are left out as well: what is there is what came
	 * first. */
	if (k->left_out > 0 || len > sizeof(k->text) - k->len) {
		k->left_out++;
		return;
	}
	memcpy(k->text + k->len, line, len);
	k->len += (uint32_t)len;
}

void
reports_end(struct reports *r, bool took, uint32_t generation, int64_t ended,
    int64_t time, const char *summary)
{
	struct kept_report *k = current(r);

	k->generation = generation;
	k->ended = ended;
	k->time = time;
	snprintf(k->summary, sizeof(k->summary), "%s", summary);
	atomic_store_explicit(&k->state, took ? REPORT_TOOK : REPORT_FAILED,
	    memory_order_release);
}

static enum report_state
state_of(const struct kept_report *k)
{
	return ((enum report_state)atomic_load_explicit(
	    &k->state, memory_order_acquire));
}

enum report_state
reports_state(const struct reports *r, uint64_t serial)
{
	const struct kept_report *k = &r->kept[serial % REPORTS_KEPT];
	enum report_state state;

	if (get(&k->serial) != serial)
		return (REPORT_WAITING);
	state = state_of(k);
	/* It may be the next one's already. */
	return (get(&k->serial) == serial ? state : REPORT_WAITING);
}

/* Copies what the writer may be changing. */
static void
copy(struct report *to, const struct kept_report *k, size_t len)
{
	to->generation = k->generation;
	to->ended = k->ended;
	to->time = k->time;
	memcpy(to->found, k->found, sizeof(to->found));
	to->left_out = k->left_out;
	memcpy(to->summary, k->summary, sizeof(to->summary));
	to->summary[sizeof(to->summary) - 1] = '\0';
	memcpy(to->text, k->text, len);
	to->len = len;
}

int
reports_read(const struct reports *r, uint64_t serial, struct report **out)
{
	const struct kept_report *k = &r->kept[serial % REPORTS_KEPT];
	enum report_state state;
	struct report *report;
	size_t len = 0;

	if (serial == 0 || get(&k->serial) != serial)
		return (-ENOENT);
	state = state_of(k);
	if (state != REPORT_RUNNING)
		len = k->len < sizeof(k->text) ? k->len : sizeof(k->text);
	report = calloc(1, sizeof(*report) + len);
	if (report == NULL)
		return (-ENOMEM);
	report->serial = serial;
	report->state = state;
	if (state != REPORT_RUNNING)
		copy(report, k, len);
	/* Another one has its place by now, if the serial has changed. */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&k->serial, memory_order_relaxed) != serial) {
		free(report);
		return (-ENOENT);
	}
	*out = report;
	return (0);
}
