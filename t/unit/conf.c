/* The configuration: what is accepted, what it means, and every error. */
#include "t/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/table.h"
#include "common/tls/library.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

#define LISTENERS  "listeners = ( { address = \":8443\"; } );\n"
#define CERTIFICATES \
	"certificates = ( { chain = \"/c.pem\"; key = \"/k.pem\"; } );"
#define TLS	"tls = { " CERTIFICATES " };\n"
#define MINIMUM LISTENERS TLS

/* The text of another: parsed, and whether it was taken. Owned by caller. */
static struct conf *
parse(const char *text, char **errors)
{
	struct conf *conf = NULL;
	int r = conf_parse(&conf, text, "dir/test.conf", errors);

	if ((r == 0) != (conf != NULL) || (r == 0) != (*errors == NULL))
		ok(false, "result, configuration and errors agree");
	return (conf);
}

static struct conf *
must_parse(const char *text, const char *what)
{
	char *errors = NULL;
	struct conf *conf = parse(text, &errors);

	if (!ok(conf != NULL, "%s", what)) {
		printf("# %s\n", errors);
		exit(done_testing());
	}
	free(errors);
	return (conf);
}

static char *
print(const struct conf *conf)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL || conf_print(conf, f) != 0 || fclose(f) != 0)
		exit(1);
	return (text);
}

static size_t
lines(const char *s)
{
	size_t n = 0;

	for (; s != NULL && *s != '\0'; s++)
		n += *s == '\n';
	return (n);
}

static void
test_defaults(void)
{
	struct conf *c = must_parse(MINIMUM, "listeners and tls are enough");

	ok(c->user == NULL && c->group == NULL, "no user, no group");
	is_int(c->workers, 0, "workers");
	is_int(c->nlisteners, 1, "one listener");
	is_int(c->listeners[0].ntrusted_proxies, 0, "no trusted_proxies");
	ok(c->tls.client_ca == NULL && c->tls.crl == NULL, "no CA, no CRL");
	is_int(c->tls.client_auth, CONF_CLIENT_AUTH_NONE, "tls.client_auth");
	is_int(c->negress, 0, "no egress");
	is_int(c->default_action, RULE_DENY, "default_action");
	is_int(c->limits.tunnels_per_client, -1, "limits.tunnels_per_client");
	is_int(c->limits.unfinished_per_client, 4096, "unfinished_per_client");
	is_int(c->limits.memory, -1, "limits.memory");
	is_int(c->tls.ticket_lifetime, 12 * 3600 * CLOCK_SEC,
	    "tls.ticket_lifetime");
	ok(c->tls.ticket_keys == NULL, "no tls.ticket_keys");
	is_int(c->tls.tickets, 1, "tls.tickets");
	is_int(c->tls.authentication_lifetime, 12 * 3600 * CLOCK_SEC,
	    "tls.authentication_lifetime");
	is_int(c->limits.handshakes_per_client, 0, "handshakes_per_client");
	is_int(c->limits.lookups_per_client, 64, "limits.lookups_per_client");
	is_str(c->listeners[0].address, ":8443", "its address");
	is_int(c->listeners[0].addr.port, 8443, "its port");
	ok(c->listeners[0].dual_stack &&
		c->listeners[0].addr.family == AF_INET6,
	    "both families");
	is_int(c->listeners[0].default_port, 0, "no default port");
	ok(!c->listeners[0].has_default_destination, "no default destination");
	ok(!c->listeners[0].freebind, "no freebind");
	is_int(c->tls.ncertificates, 1, "one certificate");
	is_str(c->tls.certificates[0].chain, "/c.pem", "its chain");
	is_str(c->tls.certificates[0].key, "/k.pem", "its key");
	is_int(c->tls.min_version, 0x0303, "tls.min_version");
	is_str(c->tls.groups, LIBRARY_GROUPS, "tls.groups");
	ok(strstr(c->tls.ciphers, "ECDHE-ECDSA-AES128-GCM-SHA256") != NULL &&
		strstr(c->tls.ciphers, "CBC") == NULL,
	    "tls.ciphers");
	ok(!c->tls.require_close_notify, "tls.require_close_notify");
	ok(!c->tls.allow_expired, "tls.allow_expired");
	ok(!c->tls.watch, "tls.watch");
	is_int(c->nrules, 0, "no rules");
	is_int(c->dns.nservers, 0, "no dns.servers");
	is_int(c->dns.timeout, CLOCK_SEC, "dns.timeout");
	is_int(c->dns.tries, 2, "dns.tries");
	is_int(c->dns.family, ADDR_FAMILY_ANY, "dns.family");
	is_int(c->dns.cache_size, 10000, "dns.cache_size");
	is_int(c->dns.min_ttl, CLOCK_SEC, "dns.min_ttl");
	is_int(c->dns.max_ttl, 3600 * CLOCK_SEC, "dns.max_ttl");
	is_int(c->dns.negative_ttl, 5 * CLOCK_SEC, "dns.negative_ttl");
	is_int(c->dns.stale, 300 * CLOCK_SEC, "dns.stale");
	is_str(c->dns.hosts_file, "/etc/hosts", "dns.hosts_file");
	is_int(c->timeouts.client_hello, 10 * CLOCK_SEC, "client_hello");
	is_int(c->timeouts.handshake, 15 * CLOCK_SEC, "handshake");
	is_int(c->timeouts.connect, 10 * CLOCK_SEC, "connect");
	is_int(c->timeouts.idle, 3660 * CLOCK_SEC, "idle");
	is_int(c->timeouts.turn, 3 * CLOCK_SEC, "timeouts.turn");
	is_int(c->timeouts.half_close, 60 * CLOCK_SEC, "half_close");
	is_int(c->timeouts.shutdown, 5 * CLOCK_SEC, "shutdown");
	is_int(c->timeouts.grace, 0, "grace");
	is_int(c->timeouts.drain, 30 * CLOCK_SEC, "drain");
	is_int(c->timeouts.retire, 0, "retire");
	is_int(c->timeouts.watchdog, 10 * CLOCK_SEC, "watchdog");
	is_int(c->limits.tunnels, 100000, "limits.tunnels");
	is_int(c->limits.client_hello, 16384, "limits.client_hello");
	is_int(c->limits.handshake, 65536, "limits.handshake");
	is_int(c->limits.buffer, 65536, "limits.buffer");
	is_int(c->limits.generations, 32, "limits.generations");
	is_int(c->log.level, LOG_LEVEL_INFO, "log.level");
	is_str(c->log.error, "stderr", "log.error");
	is_str(c->log.access, "stdout", "log.access");
	is_int(c->log.format, AUDIT_JSON, "log.format");
	ok(!c->log.access_connect, "log.access_connect");
	ok(c->admin.address == NULL && !c->admin.public, "no HTTP");
	is_str(c->admin.control, "/run/sniport/control.sock", "admin.control");
	conf_free(c);
}

