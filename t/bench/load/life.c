/* Clients of many kinds for as long as it goes on, each held to what it saw. */
#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "common/base/clock.h"

#include "t/bench/load/upstream.h"
#include "t/bench/load/work.h"

#define SLOTS	   2048 /* sessions that are kept, to be offered later */
#define BLOCK	   16384
#define PACE	   (CLOCK_SEC / 4) /* of the blocks of one transfer */
#define STEP	   (CLOCK_SEC / 100)
#define MARGIN	   2	       /* seconds before the end of a ticket's life */
#define TRANSFER   UINT64_C(5) /* to 40 seconds long */
#define SPAN	   UINT64_C(35)
#define HELD_MAX   4096
#define IDLE_START 20 /* idle ones that are begun each second */

enum life_kind {
	LIFE_NEW,
	LIFE_TRANSFER,
	LIFE_IDLE
};

/* One client of any kind. */
struct life {
	enum life_kind kind;
	struct client *client;
	bool offered;	 /* a session */
	bool answered;	 /* all that was sent has come back */
	bool ending;	 /* we have ended our stream */
	int64_t due;	 /* the next block, or the end where there is none */
	int64_t ends;	 /* when a transfer is to be long enough */
	size_t out, got; /* of the block, or the message */
	uint64_t blocks;
	EVP_MD_CTX *sent, *came;
	uint8_t block[BLOCK];
};

static const char *const kinds[] = { "new", "transfer", "idle" };

static struct life_work job;
static SSL_SESSION *sessions[SLOTS];
static struct life *held[HELD_MAX]; /* transfers, then idle ones */
static uint64_t opened, well_done, broken, offered, resumed, transfers, blocks,
    living, seed, unusable;
static int64_t moment, idle_moment, longest;
static bool resting;

static uint64_t
draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) +
	       UINT64_C(1442695040888963407);
	return (seed >> 33);
}

/* "127.0.0.1:4242 1700000000", whose and when. */
static void
tell(const char *what, const struct life *l, const char *more)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);
	char text[INET_ADDRSTRLEN] = "";

	(void)getsockname(l->client->watch.fd, (struct sockaddr *)&sin, &len);
	inet_ntop(AF_INET, &sin.sin_addr, text, sizeof(text));
	say("%s %s %s:%u %lld %s", what, kinds[l->kind], text,
	    ntohs(sin.sin_port), (long long)time(NULL), more);
}

/* Bytes */

/* No two blocks are the same. */
static void
fill(struct life *l)
{
	uint64_t words[BLOCK / sizeof(uint64_t)];
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = draw() * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(l->block, words, BLOCK);
	if (EVP_DigestUpdate(l->sent, l->block, BLOCK) != 1)
		errx(1, "EVP_DigestUpdate");
	l->out = l->got = 0;
	l->blocks++;
	blocks++;
}

static void
life_output(struct client *c)
{
	struct life *l = c->user;
	ssize_t n;

	if (l->kind != LIFE_TRANSFER || l->ending)
		return;
	while (l->out < BLOCK) {
		n = client_try_write(c, l->block + l->out, BLOCK - l->out);
		if (n <= 0)
			return;
		l->out += (size_t)n;
	}
}

static void
end(struct life *l)
{
	l->ending = true;
	client_close(l->client);
}

static void
came(struct life *l, const uint8_t *bytes, size_t len)
{
	int64_t took;

	l->got += len;
	if (l->kind == LIFE_TRANSFER) {
		if (EVP_DigestUpdate(l->came, bytes, len) != 1)
			errx(1, "EVP_DigestUpdate");
		return;
	}
	if (l->got != CLIENT_MESSAGE)
		return;
	l->answered = true;
	took = clock_now() - l->client->began;
	if (l->kind == LIFE_NEW && took > longest)
		longest = took;
	if (l->kind == LIFE_NEW || resting)
		end(l);
}

static void
life_input(struct client *c)
{
	uint8_t bytes[BLOCK];
	struct life *l = c->user;
	ssize_t n;

	while (!l->ending && (n = client_read(c, bytes, sizeof(bytes))) > 0)
		came(l, bytes, (size_t)n);
}

/* From the handshake to the end */

static void
life_opened(struct client *c)
{
	struct {
		struct header header;
		uint8_t message[CLIENT_MESSAGE];
	} out = { .header.order = ORDER_ECHO };
	struct life *l = c->user;
	size_t len =
	    l->kind == LIFE_TRANSFER ? sizeof(out.header) : sizeof(out);

	if (l->offered) {
		offered++;
		resumed += c->resumed ? 1 : 0;
		if (!c->resumed)
			tell("unresumed", l, "");
	}
	if (client_try_write(c, &out, len) != (ssize_t)len)
		return;
	l->due = clock_now();
	if (l->kind == LIFE_TRANSFER)
		l->ends =
		    l->due + (int64_t)(TRANSFER + draw() % SPAN) * CLOCK_SEC;
}

