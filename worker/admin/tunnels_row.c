/* Writes a tunnel as a row of a table. */
#include "worker/admin/tunnels_row.h"

#include "common/base/clock.h"
#include "common/log/audit.h"

static void
put_cell(struct text *out, struct piece p)
{
	size_t i;

	for (i = 0; i < p.len; i++) {
		if (p.s[i] >= ' ' && p.s[i] <= '~' && p.s[i] != '\\')
			text_add(out, &p.s[i], 1);
		else
			text_put(out, "\\x%02x", (unsigned char)p.s[i]);
	}
	text_add(out, "\t", 1);
}

static struct piece
name_of(const struct audit_line *line)
{
	const char *name = facts_name(&line->names->rules, line->facts->rule);

	return ((struct piece){ name, name != NULL ? strlen(name) : 0 });
}

void
tunnels_row(struct text *out, const struct audit_line *line)
{
	const struct tunnel_facts *f = line->facts;
	char id[FACTS_ID_SIZE], client[ADDR_TEXT_SIZE];
	char target[TARGET_TEXT_SIZE];
	struct piece words[FACTS_WORDS];
	size_t len = 0;

	facts_words(line->text, f->text_len, words);
	if (words[FACTS_HOST].s != NULL)
		len = facts_format_target(f, words[FACTS_HOST], target);
	put_cell(out, (struct piece){ id, facts_format_id(f, id) });
	put_cell(
	    out, (struct piece){ client, addr_format(&f->client, client) });
	put_cell(out, words[FACTS_IDENTITY]);
	put_cell(out, (struct piece){ target, len });
	put_cell(out, name_of(line));
	text_uint(out, f->bytes_from_client);
	text_add(out, "\t", 1);
	text_uint(out, f->bytes_from_upstream);
	text_add(out, "\t", 1);
	text_uint(
	    out, f->total_ns > 0 ? (uint64_t)(f->total_ns / CLOCK_MSEC) : 0);
	text_add(out, "\n", 1);
}
