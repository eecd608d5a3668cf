/* Lists the files that TLS is served with, and digests what stands in them. */
#include "master/renewal_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/registers.h"
#include "common/conf/conf.h"

/* As much of a file as may be read of the largest; what follows is nobody's. */
#define FILE_MAX (17 * 1024 * 1024)

#define PIECE	 16384

size_t
renewal_files(
    const struct conf *conf, struct renewal_file files[RENEWAL_FILES_MAX])
{
	const struct conf_tls *tls = &conf->tls;
	size_t i, n = 0;

	assert(tls->ncertificates * 2 + 3 <= RENEWAL_FILES_MAX);
	for (i = 0; i < tls->ncertificates; i++) {
		files[n++] = (struct renewal_file){ "tls.certificates.chain",
			tls->certificates[i].chain };
		files[n++] = (struct renewal_file){ "tls.certificates.key",
			tls->certificates[i].key };
	}
	if (tls->client_ca != NULL)
		files[n++] =
		    (struct renewal_file){ "tls.client_ca", tls->client_ca };
	if (tls->crl != NULL)
		files[n++] = (struct renewal_file){ "tls.crl", tls->crl };
	if (tls->ticket_keys != NULL)
		files[n++] = (struct renewal_file){ "tls.ticket_keys",
			tls->ticket_keys };
	return (n);
}

/* Opens a regular file; else -errno, without waiting. */
static int
open_file(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int error;

	if (fd < 0)
		return (-errno);
	error = fstat(fd, st) != 0	? -errno
		: !S_ISREG(st->st_mode) ? -EMEDIUMTYPE
					: 0;
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

/* Its bytes, and who may read them: some files are refused for that. */
static int
digest_file(EVP_MD_CTX *ctx, const char *path)
{
	unsigned char buf[PIECE];
	size_t left = FILE_MAX;
	struct stat st;
	int fd = open_file(path, &st);
	ssize_t n = 0;

	if (fd < 0)
		return (fd);
	if (EVP_DigestUpdate(ctx, &st.st_mode, sizeof(st.st_mode)) != 1)
		n = -ENOMEM;
	while (n >= 0 && left > 0) {
		n = fd_read_full(fd, buf, left < PIECE ? left : PIECE);
		if (n <= 0)
			break;
		if (EVP_DigestUpdate(ctx, buf, (size_t)n) != 1)
			n = -ENOMEM;
		else
			left -= (size_t)n;
	}
	explicit_bzero(buf, sizeof(buf));
	fd_close(&fd);
	return (n < 0 ? (int)n : 0);
}

static void
take(EVP_MD_CTX *ctx, const char *path, unsigned char digest[32])
{
	int32_t error = 0;

	memset(digest, 0, 32);
	if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return;
	error = digest_file(ctx, path);
	if (EVP_DigestUpdate(ctx, &error, sizeof(error)) == 1)
		(void)EVP_DigestFinal_ex(ctx, digest, NULL);
}

void
renewal_marks_take(struct renewal_marks *marks, const struct conf *conf)
{
	struct renewal_file files[RENEWAL_FILES_MAX];
	size_t i, n = renewal_files(conf, files);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	memset(marks, 0, sizeof(*marks));
	for (i = 0; i < n && ctx != NULL; i++)
		take(ctx, files[i].path, marks->digest[i]);
	EVP_MD_CTX_free(ctx);
	registers_clear();
}
