/*
 * A tunnel's phases until it relays, and how time, the worker's end and limits
 * end it in each: one audit line, with the right reason, and nothing left.
 */
#include "t/unit/tunnel_world.h"

static const char *const phase_names[] = { "the hello", "the handshake",
	"connecting", "relaying", "a half-closed tunnel", "flushing",
	"lingering" };

/* All tunnels are ended, in every phase. */
static void
test_drain(void)
{
	static const enum reason reasons[PHASES] = { REASON_DRAIN_DEADLINE,
		REASON_DRAIN_DEADLINE, REASON_DRAIN_DEADLINE,
		REASON_DRAIN_DEADLINE, REASON_DRAIN_DEADLINE,
		REASON_CLIENT_RESET, REASON_SNI_NO_PORT };
	enum phase phase;

	for (phase = IN_HELLO; phase < PHASES; phase++) {
		reach(phase);
		is_int((int64_t)w.all.count, 1, phase_names[phase]);
		is_int(w.all.lingering, phase == IN_LINGER,
		    "only who was refused lingers");
		tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
		settle();
		ok(phase == IN_LINGER || !w.client.clean, "is reset");
		over(reasons[phase], "when the worker ends: one line");
	}
}

/* The time of each phase runs out. */
static void
test_time(void)
{
	static const struct {
		enum reason reason;
		int64_t before, after;
	} rows[PHASES] = {
		{ REASON_CLIENT_HELLO_TIMEOUT, 9, 2 },
		{ REASON_HANDSHAKE_TIMEOUT, 19, 2 },
		{ REASON_NONE, 0, 0 }, /* the dial has a time of its own */
		{ REASON_IDLE_TIMEOUT, 299, 2 },
		{ REASON_HALF_CLOSE_TIMEOUT, 59, 2 },
		{ REASON_CLIENT_RESET, 4, 2 },
		{ REASON_SNI_NO_PORT, 4, 2 },
	};
	enum phase phase;

	for (phase = IN_HELLO; phase < PHASES; phase++) {
		if (rows[phase].reason == REASON_NONE)
			continue;
		reach(phase);
		pass(rows[phase].before * SEC);
		is_int((int64_t)w.all.count, 1, phase_names[phase]);
		pass(rows[phase].after * SEC);
		settle();
		is_int((int64_t)w.all.count, 0, "takes no longer than it may");
		over(rows[phase].reason, "then: one line");
	}
}

/* Somebody is lost, by the silence of the kernel's peer. */
static void
test_lost(void)
{
	reach(IN_CONNECT);
	w.client.lost = true;
	w.client.unacknowledged = 1;
	pass(200 * SEC);
	over(REASON_CLIENT_LOST, "a client that is lost while it waits");
	reach(IN_RELAY);
	w.upstream.lost = true;
	pass(200 * SEC);
	over(REASON_UPSTREAM_LOST, "an upstream that is lost");
	reach(IN_RELAY);
	w.client.lost = true;
	pass(200 * SEC);
	over(REASON_CLIENT_LOST, "a client that is lost");
}

