/*
 * The tunnel table: states of slots, text that goes on in others, and a reader
 * that takes hostile bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log/audit.h"
#include "common/log/sink.h"
#include "common/shm/table.h"
#include "t/unit/tap.h"

/* A table for so many tunnels, with what its writer and its readers have. */
struct both {
	struct table *table;
	int writer, reader;
	const void *map;
	size_t size;
};

static void
both_open(struct both *b, int64_t tunnels)
{
	b->size = table_size(tunnels);
	if (table_new(b->size, &b->writer, &b->reader) != 0 ||
	    table_open(&b->table, b->writer) != 0)
		abort();
	b->map = mmap(NULL, b->size, PROT_READ, MAP_SHARED, b->reader, 0);
	if (b->map == MAP_FAILED)
		abort();
}

static void
both_close(struct both *b)
{
	munmap((void *)(uintptr_t)b->map, b->size);
	table_close(b->table);
	close(b->writer);
	close(b->reader);
}

/* Memory that the table takes, in bytes. */
static int64_t
taken(const struct both *b)
{
	struct stat st;

	return (fstat(b->reader, &st) == 0 ? st.st_blocks * 512 : -1);
}

/* How many tunnels a reader finds, and the last of them. */
static int
readers_count(const struct both *b, struct table_entry *e)
{
	struct table_reader r;
	int n = 0;

	if (table_reader_init(&r, b->map, b->size) != 0)
		return (-1);
	while (table_read(&r, e))
		n++;
	return (n);
}

static struct tunnel_facts *
begin(struct both *b, uint64_t number)
{
	struct tunnel_facts *f = table_take(b->table);

	if (f == NULL)
		return (NULL);
	f->number = number;
	table_begin(b->table, f);
	return (f);
}

static void
put(struct both *b, struct tunnel_facts *f, enum facts_word word, char c,
    size_t len)
{
	char bytes[FACTS_TEXT_MAX];

	memset(bytes, c, sizeof(bytes));
	is_int(table_put(b->table, f, word, bytes, len), 0, "a word is put");
}

static void
test_file(void)
{
	struct both b;

	both_open(&b, 10);
	ok(mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_SHARED, b.reader,
	       0) == MAP_FAILED &&
		errno == EACCES,
	    "a reader's description cannot be written by");
	is_int(mprotect((void *)(uintptr_t)b.map, 4096, PROT_READ | PROT_WRITE),
	    -1, "nor can its mapping be made writable");
	is_int(ftruncate(b.writer, 4096), -1, "nobody makes it shorter");
	is_int(ftruncate(b.writer, (off_t)b.size * 2), -1, "nor longer");
	both_close(&b);
	ok(table_size(1) < table_size(100000), "more tunnels, more slots");
	ok(table_size(100000000) == table_size(INT64_MAX),
	    "but never more than a process can have");
}

/* From the beginning of a tunnel to its line: what readers see. */
static void
test_states(void)
{
	struct tunnel_facts *f;
	struct table_entry e;
	struct both b;

	both_open(&b, 10);
	f = table_take(b.table);
	is_int(readers_count(&b, &e), 0, "nobody sees what is not begun");
	f->number = 7;
	table_begin(b.table, f);
	is_int(readers_count(&b, &e), 1, "a tunnel is seen");
	ok(e.facts.number == 7 && !e.ended, "live, and as it is");
	f->bytes_from_client = 5;
	readers_count(&b, &e);
	is_int((int64_t)e.facts.bytes_from_client, 5, "its bytes move");
	table_end(b.table, f, 1);
	is_int(readers_count(&b, &e), 1, "its line has not left: it is seen");
	ok(e.ended, "it has ended");
	table_wait(b.table, f);
	table_release(b.table, f);
	is_int(readers_count(&b, &e), 1, "the worker is done, the log is not");
	is_int(table_used(b.table), 1, "its slot is kept");
	atomic_store(table_left(b.table), 1);
	is_int(readers_count(&b, &e), 0,
	    "the line has left: not seen, whatever the worker did next");
	table_settle(b.table, 1);
	is_int(table_used(b.table), 0, "its slot is free");
	both_close(&b);
}

