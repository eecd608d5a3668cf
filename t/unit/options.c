/* The command line. */
#include "master/options.h"

#include <errno.h>

#include "common/conf/conf.h"
#include "t/unit/tap.h"

static struct options parsed;
static char error[256];

static int
parse(char *a, char *b, char *c, char *d)
{
	char name[] = "sniport";
	char *argv[] = { name, a, b, c, d, NULL };
	int argc = 1;

	while (argv[argc] != NULL)
		argc++;
	error[0] = '\0';
	return (options_parse(&parsed, argc, argv, error, sizeof(error)));
}

#define ARG(s) ((char[]){ s })

static void
test_commands(void)
{
	is_int(parse(ARG("why"), NULL, NULL, NULL), 0, "why");
	is_int(parsed.mode, OPTIONS_WHY, "is a command");
	ok(parsed.nwords == 0 && !parsed.json, "with nothing behind it");
	is_int(parse(ARG("why"), ARG("done"), ARG("--json"), NULL), 0,
	    "an option behind the words");
	is_str(parsed.words[0], "done", "the word is there");
	ok(parsed.json, "and so is the option");
	is_int(parse(ARG("--json"), ARG("-cx"), ARG("why"), ARG("done")), 0,
	    "options before the word");
	is_str(parsed.file, "x", "are taken, too");
	is_int(parse(ARG("why"), ARG("a"), ARG("b"), NULL), -EINVAL,
	    "one word too many");
	is_str(error, "why: one word too many: \"b\"", "is said so");
	is_int(parse(ARG("-t"), ARG("why"), NULL, NULL), -EINVAL, "-t why");
	is_str(error, "-t and why cannot be given together", "is said so");
	is_int(parse(ARG("why"), ARG("-T"), NULL, NULL), -EINVAL, "why -T");
	is_str(error, "-T and why cannot be given together", "is said so");
	is_int(parse(ARG("-t"), ARG("--json"), NULL, NULL), -EINVAL,
	    "--json without a command");
	is_str(error, "--json can only be given with a command", "is said so");
	is_int(parse(ARG("why"), ARG("-s"), ARG("a"), NULL), -EINVAL,
	    "why with -s");
	is_int(parse(ARG("status"), ARG("--control"), ARG("/x"), NULL), 0,
	    "status with a socket");
	is_int(parsed.mode, OPTIONS_STATUS, "is a command");
	is_str(parsed.control, "/x", "for that socket");
	is_int(parse(ARG("tunnels"), ARG("rule=a"), ARG("1-0-2"), NULL), 0,
	    "tunnels with filters");
	is_int(parsed.nwords, 2, "of which there are two");
	is_str(parsed.words[1], "1-0-2", "in their order");
	is_int(parse(ARG("close"), ARG("1-0-2"), ARG("--json"), NULL), 0,
	    "close with an id");
	is_int(parsed.mode, OPTIONS_CLOSE, "is a command");
	is_int(parse(ARG("close"), NULL, NULL, NULL), -EINVAL, "close alone");
	is_str(error, "close: which?", "is asked what is meant");
	is_int(parse(ARG("upgrade"), ARG("--json"), NULL, NULL), 0, "upgrade");
	is_int(parse(ARG("reload"), ARG("--json"), NULL, NULL), 0, "reload");
	is_int(parsed.mode, OPTIONS_RELOAD, "is a command");
	is_int(parse(ARG("status"), ARG("now"), NULL, NULL), -EINVAL,
	    "status takes no word");
	is_int(parse(ARG("status"), ARG("--control"), NULL, NULL), -EINVAL,
	    "--control alone");
	is_str(error, "--control needs a value", "is said so");
	is_int(parse(ARG("why"), ARG("--control"), ARG("/x"), NULL), -EINVAL,
	    "why with a socket");
	is_str(error,
	    "--control can only be given with a command for a running service",
	    "is said so");
}

