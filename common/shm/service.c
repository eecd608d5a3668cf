/* Tells on the board how the service is. */
#include "common/shm/service.h"

#include "common/shm/shm_state.h"

void
service_set(struct shm *s, enum service_value value, uint64_t n)
{
	atomic_store_explicit(
	    &s->board_writer->service[value], n, memory_order_relaxed);
}

void
service_add(struct shm *s, enum service_value value, uint64_t n)
{
	service_set(s, value, service_get(s, value) + n);
}

uint64_t
service_get(const struct shm *s, enum service_value value)
{
	return (atomic_load_explicit(
	    &s->board->service[value], memory_order_relaxed));
}