static const char full[] =
    "user = \"u\\\"\\\\n\"; group = \"g\"; workers = 3;\n"
    "listeners = ( { address = \"192.0.2.1:443\"; default_port = 65535;\n"
    "  default_destination = \"Fallback.example.com.:443\"; },\n"
    "  { address = \"[::]:8443\"; trusted_proxies = [ \"10.0.0.0/8\",\n"
    "    \"2001:db8::1\" ]; },\n"
    "  { address = \"[2001:db8::1]:443\"; freebind = true; } );\n"
    "tls : { certificates : ( { chain : \"/a\"; key : \"/b\" },\n"
    "    { chain = \"/c\"; key = \"/d\" } )\n"
    "  min_version = \"1.3\"; ciphers = \"A:\" \"B\"; groups = \"X25519\";\n"
    "  require_close_notify = TRUE; allow_expired = true; watch = true;"
    "  client_ca = \"/ca\"; crl = \"/crl\";"
    " ticket_keys = \"/keys\"; tickets = 4;\n"
    "  client_auth = \"optional\"; };\n"
    "egress = ( { name = \"a\"; source = [ \"203.0.113.7\",\n"
    "    \"2001:db8::7\" ]; device = \"eth0.12345678.a\";\n"
    "    mark = 4294967295; proxy_protocol = 2; }, { name = \"b\"; } );\n"
    "default_action = \"report\";\n"
    "rules = ( { name = \"one\"; action = \"allow\";\n"
    "    destinations = ( \"a.example:1-2\", \"*.b.example:*\", \"*:443\",\n"
    "      \"[2001:db8::/32]:443\", \"198.51.100.0/24:25\" );\n"
    "    clients = [ \"10.1.0.0/16\", \"spiffe://c.local/ns/*/sa/web\",\n"
    "      \"*.Example.com.\", \"2001:db8::1\" ];\n"
    "    egress = \"b\"; max_tunnels = 10000000;\n"
    "    connect_to = \"10.2.0.9:5432\"; idle_timeout = \"0\"; },\n"
    "  { action = \"deny\"; destinations = [ \"a.example:*\" ]; },\n"
    "  { action = \"report\"; egress = \"a\"; destinations = [ \"*:*\" ];\n"
    "    networks = [ \"10.2.0.0/16\" ]; idle_timeout = \"2h\"; } );\n"
    "dns = { servers = [ \"192.0.2.53\", \"[2001:db8::53]:5353\" ];\n"
    "  timeout = \"250ms\"; tries = 10L; family = \"prefer-ipv4\";\n"
    "  cache_size = 0; min_ttl = \"0\"; max_ttl = \"7d\";\n"
    "  negative_ttl = \"0s\"; stale = \"10m\"; hosts_file = \"\"; };\n"
    "timeouts = { client_hello = \"1ms\"; handshake = \"2s\"; turn = \"5s\";\n"
    "  connect = \"3m\"; idle = \"0\"; half_close = \"4h\";\n"
    "  shutdown = \"1500ms\"; grace = \"9s\"; drain = \"5d\"; retire = "
    "\"1d\";\n"
    "  watchdog = \"100ms\"; };\n"
    "limits = { tunnels = 1; client_hello = \"2000\"; buffer = \"16MiB\";\n"
    "  tunnels_per_client = 7; handshakes_per_client = 8;\n"
    "  lookups_per_client = 9; unfinished_per_client = 10; memory = \"1GiB\";\n"
    "  generations = 0x10; };\n"
    "log = { level = \"debug\"; error = \"/var/log/e\";\n"
    "  access = \"syslog\"; format = \"text\"; access_connect = true; };\n"
    "admin = { address = \"0.0.0.0:9901\"; public = true;\n"
    "  control = \"/c.sock\"; };\n";

static void
test_full_rules(const struct conf *c)
{
	const struct rule *r = c->rules;
	char text[ADDR_TEXT_SIZE];

	is_int(c->nrules, 3, "three rules");
	is_str(r[0].name, "one", "a rule's name");
	is_int(r[0].action, RULE_ALLOW, "its action");
	is_int(r[0].ndestinations, 5, "its destinations");
	is_int(r[0].destinations[1].kind, RULE_DESTINATION_SUFFIX,
	    "the second is a suffix");
	is_int(r[0].nclients, 4, "its clients");
	is_int(r[0].clients[0].kind, RULE_CLIENT_NETWORK, "a block");
	is_int(r[0].clients[1].kind, RULE_CLIENT_IDENTITY, "an identity");
	is_int(r[0].clients[1].identity->kind, IDENTITY_SPIFFE, "of SPIFFE");
	is_str(r[0].clients[2].identity->text, "*.example.com",
	    "one of DNS, in its canonical form");
	is_int(r[0].clients[3].network.bits, 128, "the last is one address");
	is_int(r[0].max_tunnels, 10000000, "its max_tunnels");
	ok(r[0].egress_line == &c->egress[1], "its egress line");
	is_int(r[0].nnetworks, 0, "no networks");
	addr_format(&r[0].connect_to, text);
	is_str(text, "10.2.0.9:5432", "its connect_to");
	is_int(r[0].idle_timeout, 0, "its idle_timeout: no limit");
	is_str(r[1].name, "rule-2", "a name by position");
	is_int(r[1].action, RULE_DENY, "deny");
	is_int(r[1].nclients, 0, "any client");
	is_int(r[1].connect_to.family, 0, "no connect_to");
	is_int(r[1].idle_timeout, -1, "idle_timeout: that of timeouts");
	ok(r[1].egress == NULL && r[1].egress_line == NULL, "no egress line");
	is_int(r[1].max_tunnels, 0, "no max_tunnels");
	is_int(r[2].action, RULE_REPORT, "report");
	is_int(r[2].nnetworks, 1, "networks");
	ok(r[2].egress_line == &c->egress[0], "another egress line");
	is_str(r[2].name, "rule-3", "another name by position");
	is_int(r[2].idle_timeout, 7200 * CLOCK_SEC, "idle_timeout of 2h");
}

static void
test_full_egress(const struct conf *c)
{
	const struct conf_egress *e = c->egress;

	is_int(c->negress, 2, "two egress lines");
	is_str(e[0].name, "a", "the name of the first");
	is_int(e[0].nsource, 2, "its source addresses");
	is_int(e[0].source[1].family, AF_INET6, "the second is of IPv6");
	is_int(e[0].source[1].port, 0, "and has no port");
	is_str(e[0].device, "eth0.12345678.a", "its device");
	is_int(e[0].mark, INT64_C(4294967295), "its mark");
	is_int(e[0].proxy_protocol, 2, "its proxy_protocol");
	ok(e[1].nsource == 0 && e[1].device == NULL && e[1].mark == 0 &&
		e[1].proxy_protocol == 0,
	    "the second has a name alone");
}

