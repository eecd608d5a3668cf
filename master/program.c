/* Finds, opens and runs programs in the place of this one. */
#include "master/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "master/codec.h"

#define VARIABLE	"SNIPORT_TAKE_OVER"
#define VARIABLE_FAILED "SNIPORT_TAKE_OVER_FAILED"

#define TEXT_SIZE	64

#define SELF		"/proc/self/exe"

#define SEALS		(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void
program_find(char path[PATH_MAX])
{
	/* As it was given to execve(2). */
	const char *name = (const char *)getauxval(AT_EXECFN);
	char folder[PATH_MAX];
	int len = -1;

	path[0] = '\0';
	if (name == NULL || strncmp(name, "/dev/fd/", 8) == 0 ||
	    strncmp(name, "/proc/", 6) == 0) {
		len = (int)readlink(SELF, path, PATH_MAX - 1);
		path[len > 0 ? len : 0] = '\0';
		return;
	}
	if (name[0] == '/')
		len = snprintf(path, PATH_MAX, "%s", name);
	else if (getcwd(folder, sizeof(folder)) != NULL)
		len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	if (len < 0 || len >= PATH_MAX)
		path[0] = '\0';
}

int
program_open(const char *path)
{
	int fd = open(path != NULL ? path : SELF, O_PATH | O_CLOEXEC);

	return (fd == -1 ? -errno : fd);
}

static int
write_all(int fd, const uint8_t *p, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (n < 0 ? -errno : -EIO);
		p += n;
		len -= (size_t)n;
	}
	return (0);
}

int
program_state(const struct codec *c)
{
	int fd = memfd_create("sniport-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd == -1)
		return (-errno);
	error = write_all(fd, c->bytes, c->size);
	if (error == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == -1)
		error = -errno;
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

const void *
program_read_state(int fd, size_t *size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals == -1 || fstat(fd, &st) != 0)
		return (NULL);
	errno = EPROTO;
	if ((seals & SEALS) != SEALS || st.st_size <= 0 ||
	    (size_t)st.st_size > CODEC_SIZE_MAX)
		return (NULL);
	*size = (size_t)st.st_size;
	p = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
	return (p != MAP_FAILED ? p : NULL);
}

int
program_handed(struct program_handover *h)
{
	const char *text = getenv(VARIABLE);
	char end;

	if (text == NULL)
		return (0);
	h->failure = getenv(VARIABLE_FAILED);
	if (sscanf(text, "%d:%d%c", &h->state, &h->before, &end) != 2 ||
	    h->state <= STDERR_FILENO || h->before < -1 ||
	    (h->before >= 0 && h->before <= STDERR_FILENO))
		return (-EPROTO);
	return (1);
}

void
program_forget(void)
{
	(void)unsetenv(VARIABLE);
	(void)unsetenv(VARIABLE_FAILED);
}

static void
format(const struct program_handover *h, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "%d:%d", h->state, h->before);
}

/* Is that this variable? */
static bool
is_variable(const char *text, const char *name)
{
	size_t len = strlen(name);

	return (strncmp(text, name, len) == 0 && text[len] == '=');
}

void
program_free_environment(char *const *env)
{
	if (env == NULL)
		return;
	free(env[0]);
	free(env[1]);
	free((void *)(uintptr_t)env);
}

char **
program_environment(const struct program_handover *h)
{
	char text[TEXT_SIZE], **env;
	size_t i, n = 0;

	for (i = 0; environ[i] != NULL; i++)
		;
	env = calloc(i + 3, sizeof(*env));
	if (env == NULL)
		return (NULL);
	format(h, text);
	if (asprintf(&env[n++], VARIABLE "=%s", text) < 0 ||
	    asprintf(&env[n++], VARIABLE_FAILED "=%s",
		h->failure != NULL ? h->failure : "") < 0) {
		env[n - 1] = NULL;
		program_free_environment(env);
		return (NULL);
	}
	for (i = 0; environ[i] != NULL; i++)
		if (!is_variable(environ[i], VARIABLE) &&
		    !is_variable(environ[i], VARIABLE_FAILED))
			env[n++] = environ[i];
	return (env);
}

int
program_become(int exe, char *const *argv, const struct program_handover *h)
{
	char text[TEXT_SIZE];
	int error;

	format(h, text);
	if (setenv(VARIABLE, text, 1) != 0 ||
	    (h->failure != NULL &&
		setenv(VARIABLE_FAILED, h->failure, 1) != 0)) {
		program_forget();
		return (-ENOMEM);
	}
	if (h->failure == NULL)
		(void)unsetenv(VARIABLE_FAILED);
	(void)fcntl(h->state, F_SETFD, 0);
	(void)execveat(exe, "", argv, environ, AT_EMPTY_PATH);
	error = -errno;
	(void)fcntl(h->state, F_SETFD, FD_CLOEXEC);
	program_forget();
	return (error);
}
