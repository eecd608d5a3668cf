/* Gives out the slots of the shared memory, and takes them back. */
#include <assert.h>
#include <errno.h>

#include "common/shm/shm_state.h"

static void
set_state(struct shm *s, int slot, enum shm_state state)
{
	assert(slot >= 0 && slot < SHM_SLOTS);
	atomic_store_explicit(&s->board_writer->state[slot], (uint8_t)state,
	    memory_order_release);
}

int
shm_take(struct shm *s, bool beside)
{
	int i, high = shm_high(s);

	for (i = 0; i < high; i++)
		if (shm_state(s, i) == SHM_FREE)
			break;
	if (i == SHM_SLOTS)
		return (-ENOSPC);
	set_state(s, i, beside ? SHM_BESIDE : SHM_ALONE);
	if (i == high)
		atomic_store_explicit(&s->board_writer->high,
		    (uint32_t)high + 1, memory_order_release);
	return (i);
}

void
shm_bury(struct shm *s, int slot)
{
	set_state(s, slot, SHM_BURIED);
}

void
shm_release(struct shm *s, int slot)
{
	set_state(s, slot, shm_empty(s, slot) == 0 ? SHM_FREE : SHM_BURIED);
}

int
shm_slot(const struct shm *s)
{
	return (s->slot);
}

int
shm_high(const struct shm *s)
{
	return (
	    (int)atomic_load_explicit(&s->board->high, memory_order_acquire));
}

enum shm_state
shm_state(const struct shm *s, int slot)
{
	return (
	    atomic_load_explicit(&s->board->state[slot], memory_order_acquire));
}

bool
shm_is_live(const struct shm *s, int slot)
{
	enum shm_state state = shm_state(s, slot);

	return (state == SHM_ALONE || state == SHM_BESIDE);
}