static void
test_full(void)
{
	struct conf *c = must_parse(full, "every setting at once");
	const struct conf_listener *l = c->listeners;

	is_str(c->user, "u\"\\n", "user");
	is_str(c->group, "g", "group");
	is_int(c->workers, 3, "workers");
	is_int(c->nlisteners, 3, "three listeners");
	is_int(l[0].default_port, 65535, "default_port");
	ok(l[0].has_default_destination, "a default destination");
	is_str(l[0].default_destination.host, "fallback.example.com",
	    "its canonical name");
	is_int(l[0].default_destination.port, 443, "its port");
	ok(l[2].freebind && !l[1].freebind, "freebind");
	ok(!l[1].dual_stack && l[1].addr.family == AF_INET6,
	    "[::] is IPv6 alone");
	is_int(c->tls.ncertificates, 2, "two certificates");
	is_str(c->tls.certificates[1].key, "/d", "the key of the second");
	is_int(c->tls.min_version, 0x0304, "tls.min_version");
	is_str(c->tls.ciphers, "A:B", "tls.ciphers in two pieces");
	ok(c->tls.require_close_notify, "tls.require_close_notify");
	ok(c->tls.allow_expired, "tls.allow_expired");
	ok(c->tls.watch, "tls.watch");
	is_str(c->tls.ticket_keys, "/keys", "tls.ticket_keys");
	is_int(c->tls.tickets, 4, "tls.tickets");
	is_str(c->tls.client_ca, "/ca", "tls.client_ca");
	is_str(c->tls.crl, "/crl", "tls.crl");
	is_int(c->tls.client_auth, CONF_CLIENT_AUTH_OPTIONAL, "client_auth");
	is_int(l[1].ntrusted_proxies, 2, "trusted_proxies");
	is_int(l[1].trusted_proxies[0].bits, 8, "the first of them");
	is_int(c->default_action, RULE_REPORT, "default_action");
	is_int(c->limits.tunnels_per_client, 7, "limits.tunnels_per_client");
	is_int(c->limits.handshakes_per_client, 8, "handshakes_per_client");
	is_int(c->limits.lookups_per_client, 9, "limits.lookups_per_client");
	is_int(c->limits.unfinished_per_client, 10, "unfinished_per_client");
	is_int(c->limits.memory, 1 << 30, "limits.memory");
	is_int(c->timeouts.turn, 5 * CLOCK_SEC, "timeouts.turn");
	test_full_egress(c);
	test_full_rules(c);
	is_int(c->dns.nservers, 2, "two servers");
	is_int(c->dns.servers[0].addr.port, 53, "port 53 by default");
	is_int(c->dns.servers[1].addr.port, 5353, "another port");
	is_int(c->dns.timeout, 250 * CLOCK_MSEC, "dns.timeout");
	is_int(c->dns.tries, 10, "a number that ends with L");
	is_int(c->dns.family, ADDR_FAMILY_PREFER_IPV4, "dns.family");
	is_int(c->dns.max_ttl, 7 * 86400 * CLOCK_SEC, "dns.max_ttl");
	is_int(c->dns.negative_ttl, 0, "a zero with a unit");
	is_str(c->dns.hosts_file, "", "no dns.hosts_file");
	is_int(c->timeouts.client_hello, CLOCK_MSEC, "client_hello");
	is_int(c->timeouts.half_close, 4 * 3600 * CLOCK_SEC, "half_close");
	is_int(c->timeouts.shutdown, 1500 * CLOCK_MSEC, "shutdown");
	is_int(c->timeouts.grace, 9 * CLOCK_SEC, "grace");
	is_int(c->limits.client_hello, 2000, "a size in bytes");
	is_int(c->limits.buffer, 16 * 1024 * 1024, "a size in MiB");
	is_int(c->limits.generations, 16, "a hexadecimal number");
	is_int(c->log.level, LOG_LEVEL_DEBUG, "log.level");
	is_str(c->log.error, "/var/log/e", "log.error");
	is_int(c->log.format, AUDIT_TEXT, "log.format");
	ok(c->log.access_connect, "log.access_connect");
	is_str(c->admin.address, "0.0.0.0:9901", "admin.address");
	ok(c->admin.public, "admin.public");
	is_str(c->admin.control, "/c.sock", "admin.control");
	conf_drop_destinations(c);
	ok(c->rules[0].ndestinations == 0 && c->rules[2].destinations == NULL,
	    "rules without what they were compiled from");
	is_str(c->rules[0].name, "one", "but with their names");
	conf_free(c);
}

static void
where(const struct conf *c, const void *field, const char *want)
{
	char buf[CONF_WHERE_SIZE];

	is_str(conf_where(c, field, buf), want, "where that setting stands");
}

static void
test_where(void)
{
	struct conf *c = must_parse(full, "every setting, for where it is");

	where(c, &c->user, "dir/test.conf:1: user");
	where(c, &c->workers, "dir/test.conf:1: workers");
	where(c, &c->listeners, "dir/test.conf:2: listeners");
	where(
	    c, &c->listeners[0].address, "dir/test.conf:2: listeners.address");
	where(c, &c->listeners[1].trusted_proxies,
	    "dir/test.conf:4: listeners.trusted_proxies");
	where(c, &c->listeners[1].default_port, "listeners.default_port");
	where(c, &c->tls.certificates, "dir/test.conf:7: tls.certificates");
	where(c, &c->tls.certificates[0].chain,
	    "dir/test.conf:7: tls.certificates.chain");
	where(c, &c->tls.certificates[1].key,
	    "dir/test.conf:8: tls.certificates.key");
	where(
	    c, &c->log.access_connect, "dir/test.conf:39: log.access_connect");
	where(c, &c->rules, "dir/test.conf:16: rules");
	where(c, &c->rules[0], "dir/test.conf:16: rules");
	where(c, &c->rules[1], "dir/test.conf:23: rules");
	where(c, NULL, "configuration");
	conf_drop_destinations(c);
	where(c, &c->rules[1], "rules");
	conf_free(c);
	c = must_parse(MINIMUM, "listeners and tls, for where the rest is");
	where(c, &c->group, "group");
	where(c, &c->dns.hosts_file, "dns.hosts_file");
	where(c, &c->dns.servers, "dns.servers");
	conf_free(c);
}

/* What is printed loads to the same, and so prints the same. */
static void
test_print(const char *text, const char *what)
{
	struct conf *first = must_parse(text, what), *second;
	char *printed = print(first), *again;

	second = must_parse(printed, "what is printed loads");
	again = print(second);
	is_str(again, printed, "and prints the same again");
	is_int(second->nrules, first->nrules, "as many rules");
	ok(memcmp(&first->timeouts, &second->timeouts,
	       sizeof(first->timeouts)) == 0 &&
		memcmp(&first->limits, &second->limits,
		    sizeof(first->limits)) == 0,
	    "the same times and limits");
	is_str(second->user, first->user, "the same user, quotes and all");
	is_str(second->dns.hosts_file, first->dns.hosts_file,
	    "the same hosts_file");
	ok(first->nrules == 0 ||
		(second->rules[0].idle_timeout ==
			first->rules[0].idle_timeout &&
		    memcmp(second->rules[0].destinations,
			first->rules[0].destinations,
			first->rules[0].ndestinations *
			    sizeof(struct rule_destination)) == 0),
	    "the same first rule");
	free(printed);
	free(again);
	conf_free(first);
	conf_free(second);
}

#define RULE(settings)                                              \
	"rules = ( { action = \"allow\"; destinations = [ \"*:1\" " \
	"]; " settings " } );"

struct bad {
	const char *text;
	const char *error; /* a part of it, from the line's number on */
};

