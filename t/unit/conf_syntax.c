/* Faults of syntax: the line, what was found, and what to write. */
#include "t/unit/tap.h"

#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "common/conf/syntax.h"
#include "t/unit/syntax_find.h"
#include "t/unit/libconfig_leaks.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

struct fault {
	const char *text;
	unsigned line;
	const char *setting, *says; /* says: its beginning */
};

static const struct fault faults[] = {
	/* between settings */
	{ "};\n", 1, "", "found \"}\", but no bracket is open; leave it out" },
	{ "a = 1;\n)\n", 2, "", "found \")\", but no bracket is open" },
	{ "a = 1;;\n", 1, "",
	    "found \";\", expected the name of a setting; le" },
	{ "a = 1,,\n", 1, "",
	    "found \",\", expected the name of a setting; le" },
	{ "; ini\n", 1, "", "found \";\", expected the name of a setting" },
	{ "5 = a;\n", 1, "",
	    "found \"5\", expected the name of a setting; wri" },
	{ "true = 1;\n", 1, "", "found \"true\", expected the name" },
	{ "[tls]\n", 1, "",
	    "found \"[\", expected the name of a setting; write "
	    "a group as name = { ... };" },
	{ "{ \"a\": 1 }\n", 1, "",
	    "found \"{\", expected the name of a setting; "
	    "the file as a whole has no brackets" },
	{ "\"a\" = 1;\n", 1, "",
	    "found the string \"a\", expected the name of a "
	    "setting; write names without quotes" },
	{ "---\na: 1\n", 1, "",
	    "found \"---\", expected the name of a setting; "
	    "this is not YAML" },
	{ "<a>1</a>\n", 1, "", "found \"<a>1</a>\", expected the name" },
	{ "@include \"f\";\n", 1, "",
	    "found \";\", expected the name of a "
	    "setting; leave out what follows @inc" },
	{ "@include f\n", 1, "", "found \"@\"; write @include \"file\" at" },
	{ "a = 1; @include \"f\"\n", 1, "", "found \"@\"; write @include \"f" },
	{ "@include \"f\n", 1, "", "found a file name that does not end" },
	{ "include \"f\"\n", 1, "include",
	    "found \"include\"; write @include" },
	/* behind a name */
	{ "a 1;\n", 1, "a", "found \"1\", expected \"=\"; write a = value;" },
	{ "a\nb = 1;\n", 1, "a", "found \"b\", expected \"=\"" },
	{ "a", 1, "a", "found the end of the file, expected \"=\"" },
	{ "tls {\n}\n", 1, "tls",
	    "found \"{\", expected \"=\"; write tls = { ..."
	    " };" },
	{ "a.b = 1;\n", 1, "a",
	    "found \"a.b\", but a name has no dot; write a = "
	    "{ b = value; };" },
	{ "t = { b = 100k; };\n", 1, "t.b",
	    "found \"100k\", which is not a number; write it in quotes, such" },
	{ "t = { b = 1h30m; };\n", 1, "t.b",
	    "found \"1h30m\", which is not a" },
	/* where a value should be */
	{ "a = ;\n", 1, "a", "found \";\", expected a value" },
	{ "a =\nb = 1;\n", 1, "a",
	    "found the end of the line, expected a value" },
	{ "a = 1;\nb =", 2, "b",
	    "found the end of the file, expected a value" },
	{ "a:\n  - b: c\n", 1, "a",
	    "found the end of the line, expected a value;"
	    " this is not YAML: write a list as" },
	{ "a = yes;\n", 1, "a",
	    "found \"yes\", expected a value; write true or " },
	{ "a = Off;\n", 1, "a",
	    "found \"Off\", expected a value; write true or " },
	{ "a = info;\n", 1, "a",
	    "found \"info\", expected a value; write it in " },
	{ "a = /f;\n", 1, "a",
	    "found \"/f\", expected a value; write it in quo" },
	{ "a = :84;\n", 1, "a",
	    "found \":84\", expected a value; write it in q" },
	{ "a == 1;\n", 1, "a", "found \"=\", expected a value" },
	{ "a = { b = };\n", 1, "a.b", "found \"}\", expected a value" },
	{ "a = 'x';\n", 1, "a",
	    "found a quote of another kind; write strings" },
	{ "a = \xe2\x80\x9cx\xe2\x80\x9d;\n", 1, "a",
	    "found a quote of another" },
	{ "a = \"x\n", 1, "a",
	    "found a string that does not end; write a quote" },
	{ "a = \"x;\nb = \"y\";\n", 1, "a",
	    "found a string that does not end on its line; write a quote" },
	{ "a = \"x;\nb = { c = \"y\" d = 1 } }", 1, "a",
	    "found a string that does not end on its line" },
	{ "a = x\";\nb = \"y\";\n", 1, "a", "found \"x\", expected a value" },
	{ "a = [ { } ];\n", 1, "a",
	    "found \"{\" in \"[ ... ]\", expected a string"
	    " or a number; write \"( ... )\" around" },
	{ "a = [\n[ 1 ] ];\n", 2, "a", "found \"[\" in \"[ ... ]\"" },
	{ "a = ( b = 1; );\n", 1, "a",
	    "found \"b\", expected a value; write "
	    "settings in a group, { ... }" },
	{ "a = ( , 1 );\n", 1, "a", "found \",\", expected a value" },
	{ "a = [ 1 2 ];\n", 1, "a",
	    "found \"2\", expected \",\" or \"]\"; write a" },
	{ "a = [ 1, \"x\" ];\n", 1, "a",
	    "found the string \"x\", but the values in \"[ ... ]\" must be" },
	/* behind a value */
	{ "a = x y;\n", 1, "a", "found \"x\", expected a value" },
	{ "a = 1 2;\n", 1, "a", "found \"2\", expected \";\"" },
	{ "a = 1 = 2;\n", 1, "a", "found \"=\", expected \";\"" },
	{ "a = 50%;\n", 1, "a", "found \"50%\", which is not a number" },
	{ "a = 10.0.0.1;\n", 1, "a", "found \"10.0.0.1\", which is not a num" },
	{ "a = 127.0.0.1:84;\n", 1, "a",
	    "found \"127.0.0.1:84\", which is not" },
	{ "a = [ \"b, \"c\" ];\n", 1, "a",
	    "found \"c\" right after a string; is a"
	    " quote missing?" },
	{ "a = (\n{ b = 1; }\n{ b = 2; } );\n", 3, "a",
	    "found \"{\", expected \",\" or \")\"; write a comma between" },
	/* brackets */
	{ "a = {\n  b = 1;\n\nc = 2;\n", 1, "a",
	    "found the end of the file, but the \"{\" here is not closed; "
	    "wri" },
	{ "a = ( { b = 1; );\n", 1, "a",
	    "found \")\", but the \"{\" is not closed; write \"}\" before it" },
	{ "a = ( { b = 1; } };\n", 1, "a",
	    "found \"}\", but the \"(\" is not closed; write \")\" before it" },
	{ "a = ( {\n  b = 1;\n);\n", 2, "a",
	    "found \")\" in line 3, but the \"{\" in line 1 is not closed;" },
	{ "a = (\n  { b = 1;\n  { b = 2; } );\n", 2, "a",
	    "found \"{\" in line 3, but the \"{\" is not closed;" },
	{ "a = (\n  { }\n\nb = 1;\n", 2, "a",
	    "found \"b\" in line 4, but the \"(\" in line 1 is not closed;" },
	{ "a = [ \"b\"; }\n", 1, "a",
	    "found \";\", but the \"[\" is not closed; write \"]\" before it" },
	/* names given twice */
	{ "a = 1; a = 2;", 1, "a",
	    "is set twice, first in line 1; write it on" },
	{ "a = { b = 1;\nc = 2; \nb = 3; };", 3, "a.b",
	    "is set twice, first in line 1; write it once" },
	/* bytes */
	{ "\xef\xbb\xbf# mark\na = 1;\n", 1, "",
	    "found a byte order mark; save" },
	{ "a\xc2\xa0= 1;\n", 1, "a",
	    "found a no-break space; write a plain spa" },
	{ "a = \xc3\xa9;\n", 1, "a", "found a character that is not ASCII" },
	{ "a = \x01;\n", 1, "a", "found a control character (byte 0x01)" },
};

