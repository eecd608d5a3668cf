/* What one program hands over, the next one has. */
#include "master/handover.h"

#include <errno.h>

#include "master/codec.h"
#include "t/unit/handover_world.h"
#include "t/unit/tap.h"

static void
compare_crew(const struct crew *a, const struct crew *b)
{
	const struct child *x = a->seats[0].child, *y = b->seats[0].child;

	ok(a->number == b->number && a->nworkers == b->nworkers &&
		a->run_as.uid == b->run_as.uid,
	    "the generation");
	ok(a->terms->size == b->terms->size &&
		memcmp(a->terms, b->terms, a->terms->size) == 0,
	    "its terms, to the byte");
	ok(b->rules.n == 2 && b->rules.rows[1] == 9, "the rows of its rules");
	is_int(b->seats[1].numbers, 77, "the numbers of its tunnels");
	is_int(log_level(b->log), LOG_LEVEL_NOTICE, "the level of its log");
	ok(y->pid == x->pid && y->slot == x->slot && y->table == x->table &&
		y->control_fd == x->control_fd && y->state == CHILD_SERVING &&
		y->told_ready && y->crew == b && y->kill_at == CLOCK_NEVER,
	    "a worker");
	ok(y->hand.in == x->hand.in && y->hand.out == x->hand.out &&
		y->hand.n == 1 && y->hand.unread == -1,
	    "and what it is handed");
	is_int(b->seats[1].child->killed, CREW_DEAF, "the other worker");
}

static void
compare(struct master *a, struct master *b)
{
	const struct group *g = TAILQ_FIRST(&a->listeners.groups),
			   *h = TAILQ_FIRST(&b->listeners.groups);
	const struct legacy *k = TAILQ_FIRST(&a->legacies),
			    *l = TAILQ_FIRST(&b->legacies);
	const struct logs_entry *d = TAILQ_FIRST(&a->logs.list),
				*e = TAILQ_FIRST(&b->logs.list);

	is_str(b->upgrade.program, "/usr/sbin/sniport", "the program");
	is_str(
	    b->upgrade.file, "/etc/sniport/sniport.conf", "the configuration");
	ok(b->last_number == 4 && b->serving == 2 &&
		strcmp(b->failure, "it was") == 0,
	    "numbers and words");
	ok(h->nfds == 2 && h->fds[1] == g->fds[1] && h->places[0] == 1 &&
		h->stored[0] == 1 && h->serial == 5 && h->live == 2 &&
		listener_same(&g->at, &h->at) && h->close_at == CLOCK_NEVER,
	    "a listener and its sockets");
	compare_crew(a->current, b->current);
	ok(e->users == 1 && strcmp(e->target, d->target) == 0 &&
		e->error == -28 && sink_fd(e->sink) == sink_fd(d->sink) &&
		e->writer.pid == 4711 && e->writer.source == d->writer.source &&
		e->writer.run_as.gid == 8,
	    "a log and its process");
	ok(e->writer.state != d->writer.state &&
		memcmp(e->writer.state->buffer[0], "line", 4) == 0,
	    "and the memory that they share");
	d->writer.state->buffer[0][0] = 'm';
	ok(e->writer.state->buffer[0][0] == 'm', "... go on to share");
	ok(l->crew == b->current && l->table == k->table && l->guess == 12 &&
		l->scribe.pid == 4712 && l->scribe.state->lines == 12 &&
		l->scribe.audit == logs_sink(l->crew->audit_log) &&
		l->scribe.source.find != NULL,
	    "a scribe");
	ok(b->admin.current != NULL && b->admin.current->pid == 4713 &&
		b->admin.sockets.now[ADMIN_OPERATOR].fd ==
		    a->admin.sockets.now[ADMIN_OPERATOR].fd &&
		b->admin.sockets.now[ADMIN_HTTP].fd == -1,
	    "the admin process and its sockets");
	ok(shm_is_live(b->shm, 1) && !shm_is_live(b->shm, 2),
	    "the shared memory");
}

/* What is wrong with it; NULL: nothing. */
static const char *
wrong(const struct codec *w, size_t size, bool blind)
{
	const char *text;
	struct master m;
	struct codec c;

	handover_world_empty(&m);
	(void)handover_read(&c, w->bytes, size, blind, &m);
	text = c.error != 0 ? c.wrong : NULL;
	codec_fini(&c);
	handover_forget(&m);
	return (text);
}

/* After the change that makes its checksum wrong. */
static void
test_spoilt(struct codec *w)
{
	size_t i, n = 0;

	is_str(wrong(w, w->size, true), NULL, "without descriptors it is read");
	w->bytes[w->size - 1] ^= 1;
	is_str(wrong(w, w->size, true), "its checksum is wrong",
	    "a byte is another one");
	w->bytes[w->size - 1] ^= 1;
	is_str(wrong(w, w->size - 1, true), "it is cut short", "it is cut");
	w->bytes[8]++;
	is_str(wrong(w, w->size, true), "its version is another one",
	    "of another version");
	w->bytes[8]--;
	w->bytes[0]++;
	is_str(wrong(w, w->size, true), "it is not a state of sniport",
	    "of another program");
	w->bytes[0]--;
	for (i = 0; i < w->size; i += 7) {
		w->bytes[i] ^= 0x80;
		n += wrong(w, w->size, true) == NULL;
		w->bytes[i] ^= 0x80;
	}
	is_int((int64_t)n, 0, "no change goes unseen");
}

/* What stops it from being written; it is as it was then. */
static void
test_not_now(struct master *m)
{
	struct child *c = m->current->seats[0].child;
	struct child *other = m->current->seats[1].child;
	int control = other->control_fd, admin = m->admin.current->control_fd;
	struct codec w;

	c->kept.n = 1;
	is_int(handover_write(&w, m), -EAGAIN, "a removed listener: not now");
	codec_fini(&w);
	c->kept.n = 0;
	ok(control != -1 && other->control_fd == control &&
		m->admin.current->control_fd == admin,
	    "... and nothing is lost");
	m->current = NULL;
	is_int(handover_write(&w, m), -EPROTO, "no generation: never");
	codec_fini(&w);
	m->current = TAILQ_FIRST(&m->crews);
}

int
main(void)
{
	struct master a, b;
	struct codec w, r;

	handover_world_full(&a);
	handover_world_empty(&b);
	if (!ok(handover_write(&w, &a) == 0, "written"))
		printf("# %s\n", w.wrong);
	if (ok(handover_read(&r, w.bytes, w.size, false, &b) == 0, "read"))
		compare(&a, &b);
	else
		printf("# %s\n", r.wrong);
	is_int((int64_t)r.nfiles, (int64_t)w.nfiles, "with all descriptors");
	test_spoilt(&w);
	test_not_now(&a);
	codec_fini(&r);
	codec_fini(&w);
	handover_forget(&a);
	handover_forget(&b);
	/* Both have the same descriptors. */
	shm_free(a.shm);
	shm_free(b.shm);
	return (done_testing());
}