/* Line 1 is the listeners, line 2 tls, line 3 what is under test. */
static const struct bad bads[] = {
	{ "workers = 1.5;", ":3: workers: is a number with a fraction; write a "
			    "number of processes from 0 to 1024" },
	{ "workers = \"3\";", ":3: workers: is a string; write a number" },
	{ "workers = true;", ":3: workers: is a boolean; write a number" },
	{ "workers = { };", ":3: workers: is a group; write a number" },
	{ "workers = ( );", ":3: workers: is a list; write a number" },
	{ "workers = -1;", ":3: workers: -1 is out of bounds; write" },
	{ "workers = 1025;", ":3: workers: 1025 is out of bounds; write" },
	{ "workers = 4294967297;",
	    ":3: workers: 4294967297 is out of bounds; write a number of" },
	{ "workers =\n4294967297;", ":3: workers: 4294967297 is out of" },
	{ "workers = -3000000000;", ":3: workers: -3000000000 is out of" },
	{ "workers = 0x100000001;", ":3: workers: 4294967297 is out of" },
	{ "limits = { tunnels = 3000000000; };",
	    ":3: limits.tunnels: 3000000000 is out of bounds; write a number "
	    "of tunnels from 1 to 100000000\n" },
	{ "workers = 18446744073709551617L;",
	    ":3: workers: 18446744073709551617L is out of bounds; write a "
	    "smaller number\n" },
	{ "workers = -99999999999999999999;", "write a larger number\n" },
	{ "workers = 010;", ":3: workers: 010 begins with 0; write 10\n" },
	{ "workers = 3000000000L;", ":3: workers: 3000000000 is out of" },
	{ "user = \"\";", ":3: user: \"\" is empty; write a string of 1 to" },
	{ "user = \"a\\x01\";", ":3: user: contains a control character;" },
	{ "user = \"a\nb\";", ": user: contains a line break; is a quote" },
	{ "user = \"a\x7f\";", ":3: user: contains a control character;" },
	{ "user = \"a\\x00b\";",
	    ":3: user: contains a NUL byte, \\x00; leave" },
	{ "user = 5;", ":3: user: is a number; write a string" },
	{ "log = { error = \"x\\ty\"; };",
	    ":3: log.error: contains a control" },
	{ "timeouts = { idle = 5; };",
	    ":3: timeouts.idle: is a number; write a time from \"0\" to" },
	{ "timeouts = { idle = \"5\"; };", ":3: timeouts.idle: \"5\" is not a "
					   "time; write a whole number with" },
	{ "timeouts = { idle = \"s\"; };", "\"s\" is not a time; write" },
	{ "timeouts = { idle = \"\"; };", "\"\" is not a time; write" },
	{ "timeouts = { idle = \"-5s\"; };", "\"-5s\" is not a time; write" },
	{ "timeouts = { idle = \"5 s\"; };", "\"5 s\" is not a time; write" },
	{ "timeouts = { idle = \"1.5h\"; };", "\"1.5h\" is not a time; write" },
	{ "timeouts = { idle = \"5sec\"; };", "\"5sec\" is not a time; write" },
	{ "timeouts = { idle = \"5S\"; };", "\"5S\" is not a time; write" },
	{ "timeouts = { idle = \"99999999999999999999999s\"; };",
	    "is out of bounds; write" },
	{ "timeouts = { idle = \"200000000000d\"; };", "is out of bounds;" },
	{ "timeouts = { connect = \"0\"; };",
	    "\"0\" is out of bounds; write a time from \"1ms\" to \"1h\"" },
	{ "timeouts = ( );", ":3: timeouts: is a list; write a group" },
	{ "timeouts = { client_hello = \"16s\"; };",
	    ":3: timeouts.client_hello: \"16s\" is longer than "
	    "timeouts.handshake, which is \"15s\"; write at most \"15s\"" },
	{ "timeouts = { handshake = \"9s\"; };",
	    ":3: timeouts.handshake: \"9s\" is shorter than "
	    "timeouts.client_hello, which is \"10s\"; write at least \"10s\"" },
	{ "dns = { min_ttl = \"2h\"; };",
	    ":3: dns.min_ttl: \"2h\" is longer than dns.max_ttl, which is "
	    "\"1h\"; write at most \"1h\"" },
	{ "limits = { buffer = \"4095\"; };",
	    "\"4095\" is out of bounds; write a size from \"4KiB\" to" },
	{ "limits = { buffer = \"17MiB\"; };", "is out of bounds; write" },
	{ "limits = { buffer = \"64kb\"; };",
	    "\"64kb\" is not a size; write a whole number of bytes" },
	{ "limits = { buffer = 65536; };",
	    ":3: limits.buffer: is a number; write a size" },
	{ "log = { level = \"loud\"; };",
	    "\"loud\" is not one of the choices; write \"error\", \"warning\", "
	    "\"notice\", \"info\" or \"debug\"" },
	{ "log = { error = \"log.txt\"; };", "\"log.txt\" is not a place for" },
	{ "log = { access_connect = 1; };", "is a number; write true or" },
	{ "log = { access_connect = \"true\"; };", "is a string; write true" },
	{ "dns = { hosts_file = \"hosts\"; };",
	    "\"hosts\" is not an absolute" },
	{ "admin = { address = \"9901\"; };",
	    ":3: admin.address: \"9901\" is neither an address with a port nor "
	    "an absolute path; write 127.0.0.1:9901, " },
	{ "admin = { address = \"localhost:9901\"; };", "is neither an" },
	{ "admin = { address = \"http.sock\"; };", "is neither an address" },
	{ "admin = { address = \"\"; };", "is empty; write an address with" },
	{ "admin = { address = \"192.0.2.1:9901\"; };",
	    ":3: admin.address: \"192.0.2.1:9901\" can be reached by others, "
	    "who would see all tunnels; write 127.0.0.1:9901, or public = " },
	{ "admin = { address = \"[::]:9901\"; };", "can be reached by others" },
	{ "admin = { control = \"c.sock\"; };", "is not an absolute path" },
	{ "admin = { address = \"/c\"; control = \"/c\"; };",
	    ":3: admin.address: is the path of admin.control, too; write" },
	{ "dns = { family = \"IPv4\"; };", "is not one of the choices; write" },
	{ "dns = { servers = \"192.0.2.53\"; };",
	    ":3: dns.servers: is a string; write a list of 1 to 16 strings" },
	{ "dns = { servers = [ \"ns.example.com\" ]; };",
	    ":3: dns.servers: \"ns.example.com\" is not an address; write" },
	{ "dns = { servers = [ ]; };", ":3: dns.servers: is empty; write" },
	{ "dns = { servers = [ \"fe80::53\" ]; };",
	    ":3: dns.servers: \"fe80::53\" is a link-local address; write the "
	    "interface with it" },
	{ "dns = { servers = [ \"192.0.2.1%lo\" ]; };",
	    ":3: dns.servers: \"192.0.2.1%lo\" is not an address; write" },
	{ "dns = { servers = [ 1, 2 ]; };", ":3: dns.servers: is a number" },
	{ "rules = { };", ":3: rules: is a group; write a list" },
	{ "rules = [ 1 ];", ":3: rules: is a number; write { ... }" },
	{ "rules = ( { action = \"allow\"; } );",
	    ":3: rules.destinations: is missing; write a list" },
	{ "rules = ( { action = \"allow\"; destinations = [ ]; } );",
	    ":3: rules.destinations: is empty; write a list" },
	{ "rules = ( { destinations = [ \"*:1\" ]; } );",
	    ":3: rules.action: is missing; write \"allow\", \"deny\" or" },
	{ "rules = ( { action = \"permit\"; destinations = [ \"*:1\" ]; } );",
	    ":3: rules.action: \"permit\" is not one of the choices; write" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"a.b\" ]; } );",
	    ":3: rules.destinations: \"a.b\" is not a destination: it has no "
	    "port; write host:port" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"*:1\" ];\n"
	  "clients = [ \"10.0.0.0/8\",\n\"10.0.0.1/8\" ]; } );",
	    ":5: rules.clients: \"10.0.0.1/8\" has bits set beyond" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"*:1\" ]; "
	  "clients = [ ]; } );",
	    "rules.clients: is empty; write a list of 1 to" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"*:1\" ]; "
	  "clients = [ \"spiffe://X\" ]; } );",
	    "\"spiffe://X\" is not a client: its trust domain is missing or "
	    "not valid; write" },
	{ RULE("clients = [ \"spiffe:x\" ];"),
	    "\"spiffe:x\" is not a client: it is neither a SPIFFE id nor" },
	{ RULE("clients = [ \"SPIFFE://x\" ];"),
	    "\"SPIFFE://x\" is not a client; write 192.0.2.0/24, " },
	{ RULE("clients = [ \"10.0.0.0/33\" ];"),
	    "\"10.0.0.0/33\" is not a client; write 192.0.2.0/24, " },
	{ RULE("clients = [ \"10.0.0.256\" ];"),
	    "\"10.0.0.256\" is not a client: it is neither" },
	{ RULE("clients = [ \"\" ];"), "\"\" is not a client; write" },
	{ RULE("clients = [ \"*\" ];"), "\"*\" is not a client: a wild" },
	{ RULE("clients = [ \"10.0.0.0/8\",\n\"a.example\" ];"),
	    ":4: rules.clients: \"a.example\" needs a client's certificate, "
	    "but tls.client_auth is \"none\"; write tls.client_auth = " },
	{ RULE("egress = \"a\";"), ":3: rules.egress: \"a\" is not the name of "
				   "an egress line; write" },
	{ "egress = ( { name = \"line-b\"; }, { name = \"line-west\"; } "
	  ");\n" RULE("egress = \"lime-wets\";"),
	    ":4: rules.egress: \"lime-wets\" is not the name of an egress "
	    "line; "
	    "did you mean \"line-west\"?" },
	{ "egress = ( { name = \"b\"; }, { name = \"a\"; },\n"
	  "{ name = \"b\"; } );",
	    ":4: egress.name: \"b\" is also the name of egress line 1" },
	{ "egress = ( { mark = 1; } );", ":3: egress.name: is missing" },
	{ "egress = ( { name = \"a\"; mark = 0; } );",
	    ":3: egress.mark: 0 is out of bounds; write a number from 1" },
	{ "egress = ( { name = \"a\"; mark = 4294967296L; } );",
	    ":3: egress.mark: 4294967296 is out of bounds" },
	{ "egress = ( { name = \"a\"; mark = 4294967296; } );",
	    ":3: egress.mark: 4294967296 is out of bounds" },
	{ "egress = ( { name = \"a\"; proxy_protocol = 3; } );",
	    ":3: egress.proxy_protocol: 3 is out of bounds" },
	{ "egress = ( { name = \"a\"; device = \"0123456789abcdef\"; } );",
	    ":3: egress.device: \"0123456789abcdef\" is too long; write "
	    "a string of 1 to 15 bytes" },
	{ "egress = ( { name = \"a\"; source = [ \"192.0.2.1:80\" ]; } );",
	    ":3: egress.source: \"192.0.2.1:80\" is not the address of a "
	    "host; " },
	{ "egress = ( { name = \"a\"; source = [ \"0.0.0.0\" ]; } );",
	    ":3: egress.source: \"0.0.0.0\" is not the address of a host; " },
	{ "egress = ( { name = \"a\"; source = [ \"::\" ]; } );",
	    ":3: egress.source: \"::\" is not the address of a host; write" },
	{ "egress = ( { name = \"a\"; source = [ \"239.1.1.1\" ]; } );",
	    ":3: egress.source: \"239.1.1.1\" is a multicast address, which" },
	{ "egress = ( { name = \"a\"; source = [ \"ff02::1\" ]; } );",
	    ":3: egress.source: \"ff02::1\" is a multicast address, which" },
	{ "egress = ( { name = \"a\"; source = [ \"255.255.255.255\" ]; } );",
	    ":3: egress.source: \"255.255.255.255\" is the broadcast address" },
	{ "rules = ( { name = \"a\"; action = \"allow\"; destinations = [ "
	  "\"*:*\" ]; networks = [ \"0.0.0.0\" ]; } );",
	    ":3: rules.networks: \"0.0.0.0\" is not the address of a host; "
	    "write 0.0.0.0/0 for all addresses" },
	{ "rules = ( { name = \"a\"; action = \"allow\"; destinations = [ "
	  "\"*:*\" ]; clients = [ \"::\" ]; } );",
	    ":3: rules.clients: \"::\" is not the address of a host; write "
	    "::/0 for all addresses" },
	{ "rules = ( { name = \"a\"; action = \"allow\"; destinations = [ "
	  "\"*:*\" ]; clients = [ \"spiffe://cluster.local\" ]; } );",
	    ":3: rules.clients: \"spiffe://cluster.local\" names a trust "
	    "domain, but no client of it; write spiffe://cluster.local/* for" },
	{ "default_action = \"allow\";",
	    ":3: default_action: \"allow\" is not one of the choices; write "
	    "\"deny\" or \"report\"" },
	{ RULE("max_tunnels = 10000001;"),
	    ":3: rules.max_tunnels: 10000001 is out of bounds" },
	{ "rules = ( { action = \"deny\"; destinations = [ \"*:1\" ];\n"
	  "max_tunnels = 1; } );",
	    ":4: rules.max_tunnels: means nothing where" },
	{ "rules = ( { action = \"deny\"; destinations = [ \"*:1\" ];\n"
	  "egress = \"a\"; } );",
	    ":4: rules.egress: means nothing where" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"*:1\" ]; "
	  "connect_to = \"a.example:1\"; } );",
	    "rules.connect_to: \"a.example:1\" is not an address with a port" },
	{ "rules = ( { action = \"deny\"; destinations = [ \"*:1\" ];\n"
	  "connect_to = \"192.0.2.1:1\"; } );",
	    ":4: rules.connect_to: means nothing where action is \"deny\"" },
	{ "rules = ( { action = \"deny\"; destinations = [ \"*:1\" ];\n"
	  "networks = [ \"10.0.0.0/8\" ]; } );",
	    ":4: rules.networks: means nothing where" },
	{ "rules = ( { action = \"allow\"; destinations = [ \"*:1\" ];\n"
	  "networks = [ \"10.0.0.0/8\" ];\n"
	  "connect_to = \"10.0.0.1:1\"; } );",
	    ":4: rules.networks: means nothing beside connect_to" },
	{ "rules = ( { action = \"deny\"; destinations = [ \"*:1\" ];\n"
	  "idle_timeout = \"1s\"; } );",
	    ":4: rules.idle_timeout: means nothing where" },
	{ "rules = ( { name = \"x\"; action = \"deny\"; destinations = "
	  "[ \"*:1\" ]; },\n{ name = \"y\"; action = \"deny\"; destinations = "
	  "[ \"*:1\" ]; },\n{ name = \"x\"; action = \"deny\"; destinations = "
	  "[ \"*:1\" ]; } );",
	    ":5: rules.name: \"x\" is also the name of rule 1; write" },
	{ "rules = ( { name = \"rule-2\"; action = \"deny\"; destinations = "
	  "[ \"*:1\" ]; },\n{ action = \"deny\"; destinations = "
	  "[ \"*:1\" ]; } );",
	    ":4: rules.name: \"rule-2\" is also the name of rule 1" },
	/* the names of settings */
	{ "workers = 1;\nworkers = 2;",
	    ":4: workers: is set twice, first in line 3; write it once" },
	{ "worker = 1;",
	    ":3: worker: is not a setting; did you mean workers?" },
	{ "timeouts = { idel = \"1s\"; };",
	    ":3: timeouts.idel: is not a setting; did you mean "
	    "timeouts.idle?" },
	{ "min_version = \"1.2\";", ":3: min_version: is not a setting; did "
				    "you mean tls.min_version?" },
	{ "log = { colour = true; };", ":3: log.colour: is not a setting; "
				       "write one of level, error, access,"
				       " format, access_connect" },
	{ "egres = ( );", ":3: egres: is not a setting; did you mean egress?" },
	{ "plugins = { path = \"/a\"; };", ":3: plugins: is not" },
	/* the text */
	{ "workers = ;", ":3: workers: found \";\", expected a value" },
	{ "log = { level = \"info\";",
	    ":3: log: found the end of the file, but the \"{\" here is not "
	    "closed; write \"}\"" },
	{ "workers = 1; /* no end\nuser = \"x\";",
	    ":3: /*: found a comment that does not end; write */" },
	{ "\nuser = \"x;\n",
	    ":4: user: found a string that does not end; write" },
	{ "@include \"/etc/passwd\"", ":3: @include: \"/etc/passwd\" is abs" },
	{ "@include \"no-such-file\"",
	    ":3: @include: \"dir/no-such-file\" cannot be included: No such" },
	{ "@include \"x", ":3: found a file name that does not end" },
	{ "@include \"a\\\\b\"", ":3: found a file name that does not end" },
};

