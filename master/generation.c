/*
 * Makes a generation of a configuration file, everything that its workers
 * inherit, and forgets its keys when no more will be forked.
 */
#include "master/generation.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/fd.h"
#include "common/base/pause.h"
#include "common/base/registers.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/net/guard.h"
#include "common/net/hosts.h"
#include "common/policy/policy.h"
#include "common/shm/ticket_keys.h"
#include "master/egress_check.h"
#include "master/findings.h"
#include "master/here_check.h"
#include "master/idle_check.h"
#include "master/log_file.h"
#include "master/logs.h"
#include "master/nameserver_check.h"
#include "master/own_addrs.h"
#include "master/rules_check.h"
#include "master/service.h"
#include "master/ticket_file.h"
#include "master/keyring.h"
#include "master/tls_load.h"
#include "master/validity.h"

/* Far more than any hosts file that blocks advertisers. */
#define HOSTS_FILE_MAX (64 * 1024 * 1024)

/* Nobody asked for it, so it may be absent. */
#define HOSTS_FILE_DEFAULT "/etc/hosts"

static size_t
usable_cpus(void)
{
	cpu_set_t set;

	/* Fails on more than 1024 CPUs, where a number should be configured. */
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return (1);
	return ((size_t)CPU_COUNT(&set));
}

static int
make_guard(struct generation *g)
{
	const struct conf *conf = g->conf;
	struct addr *listeners;
	struct cidr *own = NULL;
	size_t nown = 0;
	int error;

	error = own_addrs_find(conf, &own, &nown);
	if (error != 0)
		return (error);
	error = -ENOMEM;
	listeners = calloc(conf->nlisteners + 1, sizeof(*listeners));
	if (listeners == NULL)
		goto out;
	for (size_t i = 0; i < conf->nlisteners; i++)
		listeners[i] = conf->listeners[i].addr;
	error = guard_new(&g->guard, own, nown, listeners, conf->nlisteners);
out:
	free(listeners);
	free(own);
	return (error);
}

static int
load_conf(struct generation *g, const char *file, struct pause *pause,
    struct findings *f)
{
	char *errors = NULL;
	int error;

	error = conf_load(&g->conf, file, pause, &errors);
	if (errors != NULL)
		findings_add_lines(f, errors);
	if (error != 0 && f->nerrors == 0)
		findings_add(
		    f, LOG_LEVEL_ERROR, "%s: load: %s", file, strerror(-error));
	free(errors);
	return (error);
}

static int
make_tables(struct generation *g, struct pause *pause, struct findings *f)
{
	int error;

	error =
	    policy_compile(&g->policy, g->conf->rules, g->conf->nrules, pause);
	if (error == 0)
		error = make_guard(g);
	if (error != 0)
		findings_add(f, LOG_LEVEL_ERROR,
		    "rules: cannot be compiled: %s", strerror(-error));
	return (error);
}

int
generation_read(struct generation **out, const char *file, struct pause *pause,
    struct findings *f)
{
	struct generation *g = calloc(1, sizeof(*g));
	int error;

	if (g == NULL) {
		findings_add(
		    f, LOG_LEVEL_ERROR, "%s: load: %s", file, strerror(ENOMEM));
		return (-ENOMEM);
	}
	error = load_conf(g, file, pause, f);
	if (error == 0)
		error = make_tables(g, pause, f);
	if (error == 0) {
		idle_check(g->conf, f);
		rules_check(g->conf, g->policy, g->guard, pause, f);
		error = pause_step(pause);
	}
	if (error != 0)
		generation_free(g);
	else
		*out = g;
	return (error);
}

int
generation_load_hosts(struct generation *g, struct findings *f)
{
	const char *file = g->conf->dns.hosts_file;
	char *text = NULL;
	size_t len = 0;
	int error;

	if (file == NULL || *file == '\0')
		return (0);
	error = fd_slurp(file, HOSTS_FILE_MAX, &text, &len);
	if (error == -ENOENT && strcmp(file, HOSTS_FILE_DEFAULT) == 0) {
		findings_add_at(f, LOG_LEVEL_NOTICE, g->conf,
		    &g->conf->dns.hosts_file,
		    "%s does not exist, so it answers no name", file);
		return (0);
	}
	if (error == 0)
		error = hosts_new(&g->hosts, text, len);
	if (error != 0)
		findings_add_at(f, LOG_LEVEL_ERROR, g->conf,
		    &g->conf->dns.hosts_file, "%s: %s", file,
		    fd_slurp_text(error));
	free(text);
	return (error);
}

