/*
 * What is known of a tunnel: all that its audit line says, flat and without a
 * pointer, so that it can lie in memory that another process reads.
 */
#ifndef COMMON_LOG_FACTS_H
#define COMMON_LOG_FACTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/piece.h"
#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/reason.h"

/* Texts of any length are packed into one, of so many bytes at most. */
enum facts_word {
	FACTS_SERVER_NAME, /* raw; may be empty */
	FACTS_HOST,	   /* of the target, canonical, without brackets */
	FACTS_IDENTITY,	   /* of the client's verified certificate */
	FACTS_DETAIL,	   /* error text of the TLS library or the system */
	FACTS_CIPHER,
	FACTS_TRIED, /* an address; there may be several */
	FACTS_WORDS
};

#define FACTS_TEXT_MAX	2048
#define FACTS_TEXT_HERE 284
#define FACTS_HEAD_SIZE 3 /* in front of each word */

/* What others may make as long as they like is cut to this, so that the fields
 * that matter always fit. */
#define FACTS_SERVER_NAME_MAX TARGET_RAW_MAX
#define FACTS_IDENTITY_MAX    256 /* a certificate has up to 2048 bytes */
#define FACTS_DETAIL_MAX      255

#define FACTS_TRIED_MAX	      16
#define FACTS_TRY_SIZE	      22

/* Of a rule, an egress line or a listener: there is none. */
#define FACTS_NONE UINT32_MAX

enum facts_decision {
	FACTS_UNDECIDED,
	FACTS_ALLOW,
	FACTS_DENY,
	FACTS_REPORT /* allowed, but it would have been denied */
};

enum facts_side {
	FACTS_SIDE_NONE, /* sniport itself */
	FACTS_SIDE_CLIENT,
	FACTS_SIDE_UPSTREAM
};

/* One dialled (or guarded) address and what became of it. */
struct facts_try {
	struct addr addr;
	enum reason reason; /* NONE: chosen, or still open when another won */
};

/* Times are ns, and -1 where a step was not reached; an address of family 0 is
 * not known. Rules, egress lines and listeners stand here by their number in
 * the configuration. */
struct tunnel_facts {
	uint64_t number;		/* unique with generation and worker,
					 * whichever process is that worker */
	int64_t wall;			/* of its beginning */
	int64_t accepted;		/* the same on clock_now() */
	int64_t hello_ns, handshake_ns; /* since then */
	int64_t dns_ns, connect_ns, total_ns;
	/* plaintext passed on */
	_Atomic uint64_t bytes_from_client, bytes_from_upstream;
	struct addr client;
	struct addr proxy;    /* who sent the PROXY header; family 0: nobody */
	struct addr upstream; /* the chosen address */
	struct addr egress;   /* our local address and port towards it */
	uint32_t generation, worker;
	uint32_t listener, rule, egress_line;
	uint32_t server_name_len, identity_len; /* before they were cut */
	uint16_t reason; /* enum reason: the first cause, once there is one */
	uint16_t would_deny;  /* enum reason, where the decision is REPORT */
	uint16_t port;	      /* of the target; known if its host is */
	uint16_t tls_version; /* 0x0303, 0x0304; 0: no handshake */
	_Atomic uint16_t text_len;
	uint8_t decision;     /* enum facts_decision */
	uint8_t closed_first; /* enum facts_side */
	int8_t resumed;	      /* -1: no handshake */
	uint8_t client_truncated;
	uint8_t silent; /* no byte has come, though one would be taken */
	uint8_t cut;	/* a word had no room */
	/* The beginning of the packed text; who keeps the facts knows where
	 * the rest is. */
	uint8_t text[FACTS_TEXT_HERE];
};

/* Things that have names and numbers: n rows of that size, each beginning with
 * a pointer to its name. Borrowed. */
struct facts_table {
	const void *rows;
	size_t n, size;
};

/* Where the names are found that facts have the numbers of. */
struct facts_names {
	struct facts_table rules, egress_lines, listeners;
};

/* Nothing is known. */
void facts_init(struct tunnel_facts *);

/*
 * How a word of len bytes is to be packed: takes note of its length, which is
 * cut where it is too long, and writes what goes in front of it.
 */
size_t facts_pack(struct tunnel_facts *, enum facts_word, size_t len,
    uint8_t head[FACTS_HEAD_SIZE]);

/*
 * Packs a word behind the others, into text that holds size bytes; of several
 * of a kind the last counts, but each address does. 0, or -ENOSPC.
 */
int facts_put(struct tunnel_facts *, uint8_t *text, size_t size,
    enum facts_word, const void *, size_t len);

/* Packs that there is no such word, whatever was there before. */
#define FACTS_NO_WORD SIZE_MAX

/* Finds the words in packed text, which is borrowed and may be anything; one
 * that is not there has s == NULL. */
void facts_words(
    const uint8_t *text, size_t len, struct piece words[FACTS_WORDS]);

/* The word for an address. */
void facts_try_pack(uint8_t at[FACTS_TRY_SIZE], const struct facts_try *);

/* The addresses in packed text, which may be anything. Returns how many. */
size_t facts_tries(
    const uint8_t *text, size_t len, struct facts_try tries[FACTS_TRIED_MAX]);

/*
 * Where in packed text the word for the nth address stands, which begins with
 * 0, so that it can be changed in place. 0: it is not there, and *n is how many
 * are.
 */
size_t facts_find_try(const uint8_t *text, size_t len, size_t *n);

/* "2-3-1234567": generation, worker, number. Returns the length. */
#define FACTS_ID_SIZE 48
size_t facts_format_id(const struct tunnel_facts *, char buf[FACTS_ID_SIZE]);

/* "example.com:443", "[2001:db8::1]:443"; host: of at most HOSTNAME_SIZE - 1
 * bytes. Returns the length. */
size_t facts_format_target(
    const struct tunnel_facts *, struct piece host, char buf[TARGET_TEXT_SIZE]);

/* "TLSv1.3"; NULL: no such version. */
const char *facts_tls_version(unsigned version);

/* NULL: nothing has that number. */
const char *facts_name(const struct facts_table *, uint32_t number);

#endif
