/* The lines of a dead worker's tunnels, as its scribe finds them. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/log/audit.h"
#include "master/legacy_state.h"

/* Maps the table, which nobody can shrink; all of it stays mapped. */
static int
open_table(void *arg)
{
	struct legacy *l = arg;
	struct stat st;
	void *map;
	int error;

	if (fstat(l->table, &st) != 0)
		return (-errno);
	map =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, l->table, 0);
	if (map == MAP_FAILED)
		return (-errno);
	error = terms_names_init(&l->names, l->crew->terms);
	if (error == 0)
		error = seen_init(&l->numbers);
	if (error == 0)
		error = seen_init(&l->unused);
	if (error != 0)
		return (error);
	return (table_reader_init(&l->reader, map, (size_t)st.st_size));
}

/*
 * Of connections that say nothing there may be no line. A scribe begins at the
 * first slot wherever one before it has got to, since all numbers up to there
 * have to be known.
 */
static bool
find(void *arg, uint64_t *at, bool *uncounted)
{
	struct legacy *l = arg;
	bool all = l->crew->terms->silent_connections;

	while (table_read(&l->reader, &l->found)) {
		l->again = !seen_first(&l->numbers, l->found.facts.number);
		if (l->found.slot < *at || (!all && l->found.facts.silent))
			continue;
		*at = l->found.slot;
		*uncounted =
		    l->found.coming && l->found.accepted == l->accepted;
		return (true);
	}
	return (false);
}

/* False: it has ended, and says how. */
static bool
is_broken(const struct table_entry *e)
{
	return (!e->ended || e->facts.reason == REASON_NONE);
}

static void
break_off(const struct legacy *l, struct table_entry *e)
{
	struct tunnel_facts *f = &e->facts;

	if (f->reason == REASON_NONE)
		f->reason = REASON_WORKER_DIED;
	if (!e->ended)
		f->total_ns =
		    l->died > f->accepted ? l->died - f->accepted : -1;
}

/* Of two tunnels of one number, which no honest worker has, one is false. */
static size_t
compose(void *arg, char *line, size_t size)
{
	struct legacy *l = arg;
	struct table_entry *e = &l->found;
	const struct audit_line audit = {
		.event = AUDIT_END,
		.facts = &e->facts,
		.text = e->text,
		.names = &l->names.names,
	};

	if (l->again)
		return (0);
	/* Whose table it is we know ourselves. */
	e->facts.generation = l->crew->number;
	e->facts.worker = l->worker;
	if (is_broken(e))
		break_off(l, e);
	return (audit_format(&audit, l->crew->terms->format, line, size));
}

static void
rewind_lines(void *arg)
{
	struct legacy *l = arg;

	/* The sandbox would not let us begin another. */
	seen_fini(&l->numbers);
	l->numbers = l->unused;
	l->reader.next = 0;
}

struct scribe_source
legacy_lines(struct legacy *l)
{
	return ((struct scribe_source){
	    open_table, find, compose, rewind_lines, l });
}
