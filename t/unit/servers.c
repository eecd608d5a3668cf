/* Name servers as a worker publishes them, and as a liar does. */
#include "common/shm/servers.h"

#include <string.h>

#include "common/shm/stats.h"
#include "t/unit/tap.h"

static struct nameserver
server(const char *text)
{
	struct nameserver s;

	if (nameserver_parse(&s, text, strlen(text), 53) != 0)
		memset(&s, 0, sizeof(s));
	return (s);
}

int
main(void)
{
	const struct nameserver list[] = { server("192.0.2.1"),
		server("[fe80::1%eth0]:5353") };
	struct servers_seen seen[NAMESERVERS_MAX];
	struct shm *master = NULL, *s = NULL, *reader = NULL;
	char text[NAMESERVER_TEXT_SIZE];
	struct servers *mine;
	int slot;

	if (!ok(shm_new(&master) == 0, "maps"))
		return (done_testing());
	slot = shm_take(master, false);
	if (!ok(shm_join(master, slot, &s) == 0 &&
		    shm_join_reader(master, &reader) == 0,
		"a worker and a reader"))
		return (done_testing());
	is_int((int64_t)servers_read(reader, slot, seen), 0, "none yet");
	mine = &stats_mine(s)->servers;
	servers_set(mine, list, 2);
	stats_add(&mine->entries[1].asked, 3);
	stats_add(&mine->entries[1].unanswered, 2);
	atomic_store(&mine->entries[1].state, SERVERS_SILENT);
	is_int((int64_t)servers_read(reader, slot, seen), 2, "two");
	nameserver_format(&seen[1].where, 53, text);
	is_str(text, "[fe80::1%eth0]:5353", "where it is");
	ok(seen[1].asked == 3 && seen[1].unanswered == 2, "what came of it");
	is_str(servers_state_name(seen[0].state), "answers", "its state");
	is_str(servers_state_name(seen[1].state), "silent", "of another");
	servers_set(mine, list + 1, 1);
	is_int(
	    (int64_t)servers_read(reader, slot, seen), 1, "others are asked");
	is_int((int64_t)seen[0].asked, 0, "of which nothing is known");

	atomic_store(&mine->change, 1);
	is_int((int64_t)servers_read(reader, slot, seen), 0, "nothing torn");
	memset(mine, 0xff, sizeof(*mine));
	atomic_store(&mine->change, 2);
	is_int((int64_t)servers_read(reader, slot, seen), 0, "nothing unsound");
	shm_free(s);
	shm_free(reader);
	shm_free(master);
	return (done_testing());
}
