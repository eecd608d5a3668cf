/*
 * Reads the keys of session tickets from a file, and takes no file that would
 * let others make tickets of their own: who knows a key can be any client.
 */
#include "master/ticket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "master/findings.h"
#include "master/pem.h"

#define KEY_SIZE sizeof(struct ticket_key)

/* One byte more than there may be, to tell a file that is too long. */
union content {
	unsigned char bytes[TICKET_KEYS_MAX * KEY_SIZE + 1];
	struct ticket_key keys[TICKET_KEYS_MAX];
};

static int
refuse(const struct pem_file *file, const char *text)
{
	pem_finding(file, LOG_LEVEL_ERROR, "%s", text);
	return (-EINVAL);
}

static int
check_file(const struct pem_file *file, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return (refuse(file, fd_slurp_text(-EISDIR)));
	if (!S_ISREG(st->st_mode))
		return (refuse(file, fd_slurp_text(-EMEDIUMTYPE)));
	if ((st->st_mode & (S_IROTH | S_IWOTH)) == 0)
		return (0);
	pem_finding(file, LOG_LEVEL_ERROR,
	    "its mode %04o lets every user %s it, and who has a key can pass "
	    "for any client; take that away with chmod o-rw, and make new keys",
	    (unsigned)(st->st_mode & 07777),
	    (st->st_mode & S_IWOTH) != 0 ? "write" : "read");
	return (-EINVAL);
}

static int
check_size(const struct pem_file *file, size_t size)
{
	if (size == 0)
		return (refuse(file, "has no key: it is empty"));
	if (size > TICKET_KEYS_MAX * KEY_SIZE)
		pem_finding(file, LOG_LEVEL_ERROR,
		    "has more than %d keys of %zu bytes", TICKET_KEYS_MAX,
		    KEY_SIZE);
	else if (size % KEY_SIZE != 0)
		pem_finding(file, LOG_LEVEL_ERROR,
		    "has %zu bytes, which is not a multiple of %zu, the length "
		    "of a key",
		    size, KEY_SIZE);
	else
		return (0);
	return (-EINVAL);
}

static bool
same(const struct stat *a, const struct stat *b)
{
	return (a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

/* A file that is written over while it is read has parts of two. */
static int
read_file(const struct pem_file *file, union content *c, size_t *size)
{
	int fd =
	    open(*file->setting, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat before, after;
	ssize_t n = 0;
	int error = 0;

	if (fd == -1 || fstat(fd, &before) == -1)
		error = -errno;
	if (error == 0 && check_file(file, &before) != 0) {
		fd_close(&fd);
		return (-EINVAL);
	}
	if (error == 0)
		n = fd_read_full(fd, c->bytes, sizeof(c->bytes));
	if (n < 0)
		error = (int)n;
	*size = n < 0 ? 0 : (size_t)n;
	if (error == 0 && fstat(fd, &after) == -1)
		error = -errno;
	fd_close(&fd);
	if (error != 0) {
		pem_finding(file, LOG_LEVEL_ERROR, "cannot be read: %s",
		    fd_slurp_text(error));
		return (-EINVAL);
	}
	if (!same(&before, &after))
		return (refuse(file,
		    "was changed while it was read; make another file, and "
		    "rename that"));
	return (check_size(file, *size));
}

/* Nobody draws 80 such bytes by chance. */
static bool
is_text(const struct ticket_key *key)
{
	const unsigned char *bytes = (const unsigned char *)key;
	size_t i;

	for (i = 0; i < KEY_SIZE; i++)
		if ((bytes[i] < ' ' || bytes[i] > '~') && bytes[i] != '\n' &&
		    bytes[i] != '\r' && bytes[i] != '\t')
			return (false);
	return (true);
}

/* A part of the secret that is one byte over and over was never drawn. */
static bool
is_blank(const struct ticket_key *key)
{
	const size_t half = sizeof(key->secret) / 2;

	return (
	    memcmp(key->secret, key->secret + 1, half - 1) == 0 ||
	    memcmp(key->secret + half, key->secret + half + 1, half - 1) == 0);
}

static int
check_keys(const struct pem_file *file, const struct ticket_key *keys, size_t n)
{
	size_t i, j;

	for (i = 0; i < n; i++) {
		if (is_text(&keys[i]) || is_blank(&keys[i])) {
			pem_finding(file, LOG_LEVEL_ERROR,
			    "key %zu is not %zu random bytes, as by openssl "
			    "rand %zu",
			    i + 1, KEY_SIZE, KEY_SIZE);
			return (-EINVAL);
		}
		for (j = 0; j < i; j++) {
			if (memcmp(keys[i].name, keys[j].name,
				sizeof(keys[i].name)) != 0)
				continue;
			pem_finding(file, LOG_LEVEL_ERROR,
			    "key %zu has the name, the first %zu bytes, of key "
			    "%zu",
			    i + 1, sizeof(keys[i].name), j + 1);
			return (-EINVAL);
		}
	}
	return (0);
}

/* So that operators see whether their nodes have the same. */
static void
tell(const struct pem_file *file, const struct ticket_key *keys, size_t n)
{
	const uint8_t *name = keys[0].name;

	pem_finding(file, LOG_LEVEL_NOTICE,
	    "%zu key%s; the name of the one that seals begins with "
	    "%02x%02x%02x%02x",
	    n, n == 1 ? "" : "s", name[0], name[1], name[2], name[3]);
}

int
ticket_file_read(const struct conf *conf,
    struct ticket_key keys[TICKET_KEYS_MAX], size_t *n, struct findings *f)
{
	const struct pem_file file = { conf, &conf->tls.ticket_keys, f };
	union content content;
	size_t size = 0;
	int error;

	error = read_file(&file, &content, &size);
	*n = size / KEY_SIZE;
	if (error == 0)
		error = check_keys(&file, content.keys, *n);
	if (error == 0) {
		memcpy(keys, content.keys, *n * KEY_SIZE);
		tell(&file, keys, *n);
	}
	explicit_bzero(&content, sizeof(content));
	return (error);
}