static const char *const fine[] = { "", "\n", "a = 1", "a = 1 b = 2", "a : 1,",
	"a = ( );\n", "a = [ ];\n", "a = { };\n", "a = ( { }, ( ), [ ], 1 );\n",
	"a = \"x\"\n  \"y\";\n", "a = \"x\ny\";\n", "\ta = 1;\r\n",
	"# a\n// b\n/* c\nd */ a = 1;\n", "a = TRUE; b = faLse;\n",
	"a = 1.; b = .5; c = 1e5; d = -1.5E-3; e = .;\n", "a = 0x1fL;\n",
	"a = { a = 1; }; b = { a = 1; a-b_c* = 2; };\n", "a = 1; /* end",
	"a = ( 1, \"x\", true );\n", "* = 1;\n", "a = \"\\\"\";\n",
	"@include \"f\"\na = {\n\t@include \"g\"\n};\n" };

static void
test_fault(const struct fault *f)
{
	struct conf_fault got;

	if (!ok(syntax_find(f->text, &got), "a fault: %s", f->text))
		return;
	is_int(got.line, f->line, "  its line");
	is_str(got.setting, f->setting, "  its setting");
	if (!ok(strncmp(got.text, f->says, strlen(f->says)) == 0, "  says %s",
		f->says))
		printf("#   %s\n", got.text);
}