static void
test_hello(void)
{
	reach(IN_HELLO);
	w.handshake.says = io_outcome(IO_CUT);
	poke(true, EPOLLIN | EPOLLRDHUP);
	is_int(w.facts.closed_first, FACTS_SIDE_CLIENT, "the client goes");
	is_int((int64_t)w.all.lingering, 1, "and sees an end, too");
	pass(6 * SEC);
	over(REASON_CLIENT_ABANDONED, "before its hello: one line");
	reach(IN_HELLO);
	w.handshake.says = io_broken(-ECONNRESET);
	poke(true, EPOLLIN | EPOLLERR);
	over(REASON_CLIENT_ABANDONED, "it resets");
	reach(IN_HANDSHAKE);
	w.handshake.says = io_broken(-EPROTO);
	w.handshake.says.why = "bad record";
	w.handshake.failure = REASON_TLS_HANDSHAKE;
	poke(true, EPOLLIN);
	is_str(w.detail, "bad record", "the library says what");
	is_int(w.client.clean, false, "no alert was sent: a reset");
	over(REASON_TLS_HANDSHAKE, "the handshake fails");
	reach(IN_HANDSHAKE);
	w.handshake.says = io_broken(-ENOMEM);
	poke(true, EPOLLIN);
	over(REASON_NO_MEMORY, "no memory for the handshake");
	reach(IN_HANDSHAKE);
	w.handshake.says = io_broken(-EHOSTUNREACH);
	poke(true, EPOLLIN);
	over(REASON_CLIENT_LOST, "the network fails");
	reach(IN_HANDSHAKE);
	is_int(w.dialled, 1, "the dial runs beside the handshake");
	dial_ends(REASON_CONNECT_REFUSED);
	is_int(w.lines, 0, "a dial that fails waits for the handshake");
	hello(IO_DONE);
	is_str(w.detail, "because", "what the dial said is kept");
	over(REASON_CONNECT_REFUSED, "then it ends");
	reach(IN_HANDSHAKE);
	dial_ends(REASON_NONE);
	is_int(w.lines, 0, "an upstream that comes first waits");
	hello(IO_DONE);
	is_int((int64_t)w.all.count, 1, "then both sides are there");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "until the end");
}

/* The facts have each address as soon as it is dialled. */
static void
test_tries(void)
{
	char buf[512], text[] = "127.0.0.1:1";
	size_t i;

	reach(IN_HANDSHAKE);
	is_str(tried_so_far(buf), "", "no address was dialled");
	dial_tries(0, "[::1]:1", REASON_NONE);
	is_str(tried_so_far(buf), "[::1]:1 none", "one is");
	dial_tries(1, "127.0.0.1:1", REASON_NONE);
	hello(IO_DONE);
	dial_tries(0, "[::1]:1", REASON_CONNECT_REFUSED);
	is_str(tried_so_far(buf), "[::1]:1 connect_refused, 127.0.0.1:1 none",
	    "one has failed, another is dialled");
	is_int(
	    TAILQ_FIRST(&w.all.list)->facts->dns_ns, 5, "the look-up is over");
	for (i = 2; i < FACTS_TRIED_MAX; i++)
		dial_tries(i, "127.0.0.2:1", REASON_GUARD);
	for (i = 0; i < 40; i++) {
		text[10] = (char)('1' + i % 9);
		dial_tries(FACTS_TRIED_MAX - 1, text, REASON_NONE);
	}
	ok(strstr(tried_so_far(buf), ", 127.0.0.1:4 none") != NULL,
	    "the last place has the latest");
	is_int(
	    TAILQ_FIRST(&w.all.list)->facts->cut, 0, "however many there were");
	dial_ends(REASON_NONE);
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "until the end");
}

