/*
 * Long work is interrupted now and then, and ends wherever it is told to: a
 * configuration that is read, and rules that are compiled. The sanitizers see
 * whether anything is left of it.
 */
#include "common/base/pause.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/policy/policy.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define RULES 400

/* Time goes on by so much whenever somebody looks. */
static int64_t now = 1000 * CLOCK_SEC, pace;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return ((int)syscall(SYS_clock_gettime, id, ts));
	now += pace;
	ts->tv_sec = now / CLOCK_SEC;
	ts->tv_nsec = now % CLOCK_SEC;
	return (0);
}

/* Ends the work at that call; 0: never. */
struct caller {
	unsigned calls, end_at;
};

static int
call_cb(void *arg)
{
	struct caller *c = arg;

	return (++c->calls == c->end_at ? -ECANCELED : 0);
}

static int
steps(struct pause *p, unsigned n)
{
	int error = 0;

	for (; n > 0; n--)
		error = pause_step(p);
	return (error);
}

static void
test_steps(void)
{
	struct caller c = { 0, 0 };
	struct pause p;

	is_int(pause_step(NULL), 0, "who is not to be interrupted goes on");
	pace = 0;
	pause_init(&p, call_cb, &c);
	steps(&p, 10000);
	is_int(c.calls, 0, "nobody is called at once");
	now += CLOCK_SEC;
	steps(&p, 10000);
	is_int(c.calls, 1, "later, once");
	now += CLOCK_SEC;
	c.end_at = 2;
	is_int(steps(&p, 10000), -ECANCELED, "who is called ends it");
	now += CLOCK_SEC;
	is_int(steps(&p, 10000), -ECANCELED, "for good");
	is_int(c.calls, 2, "and is not called again");
}

static void
write_rules(FILE *out, size_t from, size_t to)
{
	for (; from < to; from++)
		fprintf(out,
		    "{ name = \"rule %zu\"; action = \"allow\"; "
		    "destinations = [ \"host-%zu.example.com:443\", "
		    "\"10.%zu.0.0/16:1-65535\" ]; }%s",
		    from, from, from % 256, from + 1 < to ? ",\n" : "");
}

static FILE *
open_file(const char *name)
{
	FILE *out = fopen(scratch_path(name), "w");

	if (out == NULL)
		abort();
	return (out);
}

/* A file that takes all that the reader has: rules, lists, an include. */
static void
write_files(void)
{
	FILE *out = open_file("rules.conf");

	write_rules(out, 0, RULES);
	fclose(out);
	out = open_file("sniport.conf");
	fprintf(out,
	    "listeners = ( { address = \"127.0.0.1:8443\"; } );\n"
	    "tls = { certificates = ( { chain = \"/a\"; key = \"/b\"; } ); };\n"
	    "rules = (\n@include \"rules.conf\"\n,\n");
	write_rules(out, RULES, 2 * RULES);
	fprintf(out, ");\n");
	fclose(out);
}

/* Both, in steps of the caller. */
static int
read_all(const char *file, struct caller *c, char **errors)
{
	struct policy *policy = NULL;
	struct conf *conf = NULL;
	struct pause p;
	int error;

	pause_init(&p, call_cb, c);
	error = conf_load(&conf, file, &p, errors);
	if (error == 0)
		error = policy_compile(&policy, conf->rules, conf->nrules, &p);
	policy_free(policy);
	conf_free(conf);
	return (error);
}

static void
test_reading(void)
{
	struct caller whole = { 0, 0 }, c;
	unsigned i, wrong = 0;
	char *errors = NULL;
	const char *file;

	scratch_open();
	write_files();
	file = scratch_path("sniport.conf");
	pace = CLOCK_SEC;
	is_int(read_all(file, &whole, &errors), 0, "to its end");
	ok(whole.calls > 50, "with %u interruptions", whole.calls);
	for (i = 1; i <= whole.calls; i++) {
		c = (struct caller){ 0, i };
		if (read_all(file, &c, &errors) != -ECANCELED || c.calls != i ||
		    errors != NULL)
			wrong++;
	}
	is_int(wrong, 0, "each of them can end it");
	scratch_close();
}

int
main(void)
{
	test_steps();
	test_reading();
	return (done_testing());
}
