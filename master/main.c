/* sniport: an egress proxy for TCP. Chooses what the process is to be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/tls/library.h"
#include "master/ask.h"
#include "master/ask_reload.h"
#include "master/check.h"
#include "master/findings.h"
#include "master/generation.h"
#include "master/line.h"
#include "master/options.h"
#include "master/query.h"
#include "master/start.h"
#include "master/takeover.h"
#include "master/top.h"
#include "master/trial.h"
#include "master/version.h"
#include "master/why.h"

#define EXIT_USAGE 2

static int
print(const char *file)
{
	struct generation *g = NULL;
	struct findings f;
	int error;

	findings_init(&f);
	error = generation_read(&g, file, NULL, &f);
	findings_print(&f, stderr);
	if (error == 0) {
		error = conf_print(g->conf, stdout);
		if (error != 0)
			fprintf(stderr, "sniport: -T: %s\n", strerror(-error));
	}
	findings_fini(&f);
	generation_free(g);
	return (error == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int
query(const struct options *o)
{
	const struct query asked = { .target = o->query,
		.clients = o->clients,
		.nclients = o->nclients,
		.explain = o->explain };
	struct generation *g = NULL;
	int result = QUERY_BAD;
	struct findings f;

	findings_init(&f);
	if (generation_read(&g, o->file, NULL, &f) == 0 &&
	    generation_load_hosts(g, &f) == 0)
		result = query_run(g, &asked, stdout, stderr);
	else
		findings_print(&f, stderr);
	findings_fini(&f);
	generation_free(g);
	return (result);
}

/* A socket that takes the place of a closed standard stream would be written
 * to by accident. What is written to standard output, which may be the audit
 * log, is not to vanish: writing fails, as it does where it is closed. */
static int
fill_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null",
		    fcntl(STDOUT_FILENO, F_GETFD) == -1 ? O_RDONLY : O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return (-1);
	close(fd);
	return (0);
}

/* Is it no filter? */
static bool
is_order(const struct options *o, const char *word)
{
	return (o->mode == OPTIONS_TOP && strncmp(word, "sort=", 5) == 0);
}

/* Where to ask, and for what; the words are filters. */
static int
aim(const struct options *o, const char *what, char path[ASK_PATH_SIZE],
    char target[ASK_TARGET_SIZE])
{
	int i;

	snprintf(target, ASK_TARGET_SIZE, "%s?format=%s", what,
	    o->mode == OPTIONS_TOP ? "tsv"
	    : o->json		   ? "json"
				   : "text");
	for (i = 0; i < o->nwords; i++) {
		if (is_order(o, o->words[i]) ||
		    ask_add(target, o->words[i]) == 0)
			continue;
		fprintf(stderr, "sniport: the filters are too long\n");
		return (-EINVAL);
	}
	return (ask_find(path, o->file, o->control, stderr));
}

static int
ask(const struct options *o, const char *what)
{
	char path[ASK_PATH_SIZE], target[ASK_TARGET_SIZE];

	if (aim(o, what, path, target) != 0 ||
	    ask_run(path, target, stdout, stderr) != 0)
		return (EXIT_USAGE);
	return (EXIT_SUCCESS);
}

static int
top(const struct options *o)
{
	char path[ASK_PATH_SIZE], target[ASK_TARGET_SIZE];
	enum top_order by = TOP_BY_RATE;
	int i;

	for (i = 0; i < o->nwords; i++) {
		if (!is_order(o, o->words[i]) ||
		    top_order_find(&by, o->words[i] + 5) == 0)
			continue;
		fprintf(stderr, "sniport: top: sort is rate, total or age\n");
		return (EXIT_USAGE);
	}
	if (aim(o, "/tunnels", path, target) != 0 ||
	    top_run(path, target, by, o->json, stderr) != 0)
		return (EXIT_USAGE);
	return (EXIT_SUCCESS);
}

static int
close_tunnels(const struct options *o)
{
	char path[ASK_PATH_SIZE], target[ASK_TARGET_SIZE];

	if (aim(o, "/close", path, target) != 0)
		return (EXIT_USAGE);
	switch (ask_post(path, target, o->json, stdout, stderr)) {
	case 200:
		return (EXIT_SUCCESS);
	case 404:
	case 504:
		return (EXIT_FAILURE);
	default:
		return (EXIT_USAGE);
	}
}

static int
load(const struct options *o)
{
	const struct ask_load load = { .upgrade = o->mode == OPTIONS_UPGRADE,
		.file = o->file,
		.named = o->control,
		.json = o->json };

	return (ask_reload(&load, stdout, stderr));
}

static int
run(const struct options *o, char *const *argv)
{
	switch (o->mode) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_CHECK:
		return (check_run(o->file));
	case OPTIONS_PRINT:
		return (print(o->file));
	case OPTIONS_VERSION:
		version_print(stdout);
		return (EXIT_SUCCESS);
	case OPTIONS_HELP:
		options_usage(stdout);
		return (EXIT_SUCCESS);
	case OPTIONS_QUERY:
		return (query(o));
	case OPTIONS_CLOSE:
		return (close_tunnels(o));
	case OPTIONS_RELOAD:
	case OPTIONS_UPGRADE:
		return (load(o));
	case OPTIONS_STATUS:
		return (ask(o, "/status"));
	case OPTIONS_TOP:
		return (top(o));
	case OPTIONS_TUNNELS:
		return (ask(o, "/tunnels"));
	case OPTIONS_LINE:
		return ((int)line_run(
		    o->file, o->words[0], o->json, stdout, stderr));
	case OPTIONS_WHY:
		return (why_run(o->words[0], o->json, stdout, stderr) == 0
			    ? EXIT_SUCCESS
			    : EXIT_FAILURE);
	}
	return (start_master(o->file, argv));
}

/* Of a master that has this program tried, and nobody else. */
static int
try_takeover(const char *state)
{
	int result;

	clock_init();
	result = takeover_try(state);
	return (fflush(stdout) == 0 ? result : EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	struct options o;
	char error[256];
	int result;

	if (fill_standard_streams() != 0)
		return (EXIT_FAILURE);
	if (library_start() != 0)
		return (EXIT_FAILURE);
	if (argc == 3 && strcmp(argv[1], TRIAL_OPTION) == 0)
		return (try_takeover(argv[2]));
	if (options_parse(&o, argc, argv, error, sizeof(error)) != 0) {
		fprintf(stderr, "sniport: %s; see sniport -h\n", error);
		return (EXIT_USAGE);
	}
	clock_init();
	result = run(&o, argv);
	if (fflush(stdout) != 0 && result == EXIT_SUCCESS)
		result = EXIT_FAILURE;
	return (result);
}
