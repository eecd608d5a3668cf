/* What the files of shm/ know in common of counts by rule, and nobody else. */
#ifndef COMMON_SHM_RULES_STATE_H
#define COMMON_SHM_RULES_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/shm/rules.h"

/* Numbers of a row, with its last use. */
enum {
	RULES_LAST = RULES_SUMS,
	RULES_NUMBERS
};

/* Of one page; whether there is anything in it a worker notes for others. */
#define RULES_PAGE_ROWS	 (4096 / (int)sizeof(struct rules_row))
#define RULES_PAGES	 ((RULES_ROWS + RULES_PAGE_ROWS - 1) / RULES_PAGE_ROWS)
#define RULES_PAGE_WORDS ((RULES_PAGES + 63) / 64)

/* What a worker has counted. Where nothing was counted there is no memory. */
struct rules_part {
	_Atomic uint64_t pages[RULES_PAGE_WORDS]; /* a bit each: is in use */
	_Alignas(4096) struct rules_row rows[RULES_ROWS];
};

/*
 * A row: a name that some crew has, or had, for a rule, and what was counted by
 * workers that are gone. All but `n` changes only between shm_change_begin()
 * and shm_change_end().
 */
struct rules_entry {
	_Atomic uint64_t n[RULES_NUMBERS];
	uint64_t life;	  /* another one: it is another name's; 0: nobody's */
	int64_t gone;	  /* clock_now(), since when nobody has it */
	uint32_t holders; /* crews */
	uint8_t action;	  /* enum rule_action, as it was last */
	uint8_t len;
	char name[RULES_NAME_MAX];
};

struct rules_board {
	uint64_t lives;	       /* so far */
	_Atomic uint32_t high; /* rows from here on were never used */
	struct rules_entry entries[RULES_ROWS];
};

/*
 * For whoever reads what a worker has counted, who may have been broken into.
 * The next row, *row included, of those in use in which there may be something;
 * false: there is none.
 */
bool rules_next(const struct rules_part *, unsigned high, unsigned *row);
/* What is believed of a row, by clock_wall(). */
void rules_count(
    const struct rules_row *, int64_t wall, uint64_t n[RULES_NUMBERS]);
/* Adds it to what others have counted. */
void rules_add(uint64_t n[RULES_NUMBERS], const uint64_t more[RULES_NUMBERS]);
/* What workers that are gone have counted. */
void rules_kept(const struct rules_entry *, uint64_t n[RULES_NUMBERS]);

#endif