/* A connection is seen from the moment on in which its client is known. */
static void
test_coming(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(1234),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct addr client = { .family = AF_INET, .port = 1235 };
	struct tunnel_facts *f;
	struct table_entry e;
	struct both b;
	char *to;

	both_open(&b, 10);
	f = table_take(b.table);
	f->number = 7;
	to = table_await(b.table, f, 41);
	is_int(readers_count(&b, &e), 0, "nobody has come");
	memcpy(to, &sin, sizeof(sin));
	is_int(readers_count(&b, &e), 1, "somebody has");
	ok(e.coming && !e.ended && e.accepted == 41 && e.facts.number == 7,
	    "what was known before is there");
	ok(e.facts.client.family == AF_INET && e.facts.client.port == 1234 &&
		e.facts.text_len == 0,
	    "and who it is");
	table_begin(b.table, f);
	is_int(readers_count(&b, &e), 1, "then it is a tunnel");
	ok(!e.coming, "like others");

	f = table_take(b.table);
	(void)table_await(b.table, f, 42);
	table_untake(b.table, f);
	is_int(readers_count(&b, &e), 1, "one that did not come is not there");
	ok(table_take(b.table) == f, "its slot is free");

	to = table_await_message(b.table, f, 42, 36);
	ok((uintptr_t)to % 8 == 0, "a message is aligned");
	is_int(readers_count(&b, &e), 1, "none has come");
	memcpy(to + 36, &client, sizeof(client));
	is_int(readers_count(&b, &e), 2, "one has, with a connection");
	ok(e.coming && e.facts.client.port == 1235, "of this client");
	both_close(&b);
}

/* A slot is free when the line has left and the worker is done. */
static void
test_release(void)
{
	struct tunnel_facts *f[4];
	struct both b;
	int i;

	both_open(&b, 10);
	for (i = 0; i < 4; i++) {
		f[i] = begin(&b, (uint64_t)i);
		table_end(b.table, f[i], (uint64_t)i + 1);
		if (i != 2)
			table_wait(b.table, f[i]);
	}
	table_forget(b.table, f[2]);
	table_release(b.table, f[2]);
	is_int(table_used(b.table), 3, "a line that is lost frees its slot");
	table_settle(b.table, 1);
	is_int(
	    table_used(b.table), 3, "a line has left, but who lingers stays");
	table_release(b.table, f[0]);
	is_int(table_used(b.table), 2, "until it is released");
	table_release(b.table, f[1]);
	table_release(b.table, f[3]);
	table_settle(b.table, 3);
	is_int(table_used(b.table), 1, "only lines that have left");
	table_settle(b.table, 4);
	is_int(table_used(b.table), 0, "all have");
	ok(table_take(b.table) == f[0], "the lowest is taken first");
	both_close(&b);
}

/* Text goes on in further slots, and is had back in one piece. */
static void
test_text(void)
{
	struct piece words[FACTS_WORDS];
	uint8_t buf[FACTS_TEXT_MAX];
	struct tunnel_facts *f;
	struct table_entry e;
	struct both b;
	unsigned i;

	both_open(&b, 10);
	f = begin(&b, 1);
	put(&b, f, FACTS_HOST, 'h', 100);
	ok(table_text(b.table, f, buf) == f->text, "a short text is in place");
	is_int(table_used(b.table), 1, "in one slot");
	put(&b, f, FACTS_SERVER_NAME, 's', 5000);
	put(&b, f, FACTS_IDENTITY, 'i', 200);
	for (i = 0; i < FACTS_TRIED_MAX; i++)
		put(&b, f, FACTS_TRIED, 0, FACTS_TRY_SIZE);
	put(&b, f, FACTS_DETAIL, 'd', 255);
	is_int(table_used(b.table), 3, "a long one is in several");
	readers_count(&b, &e);
	facts_words(e.text, e.facts.text_len, words);
	ok(words[FACTS_HOST].len == 100 && words[FACTS_HOST].s[99] == 'h' &&
		words[FACTS_SERVER_NAME].len == 255 &&
		words[FACTS_SERVER_NAME].s[254] == 's' &&
		words[FACTS_IDENTITY].len == 200 &&
		words[FACTS_IDENTITY].s[199] == 'i' &&
		words[FACTS_DETAIL].len == 255 &&
		words[FACTS_DETAIL].s[254] == 'd',
	    "a reader has all of it");
	is_int(e.facts.server_name_len, 5000, "a cut name tells its length");
	is_int(e.facts.cut, 0, "and nothing is missing");
	ok(memcmp(table_text(b.table, f, buf), e.text, f->text_len) == 0,
	    "and so has the worker");
	table_forget(b.table, f);
	table_release(b.table, f);
	is_int(table_used(b.table), 0, "all slots are freed with the first");
	both_close(&b);
}

