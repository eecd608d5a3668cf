/*
 * The facts of a tunnel: words are packed and found again, and bytes of any
 * kind are read without harm.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log/facts.h"
#include "t/unit/tap.h"

static struct tunnel_facts facts;
static uint8_t text[FACTS_TEXT_MAX];
static struct piece words[FACTS_WORDS];

static void
put(enum facts_word word, const char *s)
{
	if (facts_put(&facts, text, sizeof(text), word, s, strlen(s)) != 0)
		abort();
	facts_words(text, facts.text_len, words);
}

static bool
is_word(enum facts_word word, const char *s)
{
	return (words[word].s != NULL && piece_is(words[word], s));
}

static void
test_words(void)
{
	facts_init(&facts);
	facts_words(text, facts.text_len, words);
	ok(words[FACTS_DETAIL].s == NULL, "nothing is known at first");
	put(FACTS_DETAIL, "one");
	put(FACTS_HOST, "example.com");
	put(FACTS_SERVER_NAME, "");
	ok(is_word(FACTS_DETAIL, "one") && is_word(FACTS_HOST, "example.com"),
	    "words are found again");
	ok(is_word(FACTS_SERVER_NAME, ""), "an empty one is not none");
	put(FACTS_DETAIL, "another");
	ok(is_word(FACTS_DETAIL, "another"), "the last of a kind counts");
	facts_put(
	    &facts, text, sizeof(text), FACTS_DETAIL, NULL, FACTS_NO_WORD);
	facts_words(text, facts.text_len, words);
	ok(words[FACTS_DETAIL].s == NULL, "or none does");
	ok(is_word(FACTS_HOST, "example.com"), "and others stay");
}

static void
test_bounds(void)
{
	static const char bytes[5000];
	size_t before;

	facts_init(&facts);
	facts_put(&facts, text, sizeof(text), FACTS_SERVER_NAME, bytes, 5000);
	facts_put(&facts, text, sizeof(text), FACTS_IDENTITY, bytes, 2048);
	facts_words(text, facts.text_len, words);
	is_int((int64_t)words[FACTS_SERVER_NAME].len, FACTS_SERVER_NAME_MAX,
	    "a long name is cut");
	is_int(facts.server_name_len, 5000, "and its length is known");
	is_int((int64_t)words[FACTS_IDENTITY].len, FACTS_IDENTITY_MAX,
	    "so is an identity");
	is_int(facts.identity_len, 2048, "and its length");
	before = facts.text_len;
	is_int(facts_put(&facts, text, before + 10, FACTS_DETAIL, bytes, 20),
	    -ENOSPC, "what has no room is refused");
	ok(facts.text_len == before && facts.cut == 1,
	    "nothing is written, and it says so");
}

/* Packed text of a stranger. */
static void
test_hostile(void)
{
	static const uint8_t unknown[] = { FACTS_WORDS, 1, 0, 'x' };
	static const uint8_t beyond[] = { FACTS_DETAIL, 9, 0, 'x' };
	static const uint8_t half[] = { FACTS_DETAIL, 1 };

	facts_words(unknown, sizeof(unknown), words);
	ok(words[FACTS_DETAIL].s == NULL, "a word of an unknown kind");
	facts_words(beyond, sizeof(beyond), words);
	ok(words[FACTS_DETAIL].s == NULL, "a word beyond the end");
	facts_words(half, sizeof(half), words);
	ok(words[FACTS_DETAIL].s == NULL, "half a word");
}

static void
test_tries(void)
{
	struct facts_try try = { .reason = REASON_GUARD }, got[FACTS_TRIED_MAX];
	const size_t step = FACTS_HEAD_SIZE + FACTS_TRY_SIZE;
	uint8_t word[FACTS_TRY_SIZE], packed[4 * sizeof(word)];
	struct tunnel_facts f;
	size_t n;

	if (addr_parse(&try.addr, "192.0.2.1:443", 13, 0) != 0)
		abort();
	facts_init(&f);
	facts_try_pack(word, &try);
	(void)facts_put(
	    &f, packed, sizeof(packed), FACTS_TRIED, word, sizeof(word));
	word[0] = 99; /* of no family that there is */
	(void)facts_put(
	    &f, packed, sizeof(packed), FACTS_TRIED, word, sizeof(word));
	facts_try_pack(word, &try);
	(void)facts_put(
	    &f, packed, sizeof(packed), FACTS_TRIED, word, sizeof(word));
	is_int((int64_t)facts_tries(packed, f.text_len, got), 2,
	    "addresses, if they are");
	ok(addr_equal(&got[1].addr, &try.addr) && got[1].reason == REASON_GUARD,
	    "and what became of them");
	n = 2;
	is_int((int64_t)facts_find_try(packed, f.text_len, &n),
	    (int64_t)(2 * step + FACTS_HEAD_SIZE), "where the third one is");
	n = 3;
	is_int((int64_t)facts_find_try(packed, f.text_len, &n), 0, "no fourth");
	is_int((int64_t)n, 3, "but three");
	is_int(
	    (int64_t)facts_tries(packed, step - 1, got), 0, "half an address");
}

static void
test_formats(void)
{
	const char *names[] = { "a", "b" };
	const struct facts_table table = { names, 2, sizeof(names[0]) };
	char buf[TARGET_TEXT_SIZE], id[FACTS_ID_SIZE];

	facts_init(&facts);
	facts.port = 443;
	put(FACTS_HOST, "example.com");
	facts_format_target(&facts, words[FACTS_HOST], buf);
	is_str(buf, "example.com:443", "a target of a name");
	put(FACTS_HOST, "2001:db8::1");
	facts_format_target(&facts, words[FACTS_HOST], buf);
	is_str(buf, "[2001:db8::1]:443", "a target of an address");
	facts.generation = facts.worker = UINT32_MAX;
	facts.number = UINT64_MAX;
	facts_format_id(&facts, id);
	is_str(
	    id, "4294967295-4294967295-18446744073709551615", "the longest id");
	is_str(facts_name(&table, 1), "b", "a name by its number");
	is_str(facts_name(&table, 2), NULL, "no such number");
	is_str(facts_name(&table, FACTS_NONE), NULL, "no number");
	is_str(facts_tls_version(0x0303), "TLSv1.2", "a version");
	is_str(facts_tls_version(0x0302), NULL, "no version of ours");
}

int
main(void)
{
	test_words();
	test_bounds();
	test_hostile();
	test_tries();
	test_formats();
	return (done_testing());
}
