/*
 * Both ends of a proxy under load: TLS clients, and their plain TCP upstream.
 *
 *	load upstream	prints its port; serves until its standard input ends
 *	load [spin]	prints the port of a name server and those of the
 *			upstream, then does what lines of its standard input say
 *
 * The lines are:
 *
 *	proxy PORT NAME [NUMBERS]		see struct server
 *	work KIND COUNT PARALLEL [RATE]		prepares; see work.h
 *	go					begins
 *	end					takes down
 *	source N				see struct server
 *	hold KIND COUNT PARALLEL
 *	drop PERCENT
 *	patience SECONDS	see open_patience()
 *	life RATE TRANSFERS IDLE LIFETIME	begins at once; see work.h
 *	rest			ends that
 *
 * So who started it can look at the proxy before and after the work alone. With
 * "spin" it never sleeps while there is work.
 */
#include <sys/epoll.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/bench/load/names.h"
#include "t/bench/load/upstream.h"
#include "t/bench/load/work.h"

#define WORDS	  6
#define COUNT_MAX (UINT64_C(1) << 40)

static struct server server;
static char server_name[256];
static bool open_loop;

static void
set_proxy(char **word)
{
	server.port = (uint16_t)number(word[1], UINT16_MAX);
	snprintf(server_name, sizeof(server_name), "%s", word[2]);
	server.name = server_name;
	server.numbers = word[3] == NULL ? 1 : number(word[3], COUNT_MAX);
	server.next = 0;
}

static void
prepare(char **word)
{
	struct work work = { .kind = word[1], .server = &server };
	bool known;

	work.count = number(word[2], COUNT_MAX);
	work.parallel = number(word[3], WORK_PARALLEL_MAX);
	work.rate = word[4] == NULL ? 0 : number(word[4], COUNT_MAX);
	open_loop = work.rate > 0;
	if (server.name == NULL || work.parallel == 0)
		errx(2, "no proxy, or nothing in parallel");
	if (strcmp(word[0], "hold") == 0)
		known = hold(&work);
	else if (open_loop)
		known = open_prepare(&work);
	else
		known = closed_prepare(&work);
	if (!known)
		errx(2, "no such kind: %s", word[1]);
}

static void
set_alive(char **word)
{
	struct life_work work = { .server = &server };

	work.rate = number(word[1], COUNT_MAX);
	work.transfers = (unsigned)number(word[2], WORK_PARALLEL_MAX);
	work.idle = (unsigned)number(word[3], WORK_PARALLEL_MAX);
	work.lifetime = number(word[4], COUNT_MAX);
	if (server.name == NULL)
		errx(2, "no proxy");
	life_go(&work);
}

static void
command(char *line)
{
	char *word[WORDS + 1] = { NULL }, *save = NULL;
	int n = 0;

	for (word[0] = strtok_r(line, " ", &save);
	     word[n] != NULL && n < WORDS;)
		word[++n] = strtok_r(NULL, " ", &save);
	if (n >= 3 && strcmp(word[0], "proxy") == 0)
		set_proxy(word);
	else if (n == 5 && strcmp(word[0], "life") == 0)
		set_alive(word);
	else if (n == 1 && strcmp(word[0], "rest") == 0)
		life_rest();
	else if (n >= 4)
		prepare(word);
	else if (n == 1 && strcmp(word[0], "go") == 0)
		open_loop ? open_go() : closed_go();
	else if (n == 1 && strcmp(word[0], "end") == 0)
		open_loop ? open_end() : closed_end();
	else if (n == 2 && strcmp(word[0], "source") == 0)
		server.source = number(word[1], COUNT_MAX);
	else if (n == 2 && strcmp(word[0], "drop") == 0)
		hold_drop((unsigned)number(word[1], 100));
	else if (n == 2 && strcmp(word[0], "patience") == 0)
		open_patience((unsigned)number(word[1], 3600));
	else
		errx(2, "what is \"%s\"?", word[0] == NULL ? "" : word[0]);
}

static void
input_ready(struct watch *w, uint32_t events)
{
	static char text[4096];
	static size_t len;
	ssize_t n = read(w->fd, text + len, sizeof(text) - len - 1);
	char *end;

	if (n <= 0)
		exit(0);
	len += (size_t)n;
	text[len] = '\0';
	while ((end = strchr(text, '\n')) != NULL) {
		*end++ = '\0';
		command(text);
		len -= (size_t)(end - text);
		memmove(text, end, len + 1);
	}
}

int
main(int argc, char **argv)
{
	struct watch *input = must_calloc(1, sizeof(*input));
	const char *mode = argc == 2 ? argv[1] : "";
	unsigned i;

	if (argc > 2 || (argc == 2 && strcmp(mode, "upstream") != 0 &&
			    strcmp(mode, "spin") != 0))
		errx(2, "[upstream | spin]");
	signal(SIGPIPE, SIG_IGN);
	loop_init(strcmp(mode, "spin") == 0);
	input->ready = input_ready;
	watch_add(input, EPOLLIN);
	if (strcmp(mode, "upstream") == 0) {
		upstream_open(1);
		say("%u", upstream_port(0));
	} else {
		upstream_open(UPSTREAM_PORTS);
		printf("%u", names_open());
		for (i = 0; i < UPSTREAM_PORTS; i++)
			printf(" %u", upstream_port(i));
		say("%s", "");
	}
	loop_run();
}
