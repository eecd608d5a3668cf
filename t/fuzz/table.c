/*
 * The tunnel table of a hostile worker: whatever its bytes are, reading ends,
 * stays within them, and yields facts of which audit lines can be printed. The
 * input is the slots; a first byte tells how many lines have left.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/audit.h"
#include "common/log/sink.h"
#include "common/shm/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(const struct table_entry *e, enum audit_syntax syntax)
{
	static const char *const rules[] = { "rule" };
	const struct facts_names names = {
		.rules = { rules, 1, sizeof(rules[0]) },
	};
	const struct audit_line line = { AUDIT_END, &e->facts, e->text,
		&names };
	char buf[SINK_LINE_MAX];
	size_t i, len = audit_format(&line, syntax, buf, sizeof(buf));

	if (len < 2 || len > sizeof(buf) || buf[len - 1] != '\n')
		abort();
	for (i = 0; i + 1 < len; i++)
		if (buf[i] < 0x20 || buf[i] > 0x7e)
			abort();
}

static void
read_all(const uint8_t *bytes, size_t size)
{
	struct table_reader r;
	struct table_entry e;
	size_t n = 0;

	if (table_reader_init(&r, bytes, size) != 0)
		return;
	while (table_read(&r, &e)) {
		if (e.slot >= r.slots || ++n > r.slots)
			abort();
		check_line(&e, AUDIT_JSON);
		check_line(&e, AUDIT_TEXT);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_head head = { .magic = TABLE_MAGIC,
		.version = TABLE_VERSION,
		.slot_size = TABLE_SLOT_SIZE,
		.high = UINT32_MAX };
	uint8_t *bytes;

	read_all(data, size);
	if (size == 0)
		return (0);
	head.left = data[0];
	head.size = TABLE_HEAD_SIZE + size - 1;
	bytes = calloc(1, head.size);
	if (bytes == NULL)
		return (0);
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + TABLE_HEAD_SIZE, data + 1, size - 1);
	read_all(bytes, head.size);
	free(bytes);
	return (0);
}