int
main(void)
{
	is_int(parse(NULL, NULL, NULL, NULL), 0, "no option");
	is_int(parsed.mode, OPTIONS_RUN, "runs");
	is_str(parsed.file, CONF_DEFAULT_FILE, "with the default file");
	is_int(parse(ARG("-tc"), ARG("x"), NULL, NULL), 0, "-tc x");
	is_int(parsed.mode, OPTIONS_CHECK, "checks");
	is_str(parsed.file, "x", "that file");
	is_int(parse(ARG("-T"), NULL, NULL, NULL), 0, "-T");
	is_int(parsed.mode, OPTIONS_PRINT, "prints");
	is_int(parse(ARG("-V"), NULL, NULL, NULL), 0, "-V");
	is_int(parsed.mode, OPTIONS_VERSION, "prints versions");
	is_int(parse(ARG("-h"), NULL, NULL, NULL), 0, "-h");
	is_int(parsed.mode, OPTIONS_HELP, "helps");
	is_int(parse(ARG("--version"), NULL, NULL, NULL), 0, "--version");
	is_int(parsed.mode, OPTIONS_VERSION, "does so, too");
	is_int(parse(ARG("--help"), NULL, NULL, NULL), 0, "--help");
	is_int(parsed.mode, OPTIONS_HELP, "does so, too");
	is_int(parse(ARG("-q"), ARG("a:1"), ARG("-s"), ARG("192.0.2.1")), 0,
	    "-q with -s");
	is_int(parsed.mode, OPTIONS_QUERY, "asks");
	is_str(parsed.query, "a:1", "for the target");
	is_int(parsed.nclients, 1, "from one client");
	is_str(parsed.clients[0], "192.0.2.1", "which is that");
	ok(!parsed.explain, "without explanations");
	is_int(parse(ARG("-q"), ARG("a:1"), ARG("-sx"), ARG("-sy")), 0,
	    "-s twice");
	is_int(parsed.nclients, 2, "is two names of a client");
	is_str(parsed.clients[1], "y", "in their order");
	is_int(parse(ARG("-q"), ARG("a:1"), ARG("--explain"), NULL), 0,
	    "--explain");
	ok(parsed.explain, "explains");
	is_int(parse(ARG("-eqa:1"), NULL, NULL, NULL), 0, "-e");
	ok(parsed.explain, "explains, too");
	is_int(parse(ARG("-t"), ARG("-t"), NULL, NULL), 0,
	    "the same twice is harmless");

	is_int(parse(ARG("-t"), ARG("-T"), NULL, NULL), -EINVAL, "-t -T");
	is_str(error, "-t and -T cannot be given together", "is said so");
	is_int(parse(ARG("-x"), NULL, NULL, NULL), -EINVAL, "-x");
	is_str(error, "unknown option -x", "is said so");
	is_int(parse(ARG("-c"), NULL, NULL, NULL), -EINVAL, "-c alone");
	is_str(error, "-c needs a value", "is said so");
	is_int(parse(ARG("-s"), ARG("192.0.2.1"), NULL, NULL), -EINVAL,
	    "-s without -q");
	is_str(error, "-s can only be given with -q", "is said so");
	is_int(
	    parse(ARG("-t"), ARG("-e"), NULL, NULL), -EINVAL, "-e without -q");
	is_str(error, "-e can only be given with -q", "is said so");
	is_int(parse(ARG("--explode"), NULL, NULL, NULL), -EINVAL, "--explode");
	is_str(error, "unknown option --explode", "is said so");
	is_int(parse(ARG("-t"), ARG("start"), NULL, NULL), -EINVAL,
	    "a word that is not a command");
	ok(strncmp(error, "unknown word \"start\": the commands are close, ",
	       46) == 0,
	    "is said to be unknown");
	ok(strstr(error, " and why") != NULL, "with a list of the commands");
	test_commands();
	return (done_testing());
}
