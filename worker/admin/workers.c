/* Keeps the list of workers, and maps their tables. */
#include "worker/admin/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/fd.h"

void
workers_init(struct workers *w)
{
	TAILQ_INIT(&w->list);
	w->last = 0;
}

static void
forget(struct workers *w, struct worker_seen *seen)
{
	TAILQ_REMOVE(&w->list, seen, entry);
	if (seen->map != NULL)
		(void)munmap((void *)(uintptr_t)seen->map, seen->size);
	fd_close(&seen->boot.table);
	free(seen);
}

void
workers_fini(struct workers *w)
{
	struct worker_seen *seen;

	while ((seen = TAILQ_FIRST(&w->list)) != NULL)
		forget(w, seen);
}

int
workers_add(struct workers *w, const struct boot_worker *boot)
{
	struct worker_seen *seen = calloc(1, sizeof(*seen));
	int fd = boot->table;

	/* Of a slot that has a new one the old one is gone. */
	workers_remove(w, boot->slot);
	if (seen == NULL) {
		fd_close(&fd);
		return (-ENOMEM);
	}
	seen->boot = *boot;
	seen->serial = ++w->last;
	TAILQ_INSERT_TAIL(&w->list, seen, entry);
	return (0);
}

void
workers_remove(struct workers *w, int slot)
{
	struct worker_seen *seen;

	TAILQ_FOREACH (seen, &w->list, entry) {
		if (seen->boot.slot == slot) {
			forget(w, seen);
			return;
		}
	}
}

struct worker_seen *
workers_next(const struct workers *w, uint64_t serial)
{
	struct worker_seen *seen;

	TAILQ_FOREACH (seen, &w->list, entry)
		if (seen->serial > serial)
			return (seen);
	return (NULL);
}

/* Does it have one before it of its generation? Those of one generation mostly
 * stand together, so that this is found at once. */
static bool
is_counted(const struct worker_seen *w)
{
	const struct worker_seen *other = w;

	while ((other = TAILQ_PREV(other, worker_list, entry)) != NULL)
		if (other->boot.generation == w->boot.generation)
			return (true);
	return (false);
}

unsigned
workers_generations(const struct workers *w, uint64_t beside)
{
	const struct worker_seen *seen;
	unsigned n = 0;

	TAILQ_FOREACH (seen, &w->list, entry)
		n += seen->boot.generation != beside && !is_counted(seen);
	return (n);
}

int
workers_map(struct worker_seen *seen)
{
	struct stat st;
	void *map;

	if (seen->map != NULL)
		return (0);
	if (fstat(seen->boot.table, &st) != 0)
		return (-errno);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED,
	    seen->boot.table, 0);
	if (map == MAP_FAILED)
		return (-errno);
	seen->map = map;
	seen->size = (size_t)st.st_size;
	return (0);
}