/* Where libconfig refuses a text, it is for nothing that stands before. */
static void
test_libconfig(const char *text, bool takes)
{
	struct conf_fault got;
	config_t tree;

	if (strstr(text, "@include") != NULL)
		return;
	syntax_find(text, &got);
	config_init(&tree);
	ok((config_read_string(&tree, text) == CONFIG_TRUE) == takes,
	    "libconfig %s it, too", takes ? "takes" : "refuses");
	ok(takes || (unsigned)config_error_line(&tree) >= got.line,
	    "  and not before that line");
	config_destroy(&tree);
}

/* Commas at the end of lists, and comments at the end of files. */
static void
test_versions(void)
{
	static const char *const texts[] = { "a = ( 1, );\n", "a = [ 1, ];\n",
		"a = [ 1,, 2 ];\n", "a = 1; # end", "a = 1; // end",
		"a = [ 1, 2L ];\n", "a = [ 3000000000, 1 ];\n",
		"a = [ 0xffffffff, 1 ];\n" };
	struct conf_fault got;
	config_t tree;
	size_t i;

	for (i = 0; i < LEN(texts); i++) {
		config_init(&tree);
		ok(syntax_find(texts[i], &got) !=
			(config_read_string(&tree, texts[i]) == CONFIG_TRUE),
		    "as this libconfig takes it: %s", texts[i]);
		config_destroy(&tree);
	}
}

static void
test_depth(void)
{
	char text[2 * CONF_SYNTAX_DEPTH + 8];
	struct conf_fault got;
	int i, n = CONF_SYNTAX_DEPTH - 1;

	for (; n <= CONF_SYNTAX_DEPTH; n++) {
		strcpy(text, "a = ");
		for (i = 0; i < n; i++)
			strcat(text, "(");
		for (i = 0; i < n; i++)
			strcat(text, ")");
		ok(syntax_find(text, &got) == (n == CONF_SYNTAX_DEPTH),
		    "%d brackets", n);
	}
	ok(strstr(got.text, "nested more than") != NULL, "says so");
}

int
main(void)
{
	struct conf_fault got;
	size_t i;

	for (i = 0; i < LEN(faults); i++) {
		test_fault(&faults[i]);
		test_libconfig(faults[i].text, false);
	}
	for (i = 0; i < LEN(fine); i++) {
		if (!ok(!syntax_find(fine[i], &got), "no fault: %s", fine[i]))
			printf("#   %s\n", got.text);
		test_libconfig(fine[i], true);
	}
	test_versions();
	test_depth();
	return (done_testing());
}