static void
test_bad(const struct bad *b)
{
	char *text = NULL, *errors = NULL;
	struct conf *conf;

	if (asprintf(&text, MINIMUM "%s\n", b->text) == -1)
		exit(1);
	conf = parse(text, &errors);
	ok(conf == NULL, "refused: %s", b->text);
	if (!ok(errors != NULL && strncmp(errors, "dir/test.conf:", 14) == 0 &&
		    strstr(errors, b->error) != NULL,
		"says %s", b->error))
		printf("# %s\n", errors);
	conf_free(conf);
	free(errors);
	free(text);
}

/* The whole text is under test. */
static const struct bad bad_texts[] = {
	{ "", ":1: listeners: is missing; write a list of 1 to 64 groups" },
	{ "", ":1: tls.certificates: is missing; write a list of 1 to 16" },
	{ LISTENERS "tls = {\n};", ":2: tls.certificates: is missing" },
	{ LISTENERS "tls = { certificates = ( {\n chain = \"/c\"; } ); };",
	    ":2: tls.certificates.key: is missing; write an absolute path" },
	{ LISTENERS "tls = { certificates = ( { chain = \"c.pem\"; } ); };",
	    ":2: tls.certificates.chain: \"c.pem\" is not an absolute path" },
	{ LISTENERS "tls = { " CERTIFICATES " client_auth = \"optional\"; };",
	    ":2: tls.client_auth: needs tls.client_ca; write client_ca = " },
	{ LISTENERS "tls = { " CERTIFICATES "\nclient_auth = \"required\"; };",
	    ":3: tls.client_auth: needs tls.client_ca; write client_ca = " },
	{ LISTENERS "tls = { " CERTIFICATES "\ncrl = \"/crl\"; };",
	    ":3: tls.crl: needs tls.client_ca; write client_ca = " },
	{ LISTENERS "tls = { " CERTIFICATES " client_auth = \"maybe\"; };",
	    ":2: tls.client_auth: \"maybe\" is not one of the choices; write "
	    "\"none\", \"optional\" or \"required\"" },
	{ TLS "listeners = ( { address = \":1\";\n"
	      "trusted_proxies = [ \"lb.example\" ]; } );",
	    ":3: listeners.trusted_proxies: \"lb.example\" is not a block" },
	{ TLS "listeners = ( );", ":2: listeners: is empty; write a list" },
	{ TLS "listeners = ( { } );", ":2: listeners.address: is missing" },
	{ TLS "listeners = ( \":8443\" );",
	    ":2: listeners: is a string; write { ... }" },
	{ TLS "listeners = ( { address = \"localhost:8443\"; } );",
	    ":2: listeners.address: \"localhost:8443\" is not an address with "
	    "a" },
	{ TLS "listeners = ( { address = \"8443\"; } );", "is not an address" },
	{ TLS "listeners = ( { address = \":\"; } );", "is not an address" },
	{ TLS "listeners = ( { address = \":0\"; } );", "is not an address" },
	{ TLS "listeners = ( { address = \"192.0.2.1\"; } );",
	    "is not an addr" },
	{ TLS "listeners = ( { address = \"::1:8443\"; } );",
	    "is not an address" },
	{ TLS "listeners = ( { address = \":1\"; default_port = 65536; } );",
	    ":2: listeners.default_port: 65536 is out of bounds; write a "
	    "number from 1 to 65535" },
	{ TLS "listeners = ( { address = \":1\"; default_port = 0; } );",
	    ":2: listeners.default_port: 0 is out of bounds" },
	{ TLS "listeners = ( { address = \":1\"; default_destination = "
	      "\"example.com\"; } );",
	    ":2: listeners.default_destination: \"example.com\" is not a "
	    "target; "
	    "write host:port" },
	{ TLS "listeners = ( { address = \"0.0.0.0:1\"; },\n"
	      "{ address = \":1\"; } );",
	    ":3: listeners.address: \":1\" is taken by listener "
	    "\"0.0.0.0:1\"" },
	{ TLS "listeners = ( { address = \"[::1]:1\"; },\n"
	      "{ address = \"[0:0::1]:1\"; } );",
	    ":3: listeners.address: \"[0:0::1]:1\" is taken by listener" },
};

