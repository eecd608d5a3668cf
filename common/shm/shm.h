/*
 * Memory shared between the master and its workers, in maps with one writer
 * each. The master alone writes the board: which workers there are, and all
 * that decisions are based on. Each slot has a part, which only the worker that
 * has the slot can write. All others got their descriptors by opening the maps
 * for reading, so no mprotect(2) makes these writable. Nobody can change the
 * size of a map.
 */
#ifndef COMMON_SHM_SHM_H
#define COMMON_SHM_SHM_H

#include <stdbool.h>
#include <stdint.h>

/* Slots that can be in use at once: workers x generations. There is memory only
 * where something was written. */
#define SHM_SLOTS 4096

/* Of the maps' layout; who finds another one in a map keeps off it. */
#define SHM_VERSION 6

/* What each map begins with. */
struct shm_head {
	uint32_t version;
	uint32_t reserved;
	uint64_t size; /* of the map, this included */
};

enum shm_state {
	SHM_FREE,
	SHM_ALONE,  /* its worker is the only one of its generation */
	SHM_BESIDE, /* there are others */
	SHM_BURIED  /* its worker is gone; it does not count any more */
};

/* As one process sees the memory: the master, a worker, or a reader. */
struct shm;

/*
 * Makes the memory; the caller is the master. A process that it forks has
 * nothing of it but descriptors, which it closes, having joined if it is to.
 * 0 or -errno; it takes /proc to be there.
 */
int shm_new(struct shm **);

/*
 * Joins what the caller has inherited from the master as the worker of that
 * slot. 0 with *shm owned by the caller, or -errno; -EPROTO: its layout is
 * another one. What is joined stands for itself: the master's descriptors can
 * be closed, and must be, since they are what others' parts are written by.
 */
int shm_join(const struct shm *master, int slot, struct shm **shm);

/* Joins as one that only reads: no part is its own, and of the memory it can
 * write nothing. Else as shm_join(). */
int shm_join_reader(const struct shm *master, struct shm **shm);

/* By what a program that takes the master's place has the memory: to write
 * and to read each of the two files. */
enum shm_file {
	SHM_BOARD,
	SHM_BOARD_READER,
	SHM_PARTS,
	SHM_PARTS_READER,
	SHM_FILES
};

/* Two programs whose numbers are the same have the same layout. */
uint64_t shm_layout(void);

/* Those of the master, borrowed. */
void shm_files(const struct shm *master, int files[SHM_FILES]);

/* Takes the master's place with these, which are the memory's from then on. 0
 * with *shm owned by the caller; or -errno, and they are still the caller's;
 * -EPROTO: the layout is another one. */
int shm_adopt(const int files[SHM_FILES], struct shm **shm);

void shm_free(struct shm *);

/* The descriptor that has to stay open, by which nothing can be written. */
int shm_fd(const struct shm *);

/* Takes a free slot, zeroed, for a worker that has others beside it or not;
 * -ENOSPC: none is left. Master only. */
int shm_take(struct shm *, bool beside);
/* The slot's worker is gone: from now on nobody counts what is there. Master
 * only. */
void shm_bury(struct shm *, int slot);
/* Empties the slot for all who have it mapped, gives its memory back, and frees
 * it; if it cannot be emptied it is not taken again. Master only. */
void shm_release(struct shm *, int slot);

/* The worker's own slot; -1: this is the master, or a reader. */
int shm_slot(const struct shm *);
/* Slots at and beyond were never used. */
int shm_high(const struct shm *);
/* Acquire: what the master did before it took the slot is seen. */
enum shm_state shm_state(const struct shm *, int slot);
/* Is there a worker? */
bool shm_is_live(const struct shm *, int slot);

#endif
