/*
 * Bytes from one program to the next, which are written and read by the same
 * code: each function takes a value, and returns it where it writes, or what
 * was read in its place. What is read is taken for hostile: from the first
 * thing that is wrong on, everything reads as zero, and the error stays.
 */
#ifndef MASTER_CODEC_H
#define MASTER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of all that is written, and of all descriptors in it. */
#define CODEC_SIZE_MAX	((size_t)64 * 1024 * 1024)
#define CODEC_FILES_MAX ((size_t)1024 * 1024)

/* What a descriptor must be. */
enum codec_file {
	CODEC_FILE_ANY,
	CODEC_FILE_LISTENER, /* a socket that listens, or did */
	CODEC_FILE_SOCKET,
	CODEC_FILE_PIPE,
	CODEC_FILE_MEMORY /* whose size nobody can change */
};

struct codec {
	bool reads;
	bool blind; /* reads numbers of descriptors that are not here: each
		     * becomes -1 */
	uint8_t *bytes;
	size_t size, room, at;
	int *files; /* borrowed descriptors */
	size_t nfiles, files_room;
	uint8_t *seen;	   /* a bit for each of them */
	int error;	   /* 0 or -errno, of the first that was wrong */
	const char *wrong; /* what it was; static */
};

void codec_write_init(struct codec *);
/* The bytes are borrowed. */
void codec_read_init(
    struct codec *, const void *bytes, size_t size, bool blind);
void codec_fini(struct codec *);

/* Something is wrong: keeps the first. */
void codec_fail(struct codec *, int error, const char *wrong);

/* What is read is no more than max. */
uint64_t codec_number(struct codec *, uint64_t, uint64_t max);
/* Any. */
int64_t codec_signed(struct codec *, int64_t);
bool codec_flag(struct codec *, bool);
/* A time, which is not negative. */
int64_t codec_time(struct codec *, int64_t);

/* So many bytes, and a text with its NUL in a buffer. */
void codec_bytes(struct codec *, void *, size_t);
void codec_text(struct codec *, char *, size_t size);

/* A descriptor, or -1. None comes twice. What is written is returned as it is,
 * even after an error: it is still in use. */
int codec_fd(struct codec *, int fd, enum codec_file);

/* The same place in what is written and what is read. */
void codec_mark(struct codec *, const char mark[4]);

/* Has everything been read? */
void codec_end(struct codec *);

/* Shall a program that this one becomes have the descriptors? */
void codec_share(const struct codec *, bool);

#endif
