/* Values that are written come back, and nothing else does. */
#include "master/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/shm/store.h"
#include "t/unit/tap.h"

struct values {
	uint64_t number;
	int64_t less;
	bool flag;
	char text[8];
	uint8_t bytes[3];
	int fd;
};

static void
code(struct codec *c, struct values *v)
{
	codec_mark(c, "here");
	v->number = codec_number(c, v->number, 1000);
	v->less = codec_signed(c, v->less);
	v->flag = codec_flag(c, v->flag);
	codec_text(c, v->text, sizeof(v->text));
	codec_bytes(c, v->bytes, sizeof(v->bytes));
	v->fd = codec_fd(c, v->fd, CODEC_FILE_PIPE);
	codec_end(c);
}

static void
test_all(int fd)
{
	struct values v = { 1000, -5, true, "seven c", { 1, 2, 3 }, fd };
	struct values got = { .fd = -1 };
	struct codec w, r;
	size_t size;

	codec_write_init(&w);
	code(&w, &v);
	is_int(w.error, 0, "written");
	ok(v.number == 1000 && v.fd == fd, "and still there");
	codec_read_init(&r, w.bytes, w.size, false);
	code(&r, &got);
	is_int(r.error, 0, "read");
	ok(got.number == 1000 && got.less == -5 && got.flag &&
		strcmp(got.text, "seven c") == 0 && got.bytes[2] == 3 &&
		got.fd == fd,
	    "and the same");
	codec_share(&r, true);
	is_int(fcntl(fd, F_GETFD), 0, "other programs have the descriptor");
	codec_share(&r, false);
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "or have it not");
	codec_fini(&r);
	codec_read_init(&r, w.bytes, w.size, true);
	code(&r, &got);
	ok(r.error == 0 && got.fd == -1, "without descriptors: there is none");
	codec_fini(&r);
	for (size = 0; size < w.size; size++) {
		codec_read_init(&r, w.bytes, size, false);
		code(&r, &got);
		if (r.error == 0 || got.fd != -1)
			break;
		codec_fini(&r);
	}
	is_int((int64_t)size, (int64_t)w.size, "nothing of it that is cut");
	w.bytes[0] ^= 1;
	codec_read_init(&r, w.bytes, w.size, false);
	code(&r, &got);
	ok(r.error == -EPROTO && got.number == 0, "nor with another mark");
	codec_fini(&r);
	codec_fini(&w);
}

/* What is wrong with what one function writes, if another reads it. */
#define WRONG(write, read, want)                             \
	do {                                                 \
		struct codec c, w;                           \
		codec_write_init(&w);                        \
		{                                            \
			struct codec *at = &w;               \
			write;                               \
		}                                            \
		codec_read_init(&c, w.bytes, w.size, false); \
		{                                            \
			struct codec *at = &c;               \
			read;                                \
			codec_end(at);                       \
		}                                            \
		is_str(c.wrong, want, want);                 \
		codec_fini(&c);                              \
		codec_fini(&w);                              \
	} while (0)

static void
test_wrong(int fd)
{
	char text[4] = "abc", half[4] = { 'a', 0, 'b', 0 };
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int gone = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(gone);
	WRONG(codec_number(at, 6, 6), codec_number(at, 0, 5),
	    "a number is out of range");
	WRONG(codec_number(at, 2, 2), codec_flag(at, false),
	    "a number is out of range");
	WRONG(codec_signed(at, -1), codec_time(at, 0),
	    "a number is out of range");
	WRONG(codec_text(at, text, 4), codec_text(at, text, 3),
	    "a number is out of range");
	WRONG((codec_number(at, 3, 3), codec_bytes(at, half, 3)),
	    codec_text(at, text, 4), "a text has a NUL within");
	WRONG(codec_number(at, 1, 1), (void)at,
	    "there is more than there should be");
	WRONG(codec_fd(at, other, CODEC_FILE_ANY),
	    codec_fd(at, -1, CODEC_FILE_PIPE),
	    "a descriptor is not what it should be");
	WRONG(codec_fd(at, other, CODEC_FILE_ANY),
	    codec_fd(at, -1, CODEC_FILE_SOCKET),
	    "a descriptor is not what it should be");
	WRONG(codec_fd(at, other, CODEC_FILE_ANY),
	    codec_fd(at, -1, CODEC_FILE_MEMORY),
	    "a descriptor is not what it should be");
	WRONG(codec_number(at, (uint64_t)gone + 1, INT32_MAX),
	    codec_fd(at, -1, CODEC_FILE_ANY),
	    "a descriptor is not what it should be");
	WRONG((codec_fd(at, fd, CODEC_FILE_PIPE),
		  codec_number(at, (uint64_t)fd + 1, INT32_MAX)),
	    (codec_fd(at, -1, CODEC_FILE_PIPE),
		codec_fd(at, -1, CODEC_FILE_PIPE)),
	    "a descriptor comes twice");
	WRONG(codec_number(at, STDERR_FILENO + 1, INT32_MAX),
	    codec_fd(at, -1, CODEC_FILE_ANY),
	    "a descriptor is a standard stream");
	close(other);
}

static void
test_kinds(void)
{
	int pair[2], writer, reader;
	struct codec c, r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
	    store_new("test", 4096, &writer, &reader) != 0)
		abort();
	codec_write_init(&c);
	codec_fd(&c, pair[0], CODEC_FILE_SOCKET);
	codec_fd(&c, writer, CODEC_FILE_MEMORY);
	codec_fd(&c, reader, CODEC_FILE_MEMORY);
	codec_fd(&c, -1, CODEC_FILE_LISTENER);
	codec_read_init(&r, c.bytes, c.size, false);
	is_int(codec_fd(&r, -1, CODEC_FILE_SOCKET), pair[0], "a socket");
	is_int(codec_fd(&r, -1, CODEC_FILE_MEMORY), writer, "memory to write");
	is_int(codec_fd(&r, -1, CODEC_FILE_MEMORY), reader, "and to read");
	is_int(codec_fd(&r, -1, CODEC_FILE_LISTENER), -1, "and what is none");
	is_int(r.error, 0, "all is well");
	codec_fini(&r);
	codec_fini(&c);
	close(pair[0]);
	close(pair[1]);
	close(writer);
	close(reader);
}

int
main(void)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) != 0)
		abort();
	test_all(pair[0]);
	test_wrong(pair[0]);
	test_kinds();
	close(pair[0]);
	close(pair[1]);
	return (done_testing());
}
