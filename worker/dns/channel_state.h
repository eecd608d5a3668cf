/*
 * The state of the channel, for the files that make it up. Each calls only
 * those above it: channel_server.c (what is known of a server),
 * channel_sockets.c (the sockets of c-ares), channel_watch.c (these on the
 * loop), channel_asker.c (c-ares, by UDP), channel_attempt.c (what it is
 * asked), channel_clients.c (whose questions they are), channel_stream.c
 * (TCP), channel_places.c (whose turn it is by TCP), channel_choice.c (which
 * server, and by which asker), channel_question.c (the course of a question
 * from server to server), channel_set.c (the name servers of one time),
 * channel_list.c (who these are), channel.c (what all of it is for).
 */
#ifndef WORKER_DNS_CHANNEL_STATE_H
#define WORKER_DNS_CHANNEL_STATE_H

#include <ares.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "common/boot.h"
#include "common/log/log.h"
#include "common/net/nameserver.h"
#include "worker/dns/channel.h"
#include "worker/loop/loop.h"

LIST_HEAD(dns_socket_list, dns_socket);
LIST_HEAD(dns_set_list, dns_set);
LIST_HEAD(dns_asker_list, dns_asker);
TAILQ_HEAD(dns_stream_list, dns_stream);
TAILQ_HEAD(dns_question_queue, dns_question);
TAILQ_HEAD(dns_line, dns_question);
LIST_HEAD(dns_client_list, dns_client);
TAILQ_HEAD(dns_line_list, dns_client);

/* Bytes of an answer by UDP that do not come in fragments anywhere (DNS flag
 * day 2020). */
#define DNS_UDP_MAX 1232

/* Bytes of an answer by TCP that are read: more addresses than are wanted. */
#define DNS_TCP_MAX 4096

struct dns_file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* Clients that have a question under way, by their numbers; a power of two. */
#define DNS_CLIENT_BUCKETS 256

/* One of them: what it has a share of. */
struct dns_client {
	LIST_ENTRY(dns_client) chain; /* but for nobody in particular */
	uint64_t number;
	size_t questions;	       /* under way */
	size_t places;		       /* of streams that are its own */
	struct dns_line line;	       /* its questions that wait for one */
	TAILQ_ENTRY(dns_client) waits; /* where there are any */
};

struct dns_channel {
	struct loop *loop;
	const struct conf_dns *conf;
	const struct dns_terms *terms;
	struct log *log;
	struct servers *published;	/* NULL: nobody wants to know */
	struct dns_set_list sets;	/* the first: for new questions */
	size_t questions;		/* under way, at former sets too */
	size_t sockets;			/* of c-ares */
	size_t former;			/* askers */
	struct dns_stream_list streams; /* the oldest first */
	size_t nstreams;
	struct dns_client nobody;
	struct dns_client_list clients[DNS_CLIENT_BUCKETS];
	/* Those who wait for a place among them, by how many they have. */
	struct dns_line_list lines[BOOT_FILES_DNS_TCP + 1];
	size_t in_line; /* questions */
	struct loop_task places_task;
	struct timer places_timer;
	struct dns_question_queue due; /* to be asked again, or told */
	size_t ndue;
	struct loop_task task;
	struct dns_file_id file; /* resolv.conf; all 0: there was none */
	int64_t next_check;	 /* whether it is another one */
	struct log_rate conf_rate, socket_rate;
};

/* Far more than are under way at a server that does not like any of them. */
#define DNS_ASKED 16

struct dns_asked {
	uint8_t bytes[DNS_MESSAGE_QUESTION_SIZE];
	size_t len;
};

/* How a question came to its server. */
enum dns_way {
	DNS_BY_EDNS,
	DNS_BY_UDP,
	DNS_BY_TCP
};

/*
 * A c-ares channel for one server, which it takes for 127.0.0.1: its sockets
 * lead elsewhere. In the server's place for it, or in the set's list of former
 * ones, which go when they are idle.
 */
struct dns_asker {
	struct dns_server *server;
	ares_channel ares;
	size_t awaited; /* answers, those to probes included, by c-ares */
	size_t wanted;	/* of them */
	struct timer timer;
	int64_t patience; /* with a server, ns; what comes then is late */
	int64_t timeout;  /* ns, after which c-ares awaits an answer no more */
	int error;	  /* of the last call on a socket that failed */
	/* Of its socket: it could not be watched; a try by it had no answer;
	 * since when, how many were asked by it, and how many answers came that
	 * fit none. */
	bool deaf, unheard;
	int64_t since;
	unsigned worn, strays;
	unsigned ended; /* questions, so far */
	/* The socket by which all questions are refused; -1: none. */
	int refused;
	struct loop_task refused_task;
	/* The answer that c-ares was given the head of, while it may be. */
	uint8_t message[DNS_UDP_MAX];
	size_t message_len;
	bool may_read; /* it has not been given one since it was called */
	bool edns;
	/* What it sent last, for answers that leave their question out. */
	struct dns_asked asked[DNS_ASKED];
	unsigned asked_next;
	struct dns_socket_list sockets;
	bool former;		    /* what it says is no news of the server */
	LIST_ENTRY(dns_asker) link; /* of a former one */
};

