/*
 * Binds one listening socket, and loads the program that steers connections
 * within its group.
 */
#include "master/socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"

/* The kernel clamps it to net.core.somaxconn. */
#define BACKLOG 4096

struct socket_option {
	int level, name, value;
	const char *step;
};

static int
set_option(int fd, const struct socket_option *o, const char **step)
{
	*step = o->step;
	if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) != 0)
		return (-errno);
	return (0);
}

/* SO_REUSEADDR: without it a tunnel that is still open would keep its port
 * from being bound anew. */
static int
set_options(int fd, bool reuseport, bool freebind, const char **step)
{
	static const struct socket_option reuse_addr = { SOL_SOCKET,
		SO_REUSEADDR, 1, "SO_REUSEADDR" };
	static const struct socket_option reuse_port = { SOL_SOCKET,
		SO_REUSEPORT, 1, "SO_REUSEPORT" };
	/* Of this level for IPv6, too. */
	static const struct socket_option free_bind = { IPPROTO_IP, IP_FREEBIND,
		1, "IP_FREEBIND" };
	int error = set_option(fd, &reuse_addr, step);

	if (error == 0 && reuseport)
		error = set_option(fd, &reuse_port, step);
	if (error == 0 && freebind)
		error = set_option(fd, &free_bind, step);
	return (error != 0 ? error : fd_tunnel_options(fd, step));
}

/* A kernel without IPv6 has no such sockets, or no such addresses. */
static bool
lacks_ipv6(int error)
{
	return (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL);
}

static int
bind_as(const struct addr *addr, bool v6only, bool reuseport, bool freebind,
    const char **step)
{
	const struct socket_option only = { IPPROTO_IPV6, IPV6_V6ONLY, v6only,
		"IPV6_V6ONLY" };
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, &ss);
	int error, fd;

	*step = "socket";
	fd =
	    socket(addr->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	if (addr->family == AF_INET6) {
		error = set_option(fd, &only, step);
		if (error != 0)
			goto out;
	}
	error = set_options(fd, reuseport, freebind, step);
	if (error != 0)
		goto out;
	*step = "bind";
	if (bind(fd, (const struct sockaddr *)&ss, len) != 0)
		error = -errno;
out:
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

static int
bind_addr(const struct addr *addr, bool dual_stack, bool reuseport,
    bool freebind, const char **step)
{
	const struct addr any6 = { .family = AF_INET6, .port = addr->port };
	const struct addr any4 = { .family = AF_INET, .port = addr->port };
	int fd;

	if (!dual_stack)
		return (bind_as(addr, true, reuseport, freebind, step));
	fd = bind_as(&any6, false, reuseport, false, step);
	if (lacks_ipv6(fd))
		fd = bind_as(&any4, false, reuseport, false, step);
	return (fd);
}

int
socket_listen(
    const struct addr *addr, bool dual_stack, bool freebind, const char **step)
{
	int error, fd;

	fd = bind_addr(addr, dual_stack, true, freebind, step);
	if (fd < 0)
		return (fd);
	*step = "listen";
	if (listen(fd, BACKLOG) == 0)
		return (fd);
	error = -errno;
	fd_close(&fd);
	return (error);
}

int
socket_probe(const struct addr *addr, bool dual_stack, bool freebind)
{
	const char *step;
	int fd = bind_addr(addr, dual_stack, false, freebind, &step);

	if (fd < 0)
		return (fd);
	fd_close(&fd);
	return (0);
}

int
socket_try(
    const struct addr *addr, bool dual_stack, bool freebind, const char **step)
{
	int fd = bind_addr(addr, dual_stack, true, freebind, step);

	if (fd < 0)
		return (fd);
	fd_close(&fd);
	return (0);
}

static bool
is_any(const struct addr *addr)
{
	static const uint8_t any[sizeof(addr->ip)];

	return (memcmp(addr->ip, any, sizeof(any)) == 0);
}

/* Sockets that only connect have a port, too, so not only listeners count. */
static const char *
advise_in_use(
    const struct addr *addr, bool dual_stack, char buf[SOCKET_ADVICE_SIZE])
{
	snprintf(buf, SOCKET_ADVICE_SIZE,
	    "; another process, such as another sniport, has %s: as root, ss "
	    "-tanp \"sport = :%u\" shows which",
	    dual_stack || is_any(addr) ? "this port on some address"
				       : "it, or this port on all addresses",
	    addr->port);
	return (buf);
}

const char *
socket_advice(const struct addr *addr, bool dual_stack, int error,
    char buf[SOCKET_ADVICE_SIZE])
{
	bool ipv6 = addr->family == AF_INET6;

	if (error == -EADDRINUSE)
		return (advise_in_use(addr, dual_stack, buf));
	if (error == -EACCES && addr->port < 1024)
		return ("; a port below 1024 needs CAP_NET_BIND_SERVICE");
	if (error == -EADDRNOTAVAIL && ipv6)
		return ("; this host does not have this address, or not yet "
			"(see listeners.freebind), or IPv6 is disabled on its "
			"interface");
	if (error == -EADDRNOTAVAIL)
		return ("; this host does not have this address, or not yet "
			"(see listeners.freebind)");
	if (error == -EAFNOSUPPORT && ipv6)
		return ("; this host has no IPv6: listen on an IPv4 address, "
			"such as 0.0.0.0");
	return ("");
}

bool
socket_listens(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
		on != 0);
}

int
socket_again(int fd)
{
	return (listen(fd, BACKLOG) == 0 ? 0 : -errno);
}

static int
detach(int fd)
{
	int unused = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused,
		sizeof(unused)) != 0 &&
	    errno != ENOENT)
		return (-errno);
	return (0);
}

/* A random number of so many, and for each of them a place. */
static size_t
write_program(struct sock_filter *code, const size_t *places, size_t n)
{
	size_t i, len = 0;

	code[len++] = (struct sock_filter)BPF_STMT(
	    BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_RANDOM);
	code[len++] = (struct sock_filter)BPF_STMT(
	    BPF_ALU | BPF_MOD | BPF_K, (uint32_t)n);
	for (i = 0; i < n - 1; i++) {
		code[len++] = (struct sock_filter)BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)i, 0, 1);
		code[len++] = (struct sock_filter)BPF_STMT(
		    BPF_RET | BPF_K, (uint32_t)places[i]);
	}
	code[len++] = (struct sock_filter)BPF_STMT(
	    BPF_RET | BPF_K, (uint32_t)places[n - 1]);
	return (len);
}

int
socket_steer(int fd, const size_t *places, size_t n)
{
	struct sock_fprog program;
	int error = 0;

	if (n == 0)
		return (detach(fd));
	/* With its padding, which goes to the kernel too. */
	memset(&program, 0, sizeof(program));
	program.filter = calloc(2 * n + 1, sizeof(*program.filter));
	if (program.filter == NULL)
		return (-ENOMEM);
	program.len = (unsigned short)write_program(program.filter, places, n);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
		sizeof(program)) != 0)
		error = -errno;
	free(program.filter);
	return (error);
}
