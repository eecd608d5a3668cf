/* One rule of the policy as the operator wrote it, parsed but not compiled. */
#ifndef COMMON_POLICY_RULE_H
#define COMMON_POLICY_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/hostname.h"
#include "common/policy/identity.h"

struct conf_egress;

enum rule_action {
	RULE_DENY,
	RULE_ALLOW,
	RULE_REPORT /* allowed, but reported as what would have been denied */
};

enum rule_destination_kind {
	RULE_DESTINATION_NAME,	 /* db.example.com: that name alone */
	RULE_DESTINATION_SUFFIX, /* *.example.com: every name below it */
	RULE_DESTINATION_ANY,	 /* *: every name, but no address target */
	RULE_DESTINATION_NETWORK /* address or CIDR: address targets alone */
};

/* What a rule's destination names: "host:port", "host:low-high", "host:*". */
struct rule_destination {
	enum rule_destination_kind kind;
	uint16_t port_low, port_high;
	uint16_t name_len;
	char name[HOSTNAME_SIZE]; /* canonical; SUFFIX: without the "*." */
	struct cidr network;
};

enum rule_client_kind {
	RULE_CLIENT_NETWORK, /* address or CIDR */
	RULE_CLIENT_IDENTITY /* by its verified certificate */
};

struct rule_client {
	enum rule_client_kind kind;
	union {
		struct cidr network;
		struct identity_pattern *identity; /* owned: it is large */
	};
};

struct rule {
	char *name;
	enum rule_action action;
	struct rule_destination *destinations;
	size_t ndestinations; /* at least 1; 0: they were dropped */
	/* By its address or by one of its identities. */
	struct rule_client *clients;
	size_t nclients; /* 0: any client */
	struct cidr *networks;
	size_t nnetworks;
	struct addr connect_to; /* family 0: resolve the target */
	char *egress; /* the egress line's name; NULL: as the kernel routes */
	const struct conf_egress *egress_line; /* of that name; borrowed */
	int64_t max_tunnels;  /* over all workers; 0: no limit */
	int64_t idle_timeout; /* ns; 0: no limit; -1: timeouts.idle */
};

/*
 * Parses one destination. Reads len bytes of s. 0, or -EINVAL with *why set
 * to a static text that says what to write instead. Pure.
 */
int rule_destination_parse(
    struct rule_destination *, const char *s, size_t len, const char **why);

/* The canonical text; size at least RULE_DESTINATION_TEXT_SIZE. */
#define RULE_DESTINATION_TEXT_SIZE (HOSTNAME_SIZE + 16)
size_t rule_destination_format(
    const struct rule_destination *, char buf[RULE_DESTINATION_TEXT_SIZE]);

/* Is it "all" or "any"? As a client that is a DNS name, but hardly meant so. */
bool rule_says_everybody(const char *, size_t len);

#endif
