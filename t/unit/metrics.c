/*
 * /metrics of a service with many rules: all of them are there, in pieces that
 * fit; names of any bytes, numbers of any size; and what it costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/conf/conf.h"
#include "common/shm/rules.h"
#include "common/shm/rules_reader.h"
#include "common/shm/service.h"
#include "common/tls/expiry.h"
#include "t/unit/tap.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/state.h"

#define RULES	  1000
#define OUT_SIZE  ((size_t)64 * 1024)
#define TEXT_SIZE ((size_t)4 * 1024 * 1024)
#define SCRAPES	  100

static struct admin admin;
static char text[TEXT_SIZE];

/* The whole answer into `text`; how many pieces it came in. */
static unsigned
scrape(void)
{
	static char bytes[OUT_SIZE];
	struct text out = { bytes, 0, OUT_SIZE, false };
	struct exchange e = { .admin = &admin, .status = 200, .out = &out };
	enum exchange_step step = EXCHANGE_MORE;
	unsigned pieces = 0;
	size_t len = 0;

	metrics_answer(&e);
	while (step == EXCHANGE_MORE) {
		while (
		    step == EXCHANGE_MORE && text_room(&out) >= EXCHANGE_ROOM)
			step = e.more(&e);
		if (out.full || len + out.len >= TEXT_SIZE)
			break;
		memcpy(text + len, bytes, out.len);
		len += out.len;
		out.len = 0;
		pieces++;
	}
	e.done(&e);
	text[len] = '\0';
	return (out.full ? 0 : pieces);
}

static size_t
count(const char *what)
{
	const char *at = text;
	size_t n = 0;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		n++;
	}
	return (n);
}

/* Is it a line of its own? */
static void
has(const char *line, const char *name)
{
	const char *at = strstr(text, line);

	ok(at != NULL && (at == text || at[-1] == '\n') &&
		at[strlen(line)] == '\n',
	    "%s", name);
}

static void
hold_rules(struct shm *master, struct rules_held *held)
{
	static char names[RULES][RULES_NAME_MAX + 1];
	static struct rule rules[RULES];
	unsigned i;

	for (i = 0; i < RULES; i++) {
		snprintf(names[i], sizeof(names[i]), "%-40s%u",
		    "a rule with a long name", i);
		rules[i] = (struct rule){ .name = names[i],
			.action = i % 2 == 0 ? RULE_ALLOW : RULE_DENY };
	}
	strcpy(names[0], "a \"quote\", a \\, a\nline, \xff");
	if (rules_hold(master, rules, RULES, clock_now(), held) != 0)
		abort();
}

static void
test_rules(struct shm *worker, const struct rules_held *held)
{
	static const char odd[] =
	    "a \\\"quote\\\", a \\\\, a\\\\x0aline, \\\\xff";
	struct rules_row *row;
	char line[256];
	unsigned i;

	for (i = 0; i < RULES; i++) {
		row = rules_mine(worker, held, i);
		rules_decided(worker, row,
		    i % 2 == 0 ? FACTS_ALLOW : FACTS_DENY, 1234567890123456789);
		stats_add(&row->n[RULES_FROM_CLIENT], i % 2 == 0 ? 7 : 0);
	}
	stats_add(&rules_mine(worker, held, 2)->n[RULES_ALLOW], UINT64_MAX / 2);
	ok(scrape() > 1, "it comes in pieces");
	is_int((int64_t)count("\nsniport_rule_tunnels_total{"), RULES + 1,
	    "each rule has its decisions, and so has what is left");
	is_int((int64_t)count("\nsniport_rule_bytes_from_client_total{"),
	    RULES / 2, "those that allow have bytes");
	is_int((int64_t)count("\nsniport_rule_last_used_timestamp_seconds{"),
	    RULES, "when they were used");
	is_int((int64_t)count("# HELP sniport_rule_tunnels_total "), 1,
	    "the family is told once");
	snprintf(line, sizeof(line),
	    "sniport_rule_bytes_from_client_total{rule=\"%s\"} 7", odd);
	has(line, "any bytes are a label");
	snprintf(line, sizeof(line),
	    "sniport_rule_last_used_timestamp_seconds{rule=\"%s\"} "
	    "1234567890.123",
	    odd);
	has(line, "a time");
	snprintf(line, sizeof(line),
	    "sniport_rule_tunnels_total{rule=\"%-40s2\",decision=\"allow\"} "
	    "%llu",
	    "a rule with a long name", 1ULL << 58);
	has(line, "who lies is believed up to a bound");
	is_int((int64_t)count("sniport_name_server_workers"), 0,
	    "a family without samples is left out");
}

