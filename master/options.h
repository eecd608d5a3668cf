/* The command line. */
#ifndef MASTER_OPTIONS_H
#define MASTER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OPTIONS_CLIENTS_MAX 32
#define OPTIONS_WORDS_MAX   8

enum options_mode {
	OPTIONS_RUN,
	OPTIONS_CHECK,	 /* -t */
	OPTIONS_PRINT,	 /* -T */
	OPTIONS_VERSION, /* -V */
	OPTIONS_HELP,	 /* -h */
	OPTIONS_QUERY,	 /* -q */
	OPTIONS_CLOSE,	 /* close FILTER... */
	OPTIONS_LINE,	 /* line [NAME] */
	OPTIONS_RELOAD,	 /* reload */
	OPTIONS_UPGRADE, /* upgrade */
	OPTIONS_STATUS,	 /* status */
	OPTIONS_TOP,	 /* top [FILTER]... */
	OPTIONS_TUNNELS, /* tunnels [FILTER]... */
	OPTIONS_WHY	 /* why [REASON] */
};

/* Strings are borrowed from argv. */
struct options {
	enum options_mode mode;
	const char *file;  /* -c, or the default */
	const char *query; /* -q: the target */
	/* -s: what is known of one client. */
	const char *clients[OPTIONS_CLIENTS_MAX];
	size_t nclients;
	bool explain;	     /* -e */
	bool json;	     /* --json */
	const char *control; /* --control; NULL: what the file says */
	/* Behind a command word. */
	const char *words[OPTIONS_WORDS_MAX];
	int nwords;
};

/* 0, or -EINVAL with a text of what is wrong in error. */
int options_parse(
    struct options *, int argc, char **argv, char *error, size_t size);

void options_usage(FILE *);

#endif
