/*
 * A tunnel that relays, and what comes behind: ends, resets, idleness, a side
 * that reads slowly. One audit line, with the right reason and bytes, and
 * nothing left.
 */
#include "t/unit/tunnel_world.h"

static void
test_idle(void)
{
	reach(IN_CONNECT);
	pass(200 * SEC);
	dial_ends(REASON_NONE);
	pass(200 * SEC);
	is_int((int64_t)w.all.count, 1, "idle since both sides are there");
	receives(&w.upstream, IO_WAIT_READ, 0, 10);
	pass(299 * SEC);
	is_int((int64_t)w.all.count, 1, "or since the last byte");
	receives(&w.client, IO_END, 0, 0);
	pass(59 * SEC);
	is_int((int64_t)w.all.count, 1, "or since one stream has ended");
	receives(&w.upstream, IO_WAIT_READ, 0, 10);
	pass(59 * SEC);
	is_int((int64_t)w.all.count, 1, "the other may go on");
	pass(2 * SEC);
	over(REASON_HALF_CLOSE_TIMEOUT, "and must");
	reach(IN_RELAY);
	w.client.sent_ago = 100 * 1000;
	pass(301 * SEC);
	is_int((int64_t)w.all.count, 1, "what the kernel sends is no idleness");
	w.client.sent_ago = 0;
	pass(300 * SEC);
	over(REASON_IDLE_TIMEOUT, "until it has sent all");
	rule.idle_timeout = 10 * SEC;
	reach(IN_HALF_CLOSED);
	pass(11 * SEC);
	over(REASON_IDLE_TIMEOUT, "a rule's own time");
	rule.idle_timeout = 0;
	reach(IN_RELAY);
	pass(100000 * SEC);
	is_int((int64_t)w.all.count, 1, "or none");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "but the worker's");
	rule.idle_timeout = -1;
}

static void
test_relay(void)
{
	reach(IN_RELAY);
	is_int(w.connects, 1, "both are there, which is told");
	receives(&w.client, IO_DONE, 0, 300);
	receives(&w.upstream, IO_WAIT_READ, 0, 500);
	ok(w.upstream.took == 300 && w.client.took == 500, "bytes go over");
	receives(&w.client, IO_END, 0, 0);
	is_int(w.upstream.told_end, true, "so does an end");
	is_int((int64_t)w.all.count, 1, "of one stream");
	receives(&w.upstream, IO_DONE, 0, 700);
	receives(&w.upstream, IO_END, 0, 0);
	is_int(w.client.told_end, true, "and of the other");
	ok(w.client.clean || w.client.has_all, "the client sees an end");
	ok(w.upstream.clean || w.upstream.has_all, "and the upstream");
	is_int(w.facts.closed_first, FACTS_SIDE_CLIENT, "who went first");
	is_int(w.parted, 1, "the session parts from its client");
	is_int((int64_t)w.facts.bytes_from_upstream, 1200, "all is counted");
	over(REASON_DONE, "when both have ended");
	reach(IN_RELAY);
	receives(&w.upstream, IO_END, 0, 0);
	receives(&w.client, IO_CUT, 0, 0);
	is_int(w.facts.closed_first, FACTS_SIDE_UPSTREAM, "the upstream first");
	is_int(w.facts.client_truncated, 1, "the client without a goodbye");
	over(REASON_CLIENT_TRUNCATED, "is told of");
	conf.tls.require_close_notify = true;
	reach(IN_RELAY);
	receives(&w.client, IO_CUT, 0, 0);
	is_int(w.upstream.told_end, false, "or is no end");
	is_int(w.upstream.clean, false, "but a reset");
	over(REASON_CLIENT_CUT, "where it must not be");
	conf.tls.require_close_notify = false;
}