/* First tries, and all others: these go by another source port, and may take
 * twice as long. */
#define DNS_ASKERS 2

/* Which questions a server does not answer. Some firewalls drop those of one
 * family. */
enum dns_silence {
	DNS_NOT_SILENT,
	DNS_SILENT_TO_IPV4,
	DNS_SILENT_TO_IPV6,
	DNS_SILENT_TO_ALL
};

struct dns_server {
	struct dns_set *set;
	struct nameserver where;
	char text[NAMESERVER_TEXT_SIZE];
	struct dns_asker *askers[DNS_ASKERS]; /* NULL: made when it is needed */
	unsigned silent;       /* time-outs since it last answered, or more */
	unsigned silent_to[2]; /* to questions of a family: IPv4, IPv6 */
	bool answers[2];       /* the last question of a family */
	enum dns_silence told; /* what the log says of it */
	bool plain;	       /* it does not like EDNS */
	int64_t probe_at, renewed_at;
	int64_t probe_until; /* what comes then is no better than silence */
	int probed;	     /* family that is asked for */
	unsigned strays;     /* within that time */
	int64_t strays_since;
	struct log_rate strays_rate;
	bool probing;
};

/* The name servers of one time. */
struct dns_set {
	struct dns_channel *channel;
	LIST_ENTRY(dns_set) link;
	size_t questions; /* under way */
	struct dns_asker_list former;
	uint64_t number; /* the same for the same servers */
	size_t n;
	struct dns_server servers[];
};

/* What becomes of a question, told to who follows its course. */
struct dns_course {
	/* The server that this try was put to answered, maybe when another try
	 * is under way; by TCP: as much of the answer as is wanted. */
	void (*answered)(struct dns_question *, unsigned number,
	    const uint8_t *, size_t len, enum dns_way);
	/* It failed in these words, which are static. May be called from within
	 * c-ares. */
	void (*failed)(struct dns_question *, unsigned number, const char *);
	/* c-ares awaits its answer no more. */
	void (*unanswered)(struct dns_question *, unsigned number);
	/* The last of it; NULL: the channel is being freed. */
	void (*end)(struct dns_question *, const struct dns_result *);
};

/* channel_list.c */
/* Finds out whom to ask. 0 or -ENOMEM. */
int dns_list_begin(struct dns_channel *);
/* Looks from time to time whether that is somebody else now. */
void dns_list_follow(struct dns_channel *);

/* channel_set.c */
/* Whom new questions are put to. 0 or -ENOMEM (as before). */
int dns_set_new(struct dns_channel *, const struct nameserver *, size_t n);
/* Says whom they are put to, and that nothing is known of these. */
void dns_set_publish(const struct dns_channel *);
/* Ends the questions that are by c-ares. */
void dns_set_free(struct dns_set *);
/* Frees former askers that are idle, and former sets. */
void dns_set_drop_idle(struct dns_channel *);

/* channel_places.c */
/* Puts the question to the server by TCP, once there is a place for that. */
void dns_places_ask(struct dns_question *, struct dns_server *);
/* It has waited for too long. */
void dns_places_give_up(struct dns_question *);
/* It waits no more. */
void dns_places_leave(struct dns_question *);
/* Ends all that wait. */
void dns_places_abort_all(struct dns_channel *);
/* What the channel's task and timer for it do. */
void dns_places_task(struct loop_task *);
void dns_places_timer(struct timer *);

/* channel_question.c */
/* Begins; and goes on where it has to be asked again. */
void dns_question_begin(struct dns_question *);
/* One more client waits for its answer. */
void dns_question_join(struct dns_question *);
/* What the channel's task does: goes on with all that are due. */
void dns_question_task(struct loop_task *);
/* The last of it: cb. NULL: the channel is being freed. */
void dns_question_end(struct dns_question *, const struct dns_result *);

/* channel_choice.c */
/* The order in which a question is put to the servers of a set, and which
 * asks those that are silent, from time to time. */
