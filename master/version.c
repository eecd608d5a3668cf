/* sniport -V: the versions of sniport and of the libraries that it uses. */
#include "master/version.h"

#include <gnu/libc-version.h>
#include <string.h>
#include <time.h>

#include <ares.h>
#include <libconfig.h>
#include <seccomp.h>

#include <commit.h> /* made by etc/commit */
#include "common/base/alloc.h"
#include "common/tls/library.h"

#define SIZE	       64

#define TEXT(number)   #number
#define STRING(number) TEXT(number)

static void
print_library(
    FILE *out, const char *name, const char *running, const char *built)
{
	fprintf(out, "%s%s", name, running);
	if (strcmp(running, built) != 0)
		fprintf(out, " (built with %s)", built);
	putc('\n', out);
}

/* Their versions begin with the name. */
static void
print_tls(FILE *out)
{
	const char *running = library_running(), *built = library_built();
	char buf[LIBRARY_WATCH_SIZE];
	const char *watch = library_watch(time(NULL), buf);

	if (watch != NULL && strcmp(running, built) == 0)
		fprintf(out, "%s (%s)\n", running, watch);
	else
		print_library(out, "", running, built);
}

static void
print_seccomp(FILE *out)
{
	const struct scmp_version *v = seccomp_version();
	char running[SIZE];

	snprintf(
	    running, sizeof(running), "%u.%u.%u", v->major, v->minor, v->micro);
	print_library(out, "libseccomp ", running,
	    STRING(SCMP_VER_MAJOR) "." STRING(SCMP_VER_MINOR) "." STRING(
		SCMP_VER_MICRO));
}

/* "5.3.0-0-g54eaed1": what is behind the number is of its repository. */
static void
print_jemalloc(FILE *out)
{
	const char *version = alloc_version();
	char running[SIZE];

	if (version == NULL)
		return;
	snprintf(running, sizeof(running), "%.*s", (int)strcspn(version, "-"),
	    version);
	fprintf(out, "jemalloc %s\n", running);
}

void
version_print(FILE *out)
{
	fprintf(
	    out, "sniport %s, commit %s\n", SNIPORT_VERSION, SNIPORT_COMMIT);
	print_tls(out);
	print_library(out, "c-ares ", ares_version(NULL), ARES_VERSION_STR);
	/* It has no function that tells. */
	fprintf(out, "libconfig %d.%d.%d\n", LIBCONFIG_VER_MAJOR,
	    LIBCONFIG_VER_MINOR, LIBCONFIG_VER_REVISION);
	print_seccomp(out);
	print_jemalloc(out);
	print_library(out, "glibc ", gnu_get_libc_version(),
	    STRING(__GLIBC__) "." STRING(__GLIBC_MINOR__));
}
