/* The keys of tickets, from their writer to their readers. */
#include "common/shm/ticket_keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/tap.h"

static struct ticket_keys *writer;
static const struct ticket_keys *reader;

/* Key number i of a test. */
static struct ticket_key
key(int i)
{
	struct ticket_key k;

	memset(&k, i, sizeof(k));
	return (k);
}

static bool
is_key(const struct ticket_key *k, int i)
{
	struct ticket_key want = key(i);

	return (memcmp(k, &want, sizeof(want)) == 0);
}

static void
test_access(void)
{
	struct ticket_key k = key(1), keys[TICKET_KEYS_MAX];

	is_int(ticket_keys_new(&writer, &reader, NULL), 0, "memory for keys");
	is_int((int64_t)ticket_keys_count(reader), 0, "has none");
	ok(!ticket_keys_first(reader, &k) && is_key(&k, 0),
	    "so that none can seal");
	is_int((int64_t)ticket_keys_read(reader, keys), 0, "nor be read");
	ok(!ticket_keys_first(NULL, &k), "nor where there is no memory");
	is_int(mprotect((void *)(uintptr_t)reader, sizeof(*reader),
		   PROT_READ | PROT_WRITE),
	    -1, "a reader cannot write");
	is_int(errno, EACCES, "whatever it tries");
}

static void
test_keys(void)
{
	struct ticket_key keys[TICKET_KEYS_MAX + 1], k;
	int i, found = 0;

	for (i = 0; i <= TICKET_KEYS_MAX; i++)
		keys[i] = key(i + 1);
	ticket_keys_write(writer, keys, 3);
	is_int((int64_t)ticket_keys_count(reader), 3, "three keys");
	ok(ticket_keys_first(reader, &k) && is_key(&k, 1), "the first seals");
	for (i = 1; i <= 3; i++)
		found +=
		    ticket_keys_find(reader, key(i).name, &k) && is_key(&k, i);
	is_int(found, 3, "each is found by its name");
	ok(!ticket_keys_find(reader, key(4).name, &k) && is_key(&k, 0),
	    "and no other");
	ticket_keys_write(writer, keys, TICKET_KEYS_MAX + 1);
	is_int((int64_t)ticket_keys_read(reader, keys), TICKET_KEYS_MAX,
	    "as many as there is room for");
	ok(is_key(&keys[TICKET_KEYS_MAX - 1], TICKET_KEYS_MAX),
	    "in their order");
}

/* How often the memory has a whole secret of that key. */
static int
copies(int i)
{
	const uint8_t *at = (const uint8_t *)reader;
	struct ticket_key k = key(i);
	size_t j;
	int n = 0;

	for (j = 0; j + sizeof(k.secret) <= sizeof(*reader); j++)
		n += memcmp(at + j, k.secret, sizeof(k.secret)) == 0;
	return (n);
}

static void
test_wiped(void)
{
	struct ticket_key two[2] = { key(100), key(101) };

	ticket_keys_write(writer, two, 2);
	ok(copies(100) > 0 && copies(1) == 0, "what was there is wiped");
	two[0] = key(102);
	ticket_keys_write(writer, two, 1);
	ok(copies(102) > 0 && copies(100) == 0 && copies(101) == 0,
	    "one turn is enough");
	ticket_keys_write(writer, NULL, 0);
	is_int(copies(102), 0, "and all can go");
}

/* A child has the reader's memory if it is given, and never the writer's. */
static int
ask_child(bool share)
{
	struct ticket_key k;
	unsigned char there;
	int status, answer;
	pid_t pid;

	if (share)
		madvise(
		    (void *)(uintptr_t)reader, sizeof(*reader), MADV_DOFORK);
	pid = fork();
	if (pid == 0) {
		answer = mincore(writer, sizeof(*writer), &there) == 0 ? 4 : 0;
		answer |= mincore((void *)(uintptr_t)reader, sizeof(*reader),
			      &there) == 0
			      ? 1
			      : 0;
		if ((answer & 1) != 0 && ticket_keys_first(reader, &k))
			answer |= k.name[0] == 9 ? 2 : 0;
		_exit(answer);
	}
	waitpid(pid, &status, 0);
	return (WEXITSTATUS(status));
}

static void
test_children(void)
{
	struct ticket_key one = key(9);

	ticket_keys_write(writer, &one, 1);
	is_int(ask_child(false), 0, "a child has neither");
	is_int(ask_child(true), 1 + 2, "or the reader's, with the keys");
}

int
main(void)
{
	test_access();
	test_keys();
	test_wiped();
	test_children();
	ticket_keys_free(writer, reader);
	ticket_keys_free(NULL, NULL);
	return (done_testing());
}
