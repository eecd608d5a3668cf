/*
 * Asks for a reload, or an upgrade, by a token, and then for its report until
 * that is there: a reload replaces the admin process, so each answer may be
 * from another one, or be cut short.
 */
#include "master/ask_reload.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/log/sink.h"
#include "master/ask.h"

/* As long as nobody says anything: an admin process that dies is replaced
 * after 30 seconds at the latest. */
#define PATIENCE (45 * CLOCK_SEC)

/* ... And as long as nobody listens, or the one who does knows nothing of the
 * reload. */
#define SHORT_PATIENCE (10 * CLOCK_SEC)

/* Between two questions, in ms. */
#define PAUSE_FIRST 10
#define PAUSE_MOST  200

#define PATHS	    3

struct waiting {
	const char *what, *file;
	bool json;
	FILE *out, *err;
	/* Where to ask; a reload may move the socket. */
	char paths[PATHS][ASK_PATH_SIZE];
	size_t npaths, at;
	char first[64], target[64]; /* of the first request, and the others */
	bool asked;		    /* the service was told */
	bool looked;		    /* where the socket is by now */
	int64_t heard;		    /* when it last said that it is not over */
};

/* Does nobody listen there? */
static bool
is_deserted(int error)
{
	return (error == -ENOENT || error == -ECONNREFUSED);
}

static void
add_path(struct waiting *w, const char *path)
{
	size_t i;

	for (i = 0; i < w->npaths; i++)
		if (strcmp(w->paths[i], path) == 0)
			return;
	if (w->npaths < PATHS)
		strcpy(w->paths[w->npaths++], path);
}

/* False: all of them have been tried. */
static bool
next_path(struct waiting *w)
{
	char *text = NULL, path[ASK_PATH_SIZE];
	size_t len;
	FILE *err;

	if (w->asked && !w->looked) {
		w->looked = true;
		err = open_memstream(&text, &len);
		if (err != NULL && ask_find(path, w->file, NULL, err) == 0)
			add_path(w, path);
		if (err != NULL)
			fclose(err);
		free(text);
	}
	w->at = (w->at + 1) % w->npaths;
	return (w->at != 0);
}

/* A line of the report, as sniport -t would print it. */
static void
put_line(const struct waiting *w, const char *line, bool took)
{
	bool journal = sink_is_journal(fileno(w->err));
	const char *mark = took ? "<5>" : "<3>";
	FILE *out = w->err;

	if (strncmp(line, "error: ", 7) == 0) {
		mark = "<3>";
		line += 7;
	} else if (strncmp(line, "warning: ", 9) == 0) {
		mark = "<4>";
	} else if (strncmp(line, "notice: ", 8) == 0) {
		mark = "<5>";
	} else if (took) {
		/* What is not an error. */
		out = w->out;
		journal = sink_is_journal(fileno(w->out));
	}
	fprintf(out, "%ssniport: %s\n", journal ? mark : "", line);
}

static int
tell(const struct waiting *w, char *report, int status)
{
	bool took = status == 200;
	char *line;

	if (w->json) {
		fputs(report, w->out);
		return (took ? 0 : 1);
	}
	while ((line = strsep(&report, "\n")) != NULL)
		if (line[0] != '\0')
			put_line(w, line, took);
	return (took ? 0 : 1);
}

static int
give_up(const struct waiting *w, int error, const char *answer)
{
	if (error != 0)
		ask_tell(w->err, w->paths[w->at], error);
	else
		fprintf(w->err, "sniport: %s: %s", w->paths[w->at], answer);
	if (w->asked)
		fprintf(w->err,
		    "sniport: %s: it is not known what became of it\n",
		    w->what);
	return (2);
}

/* What an answer means: an exit status, or -1: go on. */
static int
judge(struct waiting *w, int status, char *answer)
{
	if (status == 202) {
		w->asked = true;
		w->heard = clock_now();
		return (-1);
	}
	if (status == 409 || (status == 200 && w->asked))
		return (tell(w, answer, status));
	/* The master has yet to hear of it, or cannot be told just now. */
	if (((status == 404 && w->asked) || status == 503) &&
	    clock_now() - w->heard < SHORT_PATIENCE)
		return (-1);
	return (give_up(w, 0, answer));
}

/* There was no answer. */
static int
suffer(struct waiting *w, int error)
{
	int64_t silence = clock_now() - w->heard;

	if (is_deserted(error) && next_path(w))
		return (-1);
	if (error == -EACCES || (is_deserted(error) && !w->asked) ||
	    silence > (is_deserted(error) ? SHORT_PATIENCE : PATIENCE))
		return (give_up(w, error, NULL));
	return (-1);
}

static int
try(struct waiting *w)
{
	struct ask a;
	char *answer = NULL;
	size_t len = 0;
	FILE *body;
	int error, result;

	body = open_memstream(&answer, &len);
	if (body == NULL)
		return (give_up(w, -ENOMEM, NULL));
	error = ask_begin(&a, w->paths[w->at], w->asked ? "GET" : "POST",
	    w->asked ? w->target : w->first);
	if (error == 0)
		error = ask_body(&a, body);
	if (fclose(body) != 0)
		result = give_up(w, -ENOMEM, NULL);
	else
		result =
		    error == 0 ? judge(w, a.status, answer) : suffer(w, error);
	ask_end(&a);
	free(answer);
	return (result);
}

int
ask_reload(const struct ask_load *load, FILE *out, FILE *err)
{
	struct waiting w = { .what = load->upgrade ? "upgrade" : "reload",
		.file = load->file,
		.json = load->json,
		.out = out,
		.err = err,
		.npaths = 1,
		.heard = clock_now() };
	uint64_t token = 0;
	int result, pause = PAUSE_FIRST;

	if (ask_find(w.paths[0], load->file, load->named, err) != 0)
		return (2);
	/* It may not have heard yet of a path that was set. */
	if (load->named == NULL && strcmp(load->file, CONF_DEFAULT_FILE) == 0)
		add_path(&w, ASK_DEFAULT_PATH);
	while (token == 0)
		if (getrandom(&token, sizeof(token), 0) < 0)
			return (give_up(&w, -errno, NULL));
	snprintf(w.target, sizeof(w.target),
	    "/reload?token=%016" PRIx64 "&format=%s", token,
	    load->json ? "json" : "text");
	snprintf(
	    w.first, sizeof(w.first), "/%s%s", w.what, strchr(w.target, '?'));
	while ((result = try(&w)) < 0) {
		(void)poll(NULL, 0, pause);
		pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST;
	}
	return (result);
}
