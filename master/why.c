/* Prints what the table of reasons says of one of them, or of all. */
#include "master/why.h"

#include <errno.h>
#include <limits.h>

#include "common/base/json.h"
#include "common/conf/table.h"
#include "common/reason.h"

/* Takes the longest text and advice of the table. */
#define OBJECT_SIZE 2048

static const char *class_name(enum reason_class class)
{
	static const char *const names[] = {
		[REASON_CLASS_GOOD] = "good",
		[REASON_CLASS_REFUSE] = "refused",
		[REASON_CLASS_FAIL] = "failed",
		[REASON_CLASS_BREAK] = "broken",
	};

	return (names[class]);
}

static const char *class_text(enum reason_class class)
{
	static const char *const texts[] = {
		[REASON_CLASS_GOOD] = "not a fault: both sides ended as they "
				      "meant to",
		[REASON_CLASS_REFUSE] = "the client was refused, or left, "
					"before there was a tunnel",
		[REASON_CLASS_FAIL] = "the upstream could not be reached",
		[REASON_CLASS_BREAK] = "the tunnel stood, and was cut",
	};

	return (texts[class]);
}

static void
print_json(enum reason reason, FILE *out)
{
	char object[OBJECT_SIZE];
	struct json j;

	json_init(&j, object, sizeof(object));
	json_string(&j, "reason", reason_name(reason));
	json_string(&j, "class", class_name(reason_class(reason)));
	json_string(&j, "meaning", reason_text(reason));
	json_string(&j, "advice", reason_advice(reason));
	fprintf(out, "%.*s\n", (int)json_end(&j), object);
}

static void
print_one(enum reason reason, FILE *out)
{
	fprintf(out, "%s: %s.\n", reason_name(reason), reason_text(reason));
	fprintf(out, "kind: %s.\n", class_text(reason_class(reason)));
	fprintf(out, "what to do: %s\n", reason_advice(reason));
}

static void
print_all(bool json, FILE *out)
{
	int i;

	for (i = 0; i < REASON_COUNT; i++) {
		if (json)
			print_json((enum reason)i, out);
		else
			fprintf(
			    out, "%-22s %s\n", reason_name(i), reason_text(i));
	}
}

/* What is spelled almost so; NULL: nothing. */
static const char *
nearest(const char *name)
{
	const char *best = NULL;
	unsigned d, least = UINT_MAX;
	int i;

	for (i = 0; i < REASON_COUNT; i++) {
		d = conf_misspelled(name, reason_name(i));
		if (d < least) {
			least = d;
			best = reason_name(i);
		}
	}
	return (best);
}

int
why_run(const char *name, bool json, FILE *out, FILE *err)
{
	enum reason reason;
	const char *near;

	if (name == NULL) {
		print_all(json, out);
		return (0);
	}
	if (reason_find(&reason, name) == 0) {
		if (json)
			print_json(reason, out);
		else
			print_one(reason, out);
		return (0);
	}
	near = nearest(name);
	if (near != NULL)
		fprintf(err,
		    "sniport: why: \"%s\" is not a reason; did you mean %s?\n",
		    name, near);
	else
		fprintf(err,
		    "sniport: why: \"%s\" is not a reason; sniport why lists "
		    "them all\n",
		    name);
	return (-ENOENT);
}