static void
test_refused(void)
{
	static const char waste[4096];
	int i;

	reach(IN_LINGER);
	is_int(w.lines, 1, "who is refused has a line at once");
	is_int((int64_t)w.all.lingering, 1, "and sees the alert");
	is_int(w.dialled, 0, "nobody is dialled for it");
	fd_close(&w.client.other);
	poke(true, EPOLLIN | EPOLLRDHUP);
	is_int((int64_t)w.all.count, 0, "until it goes");
	is_int(w.client.clean, true, "which is no reset");
	over(REASON_SNI_NO_PORT, "one line it is");
	world();
	w.server_name = NULL;
	open_tunnel();
	hello(IO_WAIT_READ);
	pass(6 * SEC);
	over(REASON_SNI_MISSING, "no server name");
	reach(IN_HELLO);
	pass(8 * SEC);
	w.server_name = "";
	hello(IO_WAIT_READ);
	pass(4 * SEC);
	is_int((int64_t)w.all.lingering, 1, "a phase has its own time");
	pass(2 * SEC);
	over(REASON_SNI_NO_HOST, "whatever those before it had");
	reach(IN_LINGER);
	for (i = 0; i < 100000 && w.all.count > 0; i++) {
		(void)send(w.client.other, waste, sizeof(waste), MSG_NOSIGNAL);
		poke(true, EPOLLIN);
	}
	is_int((int64_t)w.all.count, 0, "who never stops is not listened to");
	over(REASON_SNI_NO_PORT, "for ever");
	rule.action = RULE_DENY;
	world();
	open_tunnel();
	hello(IO_WAIT_READ);
	is_int(w.facts.decision, FACTS_DENY, "a rule denies it");
	pass(6 * SEC);
	over(REASON_RULE_DENY, "in one line");
	rule.action = RULE_ALLOW;
	world();
	no_handshake = true;
	open_tunnel();
	no_handshake = false;
	over(REASON_NO_MEMORY, "no memory for a session");
	world();
	w.opened++;
	make_socket(&w.client);
	tunnel_refuse(&w.all, w.client.fd, &(struct addr){ .family = AF_INET },
	    &listener, REASON_LIMIT_TUNNELS);
	over(REASON_LIMIT_TUNNELS, "refused at the door");
}

static void
test_connect(void)
{
	reach(IN_CONNECT);
	dial_ends(REASON_DNS_TIMEOUT);
	is_str(w.detail, "because", "the dial says why it failed");
	is_int(w.client.clean, false, "the client sees a reset");
	over(REASON_DNS_TIMEOUT, "one line");
	reach(IN_CONNECT);
	w.client.pending_error = ECONNRESET;
	poke(true, EPOLLIN | EPOLLERR | EPOLLHUP);
	is_int(w.facts.closed_first, FACTS_SIDE_CLIENT, "a client that resets");
	over(REASON_CLIENT_ABANDONED, "while it waits");
	reach(IN_CONNECT);
	poke(true, EPOLLIN | EPOLLRDHUP);
	is_int((int64_t)w.all.count, 1, "an end of its stream is none of it");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "it waits on");
	reach(IN_HELLO);
	w.no_dial = true;
	hello(IO_WAIT_READ);
	is_int(w.lines, 0, "no memory for a dial: the handshake goes on");
	hello(IO_DONE);
	over(REASON_NO_MEMORY, "to its end");
}

static void
proxy_says(const char *header)
{
	world();
	open_tunnel();
	(void)send(w.client.other, header, strlen(header), MSG_NOSIGNAL);
	poke(true, EPOLLIN);
}

static void
test_proxy(void)
{
	static const struct cidr proxies = {
		.family = AF_INET, .bits = 24, .ip = { 192, 0, 2 }
	};

	listener.trusted_proxies = (struct cidr *)(uintptr_t)&proxies;
	listener.ntrusted_proxies = 1;
	proxy_says("PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n");
	is_int((int64_t)w.handshakes, 1, "behind the header is a hello");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	is_int(w.facts.client.ip[0], 198, "of the client that it names");
	is_int(w.facts.proxy.ip[0], 192, "through the proxy");
	over(REASON_DRAIN_DEADLINE, "one line");
	proxy_says("PROXY TCP4 198.51.100.7 192.0.2.1 1 ");
	is_int((int64_t)w.handshakes, 0, "a header that is not complete");
	(void)send(w.client.other, "2\r\n", 3, MSG_NOSIGNAL);
	poke(true, EPOLLIN);
	is_int((int64_t)w.handshakes, 1, "may become so");
	hello(IO_DONE);
	dial_ends(REASON_NONE);
	is_int(w.connects, 1, "and is followed by a tunnel");
	receives(&w.client, IO_END, 0, 0);
	receives(&w.upstream, IO_END, 0, 0);
	over(REASON_DONE, "that ends");
	proxy_says("PROXY TCP4 198.");
	poke(true, EPOLLIN | EPOLLRDHUP);
	over(REASON_CLIENT_ABANDONED, "or its sender goes");
	proxy_says("PROXY TCP4 198.");
	pass(11 * SEC);
	over(REASON_PROXY_HEADER, "or its time is up");
	proxy_says("GET / HTTP/1.1\r\n");
	over(REASON_PROXY_HEADER, "or it is none");
	proxy_says("");
	is_int(w.tunnel != NULL && w.tunnel->facts->silent, 1, "silence");
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	over(REASON_DRAIN_DEADLINE, "is ended as all are");
	listener.ntrusted_proxies = 0;
}

