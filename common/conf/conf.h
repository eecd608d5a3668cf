/* The configuration: one file in, one immutable struct out. */
#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/net/addr.h"
#include "common/net/nameserver.h"
#include "common/net/target.h"
#include "common/policy/rule.h"

#define CONF_DEFAULT_FILE  "/etc/sniport/sniport.conf"
#define CONF_LISTENERS_MAX 64 /* one bit each in a control message */

/* All strings are owned; an absent string is NULL. Times are in ns, sizes in
 * bytes. */
struct conf_listener {
	char *address;	       /* as written: the listener's name in logs */
	struct addr addr;      /* unspecified address for "any" */
	bool dual_stack;       /* ":8443": IPv6 and IPv4 on one socket */
	bool freebind;	       /* whether this host has the address or not */
	uint16_t default_port; /* 0: a name without port is refused */
	bool has_default_destination;
	struct target default_destination;
	struct cidr *trusted_proxies; /* senders of PROXY protocol */
	size_t ntrusted_proxies;      /* 0: it is not accepted */
};

/* An outbound line. */
struct conf_egress {
	char *name;
	struct addr *source; /* port 0; none: the kernel chooses */
	size_t nsource;
	char *device;		/* NULL: as routed */
	int64_t mark;		/* SO_MARK; 0: none */
	int64_t proxy_protocol; /* 0: none; 1, 2: sent to the upstream */
};

enum conf_client_auth {
	CONF_CLIENT_AUTH_NONE,
	CONF_CLIENT_AUTH_OPTIONAL, /* verified if there is a certificate */
	CONF_CLIENT_AUTH_REQUIRED
};

struct conf_certificate {
	char *chain, *key; /* PEM files */
};

struct conf_tls {
	struct conf_certificate *certificates;
	size_t ncertificates; /* at least 1 */
	int min_version;      /* 0x0303 or 0x0304 */
	char *ciphers;	      /* OpenSSL list for TLS 1.2 */
	char *groups;
	int64_t ticket_lifetime; /* ns in which a session may be resumed */
	char *ticket_keys;	 /* file; NULL: the master draws them */
	int64_t tickets;	 /* that a handshake brings */
	bool require_close_notify;
	bool allow_expired; /* by a reload, in the place of valid ones */
	bool watch;	    /* reload when the files change */
	char *client_ca;    /* PEM file; NULL: none */
	char *crl;	    /* PEM file; NULL: none */
	enum conf_client_auth client_auth;
	int64_t authentication_lifetime; /* ns since a client was verified */
};

struct conf_dns {
	struct nameserver *servers; /* none: those of /etc/resolv.conf */
	size_t nservers;
	int64_t timeout; /* of one try */
	int64_t tries;
	enum addr_family family;
	int64_t cache_size; /* names per worker; 0: no cache */
	int64_t min_ttl, max_ttl, negative_ttl, stale;
	char *hosts_file; /* "": none */
};

struct conf_timeouts {
	int64_t client_hello, handshake, turn, connect;
	int64_t idle, half_close, shutdown; /* idle 0: no limit */
	int64_t grace, drain;
	int64_t retire, lost, watchdog; /* retire 0: never */
};

struct conf_limits {
	/* All over all workers; per client: an IPv4 address, an IPv6 /64. */
	int64_t tunnels;
	int64_t tunnels_per_client;    /* 0: no limit; -1: half of tunnels */
	int64_t unfinished_per_client; /* handshakes at once; 0: no limit */
	int64_t handshakes_per_client; /* new ones per second; 0: no limit */
	int64_t lookups_per_client; /* names asked for at once; 0: no limit */
	int64_t client_hello;
	int64_t handshake; /* bytes from a client behind its hello */
	int64_t buffer;	   /* unsent bytes per direction of a tunnel */
	int64_t generations;
	int64_t memory; /* bytes; 0: no limit; -1: the control group's */
};

struct conf_log {
	enum log_level level;
	char *error;  /* path, stdout, stderr, syslog */
	char *access; /* path, stdout, stderr, syslog */
	enum audit_syntax format;
	bool access_connect;
	bool silent_connections; /* have audit lines */
};

/* Of a UNIX socket: what sun_path holds, without its NUL. */
#define CONF_SOCKET_PATH_MAX 107

struct conf_admin {
	char *address; /* "address:port" or path; NULL: no HTTP */
	bool public;   /* the address need not be one of this host alone */
	char *control; /* path; "": none */
};

struct conf_places;
struct pause;

struct conf {
	char *user, *group;
	int64_t workers; /* 0: one per usable CPU */
	struct conf_listener *listeners;
	size_t nlisteners;
	struct conf_tls tls;
	struct conf_egress *egress;
	size_t negress;
	enum rule_action default_action; /* where no rule matches; not ALLOW */
	struct rule *rules;
	size_t nrules;
	struct conf_dns dns;
	struct conf_timeouts timeouts;
	struct conf_limits limits;
	struct conf_log log;
	struct conf_admin admin;
	struct conf_places *places; /* for conf_where() */
};

/* What an audit line calls the rules, egress lines and listeners; borrowed. */
void conf_names(const struct conf *, struct facts_names *);

/*
 * Errors are collected, not printed: each is one line "file:line: setting:
 * what is wrong; what to write", with a newline. *errors is owned by the
 * caller (free), NULL where there is none.
 */

/*
 * Reads and checks the file (and what it includes). All errors are reported
 * in one run. 0 with *conf owned by the caller; -EINVAL with *errors set;
 * -ENOMEM; as pause_step(), whose steps these are. It may be NULL. While
 * libconfig parses what is included, there are none.
 */
int conf_load(
    struct conf **conf, const char *file, struct pause *pause, char **errors);

/*
 * What the file says of one setting, as in "admin.control", that is a string,
 * though other settings be wrong. 0 with *value owned by the caller, NULL where
 * it does not stand there; -EINVAL: the file cannot be read, or is no
 * configuration at all; -ENOMEM.
 */
int conf_peek(const char *file, const char *setting, char **value);

/* The same from text in memory; name stands for the file in errors. */
int conf_parse(
    struct conf **conf, const char *text, const char *name, char **errors);

void conf_free(struct conf *);

/*
 * Frees the destinations of all rules, and where they stand: of a large file
 * they are most of it, and once rules are compiled only conf_print() and who
 * explains a decision want them.
 */
void conf_drop_destinations(struct conf *);

/*
 * Where a setting stands, for messages about it: "file:line: setting", or
 * "setting" where it has its default. field is that of the setting in conf,
 * such as &conf->tls.ciphers; of rules, the rule itself, known until
 * conf_drop_destinations(). Returns buf or a static text.
 */
#define CONF_WHERE_SIZE (PATH_MAX + 128)
const char *conf_where(
    const struct conf *, const void *field, char buf[CONF_WHERE_SIZE]);

/* Does the setting stand in the file, with another value than its default? Its
 * field is given as for conf_where(), but is not of a rule. */
bool conf_is_chosen(const struct conf *, const void *field);

/*
 * Prints the effective configuration with every default, in the syntax of
 * the file: what it prints loads to the same configuration. 0 or -errno.
 */
int conf_print(const struct conf *, FILE *);

#endif
