/*
 * Shares turns out between peers. Peers stand in a line; who had a turn goes to
 * its end, with all that it still wants. One who has had none lately goes
 * before those, so that who wants little waits for little (as in RFC 8290).
 */
#include "worker/loop/turns.h"

#include <errno.h>
#include <stdlib.h>

/* Who has waited for such a part of the patience has waited for long. */
#define LONG 30

/* And such a part is all there is where somebody always has. */
#define IMPATIENCE 8

/* After so many turns in a row those who had one already have one. */
#define FRESH_IN_A_ROW 7

/* After so many turns in a row for what was begun there is one for what is new:
 * a handshake has some two turns more. */
#define BEGUN_IN_A_ROW 4

struct turns_peer {
	LIST_ENTRY(turns_peer) link;
	uint64_t key;
	size_t turns; /* that are its */
	struct turns_place begun, anew;
};

static void
line_init(struct turns_line *line)
{
	TAILQ_INIT(&line->fresh);
	TAILQ_INIT(&line->served);
}

void
turns_init(struct turns *t, int64_t patience)
{
	size_t i;

	*t = (struct turns){ .patience = patience };
	line_init(&t->begun);
	line_init(&t->anew);
	TAILQ_INIT(&t->ages);
	for (i = 0; i < TURNS_BUCKETS; i++)
		LIST_INIT(&t->buckets[i]);
}

int
turns_join(struct turns *t, struct turn *turn, uint64_t key)
{
	struct turns_bucket *bucket = &t->buckets[(key >> 8) % TURNS_BUCKETS];
	struct turns_peer *peer;

	LIST_FOREACH (peer, bucket, link)
		if (peer->key == key)
			break;
	if (peer == NULL) {
		peer = calloc(1, sizeof(*peer));
		if (peer == NULL)
			return (-ENOMEM);
		peer->key = key;
		TAILQ_INIT(&peer->begun.waiting);
		TAILQ_INIT(&peer->anew.waiting);
		LIST_INSERT_HEAD(bucket, peer, link);
	}
	peer->turns++;
	turn->peer = peer;
	return (0);
}

static void
leave_line(struct turns_line *line, struct turns_place *place)
{
	if (place->where == TURNS_FRESH)
		TAILQ_REMOVE(&line->fresh, place, order);
	else if (place->where == TURNS_SERVED)
		TAILQ_REMOVE(&line->served, place, order);
	place->where = TURNS_OUT;
}

static struct turns_line *
line_of(struct turns *t, const struct turn *turn)
{
	return (turn->begun ? &t->begun : &t->anew);
}

static struct turns_place *
place_of(const struct turn *turn)
{
	return (turn->begun ? &turn->peer->begun : &turn->peer->anew);
}

static void
take_off(struct turns *t, struct turn *turn)
{
	TAILQ_REMOVE(&place_of(turn)->waiting, turn, entry);
	if (!turn->begun)
		TAILQ_REMOVE(&t->ages, turn, age);
	turn->waits = false;
	t->waiting--;
}

void
turns_withdraw(struct turns *t, struct turn *turn)
{
	struct turns_place *place;

	if (!turn->waits)
		return;
	place = place_of(turn);
	take_off(t, turn);
	if (place->where == TURNS_FRESH && TAILQ_EMPTY(&place->waiting))
		leave_line(line_of(t, turn), place);
}

void
turns_leave(struct turns *t, struct turn *turn)
{
	struct turns_peer *peer = turn->peer;

	if (peer == NULL)
		return;
	turns_withdraw(t, turn);
	turn->peer = NULL;
	if (--peer->turns > 0)
		return;
	leave_line(&t->begun, &peer->begun);
	leave_line(&t->anew, &peer->anew);
	LIST_REMOVE(peer, link);
	free(peer);
}

/* Has somebody waited for long? */
static bool
is_late(struct turns *t, int64_t now)
{
	const struct turn *oldest = TAILQ_FIRST(&t->ages);

	if (oldest != NULL && now - oldest->since > t->patience / LONG)
		return (true);
	t->calm = now;
	return (false);
}

void
turns_wait(struct turns *t, struct turn *turn, bool begun, int64_t now)
{
	bool late = is_late(t, now);
	struct turns_place *place;

	if (turn->waits)
		return;
	turn->begun = begun;
	turn->since = now;
	turn->waits = true;
	t->waiting++;
	if (!begun)
		TAILQ_INSERT_TAIL(&t->ages, turn, age);
	place = place_of(turn);
	TAILQ_INSERT_TAIL(&place->waiting, turn, entry);
	if (place->where != TURNS_OUT)
		return;
	place->where = TURNS_FRESH;
	if (late && !begun)
		TAILQ_INSERT_HEAD(&line_of(t, turn)->fresh, place, order);
	else
		TAILQ_INSERT_TAIL(&line_of(t, turn)->fresh, place, order);
}

/* The peer whose turn it is; NULL: none waits. Those that want nothing more are
 * no longer remembered for what they had. */
static struct turns_place *
choose(struct turns_line *line)
{
	struct turns_place *fresh = TAILQ_FIRST(&line->fresh), *served;

	if (fresh != NULL && line->in_a_row < FRESH_IN_A_ROW) {
		line->in_a_row++;
		return (fresh);
	}
	line->in_a_row = 0;
	while ((served = TAILQ_FIRST(&line->served)) != NULL &&
	       TAILQ_EMPTY(&served->waiting))
		leave_line(line, served);
	return (served != NULL ? served : fresh);
}

static struct turn *
next_of(struct turns *t, struct turns_line *line, bool newest)
{
	struct turns_place *place = choose(line);
	struct turn *turn;

	if (place == NULL)
		return (NULL);
	turn = newest ? TAILQ_LAST(&place->waiting, turn_list)
		      : TAILQ_FIRST(&place->waiting);
	take_off(t, turn);
	leave_line(line, place);
	place->where = TURNS_SERVED;
	TAILQ_INSERT_TAIL(&line->served, place, order);
	return (turn);
}

struct turn *
turns_next(struct turns *t, int64_t now)
{
	bool late = is_late(t, now);
	struct turn *turn = NULL;

	if (t->begun_in_a_row < BEGUN_IN_A_ROW || TAILQ_EMPTY(&t->ages))
		turn = next_of(t, &t->begun, false);
	if (turn != NULL) {
		t->begun_in_a_row++;
		return (turn);
	}
	t->begun_in_a_row = 0;
	return (next_of(t, &t->anew, late));
}

struct turn *
turns_give_up(struct turns *t, int64_t now)
{
	int64_t patience = t->patience;
	struct turn *oldest;

	if (!is_late(t, now))
		return (NULL);
	if (now - t->calm > patience)
		patience /= IMPATIENCE;
	oldest = TAILQ_FIRST(&t->ages);
	if (now - oldest->since <= patience)
		return (NULL);
	turns_withdraw(t, oldest);
	return (oldest);
}
