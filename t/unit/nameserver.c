/* Addresses of name servers, and the list of them in resolv.conf. */
#include "common/net/nameserver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "t/unit/tap.h"

static void
test_parse(void)
{
	static const struct {
		const char *text;
		int error;
		const char *formatted; /* with 53 for the default */
	} cases[] = {
		{ "192.0.2.53", 0, "192.0.2.53" },
		{ "192.0.2.53:53", 0, "192.0.2.53" },
		{ "192.0.2.53:5353", 0, "192.0.2.53:5353" },
		{ "2001:db8::53", 0, "2001:db8::53" },
		{ "[2001:db8::53]:5353", 0, "[2001:db8::53]:5353" },
		{ "fe80::53%eth0", 0, "fe80::53%eth0" },
		{ "[fe80::53%eth0]", 0, "fe80::53%eth0" },
		{ "[fe80::53%eth0]:5353", 0, "[fe80::53%eth0]:5353" },
		{ "febf::1%2", 0, "febf::1%2" },
		{ "fe80::53", -EDESTADDRREQ, NULL },
		{ "[fe80::53]:53", -EDESTADDRREQ, NULL },
		{ "2001:db8::53%eth0", -EINVAL, NULL },
		{ "192.0.2.53%eth0", -EINVAL, NULL },
		{ "fe80::53%", -EINVAL, NULL },
		{ "fe80::53%a%b", -EINVAL, NULL },
		{ "fe80::53%a/b", -EINVAL, NULL },
		{ "fe80::53%0123456789abcdef", -EINVAL, NULL },
		{ "[fe80::53%eth0", -EINVAL, NULL },
		{ "fe80::53%eth0]", -EINVAL, NULL },
		{ "[fe80::53]%eth0", -EINVAL, NULL },
		{ "", -EINVAL, NULL },
		{ "ns.example.com", -EINVAL, NULL },
	};
	char text[NAMESERVER_TEXT_SIZE];
	struct nameserver ns;
	size_t i, len;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is_int(nameserver_parse(
			   &ns, cases[i].text, strlen(cases[i].text), 53),
		    cases[i].error, cases[i].text);
		if (cases[i].error != 0)
			continue;
		len = nameserver_format(&ns, 53, text);
		is_str(text, cases[i].formatted, "as text");
		is_int(len, (int64_t)strlen(text), "and its length");
	}
	is_int(nameserver_parse(&ns, "192.0.2.1", 9, 0), -EINVAL,
	    "no port, and no default");
}

static void
test_sockaddr(void)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 sin6;
	struct nameserver ns;
	socklen_t len;

	nameserver_parse(&ns, "fe80::1%lo", 10, 53);
	is_int(nameserver_to_sockaddr(&ns, &ss, &len), 0, "by loopback");
	memcpy(&sin6, &ss, sizeof(sin6));
	is_int(sin6.sin6_scope_id, if_nametoindex("lo"), "has its number");
	nameserver_parse(&ns, "fe80::1%77", 10, 53);
	is_int(nameserver_to_sockaddr(&ns, &ss, &len), 0, "by a number");
	memcpy(&sin6, &ss, sizeof(sin6));
	is_int(sin6.sin6_scope_id, 77, "has that");
	is_int(len, sizeof(sin6), "the length");
	nameserver_parse(&ns, "fe80::1%none0", 13, 53);
	is_int(nameserver_to_sockaddr(&ns, &ss, &len), -ENODEV, "by none");
	nameserver_parse(&ns, "192.0.2.1", 9, 53);
	is_int(nameserver_to_sockaddr(&ns, &ss, &len), 0, "IPv4");
	is_int(len, sizeof(struct sockaddr_in), "the length");
}

static void
list_is(const char *text, const char *want, unsigned bad_line, int bad)
{
	char got[1024] = "", *copy = malloc(strlen(text) + 1);
	struct nameserver_list list;
	size_t i, len = 0;

	/* Without its NUL, so that a sanitizer sees the end. */
	if (copy == NULL)
		abort();
	memcpy(copy, text, strlen(text));
	nameserver_list_parse(&list, copy, strlen(text), 53);
	free(copy);
	for (i = 0; i < list.n; i++) {
		if (i != 0)
			got[len++] = ' ';
		len += nameserver_format(&list.servers[i], 53, got + len);
	}
	is_str(got, want, "the list");
	is_int(list.bad_line, bad_line, "the first line that is of no use");
	is_int(list.bad, bad, "and why");
}

static void
test_list(void)
{
	char many[1024] = "", want[1024] = "";
	unsigned i;

	list_is("", "", 0, 0);
	list_is("nameserver 192.0.2.1", "192.0.2.1", 0, 0);
	list_is("# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n"
		"search a.test\nnameserver\t 192.0.2.3 # that\r\n"
		"nameserver fe80::1%lo\r\noptions ndots:5\n"
		"nameservers 192.0.2.4\n nameserver 192.0.2.5\nnameserver",
	    "192.0.2.3 fe80::1%lo", 0, 0);
	list_is("nameserver fe80::1\nnameserver x\nnameserver 192.0.2.1\n",
	    "192.0.2.1", 1, -EDESTADDRREQ);
	list_is("\nnameserver \nnameserver 192.0.2.1", "192.0.2.1", 2, -EINVAL);
	for (i = 1; i <= NAMESERVERS_MAX + 2; i++) {
		snprintf(many + strlen(many), sizeof(many) - strlen(many),
		    "nameserver 192.0.2.%u\n", i);
		if (i <= NAMESERVERS_MAX)
			snprintf(want + strlen(want),
			    sizeof(want) - strlen(want), "%s192.0.2.%u",
			    i == 1 ? "" : " ", i);
	}
	list_is(many, want, NAMESERVERS_MAX + 1, -E2BIG);
}

int
main(void)
{
	test_parse();
	test_sockaddr();
	test_list();
	return (done_testing());
}