void dns_choice_order(struct dns_question *);
/* The asker for a first try or another one; NULL with *error. */
struct dns_asker *dns_choice_asker(struct dns_server *, bool again, int *error);
/* Frees the server's askers. */
void dns_choice_fini(struct dns_server *);

/* channel_server.c */
/* Does the error say that something of our own is short? */
bool dns_error_shortage(int error);
/* One more question goes there. */
void dns_server_asked(struct dns_server *);
/* It said something; it did not answer; its port is closed, so that no more of
 * them need to be seen. Not to be told by whose asker is a former one. */
void dns_server_heard(struct dns_server *, int family);
void dns_server_unheard(struct dns_server *, int family);
void dns_server_refused(struct dns_server *);
/* Is it one that does not answer, or not such questions? */
bool dns_server_silent(const struct dns_server *, int family);
/* From now on it is asked without EDNS. */
void dns_server_plain(struct dns_server *);
/* From now on it is asked by another source port, unless that was changed just
 * now. A device on the way that remembers the old one may send what comes from
 * there to a dead server. */
void dns_server_renew(struct dns_server *);
/* That asker of it becomes a former one; its questions go on. */
void dns_server_retire(struct dns_server *, struct dns_asker **);
/* An answer came that fits no question. */
void dns_server_stray(struct dns_server *);

/* channel_attempt.c */
/* Asks the question for the try that is under way. 0 or -ENOMEM. */
int dns_attempt_ask(struct dns_asker *, struct dns_question *);
/* Asks merely whether the server answers at all. */
void dns_attempt_probe(struct dns_asker *, const struct dns_key *);
/* That try has no answer in time. */
void dns_attempt_unheard(struct dns_question *);
/* The question is over, and no answer to it wanted. */
void dns_attempt_forget_all(struct dns_question *);

/* channel_asker.c */
int dns_asker_new(struct dns_asker **, struct dns_server *, bool again);
/* Ends its questions. Not to be called from within c-ares. */
void dns_asker_free(struct dns_asker *);
/* Has it been asked by one source port for long, or often, or in vain? Who
 * guesses at questions has the more time the longer that is open (RFC 5452);
 * and what swallowed one question may swallow the next by the same port. */
bool dns_asker_worn(const struct dns_asker *);

/* channel_watch.c; the argument is the asker */
/* c-ares wants to know of these; neither: it closes the socket now. */
void dns_watch_cb(void *, ares_socket_t, int readable, int writable);
/* c-ares wants to be called within that time, or earlier; and is called. */
void dns_watch_arm(struct dns_asker *, int64_t within);
void dns_watch_timer(struct timer *);
void dns_watch_drop_all(struct dns_asker *);

/* channel_sockets.c */
/* Has c-ares use sockets of the asker's. */
void dns_socket_use(struct dns_asker *);
/* What the asker's task for refusals does. */
void dns_socket_refused_task(struct loop_task *);

/* channel_clients.c */
void dns_clients_init(struct dns_channel *);
/* How many questions of the client are under way? */
size_t dns_clients_questions(const struct dns_channel *, uint64_t client);
/* The question is under way for its client. Where there is no memory for one it
 * is nobody's. */
void dns_clients_add(struct dns_question *);
/* It is over. */
void dns_clients_remove(struct dns_question *);
/* It is another one's from now on, wherever it is; unless there is no memory
 * for one. */
void dns_clients_move(struct dns_question *, uint64_t client);
/* It waits for a place behind, or before, the others of its client; no more. */
void dns_clients_wait(struct dns_question *);
void dns_clients_wait_first(struct dns_question *);
void dns_clients_unwait(struct dns_question *);
/* It has got a place; and has it no more. */
void dns_clients_hold(struct dns_question *);
void dns_clients_unhold(struct dns_question *);
/* The first question of who has the fewest places of all who wait, and among
 * those has waited for longest; NULL: none waits. */
struct dns_question *dns_clients_next(const struct dns_channel *);

/* channel_stream.c */
/* Puts the question to the server by a TCP connection of its own. 0 or
 * -errno. There must be a place. */
int dns_stream_ask(struct dns_question *, struct dns_server *);
bool dns_stream_place(const struct dns_channel *);
/* The question that was put first, since *since, of those of clients that have
 * so many places at least; NULL: there is none. */
struct dns_question *dns_stream_oldest(
    const struct dns_channel *, size_t places, int64_t *since);
/* The question that was put last by who has so many places at least, and more
 * than others; NULL: there is none. */
struct dns_question *dns_stream_newest(
    const struct dns_channel *, size_t places);
/* Ends it without a word to its question. */
void dns_stream_free(struct dns_stream *);
/* Ends them all. */
void dns_stream_abort_all(struct dns_channel *);

#endif