static void
test_timings(struct shm *worker)
{
	struct stats_slot *mine = stats_mine(worker);

	timings_add(mine, TIMING_HANDSHAKE, 2 * CLOCK_MSEC);
	timings_add(mine, TIMING_HANDSHAKE, 30 * CLOCK_SEC + 5 * CLOCK_USEC);
	timings_add(mine, TIMING_TUNNEL, CLOCK_MSEC);
	timings_add(mine, TIMING_TUNNEL, INT64_MAX);
	(void)scrape();
#define HANDSHAKE "sniport_handshake_duration_seconds"
	has(HANDSHAKE "_bucket{le=\"0.001\"} 0", "none so short");
	has(HANDSHAKE "_bucket{le=\"0.0025\"} 1", "one is");
	has(HANDSHAKE "_bucket{le=\"10\"} 1", "and in all that follow");
	has(HANDSHAKE "_bucket{le=\"+Inf\"} 2", "the last has all");
	has(HANDSHAKE "_sum 30.002005", "the sum is in seconds");
	has(HANDSHAKE "_count 2", "how many");
	has("sniport_tunnel_duration_seconds_sum 9223372036.855",
	    "the longest time there is");
	has("sniport_dns_duration_seconds_sum 0", "none at all");
}

static void
test_expiry(struct expiries *all)
{
	struct expiry e;

	expiry_init(&e, EXPIRY_CHAIN, "/a \"b\"");
	expiry_narrow(&e, 1, 0, 1800000000, 1700000000);
	expiry_add(all, &e);
	expiry_init(&e, EXPIRY_CRL, "/c");
	expiry_add(all, &e);
	(void)scrape();
	has("sniport_certificate_expiry_timestamp_seconds{file=\"/a "
	    "\\\"b\\\"\","
	    "kind=\"certificate\"} 1800000000",
	    "when a certificate expires");
	is_int(
	    (int64_t)count("kind=\"crl\""), 0, "what never does is left out");
}

/* Not judged: machines differ. */
static void
measure(void)
{
	struct timespec begin, end;
	unsigned i;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (i = 0; i < SCRAPES; i++)
		(void)scrape();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	printf("# %u rules: %zu bytes, %.3f ms of CPU\n", RULES, strlen(text),
	    ((double)(end.tv_sec - begin.tv_sec) * 1e3 +
		(double)(end.tv_nsec - begin.tv_nsec) / 1e6) /
		SCRAPES);
}

int
main(void)
{
	struct shm *master = NULL, *worker = NULL, *reader = NULL;
	struct conf conf = { .limits = { .tunnels = 20000 } };
	struct expiries expiries = { .n = 0 };
	struct boot_admin boot = { .conf = &conf, .expiries = &expiries };
	struct rules_held held;
	int slot;

	if (!ok(shm_new(&master) == 0, "maps"))
		return (done_testing());
	slot = shm_take(master, false);
	if (!ok(shm_join(master, slot, &worker) == 0 &&
		    shm_join_reader(master, &reader) == 0 &&
		    rules_reader_new(&admin.rules) == 0,
		"a worker and a reader"))
		return (done_testing());
	boot.shm = reader;
	admin.boot = &boot;
	workers_init(&admin.workers);
	(void)workers_add(
	    &admin.workers, &(struct boot_worker){ .slot = slot, .table = -1 });
	hold_rules(master, &held);
	test_rules(worker, &held);
	test_timings(worker);
	test_expiry(&expiries);
	measure();
	rules_drop(master, &held, clock_now());
	workers_fini(&admin.workers);
	rules_reader_free(admin.rules);
	shm_free(worker);
	shm_free(reader);
	shm_free(master);
	return (done_testing());
}
