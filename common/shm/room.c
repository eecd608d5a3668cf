/* Tells workers how much memory there is for them to take. */
#include "common/shm/room.h"

#include "common/shm/shm_state.h"

void
room_tell(struct shm *s, uint64_t bytes)
{
	struct shm_board *b = s->board_writer;
	uint64_t look =
	    atomic_load_explicit(&b->room_look, memory_order_relaxed);

	atomic_store_explicit(&b->room, bytes, memory_order_relaxed);
	/* Release: who sees the look sees its bytes, or those of a later one,
	 * which are as true. */
	atomic_store_explicit(&b->room_look, look + 1, memory_order_release);
}

struct room
room_told(const struct shm *s)
{
	struct room room;

	room.look =
	    atomic_load_explicit(&s->board->room_look, memory_order_acquire);
	room.bytes =
	    atomic_load_explicit(&s->board->room, memory_order_relaxed);
	if (room.look == 0)
		room.bytes = ROOM_UNLIMITED;
	return (room);
}