/* Where there is no slot, nothing is lost but what has no room. */
static void
test_full(void)
{
	struct tunnel_facts *f = NULL, *next;
	struct table_entry e;
	char bytes[FACTS_TEXT_MAX] = "";
	struct both b;
	int n = 0;

	both_open(&b, 1);
	while ((next = begin(&b, (uint64_t)n)) != NULL) {
		f = next;
		n++;
	}
	ok(n >= 4096, "%d tunnels fit", n);
	is_int(readers_count(&b, &e), n, "and are seen");
	is_int(table_put(b.table, f, FACTS_SERVER_NAME, bytes, 255), 0,
	    "what fits their slot is put");
	is_int(table_put(b.table, f, FACTS_HOST, bytes, 250), -ENOSPC,
	    "what does not is refused");
	readers_count(&b, &e);
	is_int(e.facts.cut, 1, "and the line says that it is cut");
	both_close(&b);
}

/* Memory goes back when a burst is over, and what is there stays. */
static void
test_trim(void)
{
	struct tunnel_facts *f[1000];
	struct table_entry e;
	struct both b;
	int64_t full;
	int i;

	both_open(&b, 1000);
	for (i = 0; i < 1000; i++)
		f[i] = begin(&b, (uint64_t)i);
	full = taken(&b);
	ok(full >= 1000 * TABLE_SLOT_SIZE, "a burst takes memory");
	for (i = 0; i < 1000; i++) {
		if (i == 500)
			continue;
		table_forget(b.table, f[i]);
		table_release(b.table, f[i]);
	}
	table_trim(b.table);
	ok(taken(&b) <= 4 * 4096, "and is given back but for one page");
	is_int(readers_count(&b, &e), 1, "the one that goes on is seen");
	is_int((int64_t)e.facts.number, 500, "as it was");
	is_int(table_used(b.table), 1, "one slot is used");
	for (i = 0; i < 100; i++)
		f[i] = begin(&b, (uint64_t)i);
	is_int(readers_count(&b, &e), 101, "and others are there again");
	table_forget(b.table, f[0]);
	table_release(b.table, f[0]);
	table_trim(b.table);
	is_int(readers_count(&b, &e), 100, "no page of a tunnel goes back");
	both_close(&b);
}

