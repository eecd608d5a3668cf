/* Makes the shared memory, and maps what a process is to have of it. */
#include "common/shm/shm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/shm/shm_state.h"
#include "common/shm/store.h"

static size_t
stride(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	_Static_assert(sizeof(struct tally) % 4096 == 0, "whole pages");
	return ((sizeof(struct stats_slot) + page - 1) / page * page);
}

static size_t
counters_size(const struct shm *s)
{
	return (s->stride * SHM_SLOTS);
}

static off_t
tally_offset(const struct shm *s, int slot)
{
	return (
	    (off_t)(counters_size(s) + (size_t)slot * sizeof(struct tally)));
}

static off_t
rules_offset(const struct shm *s, int slot)
{
	_Static_assert(sizeof(struct rules_part) % 4096 == 0, "whole pages");
	return (tally_offset(s, SHM_SLOTS) +
		(off_t)slot * (off_t)sizeof(struct rules_part));
}

/* NULL: errno says why. */
static void *
map(int fd, int protection, off_t at, size_t size)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, at);

	if (p == MAP_FAILED)
		return (NULL);
	/* A hole that goes to a core file is filled for it. If this fails, the
	 * file is large. */
	(void)madvise(p, size, MADV_DONTDUMP);
	return (p);
}

static struct shm *
shm_alloc(void)
{
	struct shm *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->board_fd = s->board_writer_fd = -1;
		s->parts_fd = s->parts_writer = -1;
		s->slot = -1;
		s->stride = stride();
	}
	return (s);
}

/* As the master has them. */
static int
map_master(struct shm *s)
{
	s->board_writer = store_map_own(s->board_writer_fd,
	    PROT_READ | PROT_WRITE, sizeof(struct shm_board));
	s->board = s->board_writer;
	if (s->board_writer == NULL)
		return (-errno);
	s->counters = store_map_own(s->parts_fd, PROT_READ, counters_size(s));
	return (s->counters == NULL ? -errno : 0);
}

static int
make_board(struct shm *s)
{
	s->board_writer->head = (struct shm_head){
		.version = SHM_VERSION,
		.size = sizeof(struct shm_board),
	};
	atomic_store_explicit(
	    &s->board_writer->rules.high, RULES_REST + 1, memory_order_relaxed);
	return (hash_key_init(&s->board_writer->hash));
}

static int
make_files(struct shm *s)
{
	int error;

	error = store_new("sniport-board", sizeof(struct shm_board),
	    &s->board_writer_fd, &s->board_fd);
	if (error != 0)
		return (error);
	return (store_new("sniport-workers", (size_t)rules_offset(s, SHM_SLOTS),
	    &s->parts_writer, &s->parts_fd));
}

int
shm_new(struct shm **shm)
{
	struct shm *s = shm_alloc();
	int error = s != NULL ? make_files(s) : -ENOMEM;

	if (error == 0)
		error = map_master(s);
	if (error == 0)
		error = make_board(s);
	if (error != 0) {
		shm_free(s);
		return (error);
	}
	*shm = s;
	return (0);
}

static int
check_board(const struct shm *s)
{
	if (s->board->head.version != SHM_VERSION ||
	    s->board->head.size != sizeof(*s->board))
		return (-EPROTO);
	return (0);
}

uint64_t
shm_layout(void)
{
	const uint64_t parts[] = { SHM_VERSION, SHM_SLOTS,
		sizeof(struct shm_board), stride(), sizeof(struct tally),
		sizeof(struct rules_part), STAT_COUNT, REASON_COUNT, STATS_ALL,
		RULES_ROWS };
	const struct hash_key key = { 0, 0 };

	return (hash_bytes(&key, parts, sizeof(parts)));
}

void
shm_files(const struct shm *s, int files[SHM_FILES])
{
	files[SHM_BOARD] = s->board_writer_fd;
	files[SHM_BOARD_READER] = s->board_fd;
	files[SHM_PARTS] = s->parts_writer;
	files[SHM_PARTS_READER] = s->parts_fd;
}

static bool
has_size(int fd, size_t size)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && st.st_size >= 0 &&
		(size_t)st.st_size == size);
}

int
shm_adopt(const int files[SHM_FILES], struct shm **shm)
{
	struct shm *s = shm_alloc();
	int error = -EPROTO;

	if (s == NULL)
		return (-ENOMEM);
	s->board_writer_fd = files[SHM_BOARD];
	s->board_fd = files[SHM_BOARD_READER];
	s->parts_writer = files[SHM_PARTS];
	s->parts_fd = files[SHM_PARTS_READER];
	/* What is behind the end of a file cannot be read. */
	if (has_size(s->board_fd, sizeof(struct shm_board)) &&
	    has_size(s->board_writer_fd, sizeof(struct shm_board)) &&
	    has_size(s->parts_fd, (size_t)rules_offset(s, SHM_SLOTS)))
		error = map_master(s);
	if (error == 0)
		error = check_board(s);
	if (error != 0) {
		s->board_writer_fd = s->board_fd = -1;
		s->parts_writer = s->parts_fd = -1;
		shm_free(s);
		return (error);
	}
	*shm = s;
	return (0);
}

