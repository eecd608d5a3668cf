/*
 * Lives of tunnels by chance: every answer of every operation, every event, at
 * any moment. However a tunnel ends: one audit line that is true, and nothing
 * left.
 */
#include "t/unit/tunnel_world.h"

/* Every answer that an operation may give; the last ones are faults. */
static const struct answer receive_answers[] = { { IO_DONE, 0, 700 },
	{ IO_DONE, 0, CHUNK }, { IO_WAIT_READ, 0, 300 }, { IO_WAIT_READ, 0, 0 },
	{ IO_TURN, 0, 0 }, { IO_END, 0, 0 }, { IO_CUT, 0, 0 },
	{ IO_BROKEN, -ECONNRESET, 0 }, { IO_WAIT_READ, -ECONNRESET, 100 } };
static const struct answer send_answers[] = { { IO_DONE, 0, CHUNK },
	{ IO_DONE, 0, 10 }, { IO_WAIT_WRITE, 0, CHUNK }, { IO_DONE, 0, CHUNK },
	{ IO_WAIT_WRITE, 0, 150 }, { IO_WAIT_WRITE, 0, 0 },
	{ IO_BROKEN, -ETIMEDOUT, 0 }, { IO_BROKEN, -EPIPE, 0 } };
static const struct answer other_answers[] = { { IO_DONE, 0, 0 },
	{ IO_DONE, 0, 0 }, { IO_WAIT_WRITE, 0, 0 },
	{ IO_BROKEN, -ENOTCONN, 0 } };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static uint64_t chance = 88172645463325252U;

static size_t
pick(size_t n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return ((size_t)(chance >> 20) % n);
}

static void
write_script(struct script *s, const struct answer *from, size_t n)
{
	for (s->n = 0; s->n < STEPS; s->n++)
		s->steps[s->n] = from[pick(n)];
	s->next = 0;
}

static bool calm; /* nothing breaks in this life */

static void
write_scripts(struct side *s)
{
	size_t faults = calm ? 2 : 0, fault = calm ? 1 : 0;

	write_script(
	    &s->receive, receive_answers, COUNT(receive_answers) - faults);
	write_script(&s->send, send_answers, COUNT(send_answers) - faults);
	write_script(&s->flush, other_answers, COUNT(other_answers) - fault);
	write_script(&s->finish, other_answers, COUNT(other_answers) - fault);
	if (calm)
		s->receive.rest = (struct answer){ IO_END, 0, 0 };
}

/* Something happens to the tunnel. */
static void
event(void)
{
	static const uint32_t events[] = { EPOLLIN, EPOLLOUT,
		EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLRDHUP, EPOLLIN | EPOLLPRI,
		EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP };
	struct side *s = pick(2) == 0 ? &w.client : &w.upstream;

	switch (pick(12)) {
	case 0:
		s->pending_error = calm ? 0 : ECONNRESET;
		break;
	case 1:
		s->unacknowledged = (int)pick(100);
		break;
	case 2:
		pass((int64_t)pick(20) * SEC);
		break;
	case 3:
		s->lost = !calm && pick(8) == 0;
		break;
	case 4:
		hello(pick(2) == 0 ? IO_WAIT_READ : IO_DONE);
		break;
	case 5:
		dial_ends(pick(4) == 0 ? REASON_CONNECT_REFUSED : REASON_NONE);
		break;
	case 6:
		if (pick(20) == 0)
			tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
		break;
	default:
		poke(s == &w.client, events[pick(COUNT(events))]);
	}
}

/* What must hold at any time. */
static const char *
wrong(void)
{
	struct tunnel *t = TAILQ_FIRST(&w.all.list);

	if (w.lines > 1)
		return ("two lines");
	if ((w.lines == 1) != (w.all.count == w.all.lingering))
		return ("a line without an end, or an end without a line");
	if (w.upstream.took > w.client.came || w.client.took > w.upstream.came)
		return ("bytes from nowhere");
	if (w.all.buffers.nlent > 2)
		return ("too many blocks");
	if (t != NULL && w.lines == 0 &&
	    t->facts->bytes_from_client != w.upstream.took)
		return ("bytes that are not noted");
	if (t != NULL && t->state != NULL && !t->timer.armed &&
	    t->state->deadline(t) != CLOCK_NEVER)
		return ("a deadline that nobody waits for");
	return (NULL);
}

static const char *
well_ended(void)
{
	bool good = reason_class(w.facts.reason) == REASON_CLASS_GOOD;

	if (good && !(w.client.told_end && w.upstream.told_end))
		return ("all went well, but an end was not told");
	if (good && (w.client.came != w.upstream.took ||
			w.upstream.came != w.client.took))
		return ("all went well, but bytes are lost");
	if (!good && w.upstream.fd != -1 && w.upstream.clean)
		return ("a cut stream looks whole to the upstream");
	if (!good && w.client.clean && w.streams == 0 &&
	    w.facts.handshake_ns >= 0)
		return ("a cut stream looks whole to the client");
	return (left_over());
}

static const char *
life(void)
{
	const char *why = NULL;
	int i;

	calm = pick(2) == 0;
	reach(pick(2) == 0 ? IN_RELAY : IN_HELLO);
	write_scripts(&w.client);
	write_scripts(&w.upstream);
	for (i = 0; i < 20 && why == NULL && w.all.count > 0; i++) {
		event();
		why = wrong();
	}
	for (i = 0; i < 8 && why == NULL && calm; i++) {
		poke(i % 2 == 0, EPOLLIN | EPOLLOUT);
		why = wrong();
	}
	/* Whatever it was, it ends; a dial has a time of its own. */
	for (i = 0; i < 4 && why == NULL && w.all.count > 0; i++) {
		pass(400 * SEC);
		dial_ends(REASON_CONNECT_TIMEOUT);
		why = wrong();
	}
	if (why == NULL)
		why = well_ended();
	if (why == NULL)
		return (end());
	(void)end();
	return (why);
}

static void
test_lives(void)
{
	const char *why = NULL;
	int i;

	for (i = 0; i < 3000 && why == NULL; i++)
		why = life();
	ok(why == NULL, "every life, by chance: %s (%d)",
	    why != NULL ? why : "all is well", i);
}

int
main(void)
{
	alarm(100);
	set_up();
	test_lives();
	tear_down();
	return (done_testing());
}
