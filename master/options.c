/* Reads the command line and prints the usage. */
#include "master/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/conf.h"

/* Of options that have no letter. */
#define OPTION_JSON    256
#define OPTION_CONTROL 257

/* Words that are commands, how many words follow, and whether a running service
 * is asked. All of them can answer in JSON. */
static const struct command {
	const char *name;
	enum options_mode mode;
	int least, most;
	bool asks;
} commands[] = {
	{ "close", OPTIONS_CLOSE, 1, OPTIONS_WORDS_MAX, true },
	{ "line", OPTIONS_LINE, 0, 1, false },
	{ "reload", OPTIONS_RELOAD, 0, 0, true },
	{ "status", OPTIONS_STATUS, 0, 0, true },
	{ "top", OPTIONS_TOP, 0, OPTIONS_WORDS_MAX, true },
	{ "tunnels", OPTIONS_TUNNELS, 0, OPTIONS_WORDS_MAX, true },
	{ "upgrade", OPTIONS_UPGRADE, 0, 0, true },
	{ "why", OPTIONS_WHY, 0, 1, false },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
set_mode(struct options *o, int *last, int opt, char *error, size_t size)
{
	if (*last != 0 && *last != opt) {
		snprintf(error, size, "-%c and -%c cannot be given together",
		    *last, opt);
		return (-EINVAL);
	}
	*last = opt;
	switch (opt) {
	case 't':
		o->mode = OPTIONS_CHECK;
		break;
	case 'T':
		o->mode = OPTIONS_PRINT;
		break;
	case 'V':
		o->mode = OPTIONS_VERSION;
		break;
	case 'h':
		o->mode = OPTIONS_HELP;
		break;
	case 'q':
		o->mode = OPTIONS_QUERY;
		o->query = optarg;
		break;
	}
	return (0);
}

static int
add_client(struct options *o, char *error, size_t size)
{
	if (o->nclients == OPTIONS_CLIENTS_MAX) {
		snprintf(error, size, "-s is given more than %d times",
		    OPTIONS_CLIENTS_MAX);
		return (-EINVAL);
	}
	o->clients[o->nclients++] = optarg;
	return (0);
}

static int
check_query(const struct options *o, char *error, size_t size)
{
	if (o->mode == OPTIONS_QUERY || (o->nclients == 0 && !o->explain))
		return (0);
	snprintf(error, size, "-%c can only be given with -q",
	    o->nclients > 0 ? 's' : 'e');
	return (-EINVAL);
}

/* command: NULL, if there is none. */
static int
check_command(const struct options *o, const struct command *command,
    char *error, size_t size)
{
	const char *wrong = NULL, *with = "a command";

	if (command != NULL && o->nwords < command->least) {
		snprintf(error, size, "%s: which?", command->name);
		return (-EINVAL);
	}
	if (o->json && command == NULL)
		wrong = "--json";
	if (o->control != NULL && (command == NULL || !command->asks)) {
		wrong = "--control";
		with = "a command for a running service";
	}
	if (wrong == NULL)
		return (0);
	snprintf(error, size, "%s can only be given with %s", wrong, with);
	return (-EINVAL);
}

static const struct command *
find_command(const char *word)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, word) == 0)
			return (&commands[i]);
	return (NULL);
}

static int
unknown_word(const char *word, char *error, size_t size)
{
	size_t i, len;

	(void)snprintf(
	    error, size, "unknown word \"%.64s\": the commands are", word);
	for (i = 0; i < COMMANDS; i++) {
		len = strlen(error);
		(void)snprintf(error + len, size - len, "%s%s",
		    i == 0		? " "
		    : i == COMMANDS - 1 ? " and "
					: ", ",
		    commands[i].name);
	}
	return (-EINVAL);
}

/* A word that is no option's value; *command: the one that it follows. */
static int
take_word(struct options *o, const struct command **command, const char *word,
    char *error, size_t size)
{
	if (*command != NULL) {
		if (o->nwords < (*command)->most) {
			o->words[o->nwords++] = word;
			return (0);
		}
		snprintf(error, size, "%s: one word too many: \"%s\"",
		    (*command)->name, word);
		return (-EINVAL);
	}
	*command = find_command(word);
	if (*command == NULL)
		return (unknown_word(word, error, size));
	o->mode = (*command)->mode;
	return (0);
}

static int
unknown(char **argv, char *error, size_t size)
{
	if (optopt != 0 && optopt < OPTION_JSON)
		snprintf(error, size, "unknown option -%c", optopt);
	else
		snprintf(error, size, "unknown option %s", argv[optind - 1]);
	return (-EINVAL);
}