static int
map_board(struct shm *s, int fd)
{
	s->board = map(fd, PROT_READ, 0, sizeof(*s->board));
	return (s->board == NULL ? -errno : check_board(s));
}

static int
map_part(struct shm *s, int writer)
{
	const int both = PROT_READ | PROT_WRITE;

	s->my_counters =
	    map(writer, both, (off_t)s->stride * s->slot, s->stride);
	if (s->my_counters == NULL)
		return (-errno);
	s->my_tally =
	    map(writer, both, tally_offset(s, s->slot), sizeof(*s->my_tally));
	if (s->my_tally == NULL)
		return (-errno);
	s->my_rules =
	    map(writer, both, rules_offset(s, s->slot), sizeof(*s->my_rules));
	if (s->my_rules == NULL)
		return (-errno);
	s->my_counters->head = (struct shm_head){
		.version = SHM_VERSION,
		.size = sizeof(*s->my_counters),
	};
	return (0);
}

/* What all who join can read. */
static int
join(struct shm *s, const struct shm *master)
{
	int error;

	s->parts_fd = fcntl(master->parts_fd, F_DUPFD_CLOEXEC, 0);
	if (s->parts_fd < 0)
		return (-errno);
	error = map_board(s, master->board_fd);
	if (error != 0)
		return (error);
	s->counters = map(s->parts_fd, PROT_READ, 0, counters_size(s));
	return (s->counters == NULL ? -errno : 0);
}

int
shm_join(const struct shm *master, int slot, struct shm **shm)
{
	struct shm *s = shm_alloc();
	int error;

	assert(slot >= 0 && slot < SHM_SLOTS);
	if (s == NULL)
		return (-ENOMEM);
	s->slot = slot;
	error = join(s, master);
	if (error == 0)
		error = map_part(s, master->parts_writer);
	if (error != 0) {
		shm_free(s);
		return (error);
	}
	*shm = s;
	return (0);
}

int
shm_join_reader(const struct shm *master, struct shm **shm)
{
	struct shm *s = shm_alloc();
	int error;

	if (s == NULL)
		return (-ENOMEM);
	error = join(s, master);
	if (error != 0) {
		shm_free(s);
		return (error);
	}
	*shm = s;
	return (0);
}

static void
unmap(const void *p, size_t size)
{
	if (p != NULL)
		munmap((void *)(uintptr_t)p, size);
}

void
shm_rules_forget(struct shm *s, int slot)
{
	unmap(s->rules[slot], sizeof(*s->rules[slot]));
	s->rules[slot] = NULL;
}

void
shm_free(struct shm *s)
{
	int i;

	if (s == NULL)
		return;
	for (i = 0; i < SHM_SLOTS; i++) {
		unmap(s->tally[i], sizeof(*s->tally[i]));
		shm_rules_forget(s, i);
	}
	unmap(s->my_rules, sizeof(*s->my_rules));
	unmap(s->my_tally, sizeof(*s->my_tally));
	unmap(s->my_counters, s->stride);
	unmap(s->counters, counters_size(s));
	unmap(s->board, sizeof(*s->board));
	fd_close(&s->board_fd);
	fd_close(&s->board_writer_fd);
	fd_close(&s->parts_fd);
	fd_close(&s->parts_writer);
	free(s);
}

int
shm_fd(const struct shm *s)
{
	return (s->parts_fd);
}

static int
punch(const struct shm *s, off_t at, size_t size)
{
	if (fallocate(s->parts_writer,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		(off_t)size) != 0)
		return (-errno);
	return (0);
}

int
shm_empty(const struct shm *s, int slot)
{
	int error;

	error = punch(s, (off_t)s->stride * slot, s->stride);
	if (error == 0)
		error = punch(s, tally_offset(s, slot), sizeof(struct tally));
	if (error == 0)
		error =
		    punch(s, rules_offset(s, slot), sizeof(struct rules_part));
	return (error);
}

const struct tally *
shm_tally(struct shm *s, int slot)
{
	if (slot == s->slot)
		return (s->my_tally);
	if (s->tally[slot] == NULL)
		s->tally[slot] = map(s->parts_fd, PROT_READ,
		    tally_offset(s, slot), sizeof(*s->tally[slot]));
	return (s->tally[slot]);
}

const struct rules_part *
shm_rules(struct shm *s, int slot)
{
	if (s->rules[slot] == NULL)
		s->rules[slot] = map(s->parts_fd, PROT_READ,
		    rules_offset(s, slot), sizeof(*s->rules[slot]));
	return (s->rules[slot]);
}