/* A sink tells the table which lines have left it. */
static void
test_sink(void)
{
	struct tunnel_facts *f[3];
	struct table_entry e;
	struct sink *s;
	char buf[64], line[SINK_LINE_MAX];
	struct both b;
	int fds[2], i;

	both_open(&b, 10);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	if (pipe2(fds, O_NONBLOCK) != 0 || sink_new(&s, fds[1]) != 0)
		return;
	sink_publish_left(s, table_left(b.table));
	while (sink_waiting(s) == 0)
		(void)sink_write(s, 6, line, sizeof(line));
	for (i = 0; i < 3; i++) {
		f[i] = begin(&b, (uint64_t)i);
		table_end(b.table, f[i], sink_accepted(s) + 1);
		is_int(sink_write(s, 6, "a\n", 2), 0, "a line waits");
		table_wait(b.table, f[i]);
		table_release(b.table, f[i]);
		table_settle(b.table, sink_left(s));
	}
	is_int(readers_count(&b, &e), 3, "lines that wait are in the table");
	while (read(fds[0], line, sizeof(line)) > 0)
		continue;
	ok(sink_flush(s), "they leave");
	is_int(readers_count(&b, &e), 0,
	    "and are not, before the worker does anything else");
	table_settle(b.table, sink_left(s));
	is_int(table_used(b.table), 0, "their slots are free");
	while (read(fds[0], buf, sizeof(buf)) > 0)
		continue;
	f[0] = begin(&b, 9);
	table_end(b.table, f[0], sink_accepted(s) + 1);
	is_int(sink_write(s, 6, "a\n", 2), 0, "one that is written at once");
	is_int(readers_count(&b, &e), 0, "has left at once");
	sink_close(s);
	close(fds[0]);
	both_close(&b);
}

/* What a broken-in worker may write. */
static struct table_slot *
slots_of(uint8_t *bytes)
{
	return ((struct table_slot *)(bytes + TABLE_HEAD_SIZE));
}

#define HOSTILE 8

static void
test_hostile(void)
{
	static _Alignas(64)
	    uint8_t bytes[TABLE_HEAD_SIZE + HOSTILE * TABLE_SLOT_SIZE];
	struct table_head *head = (struct table_head *)bytes;
	struct table_slot *s = slots_of(bytes);
	struct table_reader r;
	struct table_entry e;

	*head = (struct table_head){ .magic = TABLE_MAGIC,
		.version = TABLE_VERSION,
		.slot_size = TABLE_SLOT_SIZE,
		.size = sizeof(bytes),
		.high = UINT32_MAX };
	is_int(table_reader_init(&r, bytes, sizeof(bytes)), 0, "a table");
	is_int(r.slots, HOSTILE, "has no more slots than there are bytes");
	is_int(table_reader_init(&r, bytes, sizeof(bytes) - 1), -EINVAL,
	    "a size that is not its own");
	is_int(table_reader_init(&r, bytes, 10), -EINVAL, "too short");
	memset(&s[0], 0xff, sizeof(s[0]));
	s[0].state = TABLE_LIVE;
	table_reader_init(&r, bytes, sizeof(bytes));
	ok(table_read(&r, &e), "facts of wild numbers are read");
	ok(e.facts.reason == REASON_NONE && e.facts.client.family == 0 &&
		e.facts.total_ns == -1 && e.facts.text_len <= FACTS_TEXT_MAX &&
		e.facts.cut == 1,
	    "and are sane");
	s[0].facts.text_len = 2000;
	s[0].more = 2;
	s[1].state = TABLE_MORE;
	s[1].owner = 0;
	s[1].more = 2; /* to itself */
	table_reader_init(&r, bytes, sizeof(bytes));
	ok(table_read(&r, &e) && e.facts.text_len == 2000,
	    "a chain that loops");
	s[1].owner = 5;
	table_reader_init(&r, bytes, sizeof(bytes));
	ok(table_read(&r, &e) && e.facts.text_len == FACTS_TEXT_HERE &&
		e.facts.cut == 1,
	    "a chain into another's text");
	s[0].more = HOSTILE + 1;
	table_reader_init(&r, bytes, sizeof(bytes));
	ok(table_read(&r, &e) && e.facts.text_len == FACTS_TEXT_HERE,
	    "a chain out of the table");
	ok(!table_read(&r, &e), "nothing else is there");
	head->version++;
	is_int(table_reader_init(&r, bytes, sizeof(bytes)), -EINVAL,
	    "another version");
}

int
main(void)
{
	test_file();
	test_states();
	test_coming();
	test_release();
	test_text();
	test_full();
	test_trim();
	test_sink();
	test_hostile();
	return (done_testing());
}