static void
test_bad_text(const struct bad *b)
{
	char *errors = NULL;
	struct conf *conf = parse(b->text, &errors);

	ok(conf == NULL, "refused: %s", b->text);
	if (!ok(errors != NULL && strstr(errors, b->error) != NULL, "says %s",
		b->error))
		printf("# %s\n", errors);
	conf_free(conf);
	free(errors);
}

/* What looks like an error and is none. */
static const char *const fine[] = {
	"/* * // \" */ # \" /*\n// \"\n/**/ workers = 1;\n",
	"# workers = 4294967297;\n",
	"user = \"4294967297 /* @include \\\" \";\n",
	"user = \"a\\\\x00b\";\n",
	"dns = { servers = [ \"fe80::1%lo\", \"[fe80::1%2]:99\" ]; };\n",
	"rules = ( );\n",
	"egress = ( );\n",
	RULE("max_tunnels = 0;"),
	"rules = ( { action = \"deny\"; destinations = [ \"*:1\" ]; "
	"max_tunnels = 0; } );",
	RULE("egress = \"a\";") "egress = ( { name = \"a\"; } );",
	RULE("clients = [ \"192.0.2.1\", \"2001:db8::/32\" ];"),
	"egress = ( { name = \"a\"; mark = 0x7fffffff; } );",
	"limits = { tunnels = 100; };\n",
	"timeouts = { client_hello = \"15s\"; };\n",
	"dns = { min_ttl = \"1h\"; };\n",
	"rules = ( { action = \"deny\"; destinations = [ \"*:1\" ]; } );\r\n",
	" /* \n@include \"no-such-file\"\n*/ # @include \"no-such-file\"\n",
};

static void
test_listeners_apart(void)
{
	char *errors = NULL;
	struct conf *conf;

	conf = parse(TLS "listeners = ( { address = \"0.0.0.0:1\"; }, "
			 "{ address = \"[::]:1\"; }, { address = \":2\"; }, "
			 "{ address = \"192.0.2.1:1\"; } );",
	    &errors);
	ok(conf != NULL, "each family and an address of its own do not clash");
	conf_free(conf);
	free(errors);
}

/* All settings, one section after another. */
static const struct conf_directive *
next_setting(const struct conf_directive *d)
{
	unsigned section = d != NULL ? d->section : 0;

	d = conf_next(section, d);
	while (d == NULL && ++section < CONF_SECTIONS)
		d = conf_next(section, NULL);
	return (d);
}