/* One option; *mode: the letter that has set the mode. */
static int
take_option(struct options *o, int *mode, int opt, char *error, size_t size)
{
	switch (opt) {
	case 'c':
		o->file = optarg;
		return (0);
	case 's':
		return (add_client(o, error, size));
	case 'e':
		o->explain = true;
		return (0);
	case OPTION_JSON:
		o->json = true;
		return (0);
	case OPTION_CONTROL:
		o->control = optarg;
		return (0);
	case ':':
		if (optopt == OPTION_CONTROL)
			snprintf(error, size, "--control needs a value");
		else
			snprintf(error, size, "-%c needs a value", optopt);
		return (-EINVAL);
	default:
		return (set_mode(o, mode, opt, error, size));
	}
}

/* Options may stand behind a command, too. */
int
options_parse(
    struct options *o, int argc, char **argv, char *error, size_t size)
{
	static const struct option names[] = { { "explain", no_argument, NULL,
						   'e' },
		{ "help", no_argument, NULL, 'h' },
		{ "control", required_argument, NULL, OPTION_CONTROL },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	const struct command *command = NULL;
	int mode = 0, opt, result = 0;

	*o = (struct options){ .mode = OPTIONS_RUN, .file = CONF_DEFAULT_FILE };
	optind = 0; /* glibc: forget an earlier scan */
	opterr = 0;
	while (result == 0) {
		opt = getopt_long(argc, argv, "+:c:tTVhq:s:e", names, NULL);
		if (opt == '?')
			return (unknown(argv, error, size));
		if (opt != -1)
			result = take_option(o, &mode, opt, error, size);
		else if (optind < argc)
			result =
			    take_word(o, &command, argv[optind++], error, size);
		else
			break;
	}
	if (result == 0 && command != NULL && mode != 0) {
		snprintf(error, size, "-%c and %s cannot be given together",
		    mode, command->name);
		return (-EINVAL);
	}
	if (result == 0)
		result = check_query(o, error, size);
	return (result != 0 ? result : check_command(o, command, error, size));
}

void
options_usage(FILE *out)
{
	fputs(
	    "usage: sniport [-c FILE] [-t | -T | -V | -h]\n"
	    "       sniport [-c FILE] -q HOST:PORT [-s CLIENT]... [-e]\n"
	    "       sniport [-c FILE] [--control PATH] close FILTER... "
	    "[--json]\n"
	    "       sniport [-c FILE] line [NAME] [--json]\n"
	    "       sniport [-c FILE] [--control PATH] reload [--json]\n"
	    "       sniport [-c FILE] [--control PATH] status [--json]\n"
	    "       sniport [-c FILE] [--control PATH] top [sort=ORDER] "
	    "[FILTER]... [--json]\n"
	    "       sniport [-c FILE] [--control PATH] tunnels [FILTER]... "
	    "[--json]\n"
	    "       sniport [-c FILE] [--control PATH] upgrade [--json]\n"
	    "       sniport why [REASON] [--json]\n"
	    "  -c FILE       configuration (" CONF_DEFAULT_FILE ")\n"
	    "  -t            check the configuration and exit\n"
	    "  -T            print the effective configuration and exit\n"
	    "  -V, --version print the versions of sniport and its libraries\n"
	    "  -h, --help    print this text and exit\n"
	    "  -q HOST:PORT  say which rule decides for that server name;\n"
	    "                exit 0: allowed, 1: denied\n"
	    "  -s CLIENT     for -q: the client's address, or a name in its\n"
	    "                certificate: a SPIFFE id or a DNS name\n"
	    "  -e, --explain for -q: say of each rule why it does not match\n"
	    "  close FILTER...\n"
	    "                end tunnels of the running service by a reset: "
	    "the one\n"
	    "                of that id, or all for which NAME=VALUE is true\n"
	    "  reload        have the running service reload, wait, and say "
	    "what\n"
	    "                was found; exit 0: it took, 1: it failed\n"
	    "  status        say how the running service is\n"
	    "  top           show which tunnels move most, once a second; "
	    "sort=rate,\n"
	    "                sort=total or sort=age\n"
	    "  tunnels       list the tunnels that are open\n"
	    "  upgrade       have the running service become the program that "
	    "lies\n"
	    "                there now, wait, and say what was found; exit as "
	    "reload\n"
	    "  --control PATH\n"
	    "                for these: the socket of the service, instead of\n"
	    "                the one that the configuration names\n"
	    "  line [NAME]   say whether this host has what an egress line "
	    "needs;\n"
	    "                exit 0: it has, 1: it lacks addresses, 3: its "
	    "device\n"
	    "  why [REASON]  say what a reason of the audit log means, and "
	    "what\n"
	    "                to do about it; without REASON, list them all\n"
	    "  --json        for commands: answer in JSON\n",
	    out);
}
