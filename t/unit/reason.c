/* The table of reasons is complete, and its names are well-formed. */
#include "common/reason.h"

#include <errno.h>

#include "t/unit/tap.h"

static void
test_entries(void)
{
	is_str(reason_name(REASON_NONE), "none", "name of the first reason");
	is_str(reason_name(REASON_UPSTREAM_RESET), "upstream_reset",
	    "name in the middle");
	is_str(reason_name(REASON_INTERNAL), "internal",
	    "name of the last reason");
	is_str(reason_text(REASON_UPSTREAM_RESET),
	    "the upstream reset its connection", "text");
	is_str(reason_advice(REASON_SNI_BAD_PORT),
	    "Correct tls.sni in the DestinationRule.", "advice");
	is_int(reason_class(REASON_DONE), REASON_CLASS_GOOD, "class GOOD");
	is_int(
	    reason_class(REASON_NOT_TLS), REASON_CLASS_REFUSE, "class REFUSE");
	is_int(reason_class(REASON_GUARD), REASON_CLASS_FAIL, "class FAIL");
	is_int(reason_class(REASON_RETIRED), REASON_CLASS_BREAK, "class BREAK");
}

static void
test_find(void)
{
	enum reason reason = REASON_NONE;

	is_int(reason_find(&reason, "no_rule"), 0, "a name that there is");
	is_int(reason, REASON_NO_RULE, "is found");
	is_int(reason_find(&reason, "no_rul"), -ENOENT, "a part of one is not");
	is_int(reason_find(&reason, ""), -ENOENT, "nor is nothing");
	is_int(reason, REASON_NO_RULE, "and changes nothing");
}

/* Names are keys of metrics and of the audit line. */
static bool
name_valid(const char *name)
{
	return (name[0] != '\0' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
}

static void
test_table(void)
{
	bool names = true, distinct = true, texts = true;
	int i, k;

	for (i = 0; i < REASON_COUNT; i++) {
		names = names && name_valid(reason_name(i));
		texts = texts && reason_text(i)[0] != '\0' &&
			reason_advice(i)[0] != '\0';
		for (k = 0; k < i; k++)
			if (strcmp(reason_name(i), reason_name(k)) == 0)
				distinct = false;
	}
	ok(names, "every name is lower case with underscores");
	ok(distinct, "no name occurs twice");
	ok(texts, "every reason has a text and an advice");
}

static void
test_outside(void)
{
	is_str(reason_name(REASON_COUNT), "internal", "one past the table");
	is_str(reason_name(-1), "internal", "negative");
	is_int(
	    reason_class(100000), REASON_CLASS_BREAK, "class of the unknown");
}

int
main(void)
{
	test_entries();
	test_find();
	test_table();
	test_outside();
	return (done_testing());
}
