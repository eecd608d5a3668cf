/* Reads the command line and prints the usage. */
#include "master/options.h"

#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#include "common/conf/conf.h"

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

int
options_parse(
    struct options *o, int argc, char **argv, char *error, size_t size)
{
	static const struct option names[] = { { "explain", no_argument, NULL,
						   'e' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	int last = 0, opt, error_code = 0;

	*o = (struct options){ .mode = OPTIONS_RUN, .file = CONF_DEFAULT_FILE };
	optind = 0; /* glibc: forget an earlier scan */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:c:tTVhq:s:e", names, NULL)) !=
	       -1) {
		switch (opt) {
		case 'c':
			o->file = optarg;
			break;
		case 's':
			error_code = add_client(o, error, size);
			break;
		case 'e':
			o->explain = true;
			break;
		case ':':
			snprintf(error, size, "-%c needs a value", optopt);
			return (-EINVAL);
		case '?':
			if (optopt != 0)
				snprintf(
				    error, size, "unknown option -%c", optopt);
			else
				snprintf(error, size, "unknown option %s",
				    argv[optind - 1]);
			return (-EINVAL);
		default:
			error_code = set_mode(o, &last, opt, error, size);
		}
		if (error_code != 0)
			return (error_code);
	}
	if (optind < argc) {
		snprintf(error, size,
		    "unknown word \"%s\": only options can be given",
		    argv[optind]);
		return (-EINVAL);
	}
	return (check_query(o, error, size));
}

void
options_usage(FILE *out)
{
	fputs(
	    "usage: sniport [-c FILE] [-t | -T | -V | -h]\n"
	    "       sniport [-c FILE] -q HOST:PORT [-s CLIENT]... [-e]\n"
	    "  -c FILE       configuration (" CONF_DEFAULT_FILE ")\n"
	    "  -t            check the configuration and exit\n"
	    "  -T            print the effective configuration and exit\n"
	    "  -V, --version print the versions of sniport and its libraries\n"
	    "  -h, --help    print this text and exit\n"
	    "  -q HOST:PORT  say which rule decides for that server name;\n"
	    "                exit 0: allowed, 1: denied\n"
	    "  -s CLIENT     for -q: the client's address, or a name in its\n"
	    "                certificate: a SPIFFE id or a DNS name\n"
	    "  -e, --explain for -q: say of each rule why it does not match\n",
	    out);
}
