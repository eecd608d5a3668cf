/* Tells on the board how the egress lines are. */
#include "common/shm/lines.h"

#include "common/shm/shm_state.h"

static struct lines_board *
written(struct shm *s)
{
	return (&s->board_writer->lines);
}

void
lines_forget(struct shm *s)
{
	atomic_store_explicit(&written(s)->generation, 0, memory_order_relaxed);
	/* Who sees any of what follows sees that it is of none. */
	atomic_thread_fence(memory_order_release);
}

void
lines_begin(struct shm *s, unsigned generation)
{
	atomic_store_explicit(
	    &written(s)->generation, generation, memory_order_release);
}

void
lines_set_device(struct shm *s, size_t line, enum lines_device device)
{
	if (line < LINES_MAX)
		atomic_store_explicit(&written(s)->device[line],
		    (uint8_t)device, memory_order_relaxed);
}

void
lines_set_source(struct shm *s, size_t source, enum lines_source is)
{
	if (source < LINES_SOURCES_MAX)
		atomic_store_explicit(&written(s)->source[source], (uint8_t)is,
		    memory_order_relaxed);
}

void
lines_set_foreign(struct shm *s, size_t n)
{
	atomic_store_explicit(&written(s)->nforeign, n, memory_order_relaxed);
}

/* The value, or 0 where it is not of that generation. */
static uint64_t
look(const struct shm *s, unsigned generation, const _Atomic uint8_t *at)
{
	const struct lines_board *b = &s->board->lines;
	uint64_t value;

	if (atomic_load_explicit(&b->generation, memory_order_acquire) !=
	    generation)
		return (0);
	value = atomic_load_explicit(at, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&b->generation, memory_order_relaxed) !=
	    generation)
		return (0);
	return (value);
}

enum lines_device
lines_device(const struct shm *s, unsigned generation, size_t line)
{
	if (line >= LINES_MAX)
		return (LINES_DEVICE_UNKNOWN);
	return ((enum lines_device)look(
	    s, generation, &s->board->lines.device[line]));
}

enum lines_source
lines_source(const struct shm *s, unsigned generation, size_t source)
{
	if (source >= LINES_SOURCES_MAX)
		return (LINES_UNKNOWN);
	return ((enum lines_source)look(
	    s, generation, &s->board->lines.source[source]));
}

bool
lines_any_foreign(const struct shm *s, unsigned generation)
{
	const struct lines_board *b = &s->board->lines;

	return (atomic_load_explicit(&b->nforeign, memory_order_relaxed) > 0 &&
		atomic_load_explicit(&b->generation, memory_order_relaxed) ==
		    generation);
}

enum lines_state
lines_judge(enum lines_device device, const struct lines_sources *s)
{
	enum lines_state state = LINES_STATE_UP;
	int i;

	if (device == LINES_DEVICE_UNKNOWN)
		return (LINES_STATE_UNKNOWN);
	if (device == LINES_DEVICE_DOWN || device == LINES_DEVICE_MISSING)
		return (LINES_STATE_DOWN);
	for (i = 0; i < 2; i++) {
		if (s->all[i] > 0 && s->here[i] == 0)
			return (LINES_STATE_DOWN);
		if (s->here[i] < s->all[i])
			state = LINES_STATE_DEGRADED;
	}
	return (state);
}

const char *
lines_state_name(enum lines_state state)
{
	static const char *const names[] = {
		[LINES_STATE_UNKNOWN] = "unknown",
		[LINES_STATE_UP] = "up",
		[LINES_STATE_DEGRADED] = "degraded",
		[LINES_STATE_DOWN] = "down",
	};

	return (names[state]);
}

const char *
lines_device_name(enum lines_device device)
{
	switch (device) {
	case LINES_DEVICE_UP:
		return ("up");
	case LINES_DEVICE_DOWN:
		return ("down");
	case LINES_DEVICE_MISSING:
		return ("missing");
	default:
		return (NULL);
	}
}