static bool
same_digests(struct life *l)
{
	uint8_t a[EVP_MAX_MD_SIZE], b[EVP_MAX_MD_SIZE];
	unsigned na = 0, nb = 0;

	return (EVP_DigestFinal_ex(l->sent, a, &na) == 1 &&
		EVP_DigestFinal_ex(l->came, b, &nb) == 1 && na == nb &&
		memcmp(a, b, na) == 0);
}

static void
life_closed(struct client *c, bool well)
{
	struct life *l = c->user;

	if (!well || !l->ending) {
		broken++;
		tell("broken", l,
		    l->ending			   ? "ending"
		    : c->phase == CLIENT_HANDSHAKE ? "handshake"
						   : "open");
	} else if (l->kind == LIFE_TRANSFER && !same_digests(l)) {
		tell("corrupt", l, "");
	} else {
		well_done++;
		transfers += l->kind == LIFE_TRANSFER ? 1 : 0;
	}
	EVP_MD_CTX_free(l->sent);
	EVP_MD_CTX_free(l->came);
	if (c->index < HELD_MAX)
		held[c->index] = NULL;
	free(l);
	living--;
}

/* The slot of a session; one that is too old, or that the library does not
 * offer any more, is let go. */
static SSL_SESSION **
slot(void)
{
	SSL_SESSION **s = &sessions[draw() % SLOTS];
	time_t age;

	if (*s == NULL)
		return (s);
	age = time(NULL) - (time_t)SSL_SESSION_get_time(*s);
	if (age + MARGIN < (time_t)job.lifetime &&
	    SSL_SESSION_is_resumable(*s) == 1)
		return (s);
	unusable += age + MARGIN < (time_t)job.lifetime ? 1 : 0;
	SSL_SESSION_free(*s);
	*s = NULL;
	return (s);
}

static void
begin(enum life_kind kind, unsigned index)
{
	static const struct client_use use = { life_opened, life_input,
		life_output, life_closed };
	struct life *l = must_calloc(1, sizeof(*l));
	SSL_SESSION **s = slot();

	l->kind = kind;
	l->offered = *s != NULL;
	l->due = CLOCK_NEVER;
	if (kind == LIFE_TRANSFER) {
		l->sent = EVP_MD_CTX_new();
		l->came = EVP_MD_CTX_new();
		if (EVP_DigestInit_ex(l->sent, EVP_sha256(), NULL) != 1 ||
		    EVP_DigestInit_ex(l->came, EVP_sha256(), NULL) != 1)
			errx(1, "EVP_DigestInit_ex");
	}
	if (index < HELD_MAX)
		held[index] = l;
	opened++;
	living++;
	l->client = client_start(job.server, &use, s);
	l->client->user = l;
	l->client->index = index;
	l->client->began = clock_now();
}

/* Time */

static void
transfer_turn(struct life *l, int64_t now)
{
	if (l->ending || l->due > now ||
	    (l->blocks > 0 && (l->out < BLOCK || l->got < BLOCK)))
		return;
	if (resting || now >= l->ends) {
		end(l);
		return;
	}
	fill(l);
	l->due = now + PACE;
	life_output(l->client);
}

static int64_t
life_tick(int64_t now)
{
	unsigned i;

	for (i = 0; i < job.transfers; i++) {
		if (held[i] != NULL)
			transfer_turn(held[i], now);
		else if (!resting)
			begin(LIFE_TRANSFER, i);
	}
	if (resting) {
		if (living > 0)
			return (now + STEP);
		loop_tick(NULL);
		say("ended %llu %llu %llu %llu %llu %llu %llu %llu %lld",
		    (unsigned long long)opened, (unsigned long long)well_done,
		    (unsigned long long)broken, (unsigned long long)offered,
		    (unsigned long long)resumed, (unsigned long long)unusable,
		    (unsigned long long)transfers,
		    (unsigned long long)(blocks * BLOCK),
		    (long long)(longest / CLOCK_MSEC));
		return (CLOCK_NEVER);
	}
	for (; moment <= now; moment += CLOCK_SEC / (int64_t)job.rate)
		begin(LIFE_NEW, HELD_MAX);
	for (i = 0; i < job.idle && idle_moment <= now; i++) {
		if (held[job.transfers + i] != NULL)
			continue;
		begin(LIFE_IDLE, job.transfers + i);
		idle_moment += CLOCK_SEC / IDLE_START;
	}
	idle_moment = idle_moment < now ? now : idle_moment;
	return (moment < now + STEP ? moment : now + STEP);
}

void
life_go(const struct life_work *work)
{
	job = *work;
	if (job.rate == 0 || job.transfers + job.idle > HELD_MAX)
		errx(2, "no rate, or too many are held");
	seed = (uint64_t)clock_now();
	moment = idle_moment = clock_now();
	loop_tick(life_tick);
}

void
life_rest(void)
{
	static const uint8_t message[CLIENT_MESSAGE];
	struct life *l;
	unsigned i;

	resting = true;
	for (i = job.transfers; i < job.transfers + job.idle; i++) {
		l = held[i];
		if (l == NULL || !l->answered)
			continue;
		l->got = 0;
		(void)client_try_write(l->client, message, sizeof(message));
	}
}
