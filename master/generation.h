/*
 * A generation: what one successful (re)load made of the configuration file. It
 * is needed to start workers; those that were started are its crew (crew.h).
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include <stddef.h>

#include "common/tls/expiry.h"
#include "master/privilege.h"
#include "master/renewal_files.h"

struct conf;
struct findings;
struct guard;
struct hosts;
struct log;
struct policy;
struct logs;
struct logs_entry;
struct pause;
struct service;
struct ssl_ctx_st;
struct keyring;

struct generation {
	struct conf *conf;
	struct policy *policy;
	struct guard *guard;
	struct hosts *hosts;
	struct ssl_ctx_st *tls;
	struct expiries expiries;	 /* of what tls was made of */
	struct renewal_marks marks;	 /* just before, if tls.watch */
	const struct expiries *replaced; /* served so far; borrowed, or NULL */
	const struct service *service;	 /* of a check; borrowed, or NULL */
	struct run_as run_as;
	/* The crew's, when there is one. */
	struct keyring *keyring;
	struct logs_entry *error_log, *audit_log;
	struct log *log;
	size_t nworkers;
};

/*
 * Reads the file and makes of it all that decides about a target: conf, policy
 * and guard. 0 with *g owned by the caller; -EINVAL or -ENOMEM with the causes
 * in findings; or as pause_step(): pause, which may be NULL, has its steps.
 */
int generation_read(struct generation **g, const char *file,
    struct pause *pause, struct findings *);

/* Loads the hosts file, if there is to be one; what generation_complete() does
 * for sniport -q. 0, or -errno with the cause in findings. */
int generation_load_hosts(struct generation *, struct findings *);

/*
 * Completes it with all that serving needs: certificates, user, hosts file and
 * logs; and drops the rules' destinations, which serving does not need. Binds
 * and forks no worker. Without logs it is not to serve but to be checked: it
 * has no log, makes no file and drops nothing. 0, or -EINVAL with the causes in
 * findings.
 */
int generation_complete(struct generation *, struct logs *, struct findings *);

/*
 * Forgets the private keys, for good. No worker of this
 * generation will be forked any more, and workers of others must not have its
 * keys. Calling it again does nothing.
 */
void generation_forget_keys(struct generation *);

void generation_free(struct generation *);

#endif