static int
check_log(const char *target, const struct service *service)
{
	struct sink *sink;
	int error;

	if (target[0] == '/')
		return (log_file_check(target, service));
	error = sink_open(&sink, target);
	if (error == 0)
		sink_close(sink);
	return (error);
}

/* logs NULL: only to check it. */
static int
open_log(struct generation *g, struct logs *logs, enum logs_role role,
    struct findings *f)
{
	char *const *setting =
	    role == LOGS_ERROR ? &g->conf->log.error : &g->conf->log.access;
	int error;

	if (logs == NULL)
		error = check_log(*setting, g->service);
	else
		error = logs_open(logs, role, *setting, &g->run_as,
		    role == LOGS_ERROR ? &g->error_log : &g->audit_log);
	if (error != 0)
		findings_add_at(f, LOG_LEVEL_ERROR, g->conf, setting,
		    "%s cannot be opened: %s", *setting,
		    sink_describe_open(error));
	return (error);
}

static int
open_logs(struct generation *g, struct logs *logs, struct findings *f)
{
	int error, error_audit;

	error = open_log(g, logs, LOGS_ERROR, f);
	error_audit = open_log(g, logs, LOGS_AUDIT, f);
	if (error == 0)
		error = error_audit;
	if (error == 0 && logs != NULL)
		error = log_new(&g->log, logs_sink(g->error_log),
		    g->conf->log.level, "master");
	return (error);
}

/* Whoever only checks a configuration needs no keys. */
static void
load_keyring(struct generation *g, bool check, struct findings *f)
{
	struct ticket_key keys[TICKET_KEYS_MAX];
	size_t n;

	if (!check)
		(void)keyring_new(&g->keyring, g->conf, f);
	else if (g->conf->tls.ticket_keys != NULL)
		(void)ticket_file_read(g->conf, keys, &n, f);
	explicit_bzero(keys, sizeof(keys));
}

int
generation_complete(struct generation *g, struct logs *logs, struct findings *f)
{
	size_t before = f->nerrors;

	if (logs != NULL)
		conf_drop_destinations(g->conf);
	g->nworkers =
	    g->conf->workers > 0 ? (size_t)g->conf->workers : usable_cpus();
	(void)privilege_check_files(g->conf, g->nworkers,
	    g->service != NULL ? g->service->files : 0, f);
	/* What is changed from now on is seen. */
	if (logs != NULL && g->conf->tls.watch)
		renewal_marks_take(&g->marks, g->conf);
	if (tls_load(&g->tls, g->conf, &g->expiries, f) == 0 &&
	    g->replaced != NULL)
		validity_check(g->conf, g->replaced, &g->expiries, f);
	g->replaced = NULL;
	validity_note(&g->expiries);
	load_keyring(g, logs == NULL, f);
	(void)privilege_resolve(&g->run_as, g->conf, f);
	here_check(
	    g->conf, logs == NULL ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, f);
	egress_check(g->conf, f);
	nameserver_check(g->conf, f);
	(void)generation_load_hosts(g, f);
	/* Last, since it may create files. */
	if (f->nerrors == before && open_logs(g, logs, f) != 0 &&
	    f->nerrors == before)
		findings_add(f, LOG_LEVEL_ERROR, "log: cannot be opened: %s",
		    strerror(ENOMEM));
	/* Before workers share it: reading took several times what is left. */
	alloc_trim();
	registers_clear();
	return (f->nerrors == before ? 0 : -EINVAL);
}

void
generation_forget_keys(struct generation *g)
{
	SSL_CTX_free(g->tls);
	g->tls = NULL;
	registers_clear();
}

void
generation_free(struct generation *g)
{
	if (g == NULL)
		return;
	log_free(g->log);
	logs_release(g->error_log);
	logs_release(g->audit_log);
	generation_forget_keys(g);
	keyring_free(g->keyring);
	hosts_free(g->hosts);
	guard_free(g->guard);
	policy_free(g->policy);
	conf_free(g->conf);
	free(g);
	alloc_trim();
}