static void
test_broken(void)
{
	static const struct {
		bool client;
		int error;
		enum reason reason;
	} rows[] = {
		{ true, -ECONNRESET, REASON_CLIENT_RESET },
		{ false, -ECONNRESET, REASON_UPSTREAM_RESET },
		{ true, -ETIMEDOUT, REASON_CLIENT_LOST },
		{ false, -EHOSTUNREACH, REASON_UPSTREAM_LOST },
		{ true, -EPROTO, REASON_CLIENT_TLS },
		{ true, -EOVERFLOW, REASON_TLS_RECORDS },
		{ true, -EDQUOT, REASON_TLS_ANSWERS },
		{ true, -ECONNABORTED, REASON_CLIENT_CUT },
		{ true, -ENOMEM, REASON_NO_MEMORY },
		{ false, -ENOMEM, REASON_NO_MEMORY },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reach(IN_RELAY);
		receives(rows[i].client ? &w.client : &w.upstream, IO_BROKEN,
		    rows[i].error, 0);
		ok(!w.client.clean && !w.upstream.clean, "both see resets");
		over(rows[i].reason, "a receive that broke");
		reach(IN_RELAY);
		answers(rows[i].client ? &w.client.send : &w.upstream.send,
		    (struct answer){ IO_BROKEN, rows[i].error, 0 });
		receives(
		    rows[i].client ? &w.upstream : &w.client, IO_DONE, 0, 100);
		over(rows[i].reason, "a send that broke");
	}
	reach(IN_RELAY);
	w.client.pending_error = ECONNRESET;
	poke(true, EPOLLIN | EPOLLERR | EPOLLHUP);
	over(REASON_CLIENT_RESET, "what epoll tells, and no operation");
}

/* What broke had sent bytes: they are handed over first. */
static void
test_flush(void)
{
	reach(IN_RELAY);
	answers(&w.client.send, (struct answer){ IO_WAIT_WRITE, 0, 100 });
	w.client.send.rest = (struct answer){ IO_WAIT_WRITE, 0, 0 };
	receives(&w.upstream, IO_DONE, 0, 500);
	w.upstream.receive.rest = (struct answer){ IO_BROKEN, -ECONNRESET, 0 };
	w.upstream.pending_error = ECONNRESET;
	poke(false, EPOLLIN | EPOLLERR | EPOLLHUP);
	is_int((int64_t)w.all.count, 1, "bytes came before a reset");
	pass(3 * SEC);
	is_int((int64_t)w.all.count, 1, "the client has time to take them");
	w.client.send.rest = done;
	w.client.unacknowledged = 400;
	poke(true, EPOLLOUT);
	is_int((int64_t)w.client.took, 500, "all of them");
	pass(3 * SEC);
	w.client.unacknowledged = 0;
	pass(4 * SEC);
	is_int((int64_t)w.all.count, 0, "and when they have arrived");
	is_int(w.client.clean, false, "the reset comes");
	is_int((int64_t)w.facts.bytes_from_upstream, 500, "all is counted");
	over(REASON_UPSTREAM_RESET, "one line");
	reach(IN_FLUSH);
	w.upstream.unacknowledged = 0;
	pass(1 * SEC);
	over(REASON_CLIENT_RESET, "as soon as all is there");
	reach(IN_RELAY);
	receives(&w.upstream, IO_END, 0, 0);
	receives(&w.client, IO_WAIT_READ, 0, 10);
	w.client.pending_error = ECONNRESET;
	answers(&w.client.receive, (struct answer){ IO_CUT, 0, 0 });
	poke(true, EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
	is_int(w.facts.client_truncated, 1, "a reset that answers our end");
	over(REASON_CLIENT_TRUNCATED, "breaks nothing");
	reach(IN_RELAY);
	receives(&w.upstream, IO_END, 0, 0);
	w.client.receive.steps[1] = (struct answer){ IO_END, 0, 0 };
	w.client.receive.steps[0] =
	    (struct answer){ IO_BROKEN, -ECONNRESET, 0 };
	w.client.receive.next = 0;
	w.client.receive.n = 2;
	poke(true, EPOLLIN);
	is_str(w.detail, "", "nor one that came before its end was seen");
	over(REASON_DONE, "which stands behind it");
}

/* Who reads slowly gets all that was sent before the other side broke. */
static void
test_slow(void)
{
	int i;

	reach(IN_FLUSH);
	for (i = 100; i > 0; i -= 20) {
		w.upstream.unacknowledged = i;
		pass(4 * SEC);
		is_int((int64_t)w.all.count, 1, "something has arrived");
	}
	pass(6 * SEC);
	over(REASON_CLIENT_RESET, "until nothing more does");
	reach(IN_FLUSH);
	w.client.receive.rest = done;
	poke(false, EPOLLOUT);
	ok(w.upstream.took > 3 * TUNNEL_BUDGET, "much that came before");
	w.client.receive.rest = (struct answer){ IO_BROKEN, -ECONNRESET, 0 };
	w.upstream.unacknowledged = 0;
	pass(1 * SEC);
	over(REASON_CLIENT_RESET, "is handed over by turns");
	reach(IN_RELAY);
	answers(&w.client.finish, (struct answer){ IO_BROKEN, -ECONNRESET, 0 });
	receives(&w.upstream, IO_END, 0, 0);
	is_int(w.facts.closed_first, FACTS_SIDE_UPSTREAM,
	    "who ended was first, though the other broke when it was told");
	over(REASON_CLIENT_RESET, "which is told");
}

static void
test_budget(void)
{
	int turns = 0;

	reach(IN_RELAY);
	w.client.receive.rest = done;
	w.tunnel->client.lfd.cb(&w.tunnel->client.lfd, EPOLLIN);
	ok(w.upstream.took >= TUNNEL_BUDGET &&
		w.upstream.took < TUNNEL_BUDGET + 2 * CHUNK,
	    "one that has much to say has its turn");
	is_int(w.tunnel->task.queued, true, "and waits for the next");
	w.tunnel->upstream.lfd.cb(&w.tunnel->upstream.lfd, EPOLLIN);
	ok(w.upstream.took < TUNNEL_BUDGET + 2 * CHUNK,
	    "whatever comes from the other side");
	while (turns++ < 3)
		(void)turn(w.loop);
	ok(w.upstream.took >= 3 * TUNNEL_BUDGET, "turn after turn");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "and can be ended in between");
}