static void
test_identity(void)
{
	identities[0] = (struct identity){
		.kind = IDENTITY_DNS, .text = "client.example", .len = 14
	};
	conf.tls.client_auth = CONF_CLIENT_AUTH_REQUIRED;
	nidentities = 1;
	reach(IN_HANDSHAKE);
	is_int(w.dialled, 0, "nobody is dialled for who is not known");
	hello(IO_DONE);
	is_int(w.dialled, 1, "but once it is");
	dial_ends(REASON_NONE);
	receives(&w.upstream, IO_END, 0, 0);
	receives(&w.client, IO_END, 0, 0);
	over(REASON_DONE, "there is a tunnel");
	identity_error = -EINVAL;
	reach(IN_CONNECT);
	is_str(w.detail, "revoked", "what is wrong with a client is told");
	is_int(w.dialled, 0, "nobody is dialled for it");
	over(REASON_CLIENT_CERTIFICATE, "and it is refused");
	identity_error = -ENOMEM;
	reach(IN_CONNECT);
	over(REASON_NO_MEMORY, "no memory for its names");
	identity_error = 0;
	nidentities = 0;
	conf.tls.client_auth = CONF_CLIENT_AUTH_NONE;
}

/* One more beside a tunnel that is open; what becomes of it. */
static enum reason
one_more(void)
{
	struct side first = w.client;
	enum reason reason;

	w.handshake =
	    (struct tls_handshake){ .says = io_outcome(IO_WAIT_READ) };
	side_init(&w.client);
	open_tunnel();
	w.tunnel = TAILQ_LAST(&w.all.list, tunnel_list);
	if (w.lines == 0)
		hello(IO_WAIT_READ);
	pass(6 * SEC);
	reason = w.facts.reason;
	fd_close(&w.client.other);
	w.client = first;
	return (reason);
}

static void
test_limits(void)
{
	struct tunnel_facts *taken[4096];
	size_t i, n = 0;

	reach(IN_CONNECT);
	is_int(one_more(), REASON_LIMIT_CLIENT, "as many as a client may have");
	is_int((int64_t)w.all.count, 1, "the first goes on");
	conf.limits.tunnels_per_client = 0;
	w.lines = 0;
	w.opened = w.closed = 1;
	is_int(one_more(), REASON_LIMIT_RULE, "as many as a rule may have");
	is_int(w.lines, 1, "which has a line");
	conf.limits.tunnels_per_client = 1;
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	w.lines--;
	w.opened = w.closed = 1;
	over(REASON_DRAIN_DEADLINE, "and so has the first");
	world();
	while (n < 4096 && (taken[n] = table_take(table)) != NULL)
		table_begin(table, taken[n++]);
	open_tunnel();
	w.closed = 1; /* it never was one */
	is_int((int64_t)w.all.count, 0, "the table is full");
	for (i = 0; i < n; i++) {
		table_forget(table, taken[i]);
		table_release(table, taken[i]);
	}
	over(REASON_NO_MEMORY, "which takes no slot to tell");
}

int
main(void)
{
	alarm(100);
	set_up();
	test_drain();
	test_time();
	test_lost();
	test_hello();
	test_tries();
	test_refused();
	test_connect();
	test_identity();
	test_proxy();
	test_limits();
	tear_down();
	return (done_testing());
}