/* A setting with a value, as it stands in a file that is good otherwise. */
static char *
with_setting(
    const struct conf_directive *d, const char *name, const char *value)
{
	const char *group = conf_section_path(d->section);
	char *text = NULL;
	int n;

	if (d->section == CONF_SECTION_top)
		n = asprintf(&text, MINIMUM "%s = %s;", name, value);
	else if (d->section == CONF_SECTION_tls)
		n = asprintf(&text,
		    LISTENERS "tls = { " CERTIFICATES " %s = %s; };", name,
		    value);
	else if (d->section == CONF_SECTION_listeners)
		n = asprintf(&text,
		    TLS "listeners = ( { address = \":1\"; %s = "
			"%s; } );",
		    name, value);
	else if (d->section == CONF_SECTION_rules)
		n = asprintf(&text,
		    MINIMUM "rules = ( { action = \"allow\"; "
			    "destinations = [ \"*:*\" ]; %s = %s; } );",
		    name, value);
	else if (d->section == CONF_SECTION_egress)
		n = asprintf(&text,
		    MINIMUM "egress = ( { name = \"a\"; %s = %s; } );", name,
		    value);
	else if (d->section == CONF_SECTION_certificates)
		n = asprintf(&text,
		    LISTENERS "tls = { certificates = ( "
			      "{ %s = %s; } ); };",
		    name, value);
	else
		n = asprintf(
		    &text, MINIMUM "%s = { %s = %s; };", group, name, value);
	if (n == -1)
		exit(1);
	return (text);
}

/* Is that value of the setting within its bounds? */
static bool
in_bounds(const struct conf_directive *d, const char *value)
{
	char *text = with_setting(d, d->name, value), *errors = NULL;
	bool in;

	conf_free(parse(text, &errors));
	in = errors == NULL || strstr(errors, "out of bounds") == NULL;
	free(errors);
	free(text);
	return (in);
}

static bool
number_in_bounds(const struct conf_directive *d, int64_t number)
{
	bool quotes = conf_kind(d)->raw == CONFIG_TYPE_STRING;
	const char *unit = "";
	char value[64];

	if (d->kind == CONF_KIND_TIME || d->kind == CONF_KIND_OPTIONAL_TIME) {
		number /= CLOCK_MSEC;
		unit = "ms";
	}
	if (number > INT32_MAX && !quotes)
		unit = "L";
	snprintf(value, sizeof(value), "%s%" PRId64 "%s%s", quotes ? "\"" : "",
	    number, unit, quotes ? "\"" : "");
	return (in_bounds(d, value));
}

static void
test_bounds(const struct conf_directive *d)
{
	int64_t step = 1;

	switch (d->kind) {
	case CONF_KIND_TIME:
	case CONF_KIND_OPTIONAL_TIME:
		step = CLOCK_MSEC;
		break;
	case CONF_KIND_MARK:
	case CONF_KIND_COUNT:
	case CONF_KIND_OPTIONAL_COUNT:
	case CONF_KIND_PORT:
	case CONF_KIND_SIZE:
	case CONF_KIND_OPTIONAL_SIZE:
		break;
	default:
		return;
	}
	ok(number_in_bounds(d, d->low), "%s: low bound", d->name);
	ok(number_in_bounds(d, d->high), "%s: high bound", d->name);
	ok(!number_in_bounds(d, d->high + step), "%s: above it", d->name);
	if (d->low > 0 && d->low > step)
		ok(!number_in_bounds(d, d->low - step), "%s: below", d->name);
}

/* One letter too few, and two swapped: the name itself is suggested. */
static void
test_suggestion(const struct conf_directive *d)
{
	char path[CONF_PATH_SIZE], want[CONF_PATH_SIZE + 32], name[64];
	char *text, *errors = NULL;
	size_t len = strlen(d->name);
	int i;

	conf_path(d, path);
	snprintf(want, sizeof(want), "did you mean %s?", path);
	for (i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s", d->name);
		if (i == 0) {
			name[len - 1] = '\0';
		} else {
			name[0] = d->name[1];
			name[1] = d->name[0];
		}
		text = with_setting(d, name, "1");
		conf_free(parse(text, &errors));
		ok(errors != NULL && strstr(errors, want) != NULL,
		    "%s in %s suggests %s", name, conf_section_path(d->section),
		    path);
		free(errors);
		errors = NULL;
		free(text);
	}
}

static void
test_all_errors(void)
{
	char *errors = NULL;
	struct conf *conf;

	conf = parse("workers = -1;\nuser = 5;\nfoo = 1;\n"
		     "listeners = ( { address = \"x\"; } );\n"
		     "timeouts = { idle = \"x\"; connect = \"x\"; };\n"
		     "dns = { min_ttl = \"1s\"; max_ttl = \"x\"; };\n",
	    &errors);
	ok(conf == NULL && errors != NULL, "many errors are refused");
	is_int(lines(errors), 8, "one line for each, and no more");
	ok(errors != NULL && strstr(errors, "longer") == NULL,
	    "what is wrong by itself is not compared with others");
	free(errors);
}

/* Many rules, none slower than the other; names in no order. */
static void
test_many_rules(void)
{
	const size_t n = 20000;
	char *text = NULL, *errors = NULL;
	struct conf *conf;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, MINIMUM "rules = (");
	for (i = 0; i < n; i++)
		fprintf(f,
		    "%s\n{ name = \"%zx\"; action = \"allow\"; "
		    "destinations = [ \"h%zu.example.com:1\" ]; }",
		    i > 0 ? "," : "", i * 7919 % n, i);
	fprintf(f, " );\n");
	fclose(f);
	conf = parse(text, &errors);
	ok(conf != NULL && conf->nrules == n, "many rules");
	if (conf != NULL)
		is_str(conf->rules[n - 1].destinations[0].name,
		    "h19999.example.com", "in their order");
	conf_free(conf);
	free(errors);
	free(text);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) == EOF || fclose(f) != 0)
		exit(1);
}

/* Loads dir/main.conf with that text; what it says must hold the error. */
static void
load(const char *dir, const char *text, const char *want, const char *what)
{
	char path[256], *errors = NULL, *error = NULL;
	struct conf *conf = NULL;
	int r;

	write_file(dir, "main.conf", text);
	snprintf(path, sizeof(path), "%s/main.conf", dir);
	r = conf_load(&conf, path, NULL, &errors);
	if (want == NULL) {
		ok(r == 0 && errors == NULL, "%s", what);
	} else {
		if (asprintf(&error, "%s/%s", dir, want) == -1)
			exit(1);
		is_int(r, -EINVAL, what);
		if (!ok(errors != NULL && strstr(errors, error) != NULL,
			"says %s", want))
			printf("# %s\n", errors);
	}
	conf_free(conf);
	free(errors);
	free(error);
}