static void
test_no_memory(void)
{
	size_t size;

	reach(IN_RELAY);
	buffers_trim(&w.all.buffers);
	size = w.all.buffers.size;
	w.all.buffers.size = (size_t)1 << 50;
	receives(&w.client, IO_DONE, 0, 100);
	w.all.buffers.size = size;
	over(REASON_NO_MEMORY, "no memory for a block");
}

static void
test_preface(void)
{
	struct conf_egress line = { .name = "line", .proxy_protocol = 2 };
	size_t size;

	rule.egress_line = conf.egress = &line;
	conf.negress = 1;
	reach(IN_RELAY);
	w.preface = w.upstream.took;
	ok(w.preface > 16, "a header comes first");
	receives(&w.client, IO_DONE, 0, 300);
	is_int((int64_t)(w.upstream.took - w.preface), 300, "then the client");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	is_int(
	    (int64_t)w.facts.bytes_from_client, 300, "whose bytes it is not");
	over(REASON_DRAIN_DEADLINE, "one line");
	reach(IN_CONNECT);
	buffers_trim(&w.all.buffers);
	size = w.all.buffers.size;
	w.all.buffers.size = (size_t)1 << 50;
	dial_ends(REASON_NONE);
	w.all.buffers.size = size;
	over(REASON_NO_MEMORY, "no memory for the header");
	rule.egress_line = conf.egress = NULL;
	conf.negress = 0;
}

int
main(void)
{
	alarm(100);
	set_up();
	test_idle();
	test_relay();
	test_broken();
	test_flush();
	test_slow();
	test_budget();
	test_no_memory();
	test_preface();
	tear_down();
	return (done_testing());
}
