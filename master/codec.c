/* Writes values and descriptors one after the other, and reads them back. */
#include "master/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_FIRST 4096

void
codec_write_init(struct codec *c)
{
	*c = (struct codec){ .reads = false };
}

void
codec_read_init(struct codec *c, const void *bytes, size_t size, bool blind)
{
	*c = (struct codec){ .reads = true,
		.blind = blind,
		.bytes = (uint8_t *)(uintptr_t)bytes,
		.size = size };
}

void
codec_fini(struct codec *c)
{
	if (!c->reads)
		free(c->bytes);
	free(c->files);
	free(c->seen);
	*c = (struct codec){ .reads = c->reads, .error = -EINVAL };
}

void
codec_fail(struct codec *c, int error, const char *wrong)
{
	if (c->error != 0)
		return;
	c->error = error;
	c->wrong = wrong;
}

static bool
make_room(struct codec *c, size_t more)
{
	size_t room = c->room > 0 ? c->room : ROOM_FIRST;
	uint8_t *bytes;

	if (more > CODEC_SIZE_MAX || c->size > CODEC_SIZE_MAX - more) {
		codec_fail(c, -EFBIG, "it is too large");
		return (false);
	}
	while (room < c->size + more)
		room *= 2;
	if (room == c->room)
		return (true);
	bytes = realloc(c->bytes, room);
	if (bytes == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return (false);
	}
	c->bytes = bytes;
	c->room = room;
	return (true);
}

void
codec_bytes(struct codec *c, void *bytes, size_t size)
{
	if (c->error == 0 && c->reads && size > c->size - c->at)
		codec_fail(c, -EPROTO, "it is cut short");
	if (c->error != 0 || (!c->reads && !make_room(c, size))) {
		if (c->reads && size > 0)
			memset(bytes, 0, size);
		return;
	}
	if (size == 0)
		return;
	if (c->reads) {
		memcpy(bytes, c->bytes + c->at, size);
		c->at += size;
	} else {
		memcpy(c->bytes + c->size, bytes, size);
		c->size += size;
	}
}

uint64_t
codec_number(struct codec *c, uint64_t n, uint64_t max)
{
	codec_bytes(c, &n, sizeof(n));
	if (n <= max)
		return (n);
	codec_fail(c, -EPROTO, "a number is out of range");
	return (c->reads ? 0 : n);
}

int64_t
codec_signed(struct codec *c, int64_t n)
{
	return ((int64_t)codec_number(c, (uint64_t)n, UINT64_MAX));
}

bool
codec_flag(struct codec *c, bool flag)
{
	return (codec_number(c, flag, 1) != 0);
}

int64_t
codec_time(struct codec *c, int64_t time)
{
	return ((int64_t)codec_number(c, (uint64_t)time, INT64_MAX));
}

void
codec_text(struct codec *c, char *text, size_t size)
{
	size_t len = c->reads ? 0 : strnlen(text, size - 1);

	len = codec_number(c, len, size - 1);
	codec_bytes(c, text, len);
	if (!c->reads)
		return;
	text[len] = '\0';
	if (memchr(text, '\0', len) != NULL)
		codec_fail(c, -EPROTO, "a text has a NUL within");
}

void
codec_mark(struct codec *c, const char mark[4])
{
	char found[4];

	memcpy(found, mark, sizeof(found));
	codec_bytes(c, found, sizeof(found));
	if (memcmp(found, mark, sizeof(found)) != 0)
		codec_fail(c, -EPROTO, "a part is missing");
}

void
codec_end(struct codec *c)
{
	if (c->reads && c->error == 0 && c->at != c->size)
		codec_fail(c, -EPROTO, "there is more than there should be");
}

static bool
is_memory(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return (seals != -1 && (seals & F_SEAL_SHRINK) != 0 &&
		(seals & F_SEAL_GROW) != 0);
}

static bool
is_what(int fd, enum codec_file what)
{
	socklen_t len = sizeof(int);
	struct stat st;
	int type;

	if (fstat(fd, &st) != 0)
		return (false);
	switch (what) {
	case CODEC_FILE_ANY:
		return (true);
	case CODEC_FILE_PIPE:
		return (S_ISFIFO(st.st_mode));
	case CODEC_FILE_MEMORY:
		return (is_memory(fd));
	case CODEC_FILE_SOCKET:
		return (S_ISSOCK(st.st_mode));
	case CODEC_FILE_LISTENER:
		break;
	}
	/* A worker can have shut it down, which is found out and mended. */
	return (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		type == SOCK_STREAM);
}

static bool
add_file(struct codec *c, int fd)
{
	size_t room;
	int *files;

	if (c->seen == NULL)
		c->seen = calloc(CODEC_FILES_MAX / CHAR_BIT, 1);
	if (c->seen == NULL)
		return (false);
	if (c->nfiles == c->files_room) {
		room = c->nfiles > 0 ? 2 * c->nfiles : 64;
		files = reallocarray(c->files, room, sizeof(*files));
		if (files == NULL)
			return (false);
		c->files = files;
		c->files_room = room;
	}
	c->files[c->nfiles++] = fd;
	return (true);
}

static void
take_file(struct codec *c, int fd, enum codec_file what)
{
	uint8_t bit = (uint8_t)(1U << fd % CHAR_BIT);

	if (c->reads && !c->blind && !is_what(fd, what)) {
		codec_fail(c, -EBADF, "a descriptor is not what it should be");
		return;
	}
	if (!add_file(c, fd)) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	if ((c->seen[fd / CHAR_BIT] & bit) != 0)
		codec_fail(c, -EPROTO, "a descriptor comes twice");
	c->seen[fd / CHAR_BIT] |= bit;
}

/* As its number and one more. */
int
codec_fd(struct codec *c, int fd, enum codec_file what)
{
	uint64_t n = codec_number(c, (uint64_t)(fd + 1), CODEC_FILES_MAX);

	if (c->reads)
		fd = (int)n - 1;
	if (c->error == 0 && fd >= 0 && fd <= STDERR_FILENO)
		codec_fail(c, -EPROTO, "a descriptor is a standard stream");
	if (c->error == 0 && fd != -1)
		take_file(c, fd, what);
	return (c->reads && (c->error != 0 || c->blind) ? -1 : fd);
}

void
codec_share(const struct codec *c, bool share)
{
	size_t i;

	for (i = 0; i < c->nfiles; i++)
		(void)fcntl(c->files[i], F_SETFD, share ? 0 : FD_CLOEXEC);
}
