/* Takes wishes for a reload, and keeps what became of each. */
#include "master/report.h"

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/shm/reports.h"
#include "master/codec.h"
#include "master/master.h"

int
report_open(struct report_map *map)
{
	return (reports_new(&map->writer, &map->fd, &map->reader));
}

void
report_close(struct report_map *map)
{
	reports_unmap(map->writer);
	map->writer = NULL;
	fd_close(&map->fd);
	fd_close(&map->reader);
}

void
report_code(struct codec *c, struct report_map *map)
{
	int error;

	map->fd = codec_fd(c, map->fd, CODEC_FILE_MEMORY);
	map->reader = codec_fd(c, map->reader, CODEC_FILE_MEMORY);
	if (!c->reads || c->blind || c->error != 0)
		return;
	error = reports_adopt(&map->writer, map->fd);
	if (error != 0)
		codec_fail(c, error, "the reports of loads cannot be had");
}

/* Who waits for its report sees that sniport stops. */
void
report_want(struct master *m, uint64_t token)
{
	if (m->phase != MASTER_RUNNING) {
		if (!m->done)
			log_write(m->log, LOG_LEVEL_WARNING,
			    "reload: ignored: sniport is stopping");
		return;
	}
	/* Who had no answer may have asked again. */
	if (token != 0 && !reports_ask(m->reports.writer, token))
		return;
	m->reload_wanted = true;
}

void
report_begin(const struct master *m)
{
	reports_begin(m->reports.writer);
}

void
report_end(const struct master *m, const char *summary, int64_t now)
{
	const struct findings *f = &m->findings;
	const struct finding *line;

	STAILQ_FOREACH (line, &f->list, entry)
		reports_add(m->reports.writer, line->level, line->text);
	if (f->nerrors > 0 && STAILQ_EMPTY(&f->list))
		reports_add(
		    m->reports.writer, LOG_LEVEL_ERROR, "out of memory");
	reports_end(m->reports.writer, summary != NULL, m->current->number,
	    clock_wall(), now - m->reload_began,
	    summary != NULL ? summary : "");
}
