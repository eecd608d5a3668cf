/*
 * The tunnel table: what a worker knows of its tunnels, in memory that it alone
 * writes and that others read, so that each tunnel has its audit line though
 * its worker is killed. It takes memory only where tunnels are.
 */
#ifndef COMMON_SHM_TABLE_H
#define COMMON_SHM_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/facts.h"

/*
 * What the file looks like. A tunnel has a slot with its facts, and further
 * ones while its text goes on. A crash at any moment leaves its line in the
 * table, or in the log, or, if it was just being written, in both.
 */
#define TABLE_MAGIC	UINT64_C(0x736c656e6e7574) /* "tunnels" */
#define TABLE_VERSION	4
#define TABLE_HEAD_SIZE 4096
#define TABLE_SLOT_SIZE 512
#define TABLE_MORE_SIZE 488

enum table_state {
	TABLE_FREE,    /* a hole in the file is free */
	TABLE_LIVE,    /* a tunnel that goes on */
	TABLE_ENDED,   /* its line is not known to have left, see `line` */
	TABLE_WRITTEN, /* its line has left, or it has none */
	TABLE_MORE,    /* text of another slot goes on here */
	TABLE_COMING   /* a connection, once its client's address is there */
};

struct table_slot {
	_Atomic uint32_t state;
	uint32_t more; /* the next slot of the text, plus 1; 0: none */
	/* MORE: whose text. COMING: 0 for a socket address, else where in the
	 * text the address is. Else the worker's own business. */
	uint32_t owner;
	uint32_t released;
	/* ENDED: the number of its line in the worker's sink. COMING: how many
	 * connections the worker had counted before. */
	uint64_t line;
	union {
		struct tunnel_facts facts;
		uint8_t text[TABLE_MORE_SIZE];
	};
};

struct table_head {
	uint64_t magic;
	uint32_t version, slot_size;
	uint64_t size; /* of the file */
	/* Slots from here on are free. */
	_Atomic uint32_t high;
	/* Lines that have left the worker's sink: see sink_publish_left(). */
	_Atomic uint64_t left;
};

/* The size of a table for a worker when so many tunnels may be open at once. */
size_t table_size(int64_t tunnels);

/*
 * Makes an empty one: 0 with two descriptors owned by the caller, one for the
 * worker to write by and one that cannot be written by, nor ever made to be; or
 * -errno. Nobody can change the file's size.
 */
int table_new(size_t size, int *writer, int *reader);

/* The worker's view of its own table. */
struct table;

/* Maps it; the descriptor, which stays the caller's, is of no further use. 0 or
 * -errno. */
int table_open(struct table **, int writer);
void table_close(struct table *);

/* To be given to sink_publish_left(). */
_Atomic uint64_t *table_left(struct table *);

/* Facts of which nothing is known yet; NULL: there is no slot. Nobody sees them
 * until table_begin(). */
struct tunnel_facts *table_take(struct table *);
void table_begin(struct table *, struct tunnel_facts *);

/*
 * A connection may come: the kernel shall write its client's socket address to
 * where this returns, of so many bytes, in the call that accepts it. So others
 * find it if its worker is killed before table_begin(), and they find nothing
 * if none came. Its facts but the client are set, and `accepted` connections
 * were counted before.
 */
#define TABLE_AWAIT_SIZE 128
void *table_await(struct table *, struct tunnel_facts *, uint64_t accepted);

/* As above, for a message that has a struct addr so many bytes from its
 * beginning. It is aligned for any. */
void *table_await_message(
    struct table *, struct tunnel_facts *, uint64_t accepted, size_t addr);

/* None came: the slot is free. */
void table_untake(struct table *, struct tunnel_facts *);

/* Are these facts in the table? */
bool table_has(const struct table *, const struct tunnel_facts *);

/* As facts_put(), but there may be no slot for what does not fit: -ENOSPC. */
int table_put(struct table *, struct tunnel_facts *, enum facts_word,
    const void *, size_t len);

/* Writes over bytes of their text, which must be there. What is written before
 * something else is seen before that. */
void table_change(struct table *, struct tunnel_facts *, size_t at,
    const void *bytes, size_t len);

/* All of their text, in one piece: that of the facts, or buf. */
const uint8_t *table_text(const struct table *, const struct tunnel_facts *,
    uint8_t buf[FACTS_TEXT_MAX]);

/* The tunnel ends, and the next line that the sink takes over, which has that
 * number, is its. */
void table_end(struct table *, struct tunnel_facts *, uint64_t line);

/* The sink has taken that line over, and may keep it until table_settle(). */
void table_wait(struct table *, struct tunnel_facts *);

/* There is no line, or it is lost. */
void table_forget(struct table *, struct tunnel_facts *);

/* The lines up to that number have left. */
void table_settle(struct table *, uint64_t line);

/* The worker is done with the facts: the slots are free when the line has left
 * as well. */
void table_release(struct table *, struct tunnel_facts *);

/* Gives the memory of free slots back. */
void table_trim(struct table *);

/* Slots in use. */
uint32_t table_used(const struct table *);

/* A reader's view: bytes which it takes for hostile, and which may change while
 * they are read. */
struct table_reader {
	const uint8_t *base;
	uint32_t slots; /* there is nothing behind */
	uint32_t next;
	uint64_t left;
};

/* What it finds: facts with all of their text. */
struct table_entry {
	uint32_t slot;
	bool ended;	   /* or it is live */
	bool coming;	   /* see table_await() */
	uint64_t accepted; /* ... which was told then */
	struct tunnel_facts facts;
	uint8_t text[FACTS_TEXT_MAX];
};

/* Reads size bytes of a table, borrowed; 0, or -EINVAL: they are none of this
 * version. Pure. */
int table_reader_init(struct table_reader *, const void *, size_t size);

/*
 * The next tunnel that is live, or has ended and whose line has not left.
 * False: there are no more. Whatever the bytes are, the facts are such as
 * audit_format() takes; `cut` is set where text is missing. Pure.
 */
bool table_read(struct table_reader *, struct table_entry *);

#endif
