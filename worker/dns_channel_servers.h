/*
 * c-ares on the loop, with the name servers of its time, for the files that
 * make up the channel: dns_channel.c (whose time it is),
 * dns_channel_servers.c (c-ares), dns_channel_sockets.c (what it sends by),
 * dns_channel_answer.c (what it found).
 */
#ifndef WORKER_DNS_CHANNEL_SERVERS_H
#define WORKER_DNS_CHANNEL_SERVERS_H

#include <ares.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "common/log.h"
#include "worker/dns_channel.h"
#include "worker/loop.h"

LIST_HEAD(dns_socket_list, dns_socket);
LIST_HEAD(dns_servers_list, dns_servers);

struct dns_file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct dns_channel {
	struct loop *loop;
	const struct conf_dns *conf;
	const struct dns_resolv_conf *resolv_conf;
	struct log *log;
	struct dns_servers_list list; /* the first: for new questions */
	size_t questions;	      /* under way, at former servers too */
	struct dns_file_id file;      /* resolv.conf; all 0: there was none */
	int64_t next_check;	      /* whether it is another one */
	struct log_rate conf_rate, socket_rate;
};

struct dns_servers {
	struct dns_channel *channel;
	ares_channel ares;
	size_t questions; /* under way */
	struct timer timer;
	struct dns_socket_list sockets;
	LIST_ENTRY(dns_servers) link;
};

/* Those of the configuration or of resolv.conf, put first in the channel's
 * list. 0 or -errno (the list has not changed). */
int dns_servers_new(struct dns_channel *);

/* Ends their questions. Not to be called from within c-ares. */
void dns_servers_free(struct dns_servers *);

/* Non-blocking, in every version. To be set when the name servers are known:
 * 1.34 finds no interface of a link-local one afterwards. */
extern const struct ares_socket_functions dns_socket_functions;

void dns_servers_ask(struct dns_servers *, struct dns_question *);

/* From what c-ares found; uses addrs. Pure; ai is borrowed, NULL if there was
 * an error. */
struct dns_result dns_channel_answer(int status, const struct ares_addrinfo *ai,
    int family, struct addr addrs[DNS_CHANNEL_ADDRS_MAX]);

#endif