static void
test_files(const char *dir)
{
	char path[256], *errors = NULL;
	struct conf *conf = NULL;

	snprintf(path, sizeof(path), "%s/sub", dir);
	if (mkdir(path, 0700) != 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	if (mkfifo(path, 0600) != 0)
		exit(1);
	write_file(dir, "sub/good.conf", "@include \"workers.conf\"\n");
	write_file(dir, "workers.conf", "\nworkers = 5;\n");
	write_file(dir, "bad.conf", "\n\nworkers = \"x\";\n");
	write_file(dir, "big.conf", "\n\nworkers = 4294967297;\n");
	write_file(dir, "syntax.conf", "\n\n=\n");
	write_file(dir, "self.conf", "@include \"self.conf\"\n");
	load(dir, MINIMUM "@include \"sub/good.conf\"\nuser = \"x\";\n", NULL,
	    "an included file includes another, by the main file's folder");
	load(dir, MINIMUM "@include \"bad.conf\"\nuser = 1;\n",
	    "bad.conf:3: workers: is a string", "an included file is wrong");
	load(dir, MINIMUM "@include \"bad.conf\"\nuser = 1;\n",
	    "main.conf:4: user: is a number", "the line behind it is, too");
	load(dir, MINIMUM "@include \"big.conf\"\n",
	    "big.conf:3: workers: 4294967297 is out of bounds",
	    "a number that libconfig would wrap");
	load(dir, MINIMUM "\n@include \"syntax.conf\"\n",
	    "syntax.conf:3: found \"=\", expected the name of a setting",
	    "its syntax is wrong");
	load(dir, MINIMUM "@include \"self.conf\"\n",
	    "self.conf:1: @include: includes are nested", "an endless include");
	load(dir, MINIMUM "@include \"sub\"\n",
	    "main.conf:3: @include: ", "a folder is included");
	load(dir, MINIMUM " \t@include\t\"fifo\"\n",
	    "main.conf:3: @include: ", "a pipe is included");
	snprintf(path, sizeof(path), "%s/none.conf", dir);
	is_int(
	    conf_load(&conf, path, NULL, &errors), -EINVAL, "there is no file");
	ok(errors != NULL &&
		strstr(errors, "none.conf: cannot be read: No such file"),
	    "says so");
	free(errors);
	is_int(conf_load(&conf, dir, NULL, &errors), -EINVAL,
	    "the file is a folder");
	free(errors);
}

/* One setting of a file that may be wrong in others; NULL: it is not there. */
static void
peek(const char *dir, const char *text, const char *want, const char *what)
{
	char path[256], *value;

	write_file(dir, "peek.conf", text);
	snprintf(path, sizeof(path), "%s/peek.conf", dir);
	is_int(conf_peek(path, "admin.control", &value), 0, what);
	is_str(value != NULL ? value : "(none)", want, "is read");
	free(value);
}

static void
test_peek(const char *dir)
{
	char path[256], *value;

	peek(dir, "admin = { control = \"/a\"; };\nworkers = \"x\";\nb = 1;\n",
	    "/a", "one setting of a file that is not valid");
	peek(dir, "admin = { control = 5; };\n", "(none)",
	    "one of another type");
	peek(dir, MINIMUM, "(none)", "one that is not there");
	write_file(dir, "peeked.conf", "admin = { control = \"/b\"; };\n");
	peek(dir, "@include \"peeked.conf\"\n", "/b", "one that is included");
	snprintf(path, sizeof(path), "%s/syntax.conf", dir);
	is_int(conf_peek(path, "admin.control", &value), -EINVAL,
	    "a file whose syntax is wrong");
	snprintf(path, sizeof(path), "%s/none.conf", dir);
	is_int(conf_peek(path, "admin.control", &value), -EINVAL,
	    "a file that is not there");
	ok(value == NULL, "has none");
}

static void
test_nul(const char *dir)
{
	char path[256], *errors = NULL;
	struct conf *conf = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/nul.conf", dir);
	f = fopen(path, "w");
	if (f == NULL)
		exit(1);
	fwrite(MINIMUM "\0", 1, sizeof(MINIMUM), f);
	fclose(f);
	is_int(conf_load(&conf, path, NULL, &errors), -EINVAL,
	    "a NUL in the file");
	free(errors);
}

static void
test_folder(void)
{
	static const char *const files[] = { "sub/good.conf", "sub", "fifo",
		"workers.conf", "bad.conf", "big.conf", "syntax.conf",
		"self.conf", "main.conf", "nul.conf", "peek.conf",
		"peeked.conf" };
	char dir[] = "/tmp/sniport-conf-XXXXXX", path[256];
	size_t i;

	if (mkdtemp(dir) == NULL)
		exit(1);
	test_files(dir);
	test_peek(dir);
	test_nul(dir);
	for (i = 0; i < LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		remove(path);
	}
	ok(rmdir(dir) == 0, "the folder is empty again");
}

/* A file of this source tree. */
static char *
source_file(const char *name)
{
	char path[512], *text = NULL;
	const char *end = strstr(__FILE__, "t/unit/conf.c");
	size_t len;

	if (end == NULL)
		exit(1);
	snprintf(path, sizeof(path), "%.*s%s", (int)(end - __FILE__), __FILE__,
	    name);
	if (!ok(fd_slurp(path, 1 << 20, &text, &len) == 0, "%s is there", name))
		exit(done_testing());
	return (text);
}

/* Newlines become blanks, so that text may be broken anywhere. */
static void
flatten(char *s)
{
	for (; *s != '\0'; s++)
		if (*s == '\n')
			*s = ' ';
}

static void
test_manual_entry(const char *manual, const struct conf_directive *d)
{
	char path[CONF_PATH_SIZE], description[CONF_DESCRIPTION_SIZE];
	char *want = NULL;
	int n;

	conf_path(d, path);
	conf_describe(d, description);
	if (d->shape == CONF_GROUP)
		n = asprintf(&want, ".It Ic %s Takes %s.", path, description);
	else if (d->initial == CONF_ABSENT)
		n = asprintf(&want, ".It Ic %s Takes %s; absent by default.",
		    path, description);
	else if (conf_is_required(d))
		n = asprintf(
		    &want, ".It Ic %s Takes %s; required.", path, description);
	else
		n = asprintf(&want, ".It Ic %s Takes %s; default %s.", path,
		    description,
		    strcmp(d->initial, LIBRARY_GROUPS) == 0
			? LIBRARY_GROUPS_OPENSSL
			", with AWS-LC " LIBRARY_GROUPS_AWSLC
			: d->initial);
	if (n == -1)
		exit(1);
	if (!ok(strstr(manual, want) != NULL, "the manual has %s", path))
		printf("#   %s\n", want);
	free(want);
}

static void
test_manual(void)
{
	char *manual = source_file("etc/man/sniport.conf.5");
	const struct conf_directive *d = NULL;
	size_t n = 0, entries = 0;
	const char *at;

	flatten(manual);
	for (; (d = next_setting(d)) != NULL; n++)
		test_manual_entry(manual, d);
	for (at = manual; (at = strstr(at, ".It Ic ")) != NULL; at++)
		entries++;
	is_int(entries, n, "the manual has no other settings");
	free(manual);
}

static void
test_sample(void)
{
	char *sample = source_file("etc/sniport.conf"), *defaults, *printed;
	struct conf *conf = must_parse(sample, "the sample file loads");
	const struct conf_directive *d = NULL;
	char name[64];

	printed = print(conf);
	conf_free(conf);
	conf =
	    must_parse(LISTENERS "tls = { certificates = ( { "
				 "chain = \"/etc/sniport/tls/chain.pem\"; "
				 "key = \"/etc/sniport/tls/key.pem\"; } ); };",
		"what the sample file must set");
	defaults = print(conf);
	conf_free(conf);
	is_str(printed, defaults, "the sample file has the defaults");
	while ((d = next_setting(d)) != NULL) {
		snprintf(name, sizeof(name), "%s = ", d->name);
		ok(strstr(sample, name) != NULL, "the sample file has %s",
		    name);
	}
	free(sample);
	free(printed);
	free(defaults);
}

int
main(void)
{
	const struct conf_directive *d = NULL;
	char *errors = NULL, text[1024];
	struct conf *conf;
	size_t i;

	test_defaults();
	test_full();
	test_where();
	test_print(MINIMUM, "printing the defaults");
	test_print(full, "printing every setting");
	for (i = 0; i < LEN(bads); i++)
		test_bad(&bads[i]);
	for (i = 0; i < LEN(bad_texts); i++)
		test_bad_text(&bad_texts[i]);
	for (i = 0; i < LEN(fine); i++) {
		snprintf(text, sizeof(text), MINIMUM "%s", fine[i]);
		conf = parse(text, &errors);
		if (!ok(conf != NULL, "taken: %s", fine[i]))
			printf("# %s\n", errors);
		conf_free(conf);
		free(errors);
		errors = NULL;
	}
	test_listeners_apart();
	while ((d = next_setting(d)) != NULL) {
		test_bounds(d);
		test_suggestion(d);
	}
	test_all_errors();
	test_many_rules();
	test_folder();
	test_manual();
	test_sample();
	return (done_testing());
}
